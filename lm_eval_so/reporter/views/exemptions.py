"""What the quarantine and accept files take out of the gate, as it is shown."""

from collections.abc import Iterator

from lm_eval_so.core.records.comparison import Comparison, Exemption, FlakyCase, MetricComparison
from lm_eval_so.core.words.numbers import count, percent
from lm_eval_so.reporter.views.view import ABSENT, ExemptionRow, ExemptionTable, FlakyView, Words

_COUNTING = frozenset({"applied", "unused"})
"""States of an entry that does what it is there for, or has nothing to do."""


def exemption_tables(comparison: Comparison, words: Words) -> Iterator[ExemptionTable]:
    """Yield a table for each file that has entries; those that no longer hold come first."""
    for key, found in (("quarantine", comparison.quarantine), ("accept", comparison.accept)):
        if not found:
            continue
        ordered = sorted(found, key=lambda each: each.state in _COUNTING)
        yield ExemptionTable(
            title=f"table_{key}",
            has_limits=key == "accept",
            rows=tuple(_row(each, words) for each in ordered),
        )


def flaky_views(cases: tuple[FlakyCase, ...], words: Words) -> Iterator[FlakyView]:
    """Give the samples that asking again showed to be flaky, metrics that did the same together."""
    metrics: dict[tuple[str, tuple[int, int]], list[str]] = {}
    for case in cases:
        metrics.setdefault((case.sample_id, case.again), []).append(case.metric)
    for (sample_id, (worse, times)), same in metrics.items():
        again = words("again", w=count(worse), n=count(times))
        yield FlakyView(sample_id=sample_id, metrics=", ".join(same), again=again)


def stability_notes(key: str, metric: MetricComparison, words: Words) -> Iterator[str]:
    """Say how steady several answers to the same sample are, by one metric."""
    for side, found in metric.stability.items():
        yield words(
            "stability",
            metric=key,
            side=words(f"of_{side}"),
            k=count(found.repeats),
            n=count(found.n),
            flaky=percent(found.flaky_share),
            flips=percent(found.self_flip_rate),
        )


def _row(exemption: Exemption, words: Words) -> ExemptionRow:
    scores = (
        f"{key} {_value(old)} → {_value(new)}" for key, (old, new) in exemption.scores.items()
    )
    most = exemption.max_drop
    return ExemptionRow(
        sample_id=exemption.sample_id or words("whole_metric"),
        metric=exemption.metric or words("all_metrics"),
        is_sample=exemption.sample_id is not None,
        scores=", ".join(scores) or ABSENT,
        limit=ABSENT if most is None else f"{most:g}",
        drop=ABSENT if exemption.drop is None else f"{exemption.drop:.3g}",
        until=exemption.until,
        state=words(f"state_{exemption.state}"),
        reason=exemption.reason,
    )


def _value(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.3g}"
