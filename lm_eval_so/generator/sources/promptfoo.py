"""promptfoo: its configuration and its tests, without running any code of theirs.

An array among the variables of a test makes a test of each of its texts, as promptfoo does. What `promptfoo_checks`
makes of the assertions stands there.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Final

from pydantic import JsonValue

from lm_eval_so.core.config.sources import SourceSection
from lm_eval_so.core.records.codec import dump_line
from lm_eval_so.core.records.enums import Behavior
from lm_eval_so.generator.sources.base import (
    BadFileError,
    Columns,
    Item,
    Noted,
    RawItem,
    Reason,
    Shaped,
    SourceFile,
    listed,
    place,
)
from lm_eval_so.generator.sources.encoding import MOST_BYTES
from lm_eval_so.generator.sources.json_values import (
    BadJsonError,
    Tree,
    parse_strict,
    refuse_unwritable,
)
from lm_eval_so.generator.sources.promptfoo_checks import assertion_of, checks_of, not_run
from lm_eval_so.generator.sources.promptfoo_files import Files

_Test = dict[str, JsonValue]
_FIELDS: Final = ("expected", "references", "tags", "language", "behavior")
"""Metadata that are fields of a sample where they fit, as `dataset convert` writes them."""
_MAP: Final = {
    **{name: name for name in ("input", "context", *_FIELDS)},
    "metadata.*": "metadata",
    "metrics.*": "metrics",
}
_BESIDE_TESTS: Final = frozenset({"prompts", "providers", "targets", "defaultTest", "scenarios"})
_KEYS: Final = frozenset({"vars", "assert"})
_QUESTIONS: Final = (
    "messages", "question", "input", "query", "prompt", "message", "user_input", "text", "질문",
)  # fmt: skip
"""Names of variables that hold the question, the surest first."""
_CONTEXT: Final = "context"
_ACTS: Final = ("threshold", "prefix", "suffix", "transform", "postprocess")
"""Settings of a test on which only promptfoo acts."""
_VARIABLE: Final = re.compile(r"\{\{-?\s*([A-Za-z_]\w*)\s*(?:\|\s*(?:safe|trim)\s*)?-?\}\}")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_SHOWN: Final = 2_000
_MOST_CASES: Final = 1_000
"""Most tests that the arrays of one test make."""


def is_config(value: JsonValue) -> bool:
    """Return whether a file's value is a configuration of promptfoo."""
    if not isinstance(value, dict) or not {"tests", "scenarios"} & set(value):
        return False
    tests = value.get("tests")
    first = tests[0] if isinstance(tests, list) and tests else tests
    is_test = _KEYS & set(first) if isinstance(first, dict) else isinstance(first, str)
    return bool(_BESIDE_TESTS & set(value) or is_test)


def is_test(first: Item) -> bool:
    """Return whether a file's first record or header is that of promptfoo's tests."""
    if isinstance(first, Columns):
        return any(name.startswith("__expected") for name in first.names)
    given = first.payload.get("vars") if isinstance(first, RawItem) else None
    return isinstance(given, dict) or (isinstance(given, str) and given.startswith("file://"))


def read_config(file: SourceFile, tree: Tree, options: SourceSection) -> Iterator[Item]:
    """Yield the tests of a configuration, those of its files inside of its folder, too.

    Args:
        file: The file.
        tree: Value of the file.
        options: Source; `input_var` names the variable with the question, `context` the role of passages.

    Raises:
        BadFileError: If the default cannot be read.
    """
    config = _dict(tree.value)
    files = Files(file, options)
    default = _dict(files.loaded(config.get("defaultTest")))
    prompts = [prompt for prompt in _list(config.get("prompts")) if isinstance(prompt, str)]
    asked = {name for prompt in prompts for name in _VARIABLE.findall(prompt)} - {_CONTEXT}
    yield Shaped(shape="promptfoo", map=_MAP)
    of_default = {str(_dict(each).get("type")) for each in _list(default.get("assert"))}
    first = dict.fromkeys(of_default, place(file.name, tree.at("defaultTest")))
    yield from _Suite(files, default, asked, first).read(files.tests(config.get("tests"), tree))
    if config.get("scenarios"):
        yield Noted(code="scenarios")


