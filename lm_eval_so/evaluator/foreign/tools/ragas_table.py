"""Ragas: the table of an `EvaluationResult`, or of an experiment, as CSV, JSON or JSON lines."""

import ast
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from lm_eval_so.core.records.chat import Message
from lm_eval_so.core.records.enums import MetricKind, RunStatus
from lm_eval_so.core.records.run import BackendInfo
from lm_eval_so.core.records.sample import Passage
from lm_eval_so.errors import InputError, Where
from lm_eval_so.evaluator.foreign.foreign_file import Content, Problems, as_float, clean, shown
from lm_eval_so.evaluator.foreign.records import (
    ForeignAnswer,
    ForeignCase,
    ForeignResults,
    Mark,
    Measure,
    Tool,
)

_QUESTIONS: Final = ("user_input", "question", "query", "input", "질문")
_ANSWERS: Final = ("response", "answer", "output", "답변")
_REFERENCES: Final = (
    "reference",
    "expected",
    "expected_output",
    "expected_answer",
    "ground_truth",
    "정답",
)
_IDS: Final = ("id", "case_id", "sample_id")
_OF_SAMPLES: Final = frozenset(
    {
        "retrieved_contexts", "reference_contexts", "retrieved_context_ids", "reference_context_ids",
        "multi_responses", "rubrics", "persona_name", "query_style", "query_length",
        "reference_tool_calls", "reference_topics", "synthesizer_name",
    }
)  # fmt: skip
"""Columns of Ragas' own that hold no score."""
_YES_OR_NO: Final = {"pass": 1.0, "fail": 0.0, "true": 1.0, "false": 0.0}
_BINARY: Final = frozenset({"exact_match", "string_presence"})
_BY_RULE: Final = frozenset(
    {
        "exact_match", "string_presence", "bleu_score", "rouge_score", "chrf_score",
        "non_llm_string_similarity", "non_llm_context_recall", "quoted_spans_alignment",
        "non_llm_context_precision_with_reference", "tool_call_accuracy", "tool_call_f1",
        "id_based_context_precision", "id_based_context_recall",
    }
)  # fmt: skip
_WORDING: Final = frozenset(
    {"bleu_score", "rouge_score", "chrf_score", "non_llm_string_similarity", "semantic_similarity"}
)
_FAMILY: Final = re.compile(r"\W.*")
_LONGEST_LIST: Final = 1_000_000


def fits(content: Content) -> bool:
    """Return whether a file is a table with questions, answers and at least one column of scores."""
    columns = content.columns
    named = _first(_QUESTIONS, columns) and _first(_ANSWERS, columns)
    return bool(named) and any(_kind_of(cells) for _, cells in _candidates(content))


def read(content: Content, candidate: str | None) -> ForeignResults:
    """Read a table.

    Args:
        content: The file.
        candidate: Not needed: a table is about one chatbot.

    Raises:
        InputError: With every problem of the file.
    """
    del candidate
    rows, columns = content.rows or (), content.columns
    question, answer = _first(_QUESTIONS, columns), _first(_ANSWERS, columns)
    if question is None or answer is None:
        what = f"no columns of questions and answers among {', '.join(columns[:20])}"
        hint = f"questions: {', '.join(_QUESTIONS)}; answers: {', '.join(_ANSWERS)}"
        raise InputError(what, where=Where(file=str(content.file)), hint=hint)
    measures, left = _measures(content)
    problems = Problems(content.file)
    found = []
    for number, row in enumerate(rows):
        where = content.where(number)
        case = _case(row, question, columns)
        if not case.messages:
            problems.add(f"the row has no {question}", where)
        found.append((case, _answer(row, answer, measures, problems, where)))
    problems.refuse()
    return ForeignResults(
        tool=TOOL.name,
        version=None,
        backend=BackendInfo(name=TOOL.name, label=clean(content.file.stem) or TOOL.name),
        measures=tuple(measures),
        rows=found,
        notes=(f"columns without scores, left out: {', '.join(left)}",) if left else (),
    )


def _first(names: Sequence[str], columns: Sequence[str]) -> str | None:
    return next((name for name in names if name in columns), None)


def _candidates(content: Content) -> Iterator[tuple[str, list[Any]]]:
    """Yield the columns that may hold scores, with their cells."""
    known = {*_QUESTIONS, *_ANSWERS, *_REFERENCES, *_IDS, *_OF_SAMPLES}
    for name in content.columns:
        if name not in known:
            yield name, [row.get(name) for row in content.rows or ()]


