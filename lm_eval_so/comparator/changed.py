"""What people look at: the samples that got worse or better, and what differs in the chatbot."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from lm_eval_so.comparator.estimate import gains_of, rounding_of
from lm_eval_so.comparator.finding import Finding
from lm_eval_so.comparator.pair import Pairs, Rows
from lm_eval_so.core.records.comparison import ChangedCase
from lm_eval_so.core.records.enums import Direction, MetricKind
from lm_eval_so.core.records.report import Columns, EvaluationReport, Experiment

_LONGEST_VALUE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class _Texts:
    """What a report tells of its rows."""

    columns: Columns
    answers: Sequence[str | None] | None
    """None if the report does not keep them, or only their digests."""
    reasons: Mapping[tuple[str, int, str], str]
    """Why a row has its score, by sample, repeat and metric."""


def changed_cases(
    findings: Mapping[str, Finding],
    pairs: Pairs,
    *,
    baseline: EvaluationReport,
    candidate: EvaluationReport,
) -> tuple[ChangedCase, ...]:
    """Give every sample whose score changed, per metric: the largest drop first, then the gains.

    Costs and times are left out, since they differ on every sample.
    """
    before, now = _texts(baseline), _texts(candidate)
    found = [
        change
        for key, finding in findings.items()
        if finding.shape.kind is not MetricKind.RATIO
        for change in _changes(key, finding, pairs, before, now)
    ]
    worse = sorted((c for c in found if c[0] < 0), key=lambda change: change[0])
    better = sorted((c for c in found if c[0] > 0), key=lambda change: -change[0])
    return tuple(case for _, case in (*worse, *better))


def _changes(
    key: str, finding: Finding, pairs: Pairs, before: _Texts, now: _Texts
) -> Iterator[tuple[float, ChangedCase]]:
    complete = finding.complete
    if complete is None or not complete.positions:
        return
    gains = gains_of(complete, finding.shape)
    limit = rounding_of(gains)
    width = finding.shape.width or max(map(abs, gains))
    values = zip(complete.positions, gains, complete.baseline, complete.candidate, strict=True)
    for position, gain, old, new in values:
        if abs(gain) <= limit:
            continue
        name = finding.ids[position]
        is_worse = gain < 0
        wants_low = is_worse == (finding.shape.direction is Direction.HIGHER)
        old_row = _telling_row(before.columns, key, pairs.baseline.rows_by_id[name], not wants_low)
        new_row = _telling_row(now.columns, key, pairs.candidate.rows_by_id[name], wants_low)
        yield (
            gain / width,
            ChangedCase(
                sample_id=name,
                metric=key,
                change="worse" if is_worse else "better",
                baseline=old,
                candidate=new,
                input=_at(now.columns.inputs, new_row) or _at(before.columns.inputs, old_row),
                expected=_at(now.columns.expected, new_row)
                or _at(before.columns.expected, old_row),
                baseline_answer=_at(before.answers, old_row),
                candidate_answer=_at(now.answers, new_row),
                reason=now.reasons.get((name, now.columns.repeats[new_row], key)),
            ),
        )


def _telling_row(columns: Columns, key: str, rows: Rows, wants_low: bool) -> int:
    """Give the repeat that shows the change best: the lowest or the highest."""
    if len(rows) == 1:
        return rows[0]
    column = columns.scores[key]
    present = [(value, row) for row in rows if (value := column[row]) is not None]
    chosen = min(present) if wants_low else max(present, key=lambda item: item[0])
    return chosen[1]


def _at(column: Sequence[str | None] | None, row: int) -> str | None:
    return column[row] if column is not None else None


def _texts(report: EvaluationReport) -> _Texts:
    kept = report.experiment.evaluator_config.get("report")
    are_digests = isinstance(kept, Mapping) and kept.get("answers") == "hash"
    return _Texts(
        columns=report.samples,
        answers=None if are_digests else report.samples.answers,
        reasons={
            (case.sample_id, case.repeat, score.metric): score.reason
            for case in report.errors
            for score in case.scores
            if score.reason
        },
    )


def differences(baseline: Experiment, candidate: Experiment) -> tuple[str, ...]:
    """Name what differs in the thing under test, key by key; long values are left out."""
    before, now = _facts(baseline), _facts(candidate)
    keys = dict.fromkeys([*now, *before])
    return tuple(
        _difference(key, before.get(key), now.get(key))
        for key in keys
        if before.get(key) != now.get(key)
    )


def _facts(experiment: Experiment) -> dict[str, JsonValue]:
    backend, dataset = experiment.backend, experiment.dataset
    return {
        "backend": backend.name,
        "model": backend.model,
        **{f"params.{key}": value for key, value in sorted(backend.params.items())},
        "system": backend.system,
        "models_answered": list(backend.models_answered),
        "dataset": dataset.name,
        "dataset.version": dataset.version,
        "dataset.digest": dataset.digest[:12],
    }


def _difference(key: str, before: JsonValue, now: JsonValue) -> str:
    shown = [_short(before), _short(now)]
    return key if None in shown else f"{key}: {shown[0]} → {shown[1]}"


def _short(value: JsonValue) -> str | None:
    if value is None:
        return "–"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE and text.isprintable() else None
