"""Docstrings say what a thing is or does, in nouns and verbs of the field: no pronoun stands for it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "lm_eval_so"
RELATIVE = {"what", "how", "where", "which", "why", "who", "whose", "whoever", "that"}
PRONOUNS = {"it", "its", "they", "their", "them", "he", "his", "both", "those", "these", "this"}
VAGUE = {"one", "two", "such", "there", "likewise", "something", "nothing", "another", "so"}
NO_NOUNS = RELATIVE | PRONOUNS | {"gives"}
NO_IMPERATIVES = NO_NOUNS | VAGUE | {"give", "let", "whether"}
"""A flag or a property may begin with "Whether", a function does not."""

Found = tuple[str, int, str]


PARTS = {
    "core/asking",
    "core/backends",
    "core/config",
    "core/records",
    "core/stats",
    "core/text",
    "evaluator/metrics",
}
"""Folders that count apart from the one around them."""


def part_of(file: Path) -> str:
    """Return the part of the package that a file belongs to, as the list above names it."""
    folders = file.relative_to(PACKAGE).parts[:-1]
    inner = "/".join(folders[:2])
    if inner in PARTS:
        return inner
    return folders[0] if folders else "api"


def first_word(text: str) -> str:
    found = re.match(r"\W*(\w+)", text)
    return found[1].lower() if found else ""


def breaches(file: Path) -> Iterator[Found]:
    """Yield the docstrings, arguments and fields of a file that begin with a word of no content."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    name = str(file.relative_to(PACKAGE))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef):
            yield from fields(name, node)
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        text = ast.get_docstring(node)
        if text is None:
            continue
        line = getattr(node, "lineno", 1)
        if first_word(text) in empty_words(node):
            yield name, line, text.partition("\n")[0]
        for argument in re.finditer(r"^ {4}\w+: (.*)$", text, re.MULTILINE):
            if first_word(argument[1]) in NO_NOUNS:
                yield name, line, argument[0].strip()


def empty_words(node: ast.AST) -> set[str]:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return NO_NOUNS | {"whether"}
    is_property = "property" in {ast.unparse(each) for each in node.decorator_list}
    return NO_NOUNS if is_property else NO_IMPERATIVES


def fields(name: str, node: ast.Module | ast.ClassDef) -> Iterator[Found]:
    for before, each in zip(node.body, node.body[1:], strict=False):
        if not isinstance(before, ast.AnnAssign | ast.Assign):
            continue
        if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)):
            continue
        text = each.value.value
        if isinstance(text, str) and first_word(text) in NO_NOUNS:
            yield name, each.lineno, text.partition("\n")[0]


FILES_BY_PART: dict[str, list[Path]] = {}
for each_file in sorted(PACKAGE.rglob("*.py")):
    FILES_BY_PART.setdefault(part_of(each_file), []).append(each_file)


@pytest.mark.parametrize("part", sorted(FILES_BY_PART))
def test_docstrings__begin_with_a_word_that_says_something(part: str) -> None:
    found = [each for file in FILES_BY_PART[part] for each in breaches(file)]
    assert not found, "\n".join(f"{name}:{line}: {text}" for name, line, text in found)
