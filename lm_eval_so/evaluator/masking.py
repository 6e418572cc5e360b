"""Personal data in a report: masked in every text as soon as a metric looks for it."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from pydantic import JsonValue

from lm_eval_so.core.records.report import Case, EvaluationReport
from lm_eval_so.core.records.score import JudgeVote, Score
from lm_eval_so.core.text.personal_data import Kind, mask_personal_data
from lm_eval_so.evaluator.bound import BoundMetric

Text = TypeVar("Text", str, str | None)


def masked_kinds(bound: Iterable[BoundMetric]) -> frozenset[Kind]:
    """Return the kinds of personal data that some of the metrics look for, inside others too."""
    return frozenset(kind for each in bound for kind in each.metric.env.masks)


def mask_report(
    report: EvaluationReport, kinds: frozenset[Kind], *, has_answers: bool
) -> EvaluationReport:
    """Return a report whose texts hold no personal data of some kinds.

    Args:
        report: The report.
        kinds: What is masked; none leaves it as it is.
        has_answers: Whether the columns hold the answers themselves, not their digests.
    """
    if not kinds:
        return report
    mask = _Mask(kinds)
    columns = report.samples
    return replace(
        report,
        errors=tuple(map(mask.case, report.errors)),
        samples=replace(
            columns,
            inputs=columns.inputs and tuple(map(mask.text, columns.inputs)),
            expected=columns.expected and tuple(map(mask.text, columns.expected)),
            refs=columns.refs and tuple(map(mask.text, columns.refs)),
            answers=tuple(map(mask.text, columns.answers))
            if columns.answers and has_answers
            else columns.answers,
        ),
    )


class _Mask:
    """Masks the texts of records."""

    def __init__(self, kinds: frozenset[Kind]) -> None:
        self._kinds = kinds

    def text(self, text: Text) -> Text:
        return text and mask_personal_data(text, self._kinds)

    def case(self, case: Case) -> Case:
        return replace(
            case,
            input=self.text(case.input),
            expected=self.text(case.expected),
            answer=self.text(case.answer),
            reason=self.text(case.reason),
            scores=tuple(map(self._score, case.scores)),
        )

    def _score(self, score: Score) -> Score:
        return replace(
            score,
            reason=self.text(score.reason),
            details={key: self._json(value) for key, value in score.details.items()},
            judge=tuple(map(self._vote, score.judge)),
        )

    def _vote(self, vote: JudgeVote) -> JudgeVote:
        return replace(
            vote,
            reason=self.text(vote.reason),
            evidence=tuple(map(self.text, vote.evidence)),
        )

    def _json(self, value: JsonValue) -> JsonValue:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self._json(inner) for key, inner in value.items()}
        return [self._json(inner) for inner in value] if isinstance(value, list) else value