def _kind_of(cells: Sequence[Any]) -> MetricKind | None:
    """Return the kind of a column of scores; None for any other column."""
    told = [cell for cell in cells if cell not in (None, "")]
    numbers = [_as_number(cell) for cell in told]
    if not numbers or any(number is None for number in numbers):
        return None
    if all(isinstance(cell, bool) or str(cell).lower() in _YES_OR_NO for cell in told):
        return MetricKind.BINARY
    known = [number for number in numbers if number is not None and math.isfinite(number)]
    is_share = bool(known) and all(-1e-9 <= number <= 1 + 1e-9 for number in known)
    return MetricKind.BOUNDED if is_share else None


def _as_number(cell: Any) -> float | None:
    """Return a cell as a number, NaN for one without; None for any other text."""
    if cell is None or cell == "":
        return math.nan
    if isinstance(cell, bool | int | float):
        return as_float(cell)
    text = str(cell).strip().lower()
    if text in _YES_OR_NO:
        return _YES_OR_NO[text]
    try:
        return float(text)
    except ValueError:
        return None


def _measures(content: Content) -> tuple[list[Measure], list[str]]:
    """Return the metrics, and the names of the other columns that are no part of a case."""
    found, left = [], []
    for name, cells in _candidates(content):
        kind, family = _kind_of(cells), _FAMILY.sub("", name)
        if kind is None and family in _BY_RULE and all(_as_number(c) is not None for c in cells):
            kind = MetricKind.BOUNDED  # a metric of Ragas without any score
        if kind is None:
            left.append(name)
            continue
        found.append(
            Measure(
                name=name,
                kind=MetricKind.BINARY if family in _BINARY else kind,
                category="rule" if family in _BY_RULE else "model",
                measures_overlap=family in _WORDING,
            )
        )
    return found, left


def _case(row: Mapping[str, Any], question: str, columns: Sequence[str]) -> ForeignCase:
    asked, own_id = row.get(question), row.get(_first(_IDS, columns) or "")
    reference = row.get(_first(_REFERENCES, columns) or "")
    messages = _messages(asked)
    return ForeignCase(
        identity=[f"{m.role}: {m.content}" for m in messages],
        own_id=shown(own_id) if own_id not in (None, "") else None,
        messages=messages,
        expected=shown(reference) if reference not in (None, "") else None,
        context=tuple(Passage(text=text) for text in _texts(row.get("reference_contexts"))),
    )


def _messages(asked: Any) -> tuple[Message, ...]:
    """Return the question; of a conversation in Ragas' messages the turns up to the last of the user."""
    if asked in (None, ""):
        return ()
    if not isinstance(asked, list):
        return (Message(role="user", content=shown(asked)),)
    roles: dict[Any, Any] = {"human": "user", "ai": "assistant"}
    found = [
        Message(role=roles[turn.get("type")], content=shown(turn.get("content") or ""))
        for turn in asked
        if isinstance(turn, Mapping) and turn.get("type") in roles
    ]
    while found and found[-1].role != "user":
        found.pop()
    return tuple(found)


def _texts(cell: Any) -> list[str]:
    """Return the texts of a list, as JSON lines hold it or as pandas writes it into a CSV file."""
    if isinstance(cell, str) and cell.startswith("[") and len(cell) < _LONGEST_LIST:
        try:
            cell = ast.literal_eval(cell)  # reads literals alone, it runs nothing
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return [clean(cell)]
    if isinstance(cell, str) and cell:
        return [clean(cell)]
    return [shown(each) for each in cell if each] if isinstance(cell, list) else []


def _answer(
    row: Mapping[str, Any],
    answer: str,
    measures: Sequence[Measure],
    problems: Problems,
    where: Where,
) -> ForeignAnswer:
    told = row.get(answer)
    text = "" if told is None else shown(told)
    marks: dict[str, Mark] = {}
    for measure in measures:
        value = _as_number(row.get(measure.name))
        if value is None:
            problems.add(
                f"{measure.name}: expected a number, found {shown(row[measure.name])!r}", where
            )
        is_missing = value is None or not math.isfinite(value)
        passed = value == 1 if measure.kind is MetricKind.BINARY and not is_missing else None
        why = "the cell is empty or NaN" if is_missing else None
        marks[measure.name] = Mark(value=value, passed=passed, reason=why)
    return ForeignAnswer(status=RunStatus.OK if text else RunStatus.EMPTY, text=text, marks=marks)


TOOL: Final = Tool(
    name="ragas",
    looks_for="Ragas: a table with user_input, response and scores from 0 to 1, as CSV or JSON lines",
    fits=fits,
    read=read,
)