def read_tests(items: Iterable[Item], file: SourceFile, options: SourceSection) -> Iterator[Item]:
    """Yield the tests of a file that holds nothing else: CSV with `__expected`, JSON, JSON Lines or YAML."""
    yield Shaped(shape="promptfoo", map=_MAP)
    yield from _Suite(Files(file, options)).read(items)


def _test_of_row(row: Mapping[str, JsonValue]) -> _Test:
    """Return the test that a row of a table describes, its columns with `__` being no variables."""
    cells = {key[2:]: cell for key, cell in row.items() if key.startswith("__")}
    ours = {key: text for key, cell in cells.items() if (text := str(cell or "").strip())}
    expected = [text for key, text in ours.items() if re.fullmatch(r"expected\d*", key)]
    mark = "metadata:"
    return {
        "vars": {key: cell for key, cell in row.items() if not key.startswith("__")},
        "assert": [assertion_of(text) for text in expected],
        "metadata": {key.removeprefix(mark): ours[key] for key in ours if key.startswith(mark)},
        "description": ours.get("description"),
        "options": {key: ours[key] for key in _ACTS if key in ours},
    }


@dataclass(frozen=True, slots=True)
class _Suite:
    """Tests with what holds for all of them."""

    files: Files
    default: _Test = field(default_factory=dict)
    asked: frozenset[str] | set[str] = frozenset()
    """Variables that the prompts name."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Places of the default's assertions, by type; any other stands in its test."""

    def read(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield tests as records, then what was not understood of them."""
        foreign: dict[str, tuple[str, int]] = {}
        for item in items:
            if isinstance(item, RawItem) and item.payload:
                yield from self._cases(item, foreign)
            elif not isinstance(item, Columns):
                yield item
        for type_, (first, count) in foreign.items():
            yield not_run(type_, count, file=first)

    def _cases(self, item: RawItem, foreign: dict[str, tuple[str, int]]) -> Iterator[Item]:
        """Yield the cases of a test; count each type of check that is not understood, with its first place."""
        at, given = item.at, item.payload
        try:
            test = self._merged({**given} if _KEYS & given.keys() else _test_of_row(given))
            cases = _combinations(test)
            for number, values in enumerate(cases, start=1):
                at = item.at if len(cases) == 1 else {**item.at, "case": number}
                payload, kept = self._record(test, values)
                for type_ in dict.fromkeys(str(each.get("type")) for each in kept):
                    at_test = self.places.get(type_) or place(item.file.name, item.at)
                    first, count = foreign.get(type_, (at_test, 0))
                    foreign[type_] = first, count + 1
                yield RawItem(file=item.file, at=at, payload=payload)
        except BadFileError as error:
            yield error.reject(item.file, at, str(given)[:_SHOWN])

    def _merged(self, given: _Test) -> _Test:
        """Return a test with the default's variables, assertions, options and metadata."""
        test = {**self.default, **given}
        for key in ("vars", "options", "metadata"):
            common, own = (_dict(self.files.loaded(t.get(key))) for t in (self.default, given))
            test[key] = {**common, **own}
        alone = _dict(test["options"]).get("disableDefaultAsserts") is True
        asserts = [] if alone else _list(self.default.get("assert"))
        return test | {"assert": [*asserts, *_list(given.get("assert"))]}

    def _record(self, test: _Test, given: _Test) -> tuple[_Test, list[dict[str, JsonValue]]]:
        """Return a case as a record, and what of it is not understood."""
        read = {name: self.files.loaded(value) for name, value in given.items()}
        values, asserts = _filled([read, _list(test["assert"])], read)
        name, options = self._question(values), _dict(test["options"])
        checks = checks_of(asserts, self.files.loaded)
        set_ = {key: options.get(key, test.get(key)) for key in _ACTS}
        checks.foreign += [
            {"type": key, "value": value} for key, value in set_.items() if value not in (None, "")
        ]
        metadata = {key: value for key, value in values.items() if key not in {name, _CONTEXT}}
        if test.get("description"):
            metadata["description"] = test["description"]
        if checks.foreign:
            metadata["foreign_checks"] = [*checks.foreign]
        metadata |= _dict(test["metadata"])
        own = {key: metadata.pop(key) for key in _FIELDS if _fits(key, metadata.get(key))}
        question = values[name]
        return {
            **own,
            "input": _json_list(question) if name == _QUESTIONS[0] else question,
            "expected": [own.get("expected"), *checks.expected],
            "context": self._passages(values.get(_CONTEXT) if name != _CONTEXT else None),
            "metadata": metadata,
            "metrics": checks.metrics(),
        }, checks.foreign

    def _question(self, values: Mapping[str, JsonValue]) -> str:
        """Return the variable that holds the question."""
        wanted = self.files.options.input_var
        named = [*self.asked & values.keys()]
        known = [name for name in _QUESTIONS if name in values]
        if len(values) == 1 or len(named) == 1:
            known = [*values] if len(values) == 1 else named
        if wanted:
            known = [wanted] if wanted in values else []
        if known:
            return known[0]
        what = "no variable is known to be the question"
        if wanted:
            what = f'there is no variable "{wanted}"'
        hint = f"name it at the source by input_var: one of {listed(list(values))}"
        raise BadFileError(Reason.MISSING_FIELD, what, hint if values else None)

    def _passages(self, value: JsonValue) -> list[JsonValue]:
        texts = _json_list(value) or [value]
        role = self.files.options.context or "given"
        return [{"role": role, "text": text} for text in texts if isinstance(text, str) and text]


def _combinations(test: _Test) -> list[_Test]:
    """Return the variables of each case: one for each combination of the texts of arrays."""
    variables = _dict(test["vars"])
    expands = _dict(test["options"]).get("disableVarExpansion") is not True
    choices = [
        value
        if expands and isinstance(value, list) and value and isinstance(value[0], str)
        else [value]
        for value in variables.values()
    ]
    if prod(map(len, choices)) > _MOST_CASES:
        raise BadFileError(Reason.TOO_LARGE, f"its arrays make more than {_MOST_CASES:,} tests")
    return [dict(zip(variables, case, strict=True)) for case in product(*choices)]


def _filled(
    whole: list[JsonValue], values: Mapping[str, JsonValue]
) -> tuple[_Test, list[JsonValue]]:
    """Return variables and assertions with `{{name}}` filled in; a name that is no variable stays.

    Raises:
        BadFileError: If they cannot be written, or would be longer than a record may be.
    """
    refuse_unwritable(whole)
    texts = {
        name: str(value)
        for name, value in values.items()
        if isinstance(value, str | int | float) and not isinstance(value, bool)
    }
    named = Counter(_VARIABLE.findall(dump_line(whole)))
    if sum(len(texts.get(name, "")) * count for name, count in named.items()) > MOST_BYTES:
        what = f"with its variables filled in it is longer than {MOST_BYTES:,} characters"
        raise BadFileError(Reason.TOO_LARGE, what)

    def filled(value: JsonValue) -> JsonValue:
        match value:
            case str():
                return _VARIABLE.sub(lambda found: texts.get(found[1], found[0]), value)
            case list():
                return [filled(item) for item in value]
            case dict():
                return {key: filled(item) for key, item in value.items()}
            case _:
                return value

    variables, asserts = map(filled, whole)
    return _dict(variables), _list(asserts)


def _json_list(value: JsonValue) -> list[JsonValue] | None:
    """Return a list, as it stands or as its JSON; None if there is none."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = parse_strict(value)
        except BadJsonError:
            return None
    return value if isinstance(value, list) and value else None


def _fits(field: str, value: JsonValue) -> bool:
    """Return whether a value of the metadata can be that field of a sample."""
    if field in {"references", "tags"}:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if field == "language":
        return isinstance(value, str) and bool(_LANGUAGE.fullmatch(value))
    return isinstance(value, str) and (field != "behavior" or value in [*Behavior])


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _dict(value: JsonValue) -> _Test:
    return value if isinstance(value, dict) else {}
