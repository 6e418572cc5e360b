"""A trial is decided as `compare` decides two reports with the same scores."""

import random
from dataclasses import replace

import pytest
from comparing import NOW, entry, judge
from factories import make_report

from lm_eval_so.comparator.effect.finding import make_shape
from lm_eval_so.comparator.exemptions.files import Exceptions
from lm_eval_so.comparator.terms import Terms
from lm_eval_so.comparator.trial_gate import TrialGate, broken
from lm_eval_so.core.config.gate import GateSection
from lm_eval_so.core.records.enums import Direction, MetricKind, Verdict
from lm_eval_so.core.records.judge_health import JudgeCalibration
from lm_eval_so.core.stats.trials import Outcome, Pool, Sides, Splitter, Trial

OUTCOMES = {
    Verdict.PASS: Outcome.PASS,
    Verdict.IMPROVED: Outcome.PASS,
    Verdict.REGRESSION: Outcome.FAIL,
}


def gate_on(report, *, gate=None, exceptions=None):
    section = GateSection.model_validate(gate or {})
    terms = Terms(compared_at=NOW, gate=section, exceptions=exceptions or Exceptions())
    return TrialGate(report=report, terms=terms)


def rows_of(n, k):
    return [tuple(range(at * k, at * k + k)) for at in range(n)]


def trials_of(report, *, n, k, sides, drop=0.0, times=40, redraws=False, gate=None):
    """Yield trials, each with its two reports made by hand."""
    made = gate or gate_on(report)
    leading = made.leading()[0]
    groups = report.samples.groups[::k]
    pool = Pool(
        rows=rows_of(n, k),
        losses=made.losses(leading),
        n=n,
        groups=groups if len(set(groups)) < n and any(groups) else None,
    )
    split = Splitter(pool=pool, sides=sides, seed=1, redraws=redraws)
    dice = random.Random(4)
    for _ in range(times):
        trial = split._trial(drop, dice, None)
        yield (
            trial,
            *(by_hand(report, trial, rows, made) for rows in (trial.baseline, trial.candidate)),
        )


def by_hand(report, trial, rows, gate):
    size = len(report.samples.ids)
    scores = {}
    for key, column in report.samples.scores.items():
        shape = make_shape(report.metrics[key].kind, Direction.HIGHER, report.metrics[key].range)
        scores[key] = [
            [column[r] if r < size else broken(column[r - size], shape) for r in own]
            for own in rows
        ]
    names = [f"{report.samples.ids[own[0] % size]}/{at}" for at, own in enumerate(rows)]
    groups = None
    if any(report.samples.groups):
        groups = [f"g{unit}" for unit in trial.units]
    kinds = {key: summary.kind for key, summary in report.metrics.items()}
    return make_report(scores, ids=names, groups=groups, kinds=kinds)


def answers(n, k, *, levels=(0, 1), seed=1, missing=0.0):
    dice = random.Random(seed)
    return [
        [None if dice.random() < missing else dice.choice(levels) for _ in range(k)]
        for _ in range(n)
    ]


@pytest.mark.parametrize("sides", [Sides(baseline=1, candidate=1), Sides(baseline=3, candidate=2)])
@pytest.mark.parametrize("drop", [0.0, 0.2])
@pytest.mark.parametrize(
    "report",
    [
        make_report({"right": answers(60, 5)}),
        make_report({"right": answers(60, 5), "score": answers(60, 5, levels=(0, 0.5, 0.75, 1))}),
        make_report({"right": answers(60, 5)}, groups=[f"g{at // 3}" for at in range(60)]),
        make_report({"score": answers(60, 5, levels=(0, 0.25, 1), missing=0.02)}),
    ],
    ids=["right or wrong", "two metrics", "groups", "missing"],
)
@pytest.mark.parametrize("redraws", [False, True])
def test_trial_gate__decides_as_compare_does(sides, drop, report, redraws) -> None:
    gate = gate_on(report)
    found = []
    for trial, baseline, candidate in trials_of(
        report, n=60, k=5, sides=sides, drop=drop, times=8, redraws=redraws
    ):
        expected = OUTCOMES.get(judge(baseline, candidate).verdict, Outcome.UNCLEAR)
        found.append(gate(trial))
        assert found[-1] is expected
        assert gate(trial) is expected  # remembered


def test_trial_gate__has_all_outcomes_where_answers_flip() -> None:
    report = make_report({"right": answers(80, 6, levels=(0, *[1] * 12))})
    gate = gate_on(report)
    one_each = Sides(baseline=1, candidate=1)
    found = {
        gate(trial)
        for drop in (0.0, 0.1)
        for trial, *_ in trials_of(report, n=80, k=6, sides=one_each, drop=drop, times=80)
    }
    assert found == {*Outcome}


