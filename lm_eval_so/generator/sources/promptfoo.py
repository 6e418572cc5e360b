"""promptfoo: its configuration and its tests, without running any code of theirs.

An array among the variables of a test makes a test of each of its texts, as promptfoo does. What `promptfoo_checks`
makes of the assertions stands there.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
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
    Reject,
    Shaped,
    SourceFile,
    excerpt,
    listed,
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
    """
    config = tree.value if isinstance(tree.value, dict) else {}
    files = Files(file)
    try:
        default = _dict(files.loaded(config.get("defaultTest")))
    except BadFileError as error:
        yield error.of(file)
        return
    prompts = tuple(p for p in _list(config.get("prompts")) if isinstance(p, str))
    suite = _Suite(options=options, files=files, default=default, prompts=prompts)
    yield Shaped(shape="promptfoo", map=_MAP)
    yield from suite.read(files.tests(config.get("tests"), tree))
    if config.get("scenarios"):
        yield Noted(code="scenarios")


def read_tests(items: Iterable[Item], file: SourceFile, options: SourceSection) -> Iterator[Item]:
    """Yield the tests of a file that holds nothing else: CSV with `__expected`, JSON, JSON Lines or YAML."""
    yield Shaped(shape="promptfoo", map=_MAP)
    yield from _Suite(options=options, files=Files(file)).read(items)


def test_of_row(row: Mapping[str, JsonValue]) -> _Test:
    """Return the test that a row of a table describes, its columns with `__` being no variables."""
    test: _Test = {"vars": {key: cell for key, cell in row.items() if not key.startswith("__")}}
    texts = {key: cell.strip() for key, cell in row.items() if isinstance(cell, str)}
    metadata: _Test = {}
    for key, text in texts.items():
        name = key.removeprefix("__metadata:")
        if name.endswith("[]"):
            metadata[name[:-2]] = [part.strip() for part in text.split(",") if part.strip()]
        elif name != key and text:
            metadata[name] = text
    expected = [text for key, text in texts.items() if re.fullmatch(r"__expected\d*", key) and text]
    options = {key: texts[f"__{key}"] for key in ("prefix", "suffix") if texts.get(f"__{key}")}
    return test | {
        "assert": [assertion_of(text) for text in expected],
        "metadata": metadata,
        "options": {**options},
        "description": texts.get("__description"),
        "threshold": texts.get("__threshold") or None,
    }


