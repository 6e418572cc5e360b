"""Disagreements offered as examples, and labels that no longer count once they are."""

import asyncio
import csv
import io
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from evaluation import EPOCH, a_config, a_run, report_of, write_dataset, write_run

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.load import load_config
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Event, Noticed
from lm_eval_so.core.records.calibration import Calibration
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.core.words.phrases import event_in
from lm_eval_so.evaluator.calibrate import CalibrationInputs, calibrate
from lm_eval_so.evaluator.calibration.calibration_files import write_calibrations
from lm_eval_so.evaluator.calibration.examples import examples_text
from lm_eval_so.evaluator.calibration.label_file import csv_text
from lm_eval_so.evaluator.scoring.draws import LabelRows

SECRET = "sk-secret-1234567890abcdef"
HOSTILE = (
    'kind: "따옴표" # no comment\n\n  - {{ not }} a template: |\n\ttab %TAG ! & * 😊 \u2028end '
)
ANSWERS = {
    "kind-far": ("bad", "kind 1", "규정과 다릅니다"),
    "kind-near": ("partial", "kind 2", "절반만 맞습니다"),
    "kind-unsaid": ("bad", "kind 3", ""),
    "kind-hostile": ("bad", HOSTILE, "틀림: 'a' \"b\" #"),
    "kind-same": ("bad", "kind 1", "같은 답변"),
    "kind-variable": ("bad", "kind ${HOME}", "변수"),
    "kind-secret": ("bad", f"kind {SECRET}", "비밀"),
    "kind-long": ("bad", "kind " * 400, "김"),
    "strict": ("good", "strict 1", ""),
    "agreed": ("good", "kind 9", "맞음"),
    "divided": ("", "kind 8", ""),
}
"""Label by people, the answer, and their note; the judge calls "kind" good and all others bad."""
CONFIG = """\
version: 1
suite: shop
dataset: {path: test.jsonl}
metrics:
  - id: helpful
    name: llm_judge
    backend:
      name: scripted
      options: {match: regex, default: '{"reason": "x", "label": "bad"}', answers: {"kind": '{"reason": "x", "label": "good"}'}}
    params:
      rubric: "답이 맞는가?"
      labels: [good, partial, bad]
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    rows = [{"id": name, "input": f"질문 {name.removeprefix('kind')}"} for name in ANSWERS]
    data = write_dataset(tmp_path, rows)
    lines = [
        {"id": name, "label": said, "note": note, "annotator": "김"}
        for name, (label, _, note) in ANSWERS.items()
        for said in ([label] if label else ["good", "bad"])
    ]
    for number, line in enumerate(lines):
        line["annotator"] = f"김{number}"
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (tmp_path / "labels.jsonl").write_text(text, "utf-8")
    (tmp_path / "lm-eval-so.yaml").write_text(CONFIG, "utf-8")
    return write_run(tmp_path, data, lambda sample, _: a_run(ANSWERS[sample.id][1]))


def resources(events: list[Event] | None = None) -> Resources:
    redactor = make_redactor({"KEY": SECRET}, ["KEY"])
    told = {"listener": events.append} if events is not None else {}
    return Resources(environ=EPOCH, redactor=redactor, **told)


def calibrated(config: Config, run: Path, events: list[Event] | None = None) -> Calibration:
    given = CalibrationInputs(labels=run.parent / "labels.jsonl", runs=[run])
    return asyncio.run(calibrate(config, resources(events), given))["helpful"]


def configured(folder: Path, added: str = "") -> Config:
    path = folder / "lm-eval-so.yaml"
    path.write_text(CONFIG + added, "utf-8")
    return load_config(path)


def test_offered__two_of_either_direction_those_with_a_reason_first(run: Path) -> None:
    config = configured(run.parent)
    offered = calibrated(config, run).examples
    assert [(each.answer, each.label, each.reason) for each in offered] == [
        ("kind 1", "bad", "규정과 다릅니다"),
        ("strict 1", "good", "People who read this answer label it good."),
        (HOSTILE, "bad", "틀림: 'a' \"b\" #"),
    ]
    for answers in ("hash", "none"):  # then no answer may stand in a file of the repository
        kept = config.model_copy(
            update={"report": config.report.model_copy(update={"answers": answers})}
        )
        assert calibrated(kept, run).examples == ()


def test_examples__pasted_are_the_judges_and_no_longer_labels(run: Path) -> None:
    config, events = configured(run.parent), []
    before = calibrated(config, run)
    told = resources(events)
    _, file = write_calibrations(config, told, {"helpful": before})
    assert file == run.parent / "calibration/helpful.examples.yaml"
    notices = [event.text for event in events if isinstance(event, Noticed)]
    assert notices[-1].startswith("helpful: 3 disagreements as examples for the judge in calibr")
    pasted = configured(run.parent, file.read_text("utf-8"))
    assert pasted.metrics[0].params["examples"] == list(map(asdict, before.examples))
    after = calibrated(pasted, run, events)
    assert after.skipped == {**before.skipped, "example": 4}  # one has the same answer
    assert after.n == before.n - 4
    assert [each.answer for each in after.examples] == ["kind 2", "kind 3"]
    notices = [event.text for event in events if isinstance(event, Noticed)]
    assert any(each.startswith("helpful: 4 of the labelled answers left out: ") for each in notices)
    rows = LabelRows(seed=7, most=100)
    report_of(pasted, run, labels=rows)
    text = csv_text(rows).removeprefix("\ufeff")
    ids = {row["id"] for row in csv.DictReader(io.StringIO(text, newline=""))}
    assert ids == ANSWERS.keys() - {"kind-far", "kind-same", "strict", "kind-hostile"}


def test_examples__are_known_by_their_question_or_their_answer(run: Path) -> None:
    one = "{answer: 'kind  1', label: bad, reason: x}"  # spaces do not count
    other = "{input: 질문 strict, answer: y, label: good, reason: x}"
    found = calibrated(configured(run.parent, f"      examples: [{one}, {other}]\n"), run)
    assert found.skipped["example"] == 3  # the same answer twice, and a question


def test_offered__what_is_told_is_in_the_language_of_the_config(run: Path) -> None:
    config, events = configured(run.parent, "language: ko\n"), []
    found = calibrated(config, run)
    assert "이 답변을 읽은 사람은 good 라벨을 매겼습니다." in [
        each.reason for each in found.examples
    ]
    write_calibrations(config, resources(events), {"helpful": found})
    told = event_in(events[0].text, Language.KO)
    assert told.startswith(
        "사용하려면 helpful 지표에 judge: {calibration: calibration/helpful.json}"
    )


@pytest.mark.parametrize("language", list(Language))
def test_text__warns_in_the_language_of_the_config(run: Path, language: Language) -> None:
    found = calibrated(configured(run.parent), run)
    lines = examples_text(found, language).splitlines()
    comments = [line for line in lines if line.startswith("# ")]
    assert ("calibrate는" in comments[2]) == (language is Language.KO)
    assert len(comments) == 4  # one is to be given a reason
    shorter = examples_text(replace(found, examples=found.examples[:1]), language)
    assert shorter.count("# ") == 3


def test_offered__only_to_metrics_that_take_examples(tmp_path: Path) -> None:
    data = write_dataset(tmp_path, [{"id": "q1", "input": "질문"}])
    run = write_run(tmp_path, data, lambda *_: a_run("kind"))
    (tmp_path / "labels.jsonl").write_text('{"id": "q1", "label": "none"}\n', "utf-8")
    section: dict[str, Any] = yaml.safe_load(CONFIG)["metrics"][0]
    answers = {"kind": '{"reason": "x", "label": "full"}'}
    section |= {"name": "answer_relevancy", "params": {}}
    section["backend"]["options"] = {"match": "regex", "answers": answers}
    assert calibrated(a_config(tmp_path, [section]), run).examples == ()
