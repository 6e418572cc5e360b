"""The stage `calibrate`: labels by people, and the judge's labels of the same answers."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from evaluation import EPOCH, a_config, a_failure, a_run, report_of, write_dataset, write_run

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Began, Ended, Event, Noticed, Warned
from lm_eval_so.core.records.calibration import Calibration
from lm_eval_so.core.records.codec import loads
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.errors import (
    CannotMeasure,
    ConfigError,
    DatasetError,
    ErrorKind,
    InputError,
    Interrupted,
    UsageError,
)
from lm_eval_so.evaluator.binding.metric_problems import check_metrics
from lm_eval_so.evaluator.calibrate import CalibrationInputs, calibrate
from lm_eval_so.evaluator.calibration.calibration_files import write_calibrations

SAID = {
    "좋음": '{"reason": "맞음", "label": "good"}',
    "나쁨": '{"reason": "틀림", "label": "bad"}',
    "애매": '{"reason": "반만", "label": "partial"}',
    "모름": '{"reason": "알 수 없음", "label": "UNKNOWN"}',
}
"""What the judge says of an answer with this word."""


def a_judge(metric_id: str = "helpful", **changes: Any) -> dict[str, Any]:
    return {
        "id": metric_id,
        "name": "llm_judge",
        "params": {"rubric": "Be right.", "labels": ["good", "bad"]},
        "backend": {"name": "scripted", "options": {"match": "regex", "answers": SAID}},
        **changes,
    }


def make(
    folder: Path,
    answers: list[str],
    answer: Callable[[TestSample, int], RunResult] | None = None,
    **options: Any,
) -> Path:
    """Write a dataset and a run with these answers to q0, q1, …"""
    rows = [{"id": f"q{i}", "input": f"질문 {i}"} for i in range(len(answers))]
    say = answer or (lambda sample, _: a_run(answers[int(sample.id[1:])]))
    return write_run(folder, write_dataset(folder, rows), say, **options)


def label(folder: Path, lines: list[tuple[Any, ...]], header: str = "id,label") -> Path:
    path = folder / "labels.csv"
    text = "".join(",".join(map(str, line)) + "\n" for line in lines)
    path.write_text(f"{header}\n{text}", encoding="utf-8")
    return path


def calibrated(
    config: Config, run: Path, labels: Path, events: list[Event] | None = None, **options: Any
) -> dict[str, Calibration]:
    listener = {"listener": events.append} if events is not None else {}
    redactor = make_redactor({"KEY": "sk-secret-1234567890abcdef"}, ["KEY"])
    resources = Resources(environ=EPOCH, redactor=redactor, **listener)
    given = {"opens": options.pop("opens")} if "opens" in options else {}
    inputs = CalibrationInputs(labels=labels, runs=[run], **options)
    return asyncio.run(calibrate(config, resources, inputs, **given))


def table(tp: int, fn: int, fp: int, tn: int) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return answers and people's labels with these counts."""
    pairs = [("good", "좋음")] * tp + [("good", "나쁨")] * fn
    pairs += [("bad", "좋음")] * fp + [("bad", "나쁨")] * tn
    answers = [f"{word} {i}" for i, (_, word) in enumerate(pairs)]
    return answers, [(f"q{i}", human) for i, (human, _) in enumerate(pairs)]


def test_calibrate__figures_state_and_another_rubric(tmp_path: Path) -> None:
    answers, lines = table(tp=40, fn=10, fp=5, tn=45)
    run, events = make(tmp_path, answers), []
    section = a_judge(judge={"calibration": "calibration/helpful.json"})
    config = a_config(tmp_path, ["exact_match", section])
    found = calibrated(config, run, label(tmp_path, lines), events)["helpful"]
    assert (found.kappa, found.se, found.sp, found.j, found.agreement) == pytest.approx(
        (0.70, 0.80, 0.90, 0.70, 0.85), abs=1e-12
    )
    assert (found.labels_file, found.calibrated_at) == ("labels.csv", "2026-03-02T09:14:00.000Z")
    assert [event for event in events if isinstance(event, Warned)] == []
    (noticed,) = [event.text for event in events if isinstance(event, Noticed)]
    assert noticed == (
        "helpful: there is no report of the run, so Se, Sp, κ and agreement are of the labelled "
        "answers as they are; that is right if these were chosen at random, not by what the judge "
        "said; --report names the report.json of evaluate --export-labels"
    )
    (told,) = [event.text for event in events if isinstance(event, Ended)]
    assert told == (
        "helpful: the judge labelled 100 of 100 answers; agreement 0.85; κ 0.70; Se 0.80; "
        "Sp 0.90; J 0.70"
    )
    assert report_of(config, run).judges["helpful"].calibration.state == "none"
    path, _ = write_calibrations(config, Resources(environ=EPOCH), {"helpful": found})
    assert path == tmp_path / "calibration/helpful.json"
    health = report_of(config, run).judges["helpful"]
    assert (health.calibration.state, health.calibration.j, health.calibration.n) == (
        "ok",
        0.7,
        100,
    )
    assert (health.state, health.why) == ("ok", ())
    other = {**section, "params": {**section["params"], "rubric": "Be brief."}}
    health = report_of(a_config(tmp_path, [other]), run).judges["helpful"]
    assert (health.calibration.state, health.why) == ("stale", ("calibration_stale",))