def test_trial_gate__the_same_flips_in_fewer_groups_prove_less() -> None:
    groups = [f"g{at // 3}" for at in range(120)]
    gate = gate_on(make_report({"right": [[1, 0]] * 120}, groups=groups))

    def trial(lost):
        places, units = list(range(120)), [at // 3 for at in range(120)]
        now = [(2 * at + (at in lost),) for at in places]
        return Trial(places, units, [(2 * at,) for at in places], now)

    assert gate(trial({*range(0, 27, 3)})) is Outcome.FAIL  # nine in nine groups
    assert gate(trial({*range(9)})) is Outcome.UNCLEAR  # nine in three


def test_trial_gate__quarantined_samples_leave_with_all_their_copies() -> None:
    report = make_report({"right": [[1, 1]] * 90 + [[0, 1]] * 12})
    refs = tuple(f"FAQ-{at}" for at in range(102) for _ in range(2))
    report = replace(report, samples=replace(report.samples, refs=refs))
    names = [*(f"s{at}" for at in range(90, 96)), *(f"FAQ-{at}" for at in range(96, 102))]
    quiet = gate_on(report, exceptions=Exceptions(quarantine=tuple(map(entry, names))))
    trials = [
        trial
        for trial, *_ in trials_of(
            report, n=102, k=2, sides=Sides(baseline=1, candidate=1), redraws=True, times=40
        )
    ]
    assert {gate_on(report)(trial) for trial in trials} > {Outcome.PASS}
    assert {quiet(trial) for trial in trials} == {Outcome.PASS}  # nothing that is left flips


def test_trial_gate__an_accepted_drop_passes() -> None:
    report = make_report({"right": [[1, 1]] * 60})
    drop = entry(metric="right", max_drop=0.5)
    gate = gate_on(report, exceptions=Exceptions(accept=(drop,)))
    one_each = Sides(baseline=1, candidate=1)
    for trial, *_ in trials_of(report, n=60, k=2, sides=one_each, drop=0.3, times=3):
        assert gate_on(report)(trial) is Outcome.FAIL
        assert gate(trial) is Outcome.PASS


def test_trial_gate__a_metric_that_does_not_apply_to_some_samples_counts_the_others() -> None:
    report = make_report({"right": [[1, 1]] * 60})
    columns = replace(report.samples, not_applicable={"right": tuple(range(40, 120))})
    gate = gate_on(replace(report, samples=columns))
    assert gate.losses(gate.leading()[0]).count(None) == 80
    trial, *_ = next(
        trials_of(replace(report, samples=columns), n=60, k=2, sides=Sides(baseline=1, candidate=1))
    )
    assert gate(trial) is Outcome.UNCLEAR  # 20 samples prove no margin of 5 points


def test_leading__is_the_first_deciding_metric_with_a_margin() -> None:
    scores = {"latency_ms": [[900, 950]] * 30, "score": [[0.5, 0.75]] * 30, "right": [[1, 1]] * 30}
    report = make_report(scores, ranges={"score": (0.0, 2.0)})
    named = {"latency_ms": {}, "score": {"margin": 0.1}}
    (found,) = gate_on(report, gate={"metrics": named}).leading()
    assert (found.metric, found.margin, found.width, found.step) == ("score", 0.1, 2.0, 1.0)
    assert not found.is_share
    assert gate_on(report, gate={"metrics": {"latency_ms": {}}}).leading() == []


def test_leading__a_calibrated_judge_shows_a_part_of_a_true_drop() -> None:
    report = make_report(
        {"helpful": [[1, 0]] * 40},
        judges={"helpful": JudgeCalibration(state="ok", n=100, positives=50, negatives=50, j=0.7)},
    )
    (found,) = gate_on(report).leading()
    assert found.shown == pytest.approx(0.7)
    assert found.margin == 0.05
    assert found.is_share


@pytest.mark.parametrize(
    ("kind", "support", "direction", "score", "expected"),
    [
        (MetricKind.BINARY, None, Direction.HIGHER, 1, 0),
        (MetricKind.BINARY, None, Direction.HIGHER, 0, 0),
        (MetricKind.BINARY, None, Direction.LOWER, 0, 1),
        (MetricKind.BOUNDED, (0.0, 1.0), Direction.HIGHER, 0.75, 0.25),
        (MetricKind.BOUNDED, (0.0, 1.0), Direction.HIGHER, 0.25, 0.0),
        (MetricKind.BOUNDED, (1.0, 5.0), Direction.LOWER, 4.0, 5.0),
        (MetricKind.RATIO, None, Direction.LOWER, 900.0, 900.0),
        (MetricKind.BOUNDED, (0.0, 1.0), Direction.HIGHER, None, None),
    ],
)
def test_broken__right_turns_wrong_and_a_score_falls_by_half(
    kind, support, direction, score, expected
) -> None:
    assert broken(score, make_shape(kind, direction, support)) == expected
