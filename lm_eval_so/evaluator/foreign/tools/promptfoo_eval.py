"""promptfoo: the file of `promptfoo eval -o results.json`, one column of provider and prompt of it."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.chat import Message, Usage
from lm_eval_so.core.records.enums import MetricKind, RunStatus
from lm_eval_so.core.records.run import BackendInfo
from lm_eval_so.core.records.sample import Passage
from lm_eval_so.errors import InputError, UsageError, Where, nearest
from lm_eval_so.evaluator.foreign.foreign_file import Content, Node, Problems, plain, shown
from lm_eval_so.evaluator.foreign.records import (
    ForeignAnswer,
    ForeignCase,
    ForeignResults,
    Mark,
    Measure,
    Tool,
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
_WORDING: Final = frozenset({"similar", "levenshtein", "rouge-n", "bleu", "gleu", "meteor"})
_EXPECTATIONS: Final = ("equals", "similar", "factuality", "model-graded-factuality")
"""Assertions whose value is a whole answer, not a part of one."""
_QUESTIONS: Final = (
    "question", "input", "query", "prompt", "message", "user_input", "text", "질문",
)  # fmt: skip
_REFERENCES: Final = ("expected", "reference", "ideal", "answer", "정답")
_PARAMS: Final = ("temperature", "top_p", "top_k", "max_tokens", "seed", "reasoning_effort")
"""Settings of a provider that stand in a report; others may hold keys."""


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
    column = _choose(_columns(results), candidate, str(content.file))
    found = [node for node in results.nodes("results") if node.count("promptIdx") == column.number]
    found.sort(key=lambda node: node.count("testIdx") or 0)
    rows = list(_rows(found))
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
            params=_params(whole.node("config"), column.provider),
            details={"prompt": column.prompt},
        ),
        measures=tuple(_measures(found)),
        rows=rows,
        started_at=metadata.text("evaluationCreatedAt") or results.text("timestamp"),
        finished_at=metadata.text("exportedAt"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """One provider with one prompt."""

    number: int
    provider: str
    label: str
    """Label of the prompt."""
    prompt: str
    """Template of the prompt."""
    name: str


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


def _columns(results: Node) -> list[_Column]:
    found = results.nodes("prompts")
    told = [(n.text("provider") or "?", n.text("label") or "?", n.text("raw") or "") for n in found]
    several = len({label for _, label, _ in told}) > 1
    return [
        _Column(
            number=number,
            provider=provider,
            label=label,
            prompt=prompt,
            name=_short(f"{provider} / {label}" if several else provider),
        )
        for number, (provider, label, prompt) in enumerate(told)
    ]


def _choose(columns: Sequence[_Column], wanted: str | None, file: str) -> _Column:
    listed = "; ".join(f"{each.number + 1} {each.name}" for each in columns)
    where = Where(file=file, key="results.prompts")
    if not columns:
        raise InputError("the file has no results", where=where)
    if wanted is None:
        if len(columns) == 1:
            return columns[0]
        what = f"{len(columns)} candidates in one file, and a report is about one: {listed}"
        raise UsageError(what, where=where, hint="name one by --candidate, or its number")
    for fit in (
        lambda each: each.name == wanted,
        lambda each: wanted in {each.provider, each.label},
        lambda each: wanted == str(each.number + 1),
    ):
        if len(fitting := [each for each in columns if fit(each)]) == 1:
            return fitting[0]
    close = nearest(wanted, [each.name for each in columns])
    what = f'--candidate "{wanted}" names no single one' + (
        f' (did you mean "{close}"?)' if close else ""
    )
    raise UsageError(what, where=where, hint=f"there are: {listed}")


def _short(name: str) -> str:
    line = " ".join(name.split())
    return line if len(line) <= 80 else f"{line[:79]}…"


def _params(config: Node, provider: str) -> dict[str, Any]:
    given = config.values.get("providers")
    for each in given if isinstance(given, list) else []:
        if isinstance(each, Mapping) and provider in {each.get("label"), each.get("id")}:
            told = each.get("config")
            known = told if isinstance(told, Mapping) else {}
            return {key: plain(known[key]) for key in _PARAMS if key in known}
    return {}


def _rows(found: Sequence[Node]) -> Iterator[tuple[ForeignCase, ForeignAnswer]]:
    """Yield cases with answers; the same variables under other assertions are another case."""
    kinds: defaultdict[str, set[str]] = defaultdict(set)
    keys = [(digest(plain(n.node("vars").values)), _checks_key(n)) for n in found]
    for variables, checks in keys:
        kinds[variables].add(checks)
    for node, (variables, checks) in zip(found, keys, strict=True):
        yield _case(node, checks if len(kinds[variables]) > 1 else ""), _answer(node)


def _checks_key(node: Node) -> str:
    return digest([[c.type, c.metric, plain(c.value)] for c in _checks(node)])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Check:
    """An assertion of a test."""

    type: str
    metric: str | None
    value: Any
    threshold: float | None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the metrics that it counts for: the user's, else its type."""
        return (self.metric or self.type,)


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
                        metric=each.text("metric"),
                        value=each.values.get("value"),
                        threshold=each.number("threshold"),
                    )
                )
        level = inner
    return found


