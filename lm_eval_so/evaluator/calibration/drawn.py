"""The run that labelled answers were chosen from, as its report tells of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, get_args

from lm_eval_so.core.hashing import digest, digest_text
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.text.personal_data import Kind, mask_personal_data
from lm_eval_so.evaluator.fold import full_definition
from lm_eval_so.evaluator.score import BoundMetric

_KINDS: Final = frozenset[Kind](get_args(Kind))


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What the judge of a metric said of the whole run."""

    labels: Mapping[str, int]
    """Rows that it was asked about, by its label."""
    scores: tuple[float | None, ...]
    """Values of all rows."""
    places: Mapping[tuple[str, int], int]
    """Where a sample and a repeat stand among them."""

    def value(self, sample_id: str, repeat: int) -> float | None:
        """Return what the judge made of an answer.

        None if it is not of the run, or has no value.
        """
        place = self.places.get((sample_id, repeat))
        return None if place is None else self.scores[place]


@dataclass(frozen=True, slots=True)
class Unfit:
    """There is no report that tells it."""

    why: str


def drawn_from(
    report: EvaluationReport | None, bound: BoundMetric, answers: Iterable[RunResult]
) -> Drawn | Unfit:
    """Return what the judge said of the run, if a report is of this judge and of these answers.

    Args:
        report: The report; None if there is none.
        bound: The metric.
        answers: The labelled answers that the judge was asked about.
    """
    if report is None:
        return Unfit("there is no report of the run")
    summary, health = report.metrics.get(bound.id), report.judges.get(bound.id)
    if summary is None or health is None:
        return Unfit(f"the report has no {bound.id}")
    if summary.fingerprint != digest(full_definition(bound)):
        return Unfit("the report is of another judge or rubric")
    rows = report.samples
    places = {place: i for i, place in enumerate(zip(rows.ids, rows.repeats, strict=True))}
    for answer in answers:
        place = places.get((answer.sample_id, answer.repeat))
        if place is None:
            return Unfit(f"the report lacks {answer.sample_id}, which is labelled")
        kept = rows.answers[place] if rows.answers else None
        is_same_question = rows.sample_hashes[place] == answer.sample_hash
        if not is_same_question or (kept is not None and not _is_same(kept, answer.text)):
            return Unfit(f"the report has another answer to {answer.sample_id}")
    return Drawn(labels=dict(health.labels), scores=rows.scores[bound.id], places=places)


def _is_same(kept: str, answer: str) -> bool:
    """Return whether a report kept this answer, or its digest, or what masking left of it."""
    if kept in {answer, digest_text(answer)}:
        return True
    return mask_personal_data(kept, _KINDS) == mask_personal_data(answer, _KINDS)
