"""DeepEval: a test run of its results folder, or of `.deepeval/`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

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

_PASS: Final = "pass"  # noqa: S105 - the name of a metric
_NAMELESS: Final = re.compile(r"(conversational_)?test_case_\d+")
_YES_OR_NO: Final = frozenset({"Exact Match", "Pattern Match"})


def fits(content: Content) -> bool:
    """Return whether a file is a test run of DeepEval."""
    whole = _run(content)[0]
    return "testCases" in whole and bool({"metricsScores", "conversationalTestCases"} & {*whole})


def read(content: Content, candidate: str | None) -> ForeignResults:
    """Read a test run.

    Args:
        content: The file.
        candidate: Not needed: a test run is about one chatbot.

    Raises:
        InputError: With every problem of the file.
    """
    del candidate
    problems = Problems(content.file)
    whole = Node(*_run(content), problems)
    cases = whole.nodes("testCases")
    if whole.nodes("conversationalTestCases"):
        what = "conversations are not read, only test cases of one turn"
        problems.add(what, "conversationalTestCases", "import them apart")
    old = next((case for case in cases if "metricsMetadata" in case), None)
    if old is not None:
        hint = "run it again with DeepEval 4"
        raise InputError(
            "a test run of an old release of DeepEval, with metricsMetadata",
            where=Where(file=str(content.file), key=old.at),
            hint=hint,
        )
    cases.sort(key=lambda case: case.count("order") or 0)
    rows = [(_case(case), _answer(case)) for case in cases]
    problems.refuse()
    told = {key: plain(value) for key, value in whole.node("hyperparameters").values.items()}
    model = told.pop("model", None)
    name = whole.text("identifier") or whole.text("datasetAlias") or whole.text("testFile")
    return ForeignResults(
        tool=TOOL.name,
        version=None,
        name=name,
        backend=BackendInfo(
            name=TOOL.name,
            label=str(model or TOOL.name),
            model=model if isinstance(model, str) else None,
            params=told,
        ),
        measures=tuple(_measures(cases)),
        rows=rows,
    )


def _run(content: Content) -> tuple[Mapping[str, Any], str]:
    """Return the test run and its path: `.latest_test_run.json` has something around it."""
    whole = content.document or {}
    inner = whole.get("testRunData")
    return (inner, "testRunData") if isinstance(inner, Mapping) else (whole, "")


def _case(case: Node) -> ForeignCase:
    name, question = case.text("name"), case.text("input")
    if question is None:
        case.problem("a test case has an input", "input")
    context = case.values.get("context")
    passages = [shown(text) for text in context] if isinstance(context, list) else []
    return ForeignCase(
        identity=question,
        own_id=None if name is None or _NAMELESS.fullmatch(name) else name,
        messages=(Message(role="user", content=question or ""),),
        expected=case.text("expectedOutput"),
        context=tuple(Passage(text=text) for text in passages),
        tags=tuple(shown(tag) for tag in case.values.get("tags") or ()),
    )


def _answer(case: Node) -> ForeignAnswer:
    text = case.text("actualOutput")
    seconds = case.amount("completionTime")
    error = "the test case has no actual output" if text is None else None
    status = RunStatus.OK if text else RunStatus.EMPTY
    return ForeignAnswer(
        status=RunStatus.ERROR if error else status,
        text=text,
        error=error,
        usage=Usage(
            input_tokens=case.count("inputTokenCount"),
            output_tokens=case.count("outputTokenCount"),
        ),
        cost_usd=case.amount("tokenCost"),
        latency_ms=None if seconds is None else seconds * 1000,
        marks={} if error else _marks(case),
    )


def _marks(case: Node) -> dict[str, Mark]:
    marks: dict[str, Mark] = {}
    decides: list[Mark] = []
    for metric in case.nodes("metricsData"):
        name = metric.text("name")
        if name is None:
            metric.problem("a metric has a name", "name")
            continue
        mark = _mark(metric)
        marks[name] = mark
        if metric.flag("flaky") is not True:
            decides.append(mark)
    return {**marks, _PASS: _passed(case, decides)}


def _mark(metric: Node) -> Mark:
    """Return the score of a metric; one with an error has none, whatever stands beside it."""
    if "error" in metric:
        return Mark(value=None, reason=metric.text("error"))
    return Mark(
        value=metric.number("score"), passed=metric.flag("success"), reason=metric.text("reason")
    )


def _passed(case: Node, decides: Sequence[Mark]) -> Mark:
    """Return whether a test case passes; unknown if only metrics with an error say no."""
    success = case.flag("success")
    failed = next((mark for mark in decides if mark.passed is False), None)
    lost = next((mark for mark in decides if not mark.is_scored), None)
    if failed is None and lost is not None:
        return Mark(value=None, reason=lost.reason)
    reason = failed.reason if failed else None
    return Mark(value=None if success is None else float(success), passed=success, reason=reason)


def _measures(cases: Sequence[Node]) -> Iterator[Measure]:
    yield Measure(name=_PASS, kind=MetricKind.BINARY, definition={"sums_up": "all metrics"})
    by_name: dict[str, list[Node]] = {}
    for case in cases:
        for metric in case.nodes("metricsData"):
            if name := metric.text("name"):
                by_name.setdefault(name, []).append(metric)
    by_name.pop(_PASS, None)
    for name, found in by_name.items():
        is_strict = all(metric.flag("strictMode") is True for metric in found)
        models = sorted({text for m in found if (text := m.text("evaluationModel"))})
        definition: dict[str, Any] = {"part_of": _PASS, "strict": is_strict}
        thresholds = sorted({t for m in found if (t := m.amount("threshold")) is not None})
        if thresholds:
            definition["thresholds"] = thresholds
        if models:
            definition["judge"] = models
        is_binary = is_strict or name in _YES_OR_NO
        yield Measure(
            name=name,
            kind=MetricKind.BINARY if is_binary else MetricKind.BOUNDED,
            higher_is_better=not any(map(_passes_below, found)),
            category="model" if models else "rule",
            definition=definition,
        )


def _passes_below(metric: Node) -> bool:
    """Return whether a value passed below its threshold, or failed above it: less is better then.

    DeepEval 4 has no such metric; its earlier releases count bias and toxicity that way.
    """
    score, threshold = metric.number("score"), metric.number("threshold")
    success = metric.flag("success")
    if score is None or threshold is None or success is None or "error" in metric:
        return False
    return score < threshold if success else score > threshold


TOOL: Final = Tool(
    name="deepeval",
    looks_for="DeepEval: testCases with metricsScores, as DEEPEVAL_RESULTS_FOLDER collects them",
    fits=fits,
    read=read,
)