def _case(node: Node, checks: str) -> ForeignCase:
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
        value = plain(check.value)
        judged.setdefault(check.names[0], {"checks": []})["checks"].append([check.type, value])
    return ForeignCase(
        identity=[plain(values), checks],
        own_id=description,
        messages=(Message(role="user", content=question or ""),),
        expected=next(iter(whole), None),
        references=tuple(dict.fromkeys(whole[1:])),
        context=tuple(Passage(role="given", text=f"{k}: {v}") for k, v in beside.items()),
        judged_by=judged,
    )


def _answer(node: Node) -> ForeignAnswer:
    response = node.node("response")
    error = _error(node, response)
    tokens = response.node("tokenUsage")
    output = response.values.get("output")
    text = None if output is None else shown(output)
    cost = response.amount("cost")
    status = RunStatus.EMPTY if not text else RunStatus.OK
    return ForeignAnswer(
        status=RunStatus.ERROR if error else status,
        text=None if error else text or "",
        error=error,
        usage=Usage(
            input_tokens=tokens.count("prompt"),
            output_tokens=tokens.count("completion"),
            cached_tokens=tokens.count("cached"),
        ),
        cost_usd=cost,
        latency_ms=node.amount("latencyMs"),
        cached=response.flag("cached") is True,
        model=node.node("provider").text("id"),
        marks={} if error else _marks(node),
    )


def _error(node: Node, response: Node) -> str | None:
    """Return why there is no answer; None if there is one, be it wrong."""
    reason = node.count("failureReason")
    has_failed = reason == _FAILED_BY_ERROR or "error" in response
    if reason is None and not has_failed:  # of an older release
        has_failed = "error" in node and "gradingResult" not in node
    return (node.text("error") or response.text("error") or "error") if has_failed else None


def _marks(node: Node) -> dict[str, Mark]:
    """Return the scores of an answer: whether it passes, then each assertion or named score."""
    grading = node.node("gradingResult")
    parts: defaultdict[str, list[Mark]] = defaultdict(list)
    for component in grading.nodes("componentResults"):
        assertion = component.node("assertion")
        name = assertion.text("metric") or assertion.text("type")
        if name:
            parts[name].append(_mark(component))
    named = node.node("namedScores")
    marks = {_PASS: _passed(node, grading, [mark for some in parts.values() for mark in some])}
    for name, found in parts.items():
        marks[name] = _together(found, named.number(name), is_binary=_is_yes_or_no(name))
    for name in named.values:  # of an assertion that gives several
        if name not in marks:
            marks[name] = Mark(value=named.number(name))
    for check in _checks(node):
        marks.setdefault(check.names[0], Mark(value=None, reason="promptfoo gives no result of it"))
    return marks


def _mark(component: Node) -> Mark:
    reason = component.text("reason")
    if component.node("metadata").flag("graderError") is True:
        return Mark(value=None, reason=reason or "the grader failed")
    return Mark(value=component.number("score"), passed=component.flag("pass"), reason=reason)


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
    thresholds: dict[str, set[float]] = {}
    for node in found:
        for check in _checks(node):
            types.setdefault(check.names[0], {})[check.type] = None
            if check.threshold is not None:
                thresholds.setdefault(check.names[0], set()).add(check.threshold)
        for name in node.node("namedScores").values:
            types.setdefault(name, {})
    types.pop(_PASS, None)
    for name, kinds in types.items():
        definition: dict[str, Any] = {"part_of": _PASS, "types": sorted(kinds)}
        if name in thresholds:
            definition["thresholds"] = sorted(thresholds[name])
        is_binary = name in kinds and _is_yes_or_no(name)
        by_model = any(_GRADED_BY_MODEL.fullmatch(kind) for kind in kinds)
        yield Measure(
            name=name,
            kind=MetricKind.BINARY if is_binary else MetricKind.BOUNDED,
            category="model" if by_model else "rule",
            is_for_all=False,
            measures_overlap=bool(kinds) and _WORDING.issuperset(kinds),
            definition=definition,
        )


TOOL: Final = Tool(
    name="promptfoo",
    looks_for="promptfoo: results.results with results.stats, as promptfoo eval -o FILE.json writes",
    fits=fits,
    read=read,
)
