"""Texts under fields, for schemas and advice."""

import pytest
from pydantic import BaseModel, TypeAdapter

from lm_eval_so.comparator.exemptions.files import QuarantineEntry
from lm_eval_so.core.config.model import Config, RunSection
from lm_eval_so.core.records.codec import RECORDS, json_schema
from lm_eval_so.core.records.field_texts import DescribedSchema, field_texts
from lm_eval_so.core.records.run import ErrorInfo


@pytest.mark.parametrize("cls", [RunSection, QuarantineEntry], ids=lambda cls: cls.__name__)
def test_field_texts__there_is_one_under_every_key_of_a_file_of_people(cls: type[BaseModel]):
    assert cls.model_fields.keys() == field_texts(cls).keys()


def test_field_texts__of_a_record_of_another_package_are_none() -> None:
    class Foreign(ErrorInfo):
        mine: int = 0
        """Not of this package."""

    assert field_texts(Foreign) == field_texts(ErrorInfo)


def test_described_schema__describes_every_key_of_the_config() -> None:
    schema = TypeAdapter(Config).json_schema(schema_generator=DescribedSchema)
    sections = [schema, *schema["$defs"].values()]
    keys = [key for section in sections for key in section.get("properties", {}).values()]
    assert len(keys) > 80
    assert [key for key in keys if not key.get("description")] == []


@pytest.mark.parametrize("name", RECORDS)
def test_json_schema__describes_what_has_a_text(name: str) -> None:
    described = json_schema(name)["properties"]
    texts = field_texts(RECORDS[name])
    assert texts
    assert {key: described[key]["description"] for key in texts} == texts
