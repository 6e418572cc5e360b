"""The anchor: a second report, against which only a regression counts."""

from dataclasses import replace

import pytest
from comparing import NOW, entry, judge
from factories import make_report

from lm_eval_so.comparator.baseline.eligibility import RefusalCode, find_refusals
from lm_eval_so.comparator.broken.judge import Asked
from lm_eval_so.comparator.compare import compare
from lm_eval_so.comparator.exemptions.files import Exceptions
from lm_eval_so.comparator.terms import Anchor, Terms
from lm_eval_so.core.config.gate import GateSection
from lm_eval_so.core.config.load import make_config
from lm_eval_so.core.records.codec import dumps, loads
from lm_eval_so.core.records.comparison import BaselineRef, Comparison
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.words.headline import headline_of
from lm_eval_so.core.words.phrases import anchor_warnings
from lm_eval_so.core.words.verdict_names import metric_verdict_name

N = 200
REF = BaselineRef(source="git", path="baselines/v1.json", evaluated_at="2026-01-02T09:00:00Z")
GATE = {"broken": "off", "metrics": {"exact_match": {"margin": 0.05}}}


def right(n, of=N):
    """Return scores of which the last n are right, so that fewer right ones are fewer of the same."""
    return [0] * (of - n) + [1] * n


def report(n=N, **more):
    return make_report({"exact_match": right(n)}, **more)


RELEASE, BEFORE, NOW_REPORT = report(190), report(174), report(170)


def against(
    anchor,
    baseline=BEFORE,
    candidate=NOW_REPORT,
    *,
    gate=None,
    language=Language.EN,
    ref=REF,
    asked=None,
    **terms,
):
    """Compare with a baseline and an anchor."""
    given = Terms(
        gate=GateSection.model_validate(gate or GATE),
        compared_at=NOW,
        language=language,
        anchor=Anchor(report=anchor, ref=ref),
        **terms,
    )
    source = BaselineRef(source="file" if baseline else "none")
    return compare(candidate, baseline, given, baseline_ref=source, asked=Asked(changed=asked))


def test_anchor__a_slow_fall_fails_though_the_last_step_does_not() -> None:
    alone = judge(BEFORE, NOW_REPORT, gate=GATE)
    assert (alone.verdict, alone.anchor) == ("pass", None)
    found = against(RELEASE)
    metric, since = found.metrics["exact_match"], found.anchor.metrics["exact_match"]
    assert (found.verdict, found.exit_code, found.passed) == ("regression", 1, False)
    assert [(r.code, dict(r.figures)) for r in found.reasons] == [
        ("anchor", {"metric": "exact_match"})
    ]
    assert (metric.verdict, metric.reason, metric.delta) == ("regression", "anchor", -0.02)
    assert (since.verdict, since.reason, since.n) == ("regression", None, N)
    assert (since.anchor, since.candidate, since.delta) == (0.95, 0.85, -0.1)
    assert (since.worse, since.better, len(since.worse_samples)) == (20, 0, 20)
    assert (found.anchor.verdict, found.anchor.ref, found.anchor.warnings) == (
        "regression",
        REF,
        (),
    )
    # all that is said of the baseline stays, but for its share in the family
    usual = alone.metrics["exact_match"]
    assert (metric.ci90, metric.p_raw, metric.worse) == (usual.ci90, usual.p_raw, usual.worse)
    assert loads(dumps(found), Comparison) == found


def test_anchor__its_p_values_join_the_one_family() -> None:
    found = against(RELEASE)
    metric, since = found.metrics["exact_match"], found.anchor.metrics["exact_match"]
    assert since.p_worse == pytest.approx(2 * since.p_raw)
    assert metric.p_worse == pytest.approx(metric.p_raw)
    # a drop that is barely proven alone is none beside a second test
    before, now = report(174), report(163)
    alone = judge(before, now, gate={**GATE, "alpha": 0.0003})
    assert alone.verdict == "regression"
    both = against(report(163), before, now, gate={**GATE, "alpha": 0.0003})
    assert both.metrics["exact_match"].p_worse == pytest.approx(
        2 * alone.metrics["exact_match"].p_raw
    )
    assert (both.verdict, both.metrics["exact_match"].reason) == ("inconclusive", "multiplicity")
    assert (
        "but with 2 tests, those against the anchor included, one such result is expected"
        in both.sentence
    )
    korean = against(report(163), before, now, gate={**GATE, "alpha": 0.0003}, language=Language.KO)
    assert "베이스라인, 앵커와 비교한 결과 2건을 함께 판정하면" in korean.sentence


