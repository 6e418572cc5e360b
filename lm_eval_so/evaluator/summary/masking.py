"""Texts of a report: parameters as the config writes them, personal data masked."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import JsonValue

from lm_eval_so.core.columns.column import changed
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.variables import as_written, text_as_written
from lm_eval_so.core.records.report import Case, EvaluationReport, MetricSummary
from lm_eval_so.core.records.sample import SourcePlace
from lm_eval_so.core.records.score import JudgeVote, Score
from lm_eval_so.core.text.personal_data import Kind, mask_personal_data
from lm_eval_so.evaluator.binding.bound import BoundMetric

Text = TypeVar("Text", str, str | None)

_JUDGES = frozenset({"judge", "panel"})
"""Keys of a definition that tell of judges: their parameters are compared by value."""


def masked_kinds(bound: Iterable[BoundMetric]) -> frozenset[Kind]:
    """Return the kinds of personal data that the metrics, or metrics inside them, look for."""
    return frozenset(kind for each in bound for kind in each.metric.env.masks)


def mask_report(
    report: EvaluationReport, kinds: frozenset[Kind], *, has_answers: bool
) -> EvaluationReport:
    """Return a report whose texts hold no personal data of some kinds.

    Args:
        report: The report.
        kinds: Kinds to mask; none leaves the report as it is.
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
            inputs=columns.inputs and changed(columns.inputs, mask.text),
            expected=columns.expected and changed(columns.expected, mask.text),
            references=columns.references and changed(columns.references, mask.texts),
            sources=columns.sources and changed(columns.sources, mask.place),
            refs=columns.refs and changed(columns.refs, mask.text),
            answers=changed(columns.answers, mask.text)
            if columns.answers and has_answers
            else columns.answers,
        ),
    )


def shown_summary(summary: MetricSummary, config: Config) -> MetricSummary:
    """Return a summary whose definition and parts have parameters as the config writes them.

    The fingerprint stays that of their values: only equal values measure the same.
    """
    shown = {
        key: value if key in _JUDGES else written_value(value, config, "params")
        for key, value in summary.definition.items()
    }
    written = params_written(config) if summary.parts else {}
    parts = {text_as_written(name, written): each for name, each in summary.parts.items()}
    return replace(summary, definition=shown, parts=parts)


def shown_case(case: Case, config: Config) -> Case:
    """Return a case whose scores quote parameters as the config writes them."""
    written = params_written(config)
    scores = tuple(
        replace(
            score,
            reason=score.reason and text_as_written(score.reason, written),
            reason_in=_each_as_written(score.reason_in, written),
            details=as_written(score.details, written),
        )
        for score in case.scores
    )
    return replace(
        case,
        reason=text_as_written(case.reason, written),
        reason_in=_each_as_written(case.reason_in, written),
        scores=scores,
    )


def _each_as_written(texts: Mapping[str, str], written: Mapping[str, str]) -> dict[str, str]:
    return {key: text_as_written(text, written) for key, text in texts.items()}


def params_written(config: Config) -> dict[str, str]:
    """Return the texts of the config for parameters of metrics, by the values they stand for."""
    return _written(config, "params")


def written_system(config: Config) -> str | None:
    """Return the system prompt with its variables as the config writes them."""
    found: str | None = as_written(config.system, config.located.written_below("system"))
    return found


def written_value(value: Any, config: Config, key: str) -> Any:
    """Return a value of a metric's section with its variables as the config writes them."""
    return as_written(value, _written(config, key))


class _Mask:
    """Mask for the texts of records."""

    def __init__(self, kinds: frozenset[Kind]) -> None:
        self._kinds = kinds

    def text(self, text: Text) -> Text:
        return text and mask_personal_data(text, self._kinds)

    def texts(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(self.text, texts))

    def place(self, place: SourcePlace | None) -> SourcePlace | None:
        return place and replace(place, quote=self.text(place.quote))

    def case(self, case: Case) -> Case:
        return replace(
            case,
            input=self.text(case.input),
            expected=self.text(case.expected),
            answer=self.text(case.answer),
            reason=self.text(case.reason),
            reason_in=self._each(case.reason_in),
            scores=tuple(map(self._score, case.scores)),
        )

    def _score(self, score: Score) -> Score:
        return replace(
            score,
            reason=self.text(score.reason),
            reason_in=self._each(score.reason_in),
            details={key: self._json(value) for key, value in score.details.items()},
            judge=tuple(map(self._vote, score.judge)),
        )

    def _vote(self, vote: JudgeVote) -> JudgeVote:
        return replace(
            vote,
            reason=self.text(vote.reason),
            reason_in=self._each(vote.reason_in),
            evidence=tuple(map(self.text, vote.evidence)),
        )

    def _each(self, texts: Mapping[str, str]) -> dict[str, str]:
        return {key: self.text(text) for key, text in texts.items()}

    def _json(self, value: JsonValue) -> JsonValue:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self._json(inner) for key, inner in value.items()}
        return [self._json(inner) for inner in value] if isinstance(value, list) else value


def _written(config: Config, key: str) -> dict[str, str]:
    return {
        each.value: each.text
        for path, each in config.located.written.items()
        if each.value and path[0] == "metrics" and path[2:3] == (key,)
    }
