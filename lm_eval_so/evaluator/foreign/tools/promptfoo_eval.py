"""promptfoo: the file of `promptfoo eval -o results.json`, one column of provider and prompt of it."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import JsonValue

from lm_eval_so.core.records.chat import Message, Usage
from lm_eval_so.core.records.enums import MetricKind, RunStatus
from lm_eval_so.core.records.run import BackendInfo
from lm_eval_so.core.records.sample import Passage
from lm_eval_so.errors import InputError, Where
from lm_eval_so.evaluator.foreign.foreign_file import Content, Node, Problems, plain, shown
from lm_eval_so.evaluator.foreign.records import (
    ForeignAnswer,
    ForeignCase,
    ForeignResults,
    Mark,
    Measure,
    Tool,
)
from lm_eval_so.evaluator.foreign.tools.promptfoo_columns import (
    choose_column,
    known_params,
    read_columns,
)

_VERSION: Final = 3
_FAILED_BY_ERROR: Final = 2
_PASS: Final = "pass"  # noqa: S105 - the name of a metric
_GRADED_BY_MODEL: Final = re.compile(
    r"(not-)?(llm-rubric|agent-rubric|g-eval|factuality|model-graded-.*|answer-relevance|context-.*|"
    r"conversation-relevance|select-best|pi|moderation|search-rubric|trajectory:goal-success)"
)
_YES_OR_NO: Final = re.compile(
    r"(not-)?(equals|i?contains(-all|-any|-json|-sql|-xml|-html)?|starts-with|regex|is-.*|latency|cost|"
    r"guardrails|finish-reason|word-count)"
)
_NO_RESULT: Final = re.compile(
    r"API (key is not set|(call |response )?error|returned|did not)|(Moderation API|Webhook) error|"
    r"Custom function threw error|(Python|Ruby) code execution failed|Invalid regex pattern"
)
"""Beginnings of the reasons that promptfoo gives with a 0 where an assertion could not be checked."""
_VARIABLE: Final = re.compile(r"\{\{-?\s*(\w+)\s*-?\}\}")
_WORDING: Final = frozenset({"similar", "levenshtein", "rouge-n", "bleu", "gleu", "meteor"})
_EXPECTATIONS: Final = ("equals", "similar", "factuality", "model-graded-factuality")
"""Assertions whose value is a whole answer, not a part of one."""
_QUESTIONS: Final = (
    "question", "input", "query", "prompt", "message", "user_input", "text", "질문",
)  # fmt: skip
_REFERENCES: Final = ("expected", "reference", "ideal", "answer", "정답")


def fits(content: Content) -> bool:
    """Return whether a file is one of promptfoo: results, or a table, with its statistics."""
    whole = content.document or {}
    inner = whole.get("results")
    return isinstance(inner, Mapping) and "results" in inner and {"stats", "version"} <= {*inner}


def read(content: Content, candidate: str | None) -> ForeignResults:
    """Read one column of a file.

    Args:
        content: The file.
        candidate: Name of provider and prompt, of either if that is enough, or number of the column.

    Raises:
        InputError: With every problem of the file.
        UsageError: If there are several columns and none, or an unknown one, is named.
    """
    problems = Problems(content.file)
    whole = Node(content.document, "", problems)
    results, metadata = whole.node("results"), whole.node("metadata")
    _refuse_version(results, content)
    column = choose_column(read_columns(results), candidate, str(content.file))
    found = [node for node in results.nodes("results") if node.count("promptIdx") == column.number]
    found.sort(key=lambda node: node.count("testIdx") or 0)
    rows = [(_case(node), _answer(node)) for node in found]
    problems.refuse()
    models = {answer.model for _, answer in rows if answer.model}
    return ForeignResults(
        tool=TOOL.name,
        version=metadata.text("promptfooVersion"),
        name=whole.node("config").text("description"),
        backend=BackendInfo(
            name=TOOL.name,
            label=column.name,
            model=next(iter(sorted(models)), column.provider),
            params=known_params(whole.node("config"), column.provider),
            details={"prompt": column.prompt},
        ),
        measures=tuple(_measures(found)),
        rows=rows,
        started_at=metadata.text("evaluationCreatedAt") or results.text("timestamp"),
        finished_at=metadata.text("exportedAt"),
    )


def _refuse_version(results: Node, content: Content) -> None:
    version = results.count("version")
    if version == _VERSION:
        return
    newer = version is not None and version > _VERSION
    hint = (
        "update lm-eval-so" if newer else "write it anew: promptfoo@latest export eval ID -o FILE"
    )
    what = f"results of promptfoo in version {version}; version {_VERSION} is read"
    where = Where(file=str(content.file), key="results.version")
    raise InputError(what, where=where, hint=hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Check:
    """An assertion of a test."""

    type: str
    metric: str | None
    value: Any
    threshold: float | None

    @property
    def name(self) -> str:
        """Name of the metric that it counts for: the user's, else its type."""
        return self.metric or self.type

    @property
    def told(self) -> JsonValue:
        """The check as JSON: another one makes another case of it."""
        return [self.type, plain(self.value), *([] if self.threshold is None else [self.threshold])]


