"""The plan of a gate, from the files that a suite has."""

import json
import math
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from comparing import flips, judge
from factories import make_report

from lm_eval_so.core.config.load import load_config
from lm_eval_so.core.events import Event, Warned
from lm_eval_so.core.records.codec import dump_document, to_json
from lm_eval_so.core.records.comparison import FlakyCase
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.judge_health import JudgeCalibration
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.core.stats.flip_chances import provable_by_flips
from lm_eval_so.core.stats.groups import grouped_interval
from lm_eval_so.core.stats.outlook import Asked, Noise, Rule, look_ahead
from lm_eval_so.core.text import width
from lm_eval_so.core.words.plan_lines import plan_fact, plan_line, plan_lines
from lm_eval_so.pipeline.look_ahead import plan_gate
from lm_eval_so.pipeline.reports import write_report

EXACT = "exact_match"
RIGHT = [[1, 1, 1]] * 40 + [[1, 0, 1]] * 10
"""Three answers to each of 50 samples; 2 · (2/9) · 3/2 in a fifth of them: 13.3 % flip."""


class Suite:
    """A folder with a config, a dataset and earlier results."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: list[Event] = []

    def samples(self, n: int, groups: Sequence[str] = (), tags: Sequence[str] = ()) -> None:
        lines = []
        for i in range(n):
            sample: dict[str, Any] = {"id": f"s{i}", "input": "환불은 며칠?", "expected": "3일"}
            if groups:
                sample["group_id"] = groups[i]
            if tags:
                sample["tags"] = [tags[i]]
            lines.append(json.dumps(sample, ensure_ascii=False) + "\n")
        (self.folder / "test.jsonl").write_text("".join(lines), "utf-8")

    def plan(self, **sections: Any):
        values = {
            "version": 1,
            "suite": "support-qa",
            "dataset": {"path": "."},
            "backend": {"name": "scripted", "options": {"default": "echo"}},
            "metrics": [EXACT],
            "baseline": {"path": "baseline.json"},
            **sections,
        }
        (self.folder / "lm-eval-so.yaml").write_text(json.dumps(values), "utf-8")
        config = load_config(self.folder / "lm-eval-so.yaml")
        return plan_gate(config, self.told.append)

    def baseline(self, *scores: Any, **more: Any) -> None:
        write_report(
            self.folder / "baseline.json", make_report({EXACT: scores}, **more), Redactor()
        )

    def last(self, before: Any, now: Any, metric: str = EXACT, flaky: int = 0, **more: Any) -> None:
        """Write the last report and its comparison with a baseline that is gone."""
        report = make_report({metric: now}, **more)
        found = judge(make_report({metric: before}, **more), report)
        unsure = FlakyCase(sample_id="s0", metric=metric, baseline=1.0, candidate=0.0, again=(0, 3))
        found = replace(found, flaky=(unsure,) * flaky)
        (self.folder / "reports").mkdir(exist_ok=True)
        write_report(self.folder / "reports/report.json", report, Redactor())
        (self.folder / "reports/comparison.json").write_text(dump_document(to_json(found)), "utf-8")


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path)


def configured(plan):
    (row,) = (row for row in plan.rows if row.is_configured)
    return row


def test_plan_gate__nothing_is_known(suite: Suite) -> None:
    suite.samples(50)
    plan = suite.plan()
    assert (plan.source, plan.flips, plan.answers, plan.price_per_sample) == (
        "assumed",
        0.1,
        None,
        None,
    )
    assert [(row.repeats, row.claim.value, row.requests) for row in plan.rows] == [
        (1, "like_these", 50),
        (3, "these", 150),
        (5, "these", 250),
    ]
    assert [round(100 * row.provable_margin, 1) for row in plan.rows] == [12.5, 6.9, 5.1]
    assert (plan.needed.n, plan.needed.least_n, plan.needed.repeats) == (263, 58, 6)
    assert configured(plan) == plan.rows[0]
    assert suite.told == []


def test_plan_gate__a_baseline_that_was_asked_several_times_tells_the_flips(suite: Suite) -> None:
    suite.samples(50)
    suite.baseline(*RIGHT, bot_usd=0.3)
    plan = suite.plan()
    assert (plan.source, plan.answers) == ("baseline", 3)
    assert plan.flips == pytest.approx(10 * 2 * (2 / 9) * 1.5 / 50)
    assert plan.price_per_sample == pytest.approx(0.002)
    row = configured(plan)
    assert (row.repeats, row.baseline_repeats, row.usd) == (1, 3, pytest.approx(0.1))
    alone = next(row for row in plan.rows if row.baseline_repeats == 1)
    assert alone.provable_margin == provable_by_flips(50, plan.flips)
    assert row.provable_margin < alone.provable_margin


def test_plan_gate__a_last_report_with_several_answers_tells_them_too(suite: Suite) -> None:
    suite.samples(50)
    suite.last(RIGHT, RIGHT)
    plan = suite.plan(run={"repeats": 3})
    assert (plan.source, plan.answers) == ("report", 3)
    assert configured(plan).claim.value == "like_these"
    these = suite.plan(run={"repeats": 3}, gate={"claim": "these"})
    assert configured(these).claim.value == "these"
    assert configured(these).provable_margin < configured(plan).provable_margin
    assert len(these.rows) == 3


def test_plan_gate__no_flip_seen_still_leaves_one(suite: Suite) -> None:
    suite.samples(50)
    suite.baseline(*[[1, 1, 1]] * 50)
    assert suite.plan().flips == pytest.approx(1 / 102)


def test_plan_gate__the_last_comparison_tells_flips(suite: Suite) -> None:
    suite.samples(100)
    suite.last(*flips(worse=4, better=3, n=100))
    plan = suite.plan()
    assert (plan.source, plan.answers) == ("comparison", None)
    assert plan.flips == pytest.approx(8 / 102)
    assert configured(plan).provable_margin == provable_by_flips(100, plan.flips)


def test_plan_gate__flips_that_asking_again_took_back_are_flips(suite: Suite) -> None:
    suite.samples(100)
    suite.last(*flips(worse=4, better=3, n=100), flaky=2)
    assert suite.plan().flips == pytest.approx(10 / 102)


def test_plan_gate__a_fall_in_the_last_comparison_is_no_noise(suite: Suite) -> None:
    suite.samples(100)
    suite.last(*flips(worse=30, better=1, n=100))
    assert suite.plan().flips == pytest.approx(3 / 102)


def test_plan_gate__true_changes_of_samples_weigh_on_samples_like_these(suite: Suite) -> None:
    suite.samples(60)
    suite.baseline(*[[1, 1, 1]] * 30, *[[0, 0, 1]] * 30)
    still = suite.plan(run={"repeats": 3})
    suite.last(
        [[1, 1, 1]] * 30 + [[0, 0, 0]] * 30, [[0, 0, 0]] * 15 + [[1, 1, 1]] * 30 + [[0] * 3] * 15
    )
    moved = suite.plan(run={"repeats": 3})
    assert moved.source == still.source == "baseline"
    assert moved.flips == still.flips
    by_claim = [
        [row.provable_margin for row in plan.rows if row.repeats == 3] for plan in (still, moved)
    ]
    assert by_claim[1][0] > 1.5 * by_claim[0][0]
    assert by_claim[1][1] == by_claim[0][1]
    # of the means of three answers 0.508 is the variance of a change, and a third of the flips is noise
    noise = Noise(within=still.flips, between=0.508 - still.flips / 3)
    asked = Asked(samples=60, baseline=3, candidate=3)
    expected = look_ahead(asked, noise, Rule(margin=0.05)).provable
    assert by_claim[1][0] == pytest.approx(expected, rel=0.01)


def test_plan_gate__scores_by_the_last_comparison(suite: Suite) -> None:
    rng = random.Random(4)
    before = [0.5] * 120
    now = [0.5 + rng.gauss(0, 0.1) for _ in before]
    suite.samples(120)
    suite.last(before, now, metric="rouge_l")
    plan = suite.plan(metrics=["rouge_l"], gate={"metrics": {"rouge_l": {"margin": 0.05}}})
    assert (plan.source, plan.flips) == ("comparison", None)
    assert plan.deviation == pytest.approx(0.1, rel=0.15)
    assumed = suite.plan(metrics=["char_f1"], gate={"metrics": {"char_f1": {}}})
    assert (assumed.source, assumed.deviation, assumed.margin) == (
        "assumed",
        pytest.approx(0.2),
        0.03,
    )


def test_plan_gate__scores_by_several_answers(suite: Suite) -> None:
    suite.samples(50)
    scores = [[0.4, 0.6]] * 25 + [[0.5, 0.5]] * 25
    write_report(suite.folder / "baseline.json", make_report({"rouge_l": scores}), Redactor())
    plan = suite.plan(metrics=["rouge_l"], gate={"metrics": {"rouge_l": {"margin": 0.05}}})
    assert plan.deviation == pytest.approx(math.sqrt(2 * 0.02 / 2))
    assert (plan.source, plan.answers) == ("baseline", 2)


def test_plan_gate__groups_count_by_their_effective_number(suite: Suite) -> None:
    suite.samples(60, groups=[f"g{i // 4}" for i in range(60)])
    even = suite.plan()
    assert even.groups == 15
    suite.samples(60, groups=["big"] * 30 + [f"g{i // 2}" for i in range(30)])
    uneven = suite.plan()
    assert uneven.groups == 16
    assert configured(uneven).provable_margin is None  # 3.7 groups of equal size tell as much
    assert configured(even).provable_margin is not None
    suite.samples(60, groups=["one"] * 60)
    assert configured(suite.plan()).provable_margin is None
    assert configured(suite.plan()).detectable_drop is None
    suite.samples(60, groups=[f"g{i}" for i in range(60)])
    assert suite.plan().groups is None


def test_plan_gate__a_comparison_of_groups_tells_what_changes_together(suite: Suite) -> None:
    groups = [f"g{i // 4}" for i in range(160)]
    suite.samples(160, groups=groups)
    before = [1] * 160
    together = [0 if i // 4 in {3, 7} else 1 for i in range(160)]
    scattered = [0 if i % 20 == 0 else 1 for i in range(160)]
    found = {}
    for name, now in {"together": together, "scattered": scattered}.items():
        suite.last(before, now, groups=groups)
        found[name] = suite.plan()
    assert found["together"].flips == found["scattered"].flips
    assert (
        configured(found["together"]).provable_margin
        > 1.2 * configured(found["scattered"]).provable_margin
    )


def test_plan_gate__a_comparison_of_groups_is_read_by_its_groups(suite: Suite) -> None:
    groups = [f"g{i // 4}" for i in range(160)]
    suite.samples(160, groups=groups)
    before = [1] * 80 + [0] * 80
    now = [0] * 16 + [1] * 64 + [1] * 16 + [0] * 64
    suite.last(before, now, groups=groups)
    plan = suite.plan()
    change = grouped_interval([b - a for a, b in zip(before, now, strict=True)], groups, width=1.0)
    assert plan.flips == pytest.approx(33 / 162)
    noise = Noise(within=plan.flips, between=160 * change.se**2 - plan.flips)
    asked = Asked(samples=160, groups=40, effective_groups=40)
    expected = look_ahead(asked, noise, Rule(margin=0.05)).provable
    assert configured(plan).provable_margin == pytest.approx(expected, rel=1e-6)


def test_plan_gate__what_cannot_be_read_is_told_and_left_out(suite: Suite) -> None:
    suite.samples(50)
    (suite.folder / "baseline.json").write_text("{", "utf-8")
    (suite.folder / "reports").mkdir()
    (suite.folder / "reports/report.json").write_text("[]", "utf-8")
    (suite.folder / "reports/comparison.json").write_bytes(b"\xff")
    plan = suite.plan()
    assert plan.source == "assumed"
    texts = [event.text for event in suite.told if isinstance(event, Warned)]
    whats = ("the baseline: ", "the last report: ", "the last comparison: ")
    assert [
        text.startswith(f"planned without {what}") for text, what in zip(texts, whats, strict=True)
    ]


def test_plan_gate__results_of_another_suite_tell_nothing(suite: Suite) -> None:
    suite.samples(100)
    suite.last(*flips(worse=4, better=3, n=100), suite="other")
    assert suite.plan().source == "assumed"
    suite.last(RIGHT, RIGHT, suite="other", bot_usd=1.0)
    plan = suite.plan()
    assert (plan.source, plan.price_per_sample) == ("assumed", None)


@pytest.mark.parametrize(
    ("metrics", "gate"),
    [
        (["rouge_l"], {}),  # measures wording alone
        (["latency_ms"], {"metrics": {"latency_ms": {}}}),
        ([], {}),
    ],
)
def test_plan_gate__no_plan_where_no_margin_decides(suite: Suite, metrics, gate) -> None:
    suite.samples(50)
    assert suite.plan(metrics=metrics, gate=gate) is None


def test_plan_gate__no_plan_without_a_dataset(suite: Suite) -> None:
    assert suite.plan(dataset={"path": "not-made-yet"}) is None
    assert plan_fact(None, as_json=True) == {"plan": None}
    assert plan_fact(None, as_json=False) == {}


def test_plan_gate__is_that_of_the_metric_with_the_most_to_prove(suite: Suite) -> None:
    suite.samples(50, tags=["a"] * 15 + ["b"] * 35)
    metrics = [EXACT, {"id": "of_a", "name": EXACT, "only": {"tags": ["a"]}}]
    plan = suite.plan(metrics=metrics)
    assert (plan.metric, plan.n) == ("of_a", 15)
    gate = {"metrics": {EXACT: {"margin": 0.02}, "of_a": {"margin": 0.4}}}
    assert suite.plan(metrics=metrics, gate=gate).metric == EXACT


def test_plan_gate__a_judge_that_errs_proves_less(suite: Suite) -> None:
    suite.samples(100)
    suite.baseline(*RIGHT, *RIGHT)
    exact = suite.plan()
    suite.baseline(*RIGHT, *RIGHT, judges={EXACT: JudgeCalibration(state="ok", j=0.7)})
    judged = suite.plan()
    assert judged.margin == exact.margin
    for before, now in zip(exact.rows, judged.rows, strict=True):
        assert now.provable_margin == pytest.approx(before.provable_margin / 0.7)
    assert judged.needed.n > 1.5 * exact.needed.n


def test_plan_gate__rows_with_prices_say_what_a_run_costs(suite: Suite) -> None:
    suite.samples(50)
    suite.baseline(*[1] * 50, bot_usd=0.12)
    plan = suite.plan()
    assert [row.usd for row in plan.rows] == pytest.approx([0.12, 0.36, 0.60])
    line = plan_fact(plan, as_json=False)["plan"]
    assert line == plan_line(plan, Language.EN)
    assert "\n" not in line
    assert plan_fact(plan, as_json=True)["plan"]["needed"]["repeats"] == 6


def test_plan_lines__what_is_not_quite_proven_does_not_look_so(suite: Suite) -> None:
    suite.samples(50)
    suite.baseline(*[[1, 0, 1, 1, 1]] * 25, *[[1, 1, 1, 1, 1]] * 25)
    plan = suite.plan(run={"repeats": 10}, gate={"claim": "these"})
    assert plan.flips == pytest.approx(0.2)
    assert (plan.needed.repeats, round(provable_by_flips(500, 0.2, is_guarded=False), 4)) == (
        11,
        0.0501,
    )
    equal = suite.plan(run={"repeats": 10}, baseline={"path": "none.json"}, gate={"claim": "these"})
    assert configured(equal).baseline_repeats == 10
    text = "\n".join(
        plan_lines(replace(equal, margin=configured(equal).provable_margin - 1e-4), Language.KO)
    )
    assert ">3.6" in text


@pytest.mark.parametrize("language", Language)
def test_plan_lines__columns_end_at_one_place_in_a_terminal(suite: Suite, language) -> None:
    suite.samples(1200)
    suite.baseline(*[[1, 1, 0]] * 60)
    head, *rows = plan_lines(suite.plan(), language)[1:-2]
    names = ("answers each", "can prove", "finds (80%)", "requests")
    if language is Language.KO:
        names = ("질문별 답변", "확인 가능", "찾는 하락(80%)", "요청")
    ends = [width(head[: head.index(name) + len(name)]) for name in names]
    shown = [re.split(r" {2,}", row.strip()) for row in rows]
    for row, cells in zip(rows, shown, strict=True):
        place, found = 0, []
        for cell in cells[:4]:
            place = row.index(cell, place) + len(cell)
            found.append(width(row[:place]))
        assert found == ends


@pytest.mark.parametrize("language", Language)
def test_plan_lines__read_well(suite: Suite, language: Language, golden) -> None:
    told: list[str] = []

    def tell(plan) -> None:
        told.extend([*plan_lines(plan, language), plan_line(plan, language), ""])

    suite.samples(50)
    tell(suite.plan())
    suite.baseline(*RIGHT, bot_usd=0.36)
    tell(suite.plan())
    tell(suite.plan(run={"repeats": 3}))
    tell(
        suite.plan(run={"repeats": 5}, gate={"claim": "these", "metrics": {EXACT: {"margin": 0.1}}})
    )
    (suite.folder / "baseline.json").unlink()
    suite.last(*flips(worse=2, better=1, n=50))
    tell(suite.plan())
    suite.samples(1)
    tell(suite.plan())
    suite.samples(60, groups=["하나"] * 60)
    tell(suite.plan())
    suite.samples(1200)
    tell(suite.plan(metrics=["rouge_l"], gate={"metrics": {"rouge_l": {"margin": 0.03}}}))
    golden(f"terminal/plan.{language.value}.txt", "\n".join(told))
