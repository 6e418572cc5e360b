"""Known flaky samples: reported, not gating."""

from collections.abc import Sequence

from lm_eval_so.comparator.exempt import Found, Names, scores_of
from lm_eval_so.comparator.leaving import Leaving
from lm_eval_so.comparator.measure import Reports
from lm_eval_so.core.records.comparison import Exemption


def quarantined(found: Sequence[Found]) -> Leaving:
    """Give the samples that leave both sides, before anything else is looked at."""
    everywhere: set[str] = set()
    by_metric: dict[str, set[str]] = {}
    for each in found:
        if each.refused is None and each.sample_id is not None:
            metric = each.entry.metric
            of = everywhere if metric is None else by_metric.setdefault(metric, set())
            of.add(each.sample_id)
    return Leaving(
        everywhere=frozenset(everywhere),
        by_metric={key: frozenset(ids) for key, ids in by_metric.items()},
    )


def quarantine_records(
    found: Sequence[Found], names: Names, reports: Reports
) -> tuple[Exemption, ...]:
    """Give every entry with what became of it, and how its sample did all the same.

    Args:
        found: The entries.
        names: What the reports have.
        reports: Both, with all samples.
    """
    return tuple(_record(each, names, reports) for each in found)


def _record(each: Found, names: Names, reports: Reports) -> Exemption:
    if each.refused is not None or each.sample_id is None:
        return each.record(each.refused or "unknown_sample")
    scores = scores_of(each.sample_id, each.metrics(names), reports)
    return each.record("applied", scores=scores)