def test_anchor__sentences_name_it() -> None:
    found = against(RELEASE)
    names = ", ".join(f"s{i}" for i in range(10, 20))
    assert found.sentence == found.metrics["exact_match"].sentence
    assert found.sentence.startswith(
        "Against the anchor (baselines/v1.json, 2026-01-02): exact_match: 95.0% → 85.0% "
        "(−10.0 points). Worse: 20 samples went from right to wrong and 0 from wrong to right; "
        "without a real change a split this bad shows up in"
    )
    assert "of runs (adjusted for 2 tests). " in found.sentence
    assert (
        f"Worse than there: {names}, …. Against the baseline: exact_match: 87.0% → 85.0% "
        "(−2.0 points). "
    ) in found.sentence
    assert metric_verdict_name(found.metrics["exact_match"], Language.EN) == (
        "regression (against the anchor)"
    )
    assert headline_of(found, None, Language.EN).text == (
        "Worse than the anchor: exact_match 95.0% → 85.0%"
    )
    korean = against(RELEASE, language=Language.KO)
    assert korean.sentence.startswith(
        "앵커(baselines/v1.json, 2026-01-02)와 비교: exact_match: 95.0% → 85.0% (−10.0%p)."
    )
    assert (
        f"앵커보다 나빠진 케이스: {names}, …. 베이스라인과 비교: exact_match: " in korean.sentence
    )
    assert headline_of(korean, None, Language.KO).text == (
        "앵커보다 나빠졌습니다: exact_match 95.0% → 85.0%"
    )
    assert metric_verdict_name(korean.metrics["exact_match"], Language.KO) == "회귀 (앵커와 비교)"


def test_anchor__cases_are_named_by_their_own_ids() -> None:
    named = replace(
        NOW_REPORT,
        samples=replace(NOW_REPORT.samples, refs=tuple(f"환불-{i}" for i in range(N))),
    )
    found = against(RELEASE, BEFORE, named)
    assert "Worse than there: 환불-10, 환불-11, " in found.sentence
    assert found.anchor.metrics["exact_match"].worse_samples[0] == "s10"
    long = replace(named, samples=replace(named.samples, refs=("환불\n" * 99,) * N))
    assert f"Worse than there: {'환불 ' * 20}…, " in against(RELEASE, BEFORE, long).sentence


@pytest.mark.parametrize(
    ("anchor", "verdict"),
    [(report(172), "pass"), (report(140), "improved"), (report(182), "inconclusive")],
)
def test_anchor__nothing_but_a_regression_counts(anchor, verdict: str) -> None:
    found = against(anchor, BEFORE, BEFORE)
    alone = judge(BEFORE, BEFORE, gate=GATE)
    assert found.anchor.verdict == verdict
    assert (found.verdict, found.sentence) == (alone.verdict, alone.sentence)
    metric, usual = found.metrics["exact_match"], alone.metrics["exact_match"]
    assert replace(metric, p_worse=usual.p_worse) == usual


def test_anchor__a_regression_against_the_baseline_speaks_for_itself() -> None:
    found = against(RELEASE, report(188), report(160))
    metric = found.metrics["exact_match"]
    assert (metric.verdict, metric.reason) == ("regression", None)
    assert found.sentence.startswith("exact_match: 94.0% → 80.0%")
    assert found.anchor.verdict == "regression"


def test_anchor__without_a_baseline_it_is_compared_with_all_the_same() -> None:
    found = against(RELEASE, None, NOW_REPORT)
    assert (found.verdict, found.exit_code) == ("regression", 1)
    assert "Against the baseline: exact_match: 85.0%; there is no baseline" in found.sentence
    assert against(BEFORE, None, BEFORE).verdict == "incomparable"


def test_anchor__an_error_goes_first() -> None:
    lost = make_report({"exact_match": [*right(150)[:180], *[None] * 20]})
    found = against(RELEASE, BEFORE, lost)
    assert found.verdict == "error"
    assert found.anchor.verdict is None
    assert found.anchor.warnings == ()  # what the candidate lacks is told of the baseline


def test_anchor__an_error_of_the_baseline_goes_first_too() -> None:
    lost = make_report({"exact_match": [*right(150)[:180], *[None] * 20]})
    found = against(RELEASE, lost, NOW_REPORT)
    assert (found.verdict, found.anchor.verdict) == ("error", "regression")
    assert found.metrics["exact_match"].reason == "error_rate"


def test_anchor__of_a_cost_the_factor_counts() -> None:
    def costly(price):
        scores = [price * (1 + i % 7 / 100) for i in range(40)]
        return make_report({"exact_match": [1] * 40, "cost_usd": scores})

    gate = {"broken": "off", "metrics": {"cost_usd": {"max_increase": 0.1}}}
    found = against(costly(1.0), costly(1.35), costly(1.4), gate=gate)
    assert (found.verdict, found.metrics["cost_usd"].reason) == ("regression", "anchor")
    assert found.anchor.metrics["cost_usd"].delta == pytest.approx(1.4)
    assert "Against the anchor (baselines/v1.json, 2026-01-02): cost_usd: ×1.4" in found.sentence
    assert "Against the baseline: cost_usd: ×1.04 " in found.sentence