def exported(folder: Path, *, masks: bool = False, **report: Any) -> tuple[Config, Path, Path]:
    """Write a run of which the judge calls 80 % good, and labels of 104 of either kind.

    The judge calls 95 % of the good answers good and 70 % of the bad ones bad, as far as can be.
    """
    counts = [("good", "좋음", 95, 731), ("bad", "좋음", 9, 69)]
    counts += [("good", "나쁨", 20, 40), ("bad", "나쁨", 84, 167)]
    answers, lines = [], []
    for human, word, labelled, n in counts:
        lines += [(f"q{len(answers) + i}", human) for i in range(labelled)]
        answers += [f"{word} kim{i}@example.com" for i in range(n)]
    answers += ["모름"] * 3 + [""] * 20
    run = make(folder, answers)
    section = a_judge(judge={"calibration": "c.json"})
    metrics = [section, "pii_leak"] if masks else [section]
    config = a_config(folder, metrics, report=report)
    return config, run, label(folder, lines)


@pytest.mark.parametrize("keeps", ["full", "hash", "none"])
def test_calibrate__weighted_by_the_report(tmp_path: Path, keeps: str) -> None:
    config, run, labels = exported(tmp_path, answers=keeps)
    report, events = report_of(config, run), []
    found = calibrated(config, run, labels, events, report=report)["helpful"]
    assert (found.weighted, found.n) == (True, 208)
    assert found.run_labels == {"good": 800, "bad": 207, "UNKNOWN": 3}
    share = 800 / 1007
    se = share * 95 / 104 / (share * 95 / 104 + (1 - share) * 20 / 104)
    assert found.se == pytest.approx(se)
    assert found.j == pytest.approx(0.65, abs=0.01)
    assert [event for event in events if isinstance(event, Noticed)] == []
    (told,) = [event.text for event in events if isinstance(event, Ended)]
    assert told.startswith(
        "helpful: the judge labelled 208 of 208 answers; weighted by its labels of the run (good "
        "800, bad 207, UNKNOWN 3); agreement"
    )
    write_calibrations(config, Resources(environ=EPOCH), {"helpful": found})
    health = report_of(config, run).judges["helpful"]
    assert (health.calibration.state, health.calibration.drift) == ("ok", 0)
    assert health.calibration.j == pytest.approx(found.j)
    assert health.why == ()


def test_calibrate__report_with_masked_answers_is_that_of_the_run(tmp_path: Path) -> None:
    config, run, labels = exported(tmp_path, masks=True)
    report = report_of(config, run)
    assert "kim0@example.com" not in str(report.samples.answers)
    assert calibrated(config, run, labels, report=report)["helpful"].weighted


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("rubric", "the report is of another judge or rubric, so"),
        ("answer", "the report has another answer to q1, so"),
        ("question", "the report has another answer to q1, so"),
        ("fewer", "the report lacks q1, which is labelled, so"),
        ("metric", "the report has no labels of helpful, so"),
    ],
)
def test_calibrate__report_of_something_else(tmp_path: Path, change: str, why: str) -> None:
    run = make(tmp_path, ["좋음", "나쁨"])
    config = a_config(tmp_path, [a_judge()])
    report = report_of(config, run)
    columns = report.samples
    other = {
        "rubric": {"metrics": {"helpful": replace(report.metrics["helpful"], fingerprint="e")}},
        "answer": {"samples": replace(columns, answers=("좋음", "나쁨!"))},
        "question": {"samples": replace(columns, sample_hashes=(columns.sample_hashes[0], "0"))},
        "fewer": {"samples": replace(columns, ids=("q0", "q7"))},
        "metric": {"judges": {}},
    }
    events: list[Event] = []
    labels = label(tmp_path, [("q0", "good"), ("q1", "bad")])
    report = replace(report, **other[change])
    found = calibrated(config, run, labels, events, report=report)["helpful"]
    assert (found.weighted, found.run_labels, found.j) == (False, {}, 1)
    (told,) = [event.text for event in events if isinstance(event, Noticed)]
    assert told.startswith(f"helpful: {why}")


