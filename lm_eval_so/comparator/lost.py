"""Cases that had an answer in the baseline and have none now."""

from collections import Counter
from collections.abc import Collection

from lm_eval_so.comparator.effect.measure import Reports
from lm_eval_so.comparator.pairing.pair import Side
from lm_eval_so.core.records.comparison import Lost, LostCase
from lm_eval_so.core.records.enums import RunStatus

_MOST_CASES = 100
_ANSWERED = frozenset(status.value for status in RunStatus if status.is_answer)


def lost_cases(reports: Reports, *, without: Collection[str]) -> Lost | None:
    """Return the cases that were asked the same on both sides and lost every answer.

    Args:
        reports: Both reports.
        without: Ids of samples that do not count.

    Returns:
        None if there are none.
    """
    now, pairs = reports.side, reports.pairs
    if pairs is None or _ANSWERED.issuperset(now.columns.statuses):
        return None
    before = pairs.baseline
    lost = [
        sample_id
        for sample_id in now.rows_by_id
        if sample_id not in without
        and not _has_answer(now, sample_id)
        and sample_id in before.rows_by_id
        and _has_answer(before, sample_id)
        and _asked(before, sample_id) == _asked(now, sample_id)
    ]
    if not lost:
        return None
    failures = now.columns.failures.items()
    why_of = {row: why for why, rows in failures for row in rows}
    whys = {name: _why(now, name, why_of) for name in lost}
    return Lost(
        n=len(lost),
        by=dict(Counter(whys.values()).most_common()),
        cases=tuple(_case(name, whys[name], before, now) for name in lost[:_MOST_CASES]),
    )


def _has_answer(side: Side, sample_id: str) -> bool:
    return any(side.columns.statuses[row] in _ANSWERED for row in side.rows_by_id[sample_id])


def _asked(side: Side, sample_id: str) -> str:
    return side.columns.sample_hashes[side.rows_by_id[sample_id][0]]


def _why(side: Side, sample_id: str, why_of: dict[int, str]) -> str:
    row = side.rows_by_id[sample_id][0]
    return why_of.get(row, side.columns.statuses[row])  # an older report knows its status alone


def _case(sample_id: str, why: str, before: Side, now: Side) -> LostCase:
    row, old = now.rows_by_id[sample_id][0], before.rows_by_id[sample_id][0]
    refs, inputs = now.columns.refs, now.columns.inputs or before.columns.inputs
    return LostCase(
        sample_id=sample_id,
        ref=refs[row] if refs else None,
        input=inputs[row if now.columns.inputs else old] if inputs else None,
        why=why,
    )
