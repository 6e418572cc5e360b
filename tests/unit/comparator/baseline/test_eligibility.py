"""What stands against a report as the baseline."""

from dataclasses import replace

import pytest
from comparing import judge
from factories import make_report

from lm_eval_so.comparator.baseline.eligibility import find_refusals
from lm_eval_so.core.config.load import make_config

GOOD = make_report({"exact_match": [1] * 40, "token_f1": [0.5, 0.9] * 20})
WORSE = make_report({"exact_match": [1] * 20 + [0] * 20, "token_f1": [0.5, 0.9] * 20})
GATE = {"metrics": {"exact_match": {"margin": 0.05}}}


def config(gate=None, **values):
    return make_config(
        {
            "version": 1,
            "suite": "support-qa",
            "dataset": {"path": "data.jsonl"},
            "metrics": ["exact_match", "token_f1"],
            "gate": gate or {},
            **values,
        }
    )


def told(made, gate=None, *, comparison=None, **values):
    """Return (code, text) of everything that stands against a report."""
    found = find_refusals(made, config(gate, **values), comparison=comparison)
    assert all(each.problem.hint for each in found)
    return [(each.code.value, each.problem.what) for each in found]


def changed(**changes):
    return replace(GOOD, experiment=replace(GOOD.experiment, **changes))


def with_answers(kept):
    report = changed(evaluator_config={"report": {"answers": kept}})
    return replace(report, samples=replace(report.samples, answers=("답",) * 40))


def lost(n):
    return make_report({"exact_match": [None] * n + [1] * (40 - n), "token_f1": [0.9, 0.8] * 20})


@pytest.mark.parametrize("gate", [None, GATE, {"metrics": {}}])
def test_find_refusals__nothing_against_a_good_report(gate) -> None:
    assert told(GOOD, gate) == []


@pytest.mark.parametrize(
    ("report", "gate", "code", "what"),
    [
        (changed(suite="가게"), None, "other_suite", 'suite "가게", not of "support-qa"'),
        (changed(complete=False, eligible=False, missing=1200), None, "incomplete", "1,200 rows"),
        (changed(complete=False, missing=0), None, "incomplete", "it was ended"),
        (
            changed(complete=False, missing=3, budget={"stopped": {"by": "max_cost_usd"}}),
            None,
            "incomplete",
            "3 rows are missing, it was stopped by max_cost_usd",
        ),
        (changed(eligible=False), None, "ineligible", "experiment.eligible is false"),
        (make_report({"exact_match": []}), GATE, "no_samples", "no samples"),
        (
            make_report({"exact_match": [1, 1]}, ids=["질문", "질문"]),
            GATE,
            "duplicate_id",
            "sample id 질문 appears twice",
        ),
        (
            GOOD,
            {"metrics": {"token_f1": {}, "exact_match": {}}},
            None,
            None,
        ),
        (make_report({"exact_match": [1] * 40}), None, "metric_missing", "which the config names"),
        (
            make_report({"exact_match": [1] * 40}),
            {"metrics": {"token_f1": {}}},
            "metric_missing",
            "no token_f1, which the gate names",
        ),
        (lost(2), GATE, None, None),
        (lost(3), GATE, "error_rate", "3 of 40 rows have no score"),
        (lost(40), GATE, "error_rate", "40 of 40 rows"),
        (lost(3), None, "error_rate", "exact_match: 3 of 40"),
        (lost(3), {"metrics": {"token_f1": {}}}, None, None),
        (WORSE, {"metrics": {"exact_match": {"min": 0.5}}}, None, None),
        (
            WORSE,
            {"metrics": {"exact_match": {"min": 0.51}}},
            "threshold",
            "exact_match: 0.500 misses the minimum 0.510",
        ),
        (
            WORSE,
            {"metrics": {"exact_match": {"max": 0.4}}},
            "threshold",
            "exact_match: 0.500 misses the maximum 0.400",
        ),
        (
            WORSE,
            {"metrics": {"exact_match": {"min": 0.45, "rule": "bound"}}},
            "threshold",
            "exact_match: 0.500 meets the minimum 0.450, but its bound 0.374 does not",
        ),
        (
            lost(2),
            {"metrics": {"exact_match": {"min": 0.96}}},
            "threshold",
            "exact_match: whether 1.00 meets the minimum 0.960 depends on rows without a score",
        ),
    ],
)
def test_find_refusals__one_at_a_time(report, gate, code, what) -> None:
    found = told(report, gate)
    assert [c for c, _ in found] == ([code] if code else [])
    assert not code or what in found[0][1]


@pytest.mark.parametrize(
    ("kept", "wanted", "is_refused"),
    [
        ("full", "full", False),
        ("full", "hash", True),
        ("full", "none", True),
        ("hash", "none", True),
        ("hash", "hash", False),
        ("hash", "full", False),
    ],
)
def test_find_refusals__more_answers_than_the_repository_may_hold(kept, wanted, is_refused) -> None:
    found = told(with_answers(kept), report={"answers": wanted})
    assert [code for code, _ in found] == (["answers"] if is_refused else [])


def test_find_refusals__all_at_once() -> None:
    report = replace(
        WORSE,
        experiment=replace(WORSE.experiment, suite="other", complete=False, missing=1),
    )
    gate = {"metrics": {"exact_match": {"min": 0.9}, "token_f1": {"min": 0.8}}}
    comparison = judge(GOOD, WORSE, gate=gate)
    assert [code for code, _ in told(report, gate, comparison=comparison)] == [
        "other_suite",
        "incomplete",
        "threshold",
        "threshold",
        "not_passed",
    ]


@pytest.mark.parametrize(
    ("baseline", "candidate", "verdict"),
    [
        (GOOD, GOOD, None),
        (WORSE, GOOD, None),  # improved
        (None, GOOD, None),  # the first one has nothing to be compared with
        (GOOD, WORSE, "regression (exact_match)"),
        # unproven: a small suite would never get a new baseline, nor would a new definition
        (make_report({"exact_match": [1] * 10}), make_report({"exact_match": [1] * 10}), None),
        (make_report({"exact_match": [1] * 40}, suite="x"), GOOD, None),
        (GOOD, lost(20), "error (exact_match)"),
    ],
)
def test_find_refusals__the_verdict_of_its_comparison(baseline, candidate, verdict) -> None:
    gate = {"metrics": {"exact_match": {"margin": 0.2}}}
    comparison = judge(baseline, candidate, gate=gate)
    found = [
        what for code, what in told(candidate, gate, comparison=comparison) if code == "not_passed"
    ]
    assert len(found) == bool(verdict)
    assert not verdict or f"says {verdict}" in found[0]


def test_find_refusals__a_bound_that_the_comparison_found_to_hold_is_not_judged_again() -> None:
    gate = {"metrics": {"exact_match": {"margin": 0.2, "min": 0.9}}}
    passed = judge(GOOD, GOOD, gate=gate)
    # as if the samples that miss it had been in quarantine
    assert told(WORSE, gate, comparison=passed) == []
    raised = {"metrics": {"exact_match": {"margin": 0.2, "min": 0.95}}}
    assert [code for code, _ in told(WORSE, raised, comparison=passed)] == ["threshold"]
