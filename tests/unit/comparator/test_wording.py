"""Metrics of wording alone: they decide only where the gate names them."""

import pytest
from comparing import judge
from factories import make_report

from lm_eval_so.core.records.enums import Language, Policy, Verdict

UNIT = [0.5 + 0.01 * (i % 30) for i in range(150)]
FALLEN = [value - 0.3 for value in UNIT]
RIGHT = [1] * 150
WORDING = ("token_f1",)


def compared(baseline, candidate, *, gate=None, wording=(WORDING, WORDING), **options):
    before, now = (
        None if scores is None else make_report(scores, wording=names)
        for scores, names in zip((baseline, candidate), wording, strict=True)
    )
    return judge(before, now, gate=gate, **options)


def both(scores):
    return {"token_f1": scores, "exact_match": RIGHT}


def test_compare__wording_beside_what_is_judged__is_reported_whatever_it_did() -> None:
    comparison = compared(both(UNIT), both(FALLEN))
    metric = comparison.metrics["token_f1"]
    assert (metric.verdict, metric.reason, metric.gating) == (Verdict.REPORTED, "wording", False)
    assert metric.delta == pytest.approx(-0.3)
    assert metric.ci90 is not None
    assert metric.margin is None
    assert (comparison.verdict, comparison.exit_code) == (Verdict.PASS, 0)
    assert comparison.changed == ()


@pytest.mark.parametrize("section", [{}, {"margin": 0.03}, {"min": 0.1}])
def test_compare__wording_that_the_gate_names__decides(section) -> None:
    comparison = compared(both(UNIT), both(FALLEN), gate={"metrics": {"token_f1": section}})
    metric = comparison.metrics["token_f1"]
    assert (metric.verdict, metric.gating, metric.margin) == (Verdict.REGRESSION, True, 0.03)
    assert (comparison.verdict, comparison.exit_code) == (Verdict.REGRESSION, 1)


def test_compare__wording_beside_a_gate_that_names_another__is_reported() -> None:
    comparison = compared(both(UNIT), both(FALLEN), gate={"metrics": {"exact_match": {}}})
    assert comparison.metrics["token_f1"].verdict is Verdict.REPORTED
    assert comparison.verdict is Verdict.PASS


@pytest.mark.parametrize("fallen", [True, False])
def test_compare__wording_alone__is_no_pass(fallen: bool) -> None:
    comparison = compared({"token_f1": UNIT}, {"token_f1": FALLEN if fallen else UNIT})
    assert (comparison.verdict, comparison.exit_code) == (Verdict.INCONCLUSIVE, 0)
    assert [reason.code for reason in comparison.reasons] == ["nothing_gates"]
    assert "gate.metrics.token_f1.margin: 0.03" in comparison.sentence


@pytest.mark.parametrize(
    ("policy", "code", "passed"), [(Policy.FAIL, 3, False), (Policy.PASS, 0, True)]
)
def test_compare__wording_alone__the_policy_on_inconclusive_holds(policy, code, passed) -> None:
    gate = {"on_inconclusive": policy.value}
    comparison = compared({"token_f1": UNIT}, {"token_f1": FALLEN}, gate=gate)
    assert (comparison.exit_code, comparison.passed) == (code, passed)


@pytest.mark.parametrize("language", Language)
def test_compare__wording_alone_without_a_baseline__tells_both(language) -> None:
    comparison = compared(None, {"token_f1": UNIT}, language=language)
    assert comparison.verdict is Verdict.INCOMPARABLE
    assert [reason.code for reason in comparison.reasons] == ["no_baseline", "nothing_gates"]
    assert "gate.metrics.token_f1.margin: 0.03" in comparison.sentence


def test_compare__a_baseline_that_does_not_tell__the_candidate_does() -> None:
    comparison = compared(both(UNIT), both(FALLEN), wording=((), WORDING))
    assert comparison.metrics["token_f1"].verdict is Verdict.REPORTED
    assert comparison.verdict is Verdict.PASS


def test_compare__two_reports_that_do_not_tell__are_judged_as_they_were() -> None:
    comparison = compared(both(UNIT), both(FALLEN), wording=((), ()))
    assert comparison.verdict is Verdict.REGRESSION


def test_compare__wording_that_is_no_longer_measured__is_no_fault() -> None:
    comparison = compared(both(UNIT), {"exact_match": RIGHT})
    assert comparison.verdict is Verdict.PASS


def test_compare__wording_that_is_measured_otherwise__does_not_decide() -> None:
    before = make_report(both(UNIT), wording=WORDING, fingerprints={"token_f1": "a"})
    now = make_report(both(UNIT), wording=WORDING, fingerprints={"token_f1": "b"})
    comparison = judge(before, now)
    metric = comparison.metrics["token_f1"]
    assert (metric.verdict, metric.gating) == (Verdict.INCOMPARABLE, False)
    assert comparison.verdict is Verdict.PASS


def test_compare__wording__takes_no_part_in_the_correction_for_several() -> None:
    worse = {"token_f1": FALLEN, "exact_match": [0] * 9 + [1] * 141}
    comparison = compared(both(UNIT), worse)
    metric = comparison.metrics["exact_match"]
    assert metric.p_worse == metric.p_raw
    assert comparison.verdict is Verdict.REGRESSION


@pytest.mark.parametrize(
    ("language", "told"), [(Language.EN, "Only 5 samples"), (Language.KO, "5개뿐입니다")]
)
def test_compare__too_few_cases_for_several_metrics_are_said_once(language, told) -> None:
    names = ("a", "b", "c")
    reports = [
        make_report(
            {key: [1, 1, 1, 1, last] for key in names}, kinds=dict.fromkeys(names, "binary")
        )
        for last in (1, 0)
    ]
    gate = {"metrics": {key: {"margin": 0.05} for key in names}}
    sentence = judge(*reports, gate=gate, language=language).sentence
    assert sentence.count(told) == 1
    assert all(f"{key}: 1.00 → 0.800 (−0.200)." in sentence for key in names)
