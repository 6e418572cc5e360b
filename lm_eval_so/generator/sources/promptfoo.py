"""promptfoo: its configuration and its tests, without running any code of theirs.

An array among the variables of a test makes a test of each of its texts, as promptfoo does. What `promptfoo_checks`
makes of the assertions stands there.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, product
from typing import Final

from pydantic import JsonValue

from lm_eval_so.core.config.sources import SourceSection
from lm_eval_so.core.words import counted
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
from lm_eval_so.generator.sources.json_values import (
    BadJsonError,
    Tree,
    parse_strict,
    refuse_unwritable,
)
from lm_eval_so.generator.sources.promptfoo_checks import Checks, assertion_of, checks_of, remedy
from lm_eval_so.generator.sources.promptfoo_files import Files

_Test = dict[str, JsonValue]
_MAP: Final = {
    "input": "input",
    "expected": "expected",
    "context": "context",
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


def is_test(keys: frozenset[str], first: Item) -> bool:
    """Return whether a file's first record or header is that of promptfoo's tests."""
    if isinstance(first, Columns):
        return any(key.startswith("__expected") for key in keys)
    return isinstance(first, RawItem) and isinstance(first.payload.get("vars"), dict | str)


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
        default = files.loaded(config.get("defaultTest"))
    except BadFileError as error:
        yield error.of(file)
        return
    prompts = config.get("prompts")
    suite = _Suite(
        options=options,
        files=files,
        default=default if isinstance(default, dict) else {},
        prompts=tuple(p for p in prompts if isinstance(p, str))
        if isinstance(prompts, list)
        else (),
    )
    yield Shaped(shape="promptfoo", map=_MAP)
    yield from suite.read(files.tests(config.get("tests"), tree))
    if config.get("scenarios"):
        yield Noted(text="scenarios are not read; write their tests out under tests")


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
        is_table = False
        for item in items:
            is_table = is_table or isinstance(item, Columns)
            if isinstance(item, Columns):
                continue
            if not isinstance(item, RawItem) or not item.payload:
                yield item
                continue
            yield from self._cases(
                item, test_of_row(item.payload) if "vars" not in item.payload else {**item.payload}
            )
        for type_, count in self._foreign.items():
            yield Noted(text=f"{type_}: {counted(count, 'test')}, not run here{remedy(type_)}")

    def _cases(self, item: RawItem, given: _Test) -> Iterator[Item]:
        def refused(error: BadFileError) -> Reject:
            return Reject(
                file=item.file,
                at=item.at,
                reason=error.reason,
                what=error.what,
                hint=error.hint,
                excerpt=excerpt(str(item.payload)),
            )

        try:
            test = self._merged(given)
            cases = list(self._combinations(test))
        except BadFileError as error:
            yield refused(error)
            return
        for number, values in enumerate(cases, start=1):
            at = item.at if len(cases) == 1 else {**item.at, "case": number}
            try:
                payload, foreign = self._record(test, values)
                refuse_unwritable(payload)
            except BadFileError as error:
                yield replace(refused(error), at=at)
                continue
            except BadJsonError as error:
                yield replace(refused(BadFileError(Reason.BAD_JSON, error.what)), at=at)
                continue
            self._foreign.update(dict.fromkeys(foreign, 1))
            yield RawItem(file=item.file, at=at, payload=payload)

    def _merged(self, given: _Test) -> _Test:
        """Return a test with the default's variables, assertions, options and metadata."""
        test = {**self.default, **given}
        for key in ("vars", "options", "metadata"):
            parts = [self.files.loaded(each.get(key)) for each in (self.default, given)]
            test[key] = {k: v for part in parts if isinstance(part, dict) for k, v in part.items()}
        own, common = _list(given.get("assert")), _list(self.default.get("assert"))
        options = test["options"]
        alone = isinstance(options, dict) and options.get("disableDefaultAsserts") is True
        return test | {"assert": own if alone else [*common, *own]}

    def _combinations(self, test: _Test) -> Iterator[_Test]:
        """Yield the variables of each case: one for each combination of the texts of arrays."""
        variables, options = _dict(test["vars"]), _dict(test["options"])
        expands = options.get("disableVarExpansion") is not True
        choices = [self._choices(value) if expands else [value] for value in variables.values()]
        cases = list(islice(product(*choices), _MOST_CASES + 1))
        if len(cases) > _MOST_CASES:
            what = f"its arrays make more than {_MOST_CASES:,} tests"
            raise BadFileError(Reason.TOO_LARGE, what)
        yield from (dict(zip(variables, case, strict=True)) for case in cases)

    def _choices(self, value: JsonValue) -> Sequence[JsonValue]:
        if isinstance(value, list) and value and isinstance(value[0], str):
            return [content for each in value for content in self.files.contents(each)]
        return self.files.contents(value)

    def _record(self, test: _Test, given: _Test) -> tuple[_Test, tuple[str, ...]]:
        values = {name: _rendered(value, given) for name, value in given.items()}
        name = self._question(values)
        options = _dict(test["options"])
        question = values[name]
        if isinstance(question, str):
            around = (options.get("prefix"), question, options.get("suffix"))
            question = "".join(part for part in around if isinstance(part, str))
        checks = checks_of(
            [_rendered(each, values) for each in _list(test.get("assert"))], self.files, _also(test)
        )
        rest = {key: value for key, value in values.items() if key not in {name, _CONTEXT}}
        described = {"description": test.get("description")} if test.get("description") else {}
        return {
            "input": _json_list(question) if name == _QUESTIONS[0] else question,
            "expected": [*checks.expected],
            "context": self._passages(values.get(_CONTEXT) if name != _CONTEXT else None),
            "metadata": {**rest, **described, **_dict(test["metadata"]), **_foreign(checks)},
            "metrics": checks.metrics(),
        }, checks.types()

    def _question(self, values: Mapping[str, JsonValue]) -> str:
        """Return the variable that holds the question."""
        wanted = self.options.input_var
        named = {str(n) for prompt in self.prompts for n in _VARIABLE.findall(prompt)}
        asked = (named & set(values)) - {_CONTEXT}
        if wanted is not None and wanted in values:
            return wanted
        if wanted is None and len(values) == 1:
            return next(iter(values))
        if wanted is None and len(asked) == 1:
            return next(iter(asked))
        known = next((name for name in _QUESTIONS if name in values), None)
        if wanted is not None or known is None:
            what = (
                f'there is no variable "{wanted}"'
                if wanted
                else "no variable is known to be the question"
            )
            hint = f"name it at the source by input_var: one of {listed(list(values))}"
            raise BadFileError(Reason.MISSING_FIELD, what, hint if values else None)
        return known

    def _passages(self, value: JsonValue) -> list[JsonValue]:
        texts = _json_list(value) or [value]
        role = self.options.context or "given"
        return [{"role": role, "text": text} for text in texts if isinstance(text, str) and text]