@dataclass(slots=True, kw_only=True)
class _Suite:
    """Tests with what holds for all of them."""

    options: SourceSection
    files: Files
    default: _Test = field(default_factory=dict)
    prompts: tuple[str, ...] = ()
    _foreign: Counter[str] = field(default_factory=Counter)

    def read(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield tests as records, then what was not understood of them."""
        for item in items:
            if isinstance(item, RawItem) and item.payload:
                yield from self._cases(item)
            elif not isinstance(item, Columns):
                yield item
        for type_, count in self._foreign.items():
            yield not_run(type_, count)

    def _cases(self, item: RawItem) -> Iterator[Item]:
        at, given = item.at, item.payload
        try:
            test = self._merged({**given} if "vars" in given else test_of_row(given))
            cases = self._combinations(test)
            for number, values in enumerate(cases, start=1):
                at = item.at if len(cases) == 1 else {**item.at, "case": number}
                payload, foreign = self._record(test, values)
                self._foreign.update(dict.fromkeys(foreign, 1))
                yield RawItem(file=item.file, at=at, payload=payload)
        except BadFileError as error:
            yield Reject(
                file=item.file,
                at=at,
                reason=error.reason,
                what=error.what,
                hint=error.hint,
                excerpt=excerpt(str(given)[:_SHOWN]),
            )

    def _merged(self, given: _Test) -> _Test:
        """Return a test with the default's variables, assertions, options and metadata."""
        test = {**self.default, **given}
        for key in ("vars", "options", "metadata"):
            parts = [_dict(self.files.loaded(each.get(key))) for each in (self.default, given)]
            test[key] = {**parts[0], **parts[1]}
        alone = _dict(test["options"]).get("disableDefaultAsserts") is True
        common = [] if alone else _list(self.default.get("assert"))
        return test | {"assert": [*common, *_list(given.get("assert"))]}

    def _combinations(self, test: _Test) -> list[_Test]:
        """Return the variables of each case: one for each combination of the texts of arrays."""
        variables = _dict(test["vars"])
        expands = _dict(test["options"]).get("disableVarExpansion") is not True
        choices = [self._choices(v) if expands else [v] for v in variables.values()]
        cases = list(islice(product(*choices), _MOST_CASES + 1))
        if len(cases) > _MOST_CASES:
            what = f"its arrays make more than {_MOST_CASES:,} tests"
            raise BadFileError(Reason.TOO_LARGE, what)
        return [dict(zip(variables, case, strict=True)) for case in cases]

    def _choices(self, value: JsonValue) -> Sequence[JsonValue]:
        """Return the values of a variable, files by their names."""
        is_array = isinstance(value, list) and value and isinstance(value[0], str)
        several = value[: _MOST_CASES + 1] if is_array and isinstance(value, list) else [value]
        return [name for each in several for name in self.files.names(each)]

    def _record(self, test: _Test, given: _Test) -> tuple[_Test, tuple[str, ...]]:
        """Return a case as a record, and the types of its assertions that are not understood."""
        read = {name: self.files.loaded(value) for name, value in given.items()}
        values, asserts = _filled([read, _list(test["assert"])], read)
        name, options = self._question(values), _dict(test["options"])
        question = values[name]
        if isinstance(question, str):
            around = (options.get("prefix"), question, options.get("suffix"))
            question = "".join(part for part in around if isinstance(part, str))
        checks = checks_of(asserts, self.files, _also(test))
        metadata = {key: value for key, value in values.items() if key not in {name, _CONTEXT}}
        for key, found in (
            ("description", test.get("description")),
            ("foreign_checks", checks.foreign),
        ):
            metadata |= {key: found} if found else {}
        metadata |= _dict(test["metadata"])
        own = {key: metadata.pop(key) for key in _FIELDS if _fits(key, metadata.get(key))}
        return {
            **own,
            "input": _json_list(question) if name == _QUESTIONS[0] else question,
            "expected": [own.get("expected"), *checks.expected],
            "context": self._passages(values.get(_CONTEXT) if name != _CONTEXT else None),
            "metadata": metadata,
            "metrics": checks.metrics(),
        }, checks.types()

    def _question(self, values: Mapping[str, JsonValue]) -> str:
        """Return the variable that holds the question."""
        wanted = self.options.input_var
        named = {str(n) for prompt in self.prompts for n in _VARIABLE.findall(prompt)} - {_CONTEXT}
        for some in ([wanted] if wanted else values, named, _QUESTIONS):
            known = [name for name in some if name in values]
            if len(known) == 1 or (known and some is _QUESTIONS):
                return known[0]
            if wanted:
                break
        what = (
            f'there is no variable "{wanted}"'
            if wanted
            else "no variable is known to be the question"
        )
        hint = f"name it at the source by input_var: one of {listed(list(values))}"
        raise BadFileError(Reason.MISSING_FIELD, what, hint if values else None)

    def _passages(self, value: JsonValue) -> list[JsonValue]:
        texts = _json_list(value) or [value]
        role = self.options.context or "given"
        return [{"role": role, "text": text} for text in texts if isinstance(text, str) and text]


def _also(test: _Test) -> tuple[str, ...]:
    """Return what else a test has that decides whether an answer passes."""
    options = _dict(test["options"])
    code = [key for key in ("transform", "postprocess") if options.get(key)]
    return (*(["threshold"] if test.get("threshold") is not None else []), *code)


def _filled(
    whole: list[JsonValue], values: Mapping[str, JsonValue]
) -> tuple[_Test, list[JsonValue]]:
    """Return variables and assertions with `{{name}}` filled in; a name that is no variable stays.

    Raises:
        BadFileError: If they cannot be written, or would be longer than a record may be.
    """
    try:
        refuse_unwritable(whole)
    except BadJsonError as error:
        raise BadFileError(Reason.BAD_JSON, error.what) from None
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
