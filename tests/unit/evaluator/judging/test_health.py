"""How a judge did."""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from evaluation import a_sample
from factories import make_calibration

from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.judge_health import JudgeCalibration
from lm_eval_so.core.records.report import JudgeHealth
from lm_eval_so.core.records.score import JudgeVote, Score
from lm_eval_so.core.stats.agreement import krippendorff_alpha
from lm_eval_so.core.stats.diagnostic import Diagnosis
from lm_eval_so.core.words import say
from lm_eval_so.evaluator.judging.health import JudgeTally, calibration_state, calibration_why
from lm_eval_so.evaluator.metrics.judge.llm_judge import LLMJudge

JUDGE = LLMJudge(params={"rubric": "r"})


def vote(label: str | None = "good", *, calls: int = 1) -> JudgeVote:
    repaired = label is not None and calls > 1
    usage = Usage(input_tokens=10, output_tokens=None)
    code = "judge_unknown" if label == "UNKNOWN" else None if label else "judge_invalid"
    return JudgeVote(
        label=label, code=code, model="judge-1", calls=calls, repaired=repaired, usage=usage
    )


def good(calls: int = 1) -> Score:
    return JUDGE.make_score(a_sample(), value=1, label="good", votes=[vote(calls=calls)])


def lost(code: str) -> Score:
    said = vote("UNKNOWN") if code == "judge_unknown" else vote(None, calls=2)
    return JUDGE.unscored(a_sample(), code, votes=[said])


def health(scores: list[Score]) -> JudgeHealth:
    tally = JudgeTally(["asked"])
    for score in scores:
        tally.add(score)
    return tally.health("fp")


def claims(supported: int, unquoted: int, *, claimless: bool = False) -> Score:
    details = {"claims": supported, "supported": supported, "support_not_quoted": unquoted}
    found = {"claims": 0, "dropped": 0, "claimless": True} if claimless else details
    return JUDGE.make_score(a_sample(), value=1, votes=[vote()], details=found)


def test_health__of_claims() -> None:
    found = health([*[claims(9, 0)] * 19, claims(10, 10), claims(0, 0, claimless=True)])
    assert found.unquoted_share == pytest.approx(10 / 181)
    assert found.claimless_share == pytest.approx(1 / 21)
    assert not {"unquoted", "claimless"} & {*found.why}
    found = health([claims(4, 0), claims(4, 1), claims(0, 0, claimless=True)])
    assert {"unquoted", "claimless"} <= {*found.why}
    assert (health([good()]).unquoted_share, health([good()]).claimless_share) == (None, None)


def test_health__counts() -> None:
    bad = JUDGE.make_score(a_sample(), value=0, label="bad", votes=[vote("bad")])
    found = health([good(), good(2), bad, lost("judge_invalid")])
    assert (found.rows, found.calls, found.valid_first, found.repaired) == (4, 6, 2, 1)
    assert found.labels == {"bad": 1, "good": 2}
    assert found.unscored == {"judge_invalid": 1}
    assert found.model == "judge-1"
    assert (found.usage.input_tokens, found.usage.output_tokens) == (40, None)
    assert found.cost_usd is None


@pytest.mark.parametrize(
    ("scores", "state", "why"),
    [
        ([good()] * 20, "warn", ("calibration_none",)),
        ([good()] * 19 + [lost("judge_invalid")], "warn", ("calibration_none",)),
        ([good()] * 9 + [lost("judge_error")], "bad", ("unscored", "calibration_none")),
        ([good()] * 18 + [good(2)] * 2, "warn", ("repaired", "calibration_none")),
        ([good()] * 8 + [lost("judge_unknown")] * 2, "warn", ("unknown", "calibration_none")),
    ],
    ids=["fine", "one lost of 20", "one lost of 10", "repaired", "unknown"],
)
def test_health__state(scores: list[Score], state: str, why: tuple[str, ...]) -> None:
    found = health(scores)
    assert (found.state, found.why) == (state, why)


def test_health__row_without_an_answer_was_not_judged() -> None:
    score = JUDGE.unscored(a_sample(), "run_timeout")
    found = health([score, JUDGE.not_applicable(a_sample())])
    assert (found.rows, found.calls, found.unscored, found.model) == (
        0,
        0,
        {"run_timeout": 1},
        "asked",
    )


