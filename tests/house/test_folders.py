"""How much stands in a folder: ten modules at most, unless all are of one kind."""

import re
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "lm_eval_so"
MOST = 10
SENTENCE = re.compile(r'""".*\."*$')
"""First line of a docstring."""
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


def test_folders__hold_no_more_modules_than_one_looks_through() -> None:
    found = {name: modules(FOLDERS[name]) for name in FOLDERS.keys() - OF_ONE_KIND}
    assert not {name: number for name, number in found.items() if number > MOST}


def test_folders__say_what_they_hold() -> None:
    found = {
        name: (folder / "__init__.py").read_text(encoding="utf-8").partition("\n")[0]
        for name, folder in FOLDERS.items()
    }
    assert not {name: first for name, first in found.items() if not SENTENCE.match(first)}
