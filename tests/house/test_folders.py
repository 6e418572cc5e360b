"""How much stands in a folder: ten modules at most, unless all are of one kind."""

from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "lm_eval_so"
MOST = 10
OF_ONE_KIND = {
    "cli",
    "core/records",
    "core/stats",
    "core/text",
    "evaluator/metrics/judge",
    "generator/sources",
}
"""Commands, file formats, formulas, ways to read text, metrics, readers of sources."""


def modules(folder: Path) -> int:
    return sum(file.name != "__init__.py" for file in folder.glob("*.py"))


FOLDERS = {
    str(file.parent.relative_to(PACKAGE)): file.parent for file in PACKAGE.rglob("__init__.py")
}


@pytest.mark.parametrize("name", sorted(FOLDERS.keys() - OF_ONE_KIND))
def test_folder__holds_no_more_modules_than_one_looks_through(name: str) -> None:
    assert modules(FOLDERS[name]) <= MOST


@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_folder__says_what_it_holds(name: str) -> None:
    first = (FOLDERS[name] / "__init__.py").read_text(encoding="utf-8").partition("\n")[0]
    assert first.startswith('"""')
    assert first.rstrip('"').endswith(".")
