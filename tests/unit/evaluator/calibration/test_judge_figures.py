"""Figures of people and judge, against other implementations."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from evaluation import a_config, a_sample

from lm_eval_so.core.records.calibration import Calibration
from lm_eval_so.core.records.codec import dumps, loads
from lm_eval_so.core.records.score import JudgeVote
from lm_eval_so.evaluator.binding.bind import bind_metrics
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.calibration.judge_figures import Origin, make_calibration
from lm_eval_so.evaluator.calibration.label_cells import HumanLabel
from lm_eval_so.evaluator.calibration.labelled import Rated
from lm_eval_so.evaluator.calibration.weighing import Drawn, Unfit

TWO = {"good": 1.0, "bad": 0.0}
THREE = {"good": 1.0, "partial": 0.5, "bad": 0.0}
NO_REPORT = Unfit("there is no report of the run")
EVEN = {"fine": 1.0, "ok": 1.0, "bad": 0.0}


def bind(tmp_path: Path, labels: dict[str, float]) -> BoundMetric:
    section = {
        "id": "helpful",
        "name": "llm_judge",
        "params": {"rubric": "Be right.", "labels": labels},
        "backend": {"name": "scripted"},
    }
    (bound,) = bind_metrics(a_config(tmp_path, [section]), {})
    return bound


def a_rated(
    bound: BoundMetric, number: int, people: list[str], judge: str | None, note: str = ""
) -> Rated:
    sample, vote = a_sample(f"q{number:03d}"), JudgeVote(label=judge, model="judge-1", calls=1)
    score = (
        bound.metric.unscored(sample, "judge_invalid", votes=[vote])
        if judge is None
        else bound.metric.make_score(
            sample, value=bound.metric.labels[judge], label=judge, reason="so", votes=[vote]
        )
    )
    labels = tuple(
        HumanLabel(
            metric="helpful",
            sample_id=sample.id,
            repeat=0,
            label=label,
            annotator="",
            note=note,
            answer=None,
        )
        for label in people
    )
    return Rated(people=labels, score=score)


def figures(
    bound: BoundMetric,
    rated: list[Rated],
    positive: tuple[str, ...],
    drawn: Drawn | Unfit = NO_REPORT,
) -> Calibration:
    origin = Origin(
        bound=bound,
        positive=positive,
        skipped={"empty": 2},
        drawn=drawn,
        labels_file="labels.csv",
        labels_digest="d" * 64,
        calibrated_at="2026-11-24T06:30:00.000Z",
    )
    return make_calibration(rated, origin)


def table(bound: BoundMetric, counts: dict[tuple[str, str], int]) -> list[Rated]:
    pairs = [pair for pair, n in counts.items() for _ in range(n)]
    return [a_rated(bound, i, [human], judge) for i, (human, judge) in enumerate(pairs)]


def test_calibration__published_figures(tmp_path: Path) -> None:
    bound = bind(tmp_path, TWO)
    counts = {
        ("good", "good"): 40,
        ("good", "bad"): 10,
        ("bad", "good"): 5,
        ("bad", "bad"): 45,
    }
    found = figures(bound, table(bound, counts), ("good",))
    assert (found.tp, found.fn, found.fp, found.tn) == (40, 10, 5, 45)
    assert (found.kappa, found.se, found.sp, found.j, found.agreement) == pytest.approx(
        (0.70, 0.80, 0.90, 0.70, 0.85), abs=1e-12
    )
    assert found.confusion == {"good": {"good": 40, "bad": 10}, "bad": {"good": 5, "bad": 45}}
    assert found.se_ci95 == pytest.approx((0.6696, 0.8876), abs=5e-5)
    assert (found.rows, found.n, found.models, found.skipped) == (
        100,
        100,
        ("judge-1",),
        {"empty": 2},
    )
    assert (found.weighted, found.run_labels) == (False, {})
    assert loads(dumps(found), Calibration) == found


def drawn_of(
    rated: list[Rated], values: dict[str, float], labels: dict[str, int], empty: int = 0
) -> Drawn:
    """Return a run that has the labelled answers, more of the same kinds, and some empty ones."""
    scores: list[float | None] = [each.score.value for each in rated]
    places = {(each.score.sample_id, 0): i for i, each in enumerate(rated)}
    for label, n in labels.items():
        value = values.get(label)
        scores += [value] * (n - sum(each.score.label == label for each in rated))
    return Drawn(labels=labels, scores=(*scores, *[0.0] * empty), places=places)


def test_calibration__weighted_by_the_run(tmp_path: Path) -> None:
    from sklearn.metrics import accuracy_score, cohen_kappa_score

    bound = bind(tmp_path, TWO)
    counts = {("good", "good"): 95, ("bad", "good"): 9, ("good", "bad"): 20, ("bad", "bad"): 84}
    rated = table(bound, counts)
    run = {"good": 800, "bad": 200, "UNKNOWN": 7}
    found = figures(bound, rated, ("good",), drawn_of(rated, TWO, run, empty=40))
    assert (found.weighted, found.run_labels) == (True, run)
    assert (found.se, found.sp, found.j) == pytest.approx((0.95, 0.70, 0.65))
    assert (found.tp, found.fp, found.fn, found.tn) == (95, 9, 20, 84)
    weights = [{"good": 800 / 104, "bad": 200 / 104}[judge] for _, judge in counts]
    people, judge = zip(*counts, strict=True)
    each = [n * weight for n, weight in zip(counts.values(), weights, strict=True)]
    assert found.agreement == pytest.approx(accuracy_score(people, judge, sample_weight=each))
    assert found.kappa == pytest.approx(cohen_kappa_score(people, judge, sample_weight=each))
    assert loads(dumps(found), Calibration) == found


def test_calibration__in_proportion_to_the_run_changes_nothing(tmp_path: Path) -> None:
    bound = bind(tmp_path, TWO)
    counts = {("good", "good"): 40, ("bad", "good"): 5, ("good", "bad"): 10, ("bad", "bad"): 45}
    rated = table(bound, counts)
    plain = figures(bound, rated, ("good",))
    found = figures(bound, rated, ("good",), drawn_of(rated, TWO, {"good": 450, "bad": 550}))
    assert (found.weighted, plain.weighted) == (True, False)
    for key in ("se", "sp", "j", "kappa", "agreement"):
        assert getattr(found, key) == pytest.approx(getattr(plain, key), abs=1e-12)


def test_calibration__weighted_where_good_begins_elsewhere(tmp_path: Path) -> None:
    # the export took good and partial as one kind; half of the labelled ones are partial
    bound = bind(tmp_path, THREE)
    counts = {
        ("good", "good"): 18,
        ("partial", "good"): 2,
        ("good", "partial"): 5,
        ("partial", "partial"): 15,
        ("good", "bad"): 4,
        ("bad", "bad"): 36,
    }
    rated = table(bound, counts)
    run = {"good": 300, "partial": 100, "bad": 80}
    found = figures(bound, rated, ("good",), drawn_of(rated, THREE, run))
    good = {"good": 300 * 18 / 20, "partial": 100 * 5 / 20, "bad": 80 * 4 / 40}
    bad = {"good": 300 * 2 / 20, "partial": 100 * 15 / 20, "bad": 80 * 36 / 40}
    assert found.se == pytest.approx(good["good"] / sum(good.values()))
    assert found.sp == pytest.approx((bad["partial"] + bad["bad"]) / sum(bad.values()))
    usual = figures(bound, rated, ("good", "partial"), drawn_of(rated, THREE, run))
    assert usual.se == pytest.approx(400 / (400 + 80 * 4 / 40))


def test_calibration__nobody_labelled_what_the_judge_called_bad(tmp_path: Path) -> None:
    bound = bind(tmp_path, TWO)
    rated = table(bound, {("good", "good"): 8, ("bad", "good"): 2})
    run = {"good": 90, "bad": 10}
    found = figures(bound, rated, ("good",), drawn_of(rated, TWO, run))
    assert (found.weighted, found.run_labels) == (False, run)
    assert (found.se, found.sp) == (1, 0)
    never = figures(bound, rated, ("good",), drawn_of(rated, TWO, {"good": 90}, empty=3))
    assert (never.weighted, never.se, never.sp) == (True, 1, 0)


def test_calibration__what_had_no_verdict_in_the_run_has_no_weight(tmp_path: Path) -> None:
    bound = bind(tmp_path, TWO)
    counts = {("good", "good"): 9, ("bad", "good"): 1, ("good", "bad"): 2, ("bad", "bad"): 8}
    rated = table(bound, counts)
    drawn = drawn_of(rated, TWO, {"good": 60, "bad": 40, "UNKNOWN": 5})
    late = [a_rated(bound, 900 + i, ["bad"], "good") for i in range(5)]
    places = {(each.score.sample_id, 0): len(drawn.scores) + i for i, each in enumerate(late)}
    more = replace(drawn, scores=(*drawn.scores, *[None] * 5), places={**drawn.places, **places})
    found = figures(bound, [*rated, *late], ("good",), more)
    assert found.fp == 6
    assert (found.se, found.sp) == pytest.approx((54 / 62, 32 / 38))


def test_calibration__models_are_those_that_gave_a_verdict(tmp_path: Path) -> None:
    bound = bind(tmp_path, TWO)
    failed = JudgeVote(label=None, code="judge_error", model="alias", calls=1)
    lost = bound.metric.unscored(a_sample("q9"), "judge_error", votes=[failed])
    people = a_rated(bound, 9, ["good"], None).people
    rated = [a_rated(bound, 0, ["good"], "good"), Rated(people=people, score=lost)]
    assert figures(bound, rated, ("good",)).models == ("judge-1",)


@pytest.mark.parametrize(("labels", "weights"), [(TWO, None), (THREE, "quadratic"), (EVEN, None)])
def test_calibration__agrees_with_scikit_learn(
    tmp_path: Path, labels: dict[str, float], weights: str | None
) -> None:
    from sklearn.metrics import accuracy_score, cohen_kappa_score, confusion_matrix

    bound, chance = bind(tmp_path, labels), random.Random(3)
    names = list(labels)
    for _ in range(20):
        pairs = [
            (human, human if chance.random() < 0.6 else chance.choice(names))
            for human in chance.choices(names, k=60)
        ]
        rated = [a_rated(bound, i, [human], judge) for i, (human, judge) in enumerate(pairs)]
        found = figures(bound, rated, (names[0],))
        people, judge = zip(*pairs, strict=True)
        assert found.kappa == pytest.approx(
            cohen_kappa_score(people, judge, labels=names, weights=weights), abs=1e-12
        )
        assert found.agreement == pytest.approx(accuracy_score(people, judge), abs=1e-12)
        assert [list(row.values()) for row in found.confusion.values()] == (
            confusion_matrix(people, judge, labels=names).tolist()
        )
    assert found.kappa_weights == (weights or "none")


@pytest.mark.parametrize(("labels", "level"), [(TWO, "nominal"), (THREE, "ordinal")])
def test_alpha__agrees_with_krippendorff(
    tmp_path: Path, labels: dict[str, float], level: str
) -> None:
    import krippendorff

    bound, chance = bind(tmp_path, labels), random.Random(5)
    names = list(labels)
    truth = chance.choices(names, k=40)
    said = [
        [t if chance.random() < 0.7 else chance.choice(names) for _ in range(chance.randint(1, 3))]
        for t in truth
    ]
    rated = [a_rated(bound, i, people, "good") for i, people in enumerate(said)]
    columns = [
        [labels[people[k]] if k < len(people) else float("nan") for people in said]
        for k in range(3)
    ]
    found = figures(bound, rated, ("good",))
    expected = krippendorff.alpha(columns, level_of_measurement=level)
    assert found.alpha == pytest.approx(expected, abs=1e-9)
    assert found.annotators == 3


def test_calibration__rows_without_a_verdict_are_a_rate_of_their_own(tmp_path: Path) -> None:
    bound = bind(tmp_path, TWO)
    rated = [
        a_rated(bound, 0, ["good"], "good"),
        a_rated(bound, 1, ["good"], None),
        a_rated(bound, 2, ["bad"], "bad"),
        a_rated(bound, 3, ["bad"], None),
    ]
    found = figures(bound, rated, ("good",))
    assert (found.rows, found.n, found.se, found.sp) == (4, 2, 1, 1)
    assert (found.unscored, found.unscored_rate) == (2, 0.5)
    assert found.unscored_by == {"judge_invalid": 2}


def test_calibration__majority_of_people(tmp_path: Path) -> None:
    bound = bind(tmp_path, TWO)
    rated = [
        a_rated(bound, 0, ["good", "bad", "good"], "good"),
        a_rated(bound, 1, ["good", "bad"], "good"),
        a_rated(bound, 2, ["bad"], "good"),
    ]
    found = figures(bound, rated, ("good",))
    assert (found.rows, found.tp, found.fp) == (2, 1, 1)
    assert found.skipped == {"empty": 2, "tie": 1}
    assert found.alpha is not None
    assert found.alpha < 0  # the divided answer counts among people


def test_calibration__one_label_throughout_has_no_kappa(tmp_path: Path) -> None:
    bound = bind(tmp_path, TWO)
    found = figures(bound, [a_rated(bound, 0, ["good"], "good")], ("good",))
    assert (found.kappa, found.alpha, found.agreement) == (None, None, 1)
    assert (found.se, found.sp, found.sp_ci95, found.j) == (1, None, None, None)


def test_disagreements__furthest_apart_first_and_not_too_many(tmp_path: Path) -> None:
    bound = bind(tmp_path, THREE)
    near = [a_rated(bound, i, ["partial"], "good", note="메모") for i in range(60)]
    far = a_rated(bound, 99, ["bad"], "good", note="x" * 400 + " " + "y" * 400)
    found = figures(bound, [*near, far, a_rated(bound, 70, ["bad"], "bad")], ("good",))
    assert len(found.disagreements) == 50
    first, second = found.disagreements[:2]
    assert (first.sample_id, first.human, first.judge, first.judge_reason) == (
        "q099",
        "bad",
        "good",
        "so",
    )
    assert first.human_reason == "x" * 400 + " …"
    assert (second.sample_id, second.human_reason) == ("q000", "메모")