def test_health__an_empty_answer_was_not_put_to_the_judge() -> None:
    unasked = JUDGE.make_score(a_sample(), value=0, label="bad", votes=[vote("bad", calls=0)])
    found = health([good(), unasked])
    assert (found.rows, found.valid_first, found.labels) == (1, 1, {"good": 1})


def panel_score(*labels: str | None, label: str | None) -> Score:
    values = {"good": 1.0, "partial": 0.5, "bad": 0.0}
    votes = [
        JudgeVote(
            label=each,
            value=values.get(each or ""),
            code="judge_unknown" if each == "UNKNOWN" else None if each else "judge_invalid",
            calls=1,
            model=f"m{at}",
        )
        for at, each in enumerate(labels)
    ]
    if label is None:
        return JUDGE.unscored(a_sample(), "judge_tie", votes=votes)
    return JUDGE.make_score(a_sample(), value=values[label] >= 1, label=label, votes=votes)


def panel_health(scores: Iterable[Score], level: Any = "nominal") -> JudgeHealth:
    tally = JudgeTally(["a-1", "b-1", "c-1"], level)
    for score in scores:
        tally.add(score)
    return tally.health("fp")


def test_health__panel() -> None:
    rows = [
        panel_score("good", "good", "bad", label="good"),
        panel_score("good", "good", "good", label="good"),
        panel_score("bad", "bad", "bad", label="bad"),
        panel_score("good", "UNKNOWN", "bad", label=None),
        panel_score("bad", None, "bad", label="bad"),
    ]
    found = panel_health(rows)
    assert found.rows == 5
    assert found.calls == 15
    assert found.labels == {"bad": 2, "good": 2}
    assert [(m.model, m.votes, m.differs) for m in found.per_judge] == [
        ("a-1", 5, 0.0),
        ("b-1", 3, 0.0),
        ("c-1", 5, 0.25),
    ]
    assert found.model == "m0, m1, m2"
    units = [("good", "good", "bad"), ("good",) * 3, ("bad",) * 3, ("good", None, "bad")]
    assert found.alpha == krippendorff_alpha([*units, ("bad", None, "bad")])
    assert "alpha" in found.why
    assert found.unknown_rate == 1 / 15
    assert panel_health(reversed(rows)) == found


def test_health__panel__models_that_no_config_names_are_those_that_answered() -> None:
    tally = JudgeTally([None, "b-1", None])
    tally.add(panel_score("good", "good", "bad", label="good"))
    assert [member.model for member in tally.health("fp").per_judge] == ["m0", "b-1", "m2"]


def test_health__panel_that_agrees__has_no_alpha_to_complain_of() -> None:
    rows = [panel_score("good", "good", "good", label="good")] * 20
    assert panel_health(rows).alpha is None
    mixed = [*rows, *[panel_score("bad", "bad", "bad", label="bad")] * 5]
    assert panel_health(mixed).alpha == 1.0
    assert panel_health(mixed).why == ("calibration_none",)


def test_health__ordered_labels__a_near_miss_counts_less() -> None:
    near = [panel_score("good", "partial", "good", label="good")] * 3
    rows = [*near, *[panel_score("bad", "bad", "bad", label="bad")] * 3]
    nominal, ordinal = (panel_health(rows, level).alpha or 0 for level in ("nominal", "ordinal"))
    assert ordinal > nominal


def test_health__one_judge_is_no_panel() -> None:
    found = health([good()])
    assert (found.alpha, found.per_judge, found.order_flip_rate) == (None, (), None)


@pytest.mark.parametrize(("again", "why"), [(9, ()), (8, ("retest",))])
def test_health__retest(again: int, why: tuple[str, ...]) -> None:
    tally = JudgeTally(["asked"])
    bad = JUDGE.make_score(a_sample(), value=0, label="bad", votes=[vote("bad")])
    for at in range(10):
        tally.add(good())
        tally.add_retest(good(), good() if at < again else bad)
    tally.add_retest(good(), lost("judge_error"))
    found = tally.health("fp")
    assert (found.retested, found.retest_agreement) == (10, again / 10)
    assert found.retest_msd == pytest.approx(1 - again / 10)
    assert found.why == (*why, "calibration_none")
    assert (found.rows, found.calls) == (10, 22)