def _also(test: _Test) -> tuple[str, ...]:
    """Return what else a test has that decides whether an answer passes."""
    options = _dict(test["options"])
    code = [key for key in ("transform", "postprocess") if options.get(key)]
    return (*(["threshold"] if test.get("threshold") is not None else []), *code)


def _foreign(checks: Checks) -> _Test:
    return {"foreign_checks": [*checks.foreign]} if checks.foreign else {}


def _rendered(value: JsonValue, values: Mapping[str, JsonValue]) -> JsonValue:
    """Return a value with `{{name}}` filled in; a name that is no variable stays."""
    if isinstance(value, list):
        return [_rendered(item, values) for item in value]
    if isinstance(value, dict):
        return {key: _rendered(item, values) for key, item in value.items()}
    if not isinstance(value, str):
        return value

    def filled(match: re.Match[str]) -> str:
        found = values.get(match[1])
        is_plain = isinstance(found, str | int | float) and not isinstance(found, bool)
        return str(found) if is_plain else match[0]

    return _VARIABLE.sub(filled, value)


def _json_list(value: JsonValue) -> list[JsonValue] | None:
    """Return a list, as it stands or as its JSON; None if there is none."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = parse_strict(value)
        except BadJsonError:
            return None
    return value if isinstance(value, list) and value else None


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _dict(value: JsonValue) -> _Test:
    return value if isinstance(value, dict) else {}
