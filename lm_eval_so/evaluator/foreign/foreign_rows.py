"""Foreign results as samples and rows of a run: the same case has the same id in every file of a tool."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lm_eval_so.core.hashing import digest, sample_hash
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.run import ErrorInfo, Response, RunResult
from lm_eval_so.core.records.sample import Review, TestSample
from lm_eval_so.errors import ErrorKind, InputError, Problem, Where
from lm_eval_so.evaluator.foreign.records import (
    ForeignAnswer,
    ForeignCase,
    ForeignResults,
    Mark,
)

FINGERPRINT: Final = "imported"
"""Stands for the settings of the chatbot, which no file tells in full."""
_LONGEST_ID: Final = 200
_LONGEST_ERROR: Final = 2_000
_HTTP: Final = re.compile(
    r"(?:^|API error:?|HTTP(?:/[\d.]+)?|[Ss]tatus(?: code)?:?)\s*([45]\d\d)\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignRow:
    """An answer with its sample and its scores."""

    sample: TestSample
    run: RunResult
    marks: Mapping[str, Mark]
    """By name of the metric."""


def make_rows(results: ForeignResults, ids: Mapping[str, str], *, file: str) -> list[ForeignRow]:
    """Return the rows of all answers, those of a sample together, in the order of the first of each.

    A case keeps the user's own id if no other case has it, too; else a digest of what identifies it.

    Args:
        results: The results.
        ids: Ids of the metrics, by name.
        file: The file, for problems.

    Raises:
        InputError: If there are no answers, or two have the same place.
    """
    if not results.rows:
        raise InputError("the file has no results", where=Where(file=file))
    id_of = _naming([case for case, _ in results.rows])
    by_id: defaultdict[str, list[tuple[ForeignCase, ForeignAnswer]]] = defaultdict(list)
    for case, answer in results.rows:
        by_id[id_of(case)].append((case, answer))
    rows: list[ForeignRow] = []
    for sample_id, found in by_id.items():
        sample = _sample(sample_id, found[0][0], ids)
        for number, (_, answer) in enumerate(found):
            repeat = number if answer.repeat is None else answer.repeat
            rows.append(
                ForeignRow(sample=sample, run=_run(sample, answer, repeat), marks=answer.marks)
            )
    places = Counter((row.sample.id, row.run.repeat) for row in rows)
    twice = [
        Problem(what=f"{name} has two answers number {repeat + 1}", where=Where(file=file))
        for (name, repeat), n in places.items()
        if n > 1
    ]
    if twice:
        raise InputError.of(twice)
    return rows


def _naming(cases: Sequence[ForeignCase]) -> Callable[[ForeignCase], str]:
    """Return the function that names a case.

    The user's id is the name where only one case has it; else what identifies the case, and what is expected,
    too, where the same question stands there with several expectations.
    """
    by_own: defaultdict[str, set[str]] = defaultdict(set)
    by_identity: defaultdict[str, set[str]] = defaultdict(set)
    for case in cases:
        whole, identity = _content(case), digest(case.identity)
        by_identity[identity].add(whole)
        if case.own_id:
            by_own[case.own_id].add(f"{identity}{whole}")

    def name(case: ForeignCase) -> str:
        own, identity = case.own_id, digest(case.identity)
        if own is not None and own.strip() and len(own) <= _LONGEST_ID and len(by_own[own]) == 1:
            return own
        several = len(by_identity[identity]) > 1
        return f"i{(digest([identity, _content(case)]) if several else identity)[:16]}"

    return name


def _content(case: ForeignCase) -> str:
    """Return a digest of what the answer to a case is judged by."""
    context = [passage.text for passage in case.context]
    judged = {key: dict(params) for key, params in case.judged_by.items()}
    return digest([case.expected, list(case.references), context, judged])


def _sample(sample_id: str, case: ForeignCase, ids: Mapping[str, str]) -> TestSample:
    return TestSample(
        id=sample_id,
        messages=case.messages,
        expected=case.expected,
        references=case.references,
        context=case.context,
        tags=case.tags,
        metrics={ids.get(name, name): params for name, params in case.judged_by.items()},
        ref=case.own_id,
        review=Review(status="imported"),
    )


def _run(sample: TestSample, answer: ForeignAnswer, repeat: int) -> RunResult:
    is_answer = answer.status.is_answer
    return RunResult(
        sample_id=sample.id,
        sample_hash=sample_hash(sample),
        repeat=repeat,
        status=answer.status,
        response=Response(text=answer.text or "") if is_answer else None,
        usage=answer.usage,
        cost_usd=answer.cost_usd,
        cost_source="unknown" if answer.cost_usd is None else "config",
        latency_ms=answer.latency_ms,
        attempts=0 if answer.cached else 1,
        cached=answer.cached,
        error=None if is_answer else _error(answer),
        model=answer.model,
        started_at=answer.started_at,
        fingerprint=FINGERPRINT,
    )


def _error(answer: ForeignAnswer) -> ErrorInfo:
    message = (answer.error or RunStatus.ERROR.value)[:_LONGEST_ERROR]
    status = _HTTP.search(message)
    return ErrorInfo(
        kind=ErrorKind.SERVER,
        message=message,
        http_status=int(status[1]) if status else None,
    )
