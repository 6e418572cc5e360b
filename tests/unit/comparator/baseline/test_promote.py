"""A report becomes the baseline."""

from dataclasses import replace

import pytest
from factories import make_report

from lm_eval_so.comparator.baseline.promote import (
    MOST_KEPT,
    accept,
    checked_reason,
    metric_changes,
)
from lm_eval_so.core.records.codec import dumps, loads
from lm_eval_so.core.records.enums import Direction, MetricKind
from lm_eval_so.core.records.report import Acceptance, EvaluationReport
from lm_eval_so.core.report_file import digest_report
from lm_eval_so.errors import UsageError

OLD = make_report({"exact_match": [1, 1, 0, 0]}, commit="a" * 40)
NEW = make_report({"exact_match": [1, 1, 1, 0]}, commit="b" * 40)
WHY = Acceptance(reason="환불 답변을 짧게", at="2026-11-24T06:30:00.000Z", by="김 검토")


def test_accept__tells_what_it_replaces_and_keeps_what_came_before() -> None:
    first = accept(OLD, None, WHY)
    second = accept(NEW, first, replace(WHY, reason="둘째", forced=("threshold",)))
    assert [each.reason for each in second.accepted] == ["환불 답변을 짧게", "둘째"]
    assert first.accepted[0].previous is None
    replaced = second.accepted[1].previous
    assert (replaced.commit, replaced.means) == ("a" * 40, {"exact_match": 0.5})
    assert replaced.digest == digest_report(OLD)
    assert replace(second, accepted=()) == NEW
    assert loads(dumps(second), EvaluationReport) == second


def test_accept__remembers_the_newest_fifty() -> None:
    report = OLD
    for number in range(MOST_KEPT + 3):
        report = accept(OLD, report, replace(WHY, reason=f"r{number}"))
    assert len(report.accepted) == MOST_KEPT == 50
    assert (report.accepted[0].reason, report.accepted[-1].reason) == ("r3", "r52")


def test_accept__a_first_baseline_keeps_the_history_that_it_brings() -> None:
    brought = accept(OLD, None, WHY)
    assert len(accept(brought, None, WHY).accepted) == 2


@pytest.mark.parametrize("text", ["환불 답변을 짧게", "  why \n", "a\u200db", "가" * 500])
def test_checked_reason__one_line(text) -> None:
    assert checked_reason(text) == text.strip()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "for a reason"),
        (" \t\n", "for a reason"),
        ("…!", "for a reason"),
        ("one\ntwo", "not one line"),
        ("one\u2028two", "not one line"),
        ("a\x1b[31mb", "not one line"),
        ("half \ud800", "not one line"),
        ("가" * 501, "501 characters"),
    ],
)
def test_checked_reason__refuses(text, what) -> None:
    with pytest.raises(UsageError, match=what) as raised:
        checked_reason(text)
    assert raised.value.problems[0].hint


def test_metric_changes__every_kind() -> None:
    before = make_report(
        {"exact_match": [1, 0], "latency_ms": [100, 300], "gone": [1, 1], "tokens": [5.0, 7.0]},
        directions={"tokens": Direction.LOWER},
        kinds={"tokens": MetricKind.UNBOUNDED},
    )
    now = make_report(
        {
            "exact_match": [1, 1],
            "latency_ms": [200, 300],
            "tokens": [5.0, 8.0],
            "new": [0.5, 0.5],
        },
        directions={"tokens": Direction.LOWER},
        kinds={"tokens": MetricKind.UNBOUNDED},
        fingerprints={"exact_match": "another"},
    )
    shown = {
        each.metric: (each.previous, each.now, each.delta, each.state, each.is_redefined)
        for each in metric_changes(now, before)
    }
    assert shown == {
        "exact_match": (0.5, 1.0, 0.5, "better", True),
        "latency_ms": (200.0, 250.0, 1.25, "worse", False),
        "tokens": (6.0, 6.5, -0.5, "worse", False),
        "new": (None, 0.5, None, "new", False),
        "gone": (1.0, None, None, "gone", False),
    }


@pytest.mark.parametrize(
    ("before", "now", "state"),
    [([1, 0], [0, 1], "same"), ([None, None], [1, 1], "unknown")],
)
def test_metric_changes__state(before, now, state) -> None:
    reports = make_report({"exact_match": now}), make_report({"exact_match": before})
    assert metric_changes(*reports)[0].state == state
