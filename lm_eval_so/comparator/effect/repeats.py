"""What several answers to one sample tell: how much of a change is the chatbot's own dice."""

from lm_eval_so.comparator.effect.measure import Reports
from lm_eval_so.comparator.pairing.pair import Side, applicable_rows
from lm_eval_so.core.records.comparison import Stability
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.stats.binary import flaky_share, self_flip_rate

_MOST_IDS = 100


def stability_of(key: str, reports: Reports) -> dict[str, Stability]:
    """Return how steady each side is, of a metric that says right or wrong and has repeats."""
    sides = {"candidate": (reports.candidate, reports.side)}
    if reports.baseline is not None and reports.pairs is not None:
        sides = {"baseline": (reports.baseline, reports.pairs.baseline), **sides}
    found = {}
    for name, (report, side) in sides.items():
        summary = report.metrics.get(key)
        if summary is not None and summary.kind is MetricKind.BINARY:
            stability = _stability(key, side)
            if stability is not None:
                found[name] = stability
    return found


def _stability(key: str, side: Side) -> Stability | None:
    if len(side.rows_by_id) == len(side.columns.ids) or key not in side.columns.scores:
        return None
    column, samples = side.columns.scores[key], applicable_rows(side, key)
    repeats = max(map(len, samples.values()), default=0)
    if repeats < 2:
        return None
    right: dict[str, int] = {}
    for name, rows in samples.items():
        values = [column[row] for row in rows]
        if len(values) == repeats and all(value in {0, 1} for value in values):
            right[name] = values.count(1)
    if not right:
        return None
    counts = list(right.values())
    return Stability(
        repeats=repeats,
        n=len(counts),
        flaky_share=flaky_share(counts, repeats),
        self_flip_rate=self_flip_rate(counts, repeats),
        flaky=tuple(name for name, s in right.items() if 0 < s < repeats)[:_MOST_IDS],
    )