def test_health__length_lean() -> None:
    tally, few = JudgeTally(["asked"]), JudgeTally(["asked"])
    for length in range(30):
        score = JUDGE.make_score(a_sample(), value=length > 14, label="good", votes=[vote()])
        tally.add(score, length=length)
        if length:
            few.add(score, length=length)
    assert (tally.health("fp").length_rho or 0) > 0.8
    assert few.health("fp").length_rho is None


@pytest.mark.parametrize(
    ("judge", "judged", "notes"),
    [
        ("gpt-4.1", ["gpt-4o-mini"], ("same_family",)),
        ("openai/gpt-4.1", ["GPT-4o"], ("same_family",)),
        ("qwen3:8b", [None, "qwen3-32b"], ("same_family",)),
        ("claude-sonnet-4", ["gpt-4o"], ()),
        ("gpt-4.1", [None], ()),
    ],
)
def test_health__same_family(judge: str, judged: list[str | None], notes: tuple[str, ...]) -> None:
    assert JudgeTally([judge]).health("fp", judged=judged).notes == notes


@pytest.mark.parametrize(
    ("right", "j", "state", "why"),
    [(38, 0.9, "ok", ()), (28, 0.4, "warn", ("j_low",)), (24, 0.2, "bad", ("j_weak",))],
)
def test_health__calibration(right: int, j: float, state: str, why: tuple[str, ...]) -> None:
    tally = JudgeTally(["asked"])
    tally.add(good())
    counts = {"tp": right, "fn": 40 - right, "tn": right, "fp": 40 - right}
    found = tally.health("fp", make_calibration(**counts, fingerprint="fp"))
    assert (found.state, found.why, found.calibration.j) == (state, why, j)
    assert found.calibration.drift is None


def drifted(run: int, **changes: Any) -> JudgeHealth:
    """Give the health over rows that are all good, against a calibration with a run of 60 % good."""
    tally = JudgeTally(["asked"])
    for _ in range(run):
        tally.add(good())
    counts = {"tp": 45, "fn": 5, "tn": 45, "fp": 5}
    labels = {"good": 60, "bad": 40}
    given = {"fingerprint": "fp", "run_labels": labels, "models": ("judge-1",)}
    return tally.health("fp", make_calibration(**{**counts, **given, **changes}))


def test_drift__labels_shifted() -> None:
    found = drifted(40)
    assert (found.state, found.why) == ("warn", ("labels_shifted",))
    assert found.calibration.drift == 0.4
    same = drifted(40, run_labels={"good": 90, "bad": 10})
    assert (same.state, same.why, same.calibration.drift) == ("ok", (), 0.1)


def test_drift__of_few_rows_is_told_by_its_size_alone() -> None:
    found = drifted(20)
    assert (found.why, found.calibration.drift) == ((), 0.4)


def test_drift__unknown_without_the_labels_of_the_run() -> None:
    found = drifted(40, run_labels={})
    assert (found.why, found.calibration.drift) == ((), None)


def test_drift__of_a_calibration_that_is_not_used() -> None:
    stale = drifted(40, fingerprint="other", models=("judge-0",))
    assert (stale.why, stale.calibration.drift) == (("calibration_stale",), None)
    small = drifted(40, tn=20, models=("judge-0",))
    assert (small.why, small.calibration.drift) == (("calibration_small",), 0.4)


@pytest.mark.parametrize(
    ("models", "why"),
    [
        (("judge-1",), ()),
        (("judge-0", "judge-1"), ()),
        (("judge-0",), ("judge_model_changed",)),
        ((), ()),
    ],
)
def test_drift__model_changed(models: tuple[str, ...], why: tuple[str, ...]) -> None:
    assert drifted(40, models=models, run_labels={"good": 9}).why == why


def test_drift__a_failed_call_names_no_model_that_judged() -> None:
    tally = JudgeTally(["alias"])
    for _ in range(39):
        tally.add(good())
    failed = JudgeVote(label=None, code="judge_error", model="alias", calls=1)
    tally.add(JUDGE.unscored(a_sample(), "judge_error", votes=[failed]))
    counts = {"tp": 45, "fn": 5, "tn": 45, "fp": 5}
    made = make_calibration(**counts, fingerprint="fp", models=("judge-1",))
    assert tally.health("fp", made).why == ()