def _checks(node: Node) -> list[_Check]:
    found: list[_Check] = []
    level = node.node("testCase").nodes("assert")
    while level:  # assertions stand in sets, too
        inner: list[Node] = []
        for each in level:
            inner += each.nodes("assert")
            if (type_ := each.text("type")) and type_ != "assert-set":
                found.append(
                    _Check(
                        type=type_,
                        metric=_rendered(each.text("metric"), node),
                        value=each.values.get("value"),
                        threshold=each.amount("threshold"),
                    )
                )
        level = inner
    return found


def _rendered(name: str | None, node: Node) -> str | None:
    """Return the name of a metric with the variables of its test filled in."""
    variables = node.node("vars")
    return name and _VARIABLE.sub(lambda found: variables.text(found[1]) or found[0], name)


def _case(node: Node) -> ForeignCase:
    test, given = node.node("testCase"), node.node("vars").values
    values = {key: shown(value) for key, value in given.items() if not key.startswith("_")}
    named: list[str] = [key for key in _QUESTIONS if key in values]
    if not named and len(values) == 1:
        named = [*values]
    name = named[0] if named else None
    description = test.text("description")
    told = "\n".join(f"{key}: {value}" for key, value in values.items())
    question = values[name] if name else told or description or node.node("prompt").text("raw")
    beside = {key: value for key, value in values.items() if name and key != name}
    found = _checks(node)
    whole = [shown(c.value) for c in found if c.type in _EXPECTATIONS and c.value is not None]
    whole += [beside[key] for key in _REFERENCES if key in beside]
    judged: dict[str, Any] = {}
    for check in found:
        judged.setdefault(check.name, {"checks": []})["checks"].append(check.told)
    return ForeignCase(
        identity=plain(values),
        own_id=description,
        messages=(Message(role="user", content=question or ""),),
        expected=next(iter(whole), None),
        references=tuple(dict.fromkeys(whole[1:])),
        context=tuple(Passage(role="given", text=f"{k}: {v}") for k, v in beside.items()),
        judged_by=judged,
    )


def _answer(node: Node) -> ForeignAnswer:
    response = node.node("response")
    error, output = _error(node, response), response.values.get("output")
    tokens, text = response.node("tokenUsage"), "" if output is None else shown(output)
    status = RunStatus.OK if text else RunStatus.EMPTY
    return ForeignAnswer(
        status=RunStatus.ERROR if error else status,
        text=None if error else text,
        error=error,
        usage=Usage(
            input_tokens=tokens.count("prompt"),
            output_tokens=tokens.count("completion"),
            cached_tokens=tokens.count("cached"),
        ),
        cost_usd=response.amount("cost"),
        latency_ms=node.amount("latencyMs"),
        cached=response.flag("cached") is True,
        model=node.node("provider").text("id"),
        marks={} if error else _marks(node),
    )


def _error(node: Node, response: Node) -> str | None:
    """Return why a row has no result, be it the chatbot's fault or a grader's; None if it has one."""
    reason = node.count("failureReason")
    has_failed = reason == _FAILED_BY_ERROR or "error" in response
    if reason is None and not has_failed:  # of an older release
        has_failed = "error" in node and "gradingResult" not in node
    if not has_failed:
        return None
    text = node.text("error") or response.text("error") or "error"
    return text.partition("\n")[0]  # the rest is a trace of promptfoo's own code