def test_calibrate__nobody_labelled_the_bad_ones(tmp_path: Path) -> None:
    run, events = make(tmp_path, ["좋음", "나쁨"]), []
    config = a_config(tmp_path, [a_judge()])
    labels = label(tmp_path, [("q0", "good")])
    report = report_of(config, run)
    found = calibrated(config, run, labels, events, report=report)["helpful"]
    assert (found.weighted, found.run_labels) == (False, {"good": 1, "bad": 1})
    (told,) = [event.text for event in events if isinstance(event, Noticed)]
    assert "none of those that the judge called good, or none of the bad ones" in told


def test_calibrate__another_run_with_other_labels_is_told(tmp_path: Path) -> None:
    config, run, labels = exported(tmp_path)
    found = calibrated(config, run, labels, report=report_of(config, run))
    write_calibrations(config, Resources(environ=EPOCH), found)
    later = tmp_path / "later"
    later.mkdir()
    worse = make(later, ["좋음"] * 50 + ["나쁨"] * 50)
    moved = a_config(tmp_path, [a_judge(judge={"calibration": "c.json"})])
    moved = moved.model_copy(
        update={"dataset": moved.dataset.model_copy(update={"path": later / "test.jsonl"})}
    )
    health = report_of(moved, worse).judges["helpful"]
    assert (health.state, health.why) == ("warn", ("labels_shifted",))
    assert health.calibration.drift == pytest.approx(0.5 - 207 / 1010)


def test_calibrate__weak_judge_is_bad(tmp_path: Path) -> None:
    answers, lines = table(tp=20, fn=20, fp=16, tn=24)
    run, events = make(tmp_path, answers), []
    config = a_config(tmp_path, [a_judge(judge={"calibration": "c.json"})])
    found = calibrated(config, run, label(tmp_path, lines), events)
    assert [event.text for event in events if isinstance(event, Warned)] == [
        "helpful: the judge hardly tells right from wrong (J 0.10)"
    ]
    write_calibrations(config, Resources(environ=EPOCH), found)
    health = report_of(config, run).judges["helpful"]
    assert (health.state, health.why) == ("bad", ("j_weak",))


def test_calibrate__graded_labels(tmp_path: Path) -> None:
    run = make(tmp_path, ["좋음", "애매", "나쁨", "나쁨"])
    section = a_judge(params={"rubric": "r", "labels": {"good": 1, "partial": 0.5, "bad": 0}})
    lines = [("q0", "good"), ("q1", "good"), ("q2", "partial"), ("q3", "BAD.")]
    config = a_config(tmp_path, [section])
    found = calibrated(config, run, label(tmp_path, lines))["helpful"]
    assert (found.positive, found.kappa_weights) == (("good", "partial"), "quadratic")
    assert (found.tp, found.fn, found.tn, found.fp) == (2, 1, 1, 0)
    assert found.confusion["partial"] == {"good": 0, "partial": 0, "bad": 1}
    strict = calibrated(config, run, label(tmp_path, lines), positive=["Good"])["helpful"]
    assert (strict.positive, strict.tp, strict.fn, strict.tn) == (("good",), 1, 1, 2)