@pytest.mark.parametrize("language", Language)
def test_why__each_has_words(language: Language) -> None:
    codes = ["unscored", "repaired", "unknown", "order_flips", "retest", "alpha", "j_low", "j_weak"]
    codes += [f"calibration_{state}" for state in ("none", "stale", "small")]
    codes += ["judge_model_changed", "labels_shifted"]
    for code in codes:
        assert say(f"report.judge_why_{code}", language)
    assert say("report.judge_note_same_family", language)


def test_health__panel_with_a_judge_that_says_nothing() -> None:
    rows = [panel_score("good", None, "good", label="good") for _ in range(3)]
    found = panel_health(rows)
    assert "silent" in found.why
    assert [member.votes for member in found.per_judge] == [3, 0, 3]


FINGERPRINT = "f" * 64


@pytest.mark.parametrize(
    ("counts", "state"),
    [
        ((40, 10, 45, 5), "ok"),
        ((20, 10, 25, 5), "ok"),
        ((20, 9, 25, 5), "small"),
        ((20, 10, 25, 4), "small"),
    ],
)
def test_state__needs_30_good_and_30_bad(counts: tuple[int, ...], state: str) -> None:
    tp, fn, tn, fp = counts
    found = calibration_state(make_calibration(tp=tp, fn=fn, tn=tn, fp=fp), FINGERPRINT)
    assert (found.state, found.positives, found.negatives) == (state, tp + fn, tn + fp)


def test_state__of_weighted_labels_takes_the_error_of_j_from_their_intervals() -> None:
    made = make_calibration(
        tp=40, fn=10, tn=45, fp=5, weighted=True, se_ci95=(0.6, 0.9), sp_ci95=(0.8, 0.96)
    )
    found = calibration_state(made, FINGERPRINT)
    assert found.j_error == pytest.approx(math.hypot(0.3, 0.16) / 3.92, rel=1e-4)
    unknown = replace(made, se_ci95=None)
    assert calibration_state(unknown, FINGERPRINT).j_error is None


def test_state__figures() -> None:
    made = make_calibration(tp=40, fn=10, tn=45, fp=5, kappa=0.7)
    assert calibration_state(made, FINGERPRINT) == JudgeCalibration(
        state="ok",
        n=100,
        positives=50,
        negatives=50,
        kappa=0.7,
        se=0.8,
        sp=0.9,
        j=0.7,
        j_error=Diagnosis(tp=40, fn=10, tn=45, fp=5).youden_error,
        date="2026-11-24T06:30:00.000Z",
    )


def test_state__of_a_weighted_one_are_the_weighted_figures() -> None:
    made = make_calibration(
        tp=95, fn=20, tn=84, fp=9, se=0.95, sp=0.7, j=0.65, weighted=True, run_labels={"good": 800}
    )
    found = calibration_state(made, FINGERPRINT, {"good": 50, "bad": 50})
    assert (found.state, found.positives, found.negatives) == ("ok", 115, 93)
    assert (found.se, found.sp, found.j) == pytest.approx((0.95, 0.7, 0.65))
    assert found.drift == 0.5
    unknown = calibration_state(replace(made, sp=None), FINGERPRINT)
    assert (unknown.state, unknown.j, unknown.drift) == ("small", None, None)


def test_state__of_another_judge_is_stale_and_has_no_figures() -> None:
    made = make_calibration(tp=40, fn=10, tn=45, fp=5)
    assert calibration_state(made, "e" * 64) == JudgeCalibration(
        state="stale", date="2026-11-24T06:30:00.000Z"
    )
    assert calibration_state(None, FINGERPRINT) == JudgeCalibration(state="none")


@pytest.mark.parametrize(
    ("j", "why"), [(0.2, ("j_weak",)), (0.21, ("j_low",)), (0.49, ("j_low",)), (0.5, ())]
)
def test_why__of_a_calibration_that_counts(j: float, why: tuple[str, ...]) -> None:
    assert calibration_why(JudgeCalibration(state="ok", j=j)) == why


@pytest.mark.parametrize("state", ["none", "stale", "small"])
def test_why__of_one_that_does_not(state: str) -> None:
    assert calibration_why(JudgeCalibration(state=state, j=0.1)) == (f"calibration_{state}",)
