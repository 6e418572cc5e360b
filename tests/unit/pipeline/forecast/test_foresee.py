"""The forecast of known answers: scenarios, noise, options, and what is suggested."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from factories import make_report
from servers.runs import make, resources, write_dataset

from lm_eval_so.comparator.terms import Terms
from lm_eval_so.comparator.trial_gate import TrialGate
from lm_eval_so.core.records.codec import dumps
from lm_eval_so.core.records.forecast import Forecast, ForecastOption
from lm_eval_so.core.records.report import JudgeHealth
from lm_eval_so.core.stats.trials import Effort, Sides
from lm_eval_so.errors import ConfigError
from lm_eval_so.evaluator.evaluate import EvaluationInputs, evaluate
from lm_eval_so.pipeline.forecast import foresee as stage
from lm_eval_so.pipeline.forecast.known_answers import Known, find_answers
from lm_eval_so.pipeline.forecast.rehearsal import Rehearsal, suggested
from lm_eval_so.pipeline.forecast.subject import subject_of, with_margins
from lm_eval_so.pipeline.reports import write_report
from lm_eval_so.runner.run import RunOptions, run

DAY = 24 * 3600
ECHO = {"name": "scripted", "options": {"default": "echo"}}


def at(day: int):
    return resources(environ={"SOURCE_DATE_EPOCH": str(1_790_000_000 + day * DAY)})


def steady(n: int, k: int) -> list[list[int]]:
    return [[1] * k for _ in range(n)]


async def known_of(folder: Path, days: list[list[list[int]]], **sections) -> Known:
    """Return known answers: on each day so many to each sample, right or wrong."""
    samples = [
        {"id": f"q{i}", "input": f"질문 {i}", "expected": f"질문 {i}"} for i in range(len(days[0]))
    ]
    write_dataset(folder, samples)
    found = make(folder, ECHO, **{"metrics": ["exact_match"], **sections})
    paths = []
    for day, answers in enumerate(days):
        asked = found.with_repeats(len(answers[0]))
        out = folder / f"runs-{day}"
        await run(asked, at(day), RunOptions(out=out))
        report = await evaluate(asked, at(day), EvaluationInputs(runs=[out]))
        flat = tuple(float(score) for own in answers for score in own)
        columns = replace(report.samples, scores={"exact_match": flat})
        paths.append(folder / f"{day}.json")
        write_report(paths[-1], replace(report, samples=columns), resources().redactor)
    subject = subject_of(found, resources())
    return await find_answers(subject, resources(), paths)


def foresee(known: Known) -> Forecast:
    return stage.foresee(known, resources(), effort=Effort(trials=100, sets=4, of_set=3))


@pytest.mark.parametrize(("n", "share"), [(58, 1.0), (50, 0.0)])
async def test_foresee__answers_that_never_differ_are_certain(tmp_path: Path, n, share) -> None:
    found = foresee(await known_of(tmp_path, [steady(n, 3)]))
    first = found.scenarios[0]
    assert (first.passes, first.fails) == (share, 0.0)
    assert first.ranges["pass"] == pytest.approx((share, share), abs=0.03)  # as trials can tell
    assert found.noise[0].total.value == 0
    assert [each.broken for each in found.scenarios] == [0, 3, 6 if n == 58 else 5]


async def test_foresee__the_same_answers_give_the_same_bytes(tmp_path: Path) -> None:
    answers = [[1, 0, 1]] * 6 + steady(54, 3)
    known = await known_of(tmp_path, [answers])
    assert dumps(foresee(known)) == dumps(foresee(known))


async def test_foresee__the_noisy_questions_are_named_from_five_answers_on(tmp_path: Path) -> None:
    four, five = ([[1, 0] * 2], [[1, 0, 1, 0, 1]])
    few = foresee(await known_of(tmp_path / "a", [four + steady(39, 4)]))
    assert few.noise[0].half_by is None
    known = await known_of(tmp_path / "b", [five + steady(39, 5)])
    found = foresee(known)
    assert found.noise[0].half_by == ("q0",)
    assert stage.told_of(found, known).questions["q0"] == ("q0", "질문 0", 3, 5)
    assert "without_noisy" in {each.name for each in found.options}
    assert "without_noisy" not in {each.name for each in few.options}


async def test_foresee__days_that_differ_are_told_and_from_four_on_held_against_each_other(
    tmp_path: Path,
) -> None:
    mood = [[[1, 1]] * 30 + [[int(day % 2)] * 2] * 10 for day in range(4)]
    two = foresee(await known_of(tmp_path / "a", mood[:2]))
    assert two.noise[0].between_days == pytest.approx(0.25)
    four = foresee(await known_of(tmp_path / "b", mood))
    # all ten fall together, or none does
    assert four.scenarios[0].fails == pytest.approx(1 / 3, abs=0.15)
    assert two.scenarios[0].fails < 0.1


async def test_foresee__options_are_tried_where_enough_is_known_and_by_formula_else(
    tmp_path: Path,
) -> None:
    dice = random.Random(1)
    answers = [[int(dice.random() < 0.9) for _ in range(6)] for _ in range(60)]
    found = foresee(await known_of(tmp_path, [answers]))
    options = {each.name: each for each in found.options}
    assert options["baseline"].source == "split"
    assert options["these"].source == "split"
    assert (options["baseline"].requests_run, options["baseline"].requests_merge) == (60, 300)
    assert (options["these"].requests_run, options["these"].requests_merge) == (180, 0)
    assert options["questions"].requests_run == 120
    assert options["margin"].value == pytest.approx(0.1)
    assert options["these"].passes > options["as_is"].passes + 0.2
    assert options["as_is"].detect == found.scenarios[-1].fails
    three = [own[:3] for own in answers]
    few = foresee(await known_of(tmp_path / "b", [three]))
    assert {each.source for each in few.options if each.name in {"baseline", "these"}} == {
        "formula"
    }


async def test_foresee__a_broken_case_fails_with_enough_answers_of_a_baseline(
    tmp_path: Path,
) -> None:
    once = foresee(await known_of(tmp_path / "a", [steady(60, 1)]))
    assert (once.case, once.case_repeats) == ("named", 3)
    three = {"baseline": {"repeats": 3}}
    often = foresee(await known_of(tmp_path / "b", [steady(60, 1)], **three))
    assert (often.case, often.case_repeats) == ("fails", 3)
    off = {"gate": {"broken": "off"}}
    none = foresee(await known_of(tmp_path / "c", [steady(60, 1)], **off))
    assert (none.case, none.case_repeats) == (None, None)


async def test_foresee__of_judged_metrics_the_judge_has_a_part_of_the_noise(tmp_path: Path) -> None:
    known = await known_of(tmp_path, [[[1, 0, 1]] * 6 + steady(54, 3)])
    health = JudgeHealth(
        model="judge-1",
        fingerprint="f",
        rows=60,
        calls=60,
        valid_first=60,
        repaired=0,
        unscored={},
        labels={},
        retested=100,
        retest_agreement=0.96,
        retest_msd=0.04,
        state="ok",
    )
    report = replace(known.reports[0], judges={"exact_match": health})
    metric = known.subject.metrics[0]
    section = metric.section.model_copy(update={"backend": known.subject.config.backend})
    subject = replace(known.subject, metrics=(replace(metric, section=section),))
    (noise,) = stage.noise_of(replace(known, reports=(report,), subject=subject))
    assert noise.judge is not None
    assert noise.chatbot is not None
    assert noise.judge.value == pytest.approx(0.04)
    assert noise.chatbot.value == pytest.approx(noise.total.value - 0.04)


def test_rehearsal__by_formula_the_hardest_of_several_metrics_passes_least() -> None:
    scores = {"right": [[1, 0, 1]] * 40 + [[1] * 3] * 60, "score": [[0.5, 0.75, 0.9]] * 100}
    gate = TrialGate(report=make_report(scores), terms=Terms(compared_at="2026-11-24T06:30:00Z"))
    right, score = gate.leading()
    effort = Effort(trials=20, sets=2, of_set=2)
    rows = [tuple(range(3 * at, 3 * at + 3)) for at in range(100)]

    def these(noise):
        made = Rehearsal(
            gate=gate,
            noise=noise,
            rows=rows,
            days=(),
            sides=Sides(baseline=1, candidate=1),
            effort=effort,
        )
        found = {each.name: each for each in made.options([*made.scenarios()])}["these"]
        return found.passes, found.detect

    alone, both = these([(right, 0.02)]), these([(right, 0.02), (score, 0.4)])
    assert alone[0] > 0.9
    assert both[0] < 0.3
    assert both[1] == alone[1]


def test_subject__without_a_deciding_metric_there_is_nothing_to_forecast(tmp_path: Path) -> None:
    write_dataset(tmp_path, [{"id": "q", "input": "?", "expected": "!"}])
    with pytest.raises(ConfigError, match="nothing to forecast"):
        subject_of(make(tmp_path, ECHO, metrics=["token_f1"]), resources())


async def test_subject__a_baseline_at_hand_that_was_asked_more_often_counts(tmp_path: Path) -> None:
    write_dataset(tmp_path, [{"id": f"q{i}", "input": "?", "expected": "!"} for i in range(3)])
    found = make(tmp_path, ECHO, metrics=["exact_match"], baseline={"path": "base.json"})
    assert subject_of(found, resources()).sides == Sides(baseline=1, candidate=1)
    await run(found.with_repeats(3), at(1), RunOptions(out=tmp_path / "run"))
    report = await evaluate(found, at(1), EvaluationInputs(runs=[tmp_path / "run"]))

    def sides(report, **baseline) -> tuple[int, Sides]:
        write_report(tmp_path / "base.json", report, resources().redactor)
        config = make(
            tmp_path,
            ECHO,
            metrics=["exact_match"],
            baseline={"path": "base.json", **baseline},
        )
        subject = subject_of(config, resources())
        return subject.held, subject.sides

    assert sides(report) == (3, Sides(baseline=3, candidate=1))
    assert sides(report, repeats=5) == (3, Sides(baseline=5, candidate=1))
    other = replace(report, experiment=replace(report.experiment, suite="other"))
    assert sides(other) == (0, Sides(baseline=1, candidate=1))
    (tmp_path / "base.json").write_text("{", encoding="utf-8")
    assert subject_of(found, resources()).held == 0


def test_with_margins__sets_all_but_costs_and_times(tmp_path: Path) -> None:
    write_dataset(tmp_path, [{"id": "q", "input": "?", "expected": "!"}])
    gate = {"metrics": {"exact_match": {}, "latency_ms": {"max_increase": 0.5}}}
    found = make(tmp_path, ECHO, metrics=["exact_match", "latency_ms"], gate=gate)
    changed = with_margins(subject_of(found, resources()), 0.2, resources()).config.gate.metrics
    assert changed is not None
    assert changed["exact_match"].margin == 0.2
    assert changed["latency_ms"].margin is None


def option(name, passes, detect, requests) -> ForecastOption:
    return ForecastOption(
        name=name,
        passes=passes,
        detect=detect,
        requests_run=requests,
        requests_merge=0,
        usd=None,
        source="split",
    )


def test_suggested__is_the_cheapest_that_is_good_enough_else_the_best_affordable() -> None:
    now = option("as_is", 0.3, 0.6, 60)
    good, dear = option("questions", 0.8, 0.9, 120), option("these", 0.9, 0.99, 180)
    assert suggested([now, dear, good]) == "questions"
    fair, too_dear = option("baseline", 0.5, 0.7, 60), option("these", 0.79, 0.99, 190)
    assert suggested([now, fair, too_dear]) == "baseline"
    assert suggested([]) is None
    assert Forecast.__dataclass_fields__["suggestion"].default is None