def test_calibrate__what_does_not_count_is_counted(tmp_path: Path) -> None:
    def answer(sample: TestSample, repeat: int) -> RunResult:
        if sample.id == "q4":
            return a_run(None, **a_failure(RunStatus.TIMEOUT, ErrorKind.TIMEOUT, "late"))
        return a_run({"q1": "나쁨", "q3": "모름"}.get(sample.id, "좋음"))

    run, events = make(tmp_path, ["x"] * 6, answer), []
    header = "id,label,annotator,answer,note"
    labels = label(
        tmp_path,
        [
            ("q0", "good", "김", "좋음", "sk-secret-1234567890abcdef"),
            ("q0", "bad", "이", "좋음", ""),
            ("q1", "good", "김", "나쁨", "key sk-secret-1234567890abcdef"),
            ("q2", "bad", "", "다른 답", ""),
            ("q3", "good", "", "모름", ""),
            ("q4", "good", "", "", ""),
            ("q5", "", "", "좋음", ""),
            ("gone", "good", "", "", ""),
        ],
        header,
    )
    found = calibrated(a_config(tmp_path, [a_judge()]), run, labels, events)["helpful"]
    assert found.skipped == {"changed": 1, "empty": 1, "missing": 2, "tie": 1}
    assert (found.rows, found.n, found.unscored_by) == (2, 1, {"judge_unknown": 1})
    (told,) = found.disagreements
    assert (told.human_reason, told.judge_reason) == ("key [redacted:KEY]", "틀림")
    assert [(event.text, event.hint) for event in events if isinstance(event, Warned)] == [
        (
            "helpful: 4 labelled answers do not count: 1 changed, 2 missing, 1 tie",
            "first: q2 (changed); if ci has put the labelled run aside since, name it by --run",
        ),
        ("helpful: 1 good and 0 bad answers are too few", "label 30 of each at least"),
    ]


def test_calibrate__repeats_are_answers_of_their_own(tmp_path: Path) -> None:
    run = make(tmp_path, ["", ""], lambda _, repeat: a_run(["좋음", "나쁨"][repeat]), repeats=2)
    lines = [("q0", 0, "good"), ("q0", 1, "bad"), ("q1", 1, "good")]
    labels = label(tmp_path, lines, "id,repeat,label")
    found = calibrated(a_config(tmp_path, [a_judge()]), run, labels)["helpful"]
    assert (found.tp, found.fn, found.tn, found.fp) == (1, 1, 1, 0)


@pytest.mark.parametrize("out", [None, "closed/c.json"])
def test_calibrate__asks_no_judge_for_what_cannot_be_written(
    tmp_path: Path, out: str | None
) -> None:
    run, events = make(tmp_path, ["좋음"]), []
    for name in ("calibration", "closed"):
        (tmp_path / name).write_text("a file")
    labels = label(tmp_path, [("q0", "good")])
    with pytest.raises(InputError, match=f"cannot write {tmp_path}"):
        calibrated(a_config(tmp_path, [a_judge()]), run, labels, events, out=out and tmp_path / out)
    assert events == []
    elsewhere = tmp_path / "보정/c.json"
    assert calibrated(a_config(tmp_path, [a_judge()]), run, labels, events, out=elsewhere)
    assert any(isinstance(event, Began) for event in events)
    assert not elsewhere.parent.exists()


def test_calibrate__several_metrics_each_its_file(tmp_path: Path) -> None:
    run = make(tmp_path, ["좋음", "나쁨"])
    metrics = [a_judge(), "exact_match", a_judge("right"), a_judge("unlabelled")]
    config = a_config(tmp_path, metrics)
    lines = [("q0", "helpful", "good"), ("q1", "right", "good")]
    labels = label(tmp_path, lines, "id,metric,label")
    found = calibrated(config, run, labels)
    assert {key: (each.tp, each.fn) for key, each in found.items()} == {
        "helpful": (1, 0),
        "right": (0, 1),
    }
    with pytest.raises(UsageError, match="holds labels of helpful, right, -o names one file"):
        calibrated(config, run, labels, out=tmp_path / "c.json")
    told: list[Event] = []
    resources = Resources(environ=EPOCH, listener=told.append)
    paths = write_calibrations(config, resources, found)
    assert paths == (
        tmp_path / "calibration/helpful.json",
        tmp_path / "calibration/right.json",
        tmp_path / "calibration/right.examples.yaml",
    )
    assert [loads(path.read_bytes(), Calibration) for path in paths[:2]] == list(found.values())
    assert [event.text for event in told if isinstance(event, Noticed)][:2] == [
        f"to use it, give {key} judge: {{calibration: calibration/{key}.json}}" for key in found
    ]


def test_calibrate__one_metric_without_a_verdict_does_not_stop_the_other(tmp_path: Path) -> None:
    run = make(tmp_path, ["좋음", "모름"])
    lines = [("q0", "helpful", "good"), ("q1", "right", "good")]
    labels = label(tmp_path, lines, "id,metric,label")
    found = calibrated(a_config(tmp_path, [a_judge(), a_judge("right")]), run, labels)
    assert list(found) == ["helpful"]