def test_anchor__only_gating_metrics_are_held_against_it() -> None:
    def two(n, m):
        return make_report({"exact_match": right(n), "polite": right(m)})

    found = against(two(190, 190), two(190, 100), two(190, 100))
    assert [*found.anchor.metrics] == ["exact_match"]
    assert found.verdict == judge(two(190, 100), two(190, 100), gate=GATE).verdict


@pytest.mark.parametrize(
    ("anchor", "en", "ko"),
    [
        (
            report(190, definitions={"exact_match": {"version": 1, "judge": "old"}}),
            "exact_match cannot be compared with the anchor: it is measured in another way now",
            "exact_match: 측정 방법이 달라 앵커와 비교할 수 없습니다",
        ),
        (
            report(190, ids=[f"s{i}" if i < 100 else f"old{i}" for i in range(N)]),
            "exact_match cannot be compared with the anchor: only 100 samples are the same in both.",
            "exact_match: 같은 케이스가 100개뿐이라 앵커와 비교할 수 없습니다.",
        ),
        (
            report(190, suite="other"),
            (
                "Nothing can be compared with the anchor: it is of another suite "
                "(other, not support-qa)."
            ),
            "앵커의 스위트가 달라 비교할 수 없습니다(앵커 other, 이번 support-qa).",
        ),
        (
            make_report({"polite": right(190)}),
            "exact_match cannot be compared with the anchor, which does not have it.",
            "exact_match: 앵커에 없는 지표라 비교할 수 없습니다.",
        ),
        (
            make_report({"exact_match": [*right(170)[:180], *[None] * 20]}),
            "exact_match cannot be compared with the anchor: too few of its rows have a score.",
            "exact_match: 앵커에 점수 있는 답변이 너무 적어 비교할 수 없습니다.",
        ),
        (
            None,
            (
                "There is no report at baseline.anchor (baselines/v1.json), so this run is "
                "compared with the baseline alone."
            ),
            "baseline.anchor에 보고서가 없어 베이스라인과만 비교합니다: baselines/v1.json",
        ),
    ],
)
def test_anchor__what_cannot_be_compared_is_a_warning(anchor, en: str, ko: str) -> None:
    found, alone = against(anchor), judge(BEFORE, NOW_REPORT, gate=GATE)
    assert (found.verdict, found.exit_code) == (alone.verdict, alone.exit_code)
    assert found.metrics == alone.metrics
    assert (found.anchor.verdict, dict(found.anchor.metrics)) == (None, {})
    (english,) = anchor_warnings(found.anchor, Language.EN)
    (korean,) = anchor_warnings(found.anchor, Language.KO)
    assert english.startswith(en)
    assert korean.startswith(ko)


def test_anchor__known_flaky_and_accepted_samples_are_left_out() -> None:
    dropped = [f"s{i}" for i in range(10, 30)]
    flaky = Exceptions(quarantine=tuple(entry(name) for name in dropped))
    assert against(RELEASE, exceptions=flaky).verdict == "pass"
    accepted = Exceptions(accept=(entry(metric="exact_match", max_drop=0.12),))
    found = against(RELEASE, exceptions=accepted)
    assert found.anchor.metrics["exact_match"].reason == "accepted"
    assert found.verdict == "pass"
    too_far = Exceptions(accept=(entry(metric="exact_match", max_drop=0.03),))
    found = against(RELEASE, exceptions=too_far)
    assert found.anchor.verdict is Verdict.REGRESSION
    assert (found.verdict, found.metrics["exact_match"].reason) == ("regression", "anchor")


def test_anchor__what_it_fails_is_no_baseline() -> None:
    config = make_config(
        {"version": 1, "suite": "support-qa", "dataset": {"path": "."}, "gate": GATE}
    )
    refusals = find_refusals(NOW_REPORT, config, comparison=against(RELEASE))
    assert [each.code for each in refusals] == [RefusalCode.NOT_PASSED]


def test_anchor__stays_where_asking_again_confirms_nothing() -> None:
    before, now = report(174), report(160)
    gate = {**GATE, "confirm": 1}
    all_right = {"exact_match": {f"s{i}": [1.0] for i in range(N)}}
    assert against(report(160), before, now, gate=gate, asked=all_right).verdict == "inconclusive"
    found = against(RELEASE, before, now, gate=gate, asked=all_right)
    assert (found.verdict, found.metrics["exact_match"].reason) == ("regression", "anchor")


def test_anchor__another_suite_is_told_once() -> None:
    two = make_report({"exact_match": right(190), "polite": right(190)})
    other = replace(two, experiment=replace(two.experiment, suite="other"))
    gate = {"broken": "off", "metrics": {"exact_match": {}, "polite": {}}}
    assert len(against(other, two, two, gate=gate).anchor.warnings) == 1
