"""The published JSON Schemas are those of the models."""

from pathlib import Path

import pytest

from lm_eval_so.core.config.load import config_schema
from lm_eval_so.core.records.codec import RECORDS, dump_document, json_schema

FOLDER = Path(__file__).parents[2] / "docs" / "schema"


@pytest.mark.parametrize("name", ["config", *RECORDS])
def test_schema_file__is_what_the_models_give(name: str, request: pytest.FixtureRequest) -> None:
    text = dump_document(config_schema() if name == "config" else json_schema(name))
    file = FOLDER / f"{name}-1.json"
    if request.config.getoption("--update-golden"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert file.is_file(), f"{file} is missing; make it with --update-golden"
    assert file.read_text(encoding="utf-8") == text


def test_schema_folder__has_nothing_else() -> None:
    assert {f.name for f in FOLDER.iterdir()} == {f"{n}-1.json" for n in ["config", *RECORDS]}