@pytest.mark.parametrize(
    ("answers", "lines", "what"),
    [
        (["좋음"], [("q0", "")], "no line of .* has a label"),
        (["모름"], [("q0", "good")], "no answer has a label by people and by the judge"),
        (["좋음"], [("gone", "good")], "no answer has a label by people and by the judge"),
        (["좋음"], [("q0", "good"), ("q0", "bad")], "no answer has a label by people"),
    ],
)
def test_calibrate__nothing_usable(
    tmp_path: Path, answers: list[str], lines: list[tuple[str, str]], what: str
) -> None:
    run = make(tmp_path, answers)
    with pytest.raises(CannotMeasure, match=what):
        calibrated(a_config(tmp_path, [a_judge()]), run, label(tmp_path, lines))


def test_calibrate__unknown_label(tmp_path: Path) -> None:
    run = make(tmp_path, ["좋음"])
    labels = label(tmp_path, [("q0", "good"), ("q0", "excellent"), ("q1", "UNKNOWN")])
    with pytest.raises(DatasetError) as caught:
        calibrated(a_config(tmp_path, [a_judge()]), run, labels)
    assert [(p.what, str(p.where)) for p in caught.value.problems] == [
        ('the label "excellent" is not one of good, bad', f"{labels}:3"),
        ('the label "UNKNOWN" is not one of good, bad', f"{labels}:4"),
    ]


@pytest.mark.parametrize(
    ("positive", "what"),
    [
        (["excellent"], "--positive excellent is not one of good, fine, bad"),
        (["good", "fine", "bad"], "all of its labels would count as good"),
        (["bad"], "is worth more than one that is"),
        (["good", "bad"], "is worth more than one that is"),
        ([], "all of its labels would count as good"),
    ],
)
def test_calibrate__positive_must_divide_good_from_bad(
    tmp_path: Path, positive: list[str], what: str
) -> None:
    run = make(tmp_path, ["좋음"])
    params = {"rubric": "r", "labels": {"good": 1, "fine": 0.8, "bad": 0.5}}
    config = a_config(tmp_path, [a_judge(params=params)])
    with pytest.raises(UsageError, match=what):
        calibrated(config, run, label(tmp_path, [("q0", "good")]), positive=positive)


def test_calibrate__aliases_of_a_label(tmp_path: Path) -> None:
    run = make(tmp_path, ["좋음", "나쁨"])
    params = {
        "rubric": "r",
        "labels": ["good", "bad"],
        "aliases": {"합격": "good", "unsure": "UNKNOWN"},
    }
    config = a_config(tmp_path, [a_judge(params=params)])
    labels = label(tmp_path, [("q0", "합격"), ("q1", "bad")])
    assert calibrated(config, run, labels, positive=["합격"])["helpful"].j == 1
    with pytest.raises(DatasetError, match='the label "unsure" is not one of good, bad'):
        calibrated(config, run, label(tmp_path, [("q0", "unsure")]))


def test_calibrate__no_judge(tmp_path: Path) -> None:
    run = make(tmp_path, ["좋음"])
    with pytest.raises(ConfigError, match="no metric here judges by labels"):
        calibrated(a_config(tmp_path, ["exact_match"]), run, label(tmp_path, [("q0", "good")]))


def test_check__finds_a_judge_that_cannot_be_asked(tmp_path: Path) -> None:
    backend = {"name": "scripted", "options": {"answers": "nowhere.jsonl"}}
    config = a_config(tmp_path, [a_judge(backend=backend, judge={"calibration": "c.json"})])
    (tmp_path / "c.json").write_text("{", "utf-8")  # it is made anew
    (problem,) = check_metrics(config, {})
    assert "nowhere.jsonl" in f"{problem.what} {problem.where}"


def test_calibrate__stopped(tmp_path: Path) -> None:
    run = make(tmp_path, ["좋음"] * 5)
    config, stop = a_config(tmp_path, [a_judge()]), asyncio.Event()
    stop.set()
    resources = Resources(environ=EPOCH, stop=stop)
    labels = label(tmp_path, [("q0", "good")])
    with pytest.raises(Interrupted, match="no calibration is written"):
        asyncio.run(calibrate(config, resources, CalibrationInputs(labels=labels, runs=[run])))


def test_calibrate__same_whatever_the_order_of_lines(tmp_path: Path) -> None:
    answers, lines = table(tp=8, fn=3, fp=2, tn=7)
    run, config = make(tmp_path, answers), a_config(tmp_path, [a_judge()])
    first = calibrated(config, run, label(tmp_path, lines))["helpful"]
    again = calibrated(config, run, label(tmp_path, lines[::-1]))["helpful"]
    assert again.labels_digest != first.labels_digest
    assert replace(again, labels_digest=first.labels_digest) == first