def _marks(node: Node) -> dict[str, Mark]:
    """Return the scores of an answer: whether it passes, then each assertion or named score."""
    grading = node.node("gradingResult")
    parts: defaultdict[str, list[Mark]] = defaultdict(list)
    for component in grading.nodes("componentResults"):
        assertion = component.node("assertion")
        name = _rendered(assertion.text("metric"), node) or assertion.text("type")
        if name:
            parts[name].append(_mark(component))
    named = node.node("namedScores")
    marks = {
        name: _together(found, named.number(name), is_binary=_is_yes_or_no(name))
        for name, found in parts.items()
    }
    for name in named.values:  # of an assertion that gives several
        if name not in marks:
            marks[name] = Mark(value=named.number(name))
    for check in _checks(node):
        marks.setdefault(check.name, Mark(value=None, reason="promptfoo gives no result of it"))
    every = [mark for some in parts.values() for mark in some]
    return {**marks, _PASS: _passed(node, grading, every)}


def _mark(component: Node) -> Mark:
    """Return the score of an assertion; what could not be checked has none, though promptfoo gives a 0."""
    reason, _, _ = (component.text("reason") or "").partition("\nStack Trace")
    passed = component.flag("pass")
    has_failed = component.node("metadata").flag("graderError") is True
    if has_failed or (passed is False and _NO_RESULT.match(reason)):
        return Mark(value=None, reason=reason or "the grader failed")
    return Mark(value=component.number("score"), passed=passed, reason=reason)


def _together(found: Sequence[Mark], named: float | None, *, is_binary: bool) -> Mark:
    """Return the score of the assertions of one name; one of them without a score leaves none.

    Args:
        found: Scores of the assertions.
        named: The score that promptfoo makes of them, if the name is the user's.
        is_binary: Whether they are right or wrong: then all of them must be right.
    """
    missing = next((mark for mark in found if not mark.is_scored), None)
    if missing is not None or len(found) == 1:
        return missing or found[0]
    failed = next((mark for mark in found if mark.passed is False), None)
    values = [mark.value for mark in found if mark.value is not None]
    mean = sum(values) / len(values)
    value = float(failed is None) if is_binary else mean if named is None else named
    return Mark(value=value, passed=failed is None, reason=(failed or found[0]).reason)


def _is_yes_or_no(name: str) -> bool:
    """Return whether a metric is named by a type of assertion that is right or wrong."""
    return _YES_OR_NO.fullmatch(name) is not None


def _passed(node: Node, grading: Node, parts: Sequence[Mark]) -> Mark:
    """Return whether promptfoo lets an answer pass; unknown if only a grader that failed says no."""
    success = node.flag("success")
    lost = next((mark for mark in parts if not mark.is_scored), None)
    if success is False and lost and not any(mark.passed is False for mark in parts):
        return Mark(value=None, reason=lost.reason)
    return Mark(
        value=None if success is None else float(success),
        passed=success,
        reason=grading.text("reason"),
    )


def _measures(found: Sequence[Node]) -> Iterator[Measure]:
    """Yield the metrics: pass, then each type of assertion and each name, in the order of the tests."""
    yield Measure(name=_PASS, kind=MetricKind.BINARY, definition={"sums_up": "all assertions"})
    types: dict[str, dict[str, None]] = {}
    values: dict[str, list[float]] = {}
    for node in found:
        for check in _checks(node):
            types.setdefault(check.name, {})[check.type] = None
        named = node.node("namedScores")
        for name in named.values:
            types.setdefault(name, {})
            values.setdefault(name, []).append(named.number(name) or 0.0)
    types.pop(_PASS, None)
    for name, kinds in types.items():
        by_model = any(_GRADED_BY_MODEL.fullmatch(kind) for kind in kinds)
        is_open = any(not 0 <= value <= 1 for value in values.get(name, ()))
        kind = MetricKind.UNBOUNDED if is_open else MetricKind.BOUNDED
        yield Measure(
            name=name,
            kind=MetricKind.BINARY if name in kinds and _is_yes_or_no(name) else kind,
            range=None if is_open else (0.0, 1.0),
            category="model" if by_model else "rule",
            is_for_all=False,
            measures_overlap=bool(kinds) and _WORDING.issuperset(kinds),
            # what is checked is told by the cases
            definition={"part_of": _PASS, **({"values": kind.value} if is_open else {})},
        )


TOOL: Final = Tool(
    name="promptfoo",
    looks_for="promptfoo: results.results with results.stats, as promptfoo eval -o FILE.json writes",
    fits=fits,
    read=read,
)
