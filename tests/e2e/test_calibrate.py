"""From answers to labels by people, to a judge that the gate knows how far to trust."""

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from servers.commands import Done, lm_eval_so

CONFIG = """\
version: 1
suite: shop
dataset: {path: test.jsonl}
backend: {name: scripted, options: {default: echo}}
run: {cache: false}
metrics:
  - id: helpful
    name: llm_judge
    params: {rubric: "답이 맞는가?", labels: [good, bad], aliases: {합격: good, 불합격: bad}}
    backend:
      name: scripted
      options:
        match: regex
        default: '{"reason": "맞음", "label": "good"}'
        answers:
          "나쁨": '{"reason": "틀림", "label": "bad"}'
          "모름": '{"reason": "?", "label": "UNKNOWN"}'
    judge: {calibration: calibration/helpful.json}
baseline: {path: baseline.json}
"""
N = 120


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lm-eval-so.yaml").write_text(CONFIG, encoding="utf-8")
    words = ["나쁨", "좋음", '=좋음, "인용"\n둘째 줄 😊']
    rows = [{"id": f"질문-{i}", "input": f"{words[i % 3]} {i}"} for i in range(N)]
    rows[5]["input"] = "모름"
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (tmp_path / "test.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    ran = lm_eval_so("run", "-q", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    return tmp_path


def fill_in(folder: Path, *, wrong_every: int) -> Path:
    """Label as a person would, and save as a Korean Excel does; the original stays as it is."""
    text = (folder / "reports/labels_todo.csv").read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    for number, row in enumerate(rows):
        is_good = "나쁨" not in row["answer"]
        is_good ^= number % wrong_every == 0
        row |= {"label": "합격" if is_good else "불합격", "annotator": "김", "note": "규정"}
    saved = io.StringIO(newline="")
    writer = csv.DictWriter(saved, rows[0], delimiter=";")
    writer.writeheader()
    writer.writerows(rows)
    path = folder / "labels.csv"
    path.write_bytes(saved.getvalue().replace("😊", "??").encode("cp949"))
    return path


def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "reports/report.json").read_text("utf-8"))
    return found


def command(*arguments: str, cwd: Path) -> Done:
    done = lm_eval_so(*arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done


def test_calibrate__from_export_to_gate(folder: Path) -> None:
    exported = command("evaluate", "--export-labels", "80", cwd=folder)
    assert exported.stdout.splitlines()[-1] == "reports/labels_todo.csv"
    assert (
        "answers to label in reports/labels_todo.csv: helpful 80; then: lm-eval-so calibrate"
        in (exported.stderr)
    )
    assert report(folder)["judges"]["helpful"]["why"] == ["calibration_none"]
    done = command("calibrate", str(fill_in(folder, wrong_every=8)), cwd=folder)
    assert done.stdout == "calibration/helpful.json\ncalibration/helpful.examples.yaml\n"
    assert (
        "helpful: the judge labelled 79 of 80 answers; weighted by its labels of the run (good 79, "
        "bad 40, UNKNOWN 1); agreement 0."
    ) in done.stderr
    made = json.loads((folder / "calibration/helpful.json").read_text("utf-8"))
    assert (made["rows"], made["n"], made["unscored_by"]) == (80, 79, {"judge_unknown": 1})
    assert made["tp"] + made["tn"] == 70  # one of the ten slips is of the answer without a verdict
    assert (made["weighted"], made["run_labels"]) == (
        True,
        {"UNKNOWN": 1, "bad": 40, "good": 79},
    )
    good, bad = 79 * made["tp"] / 40, 40 * made["fn"] / 39  # of the run, by the labelled ones
    assert made["se"] == pytest.approx(good / (good + bad))
    assert {each["human_reason"] for each in made["disagreements"]} == {"규정"}

    command("evaluate", "-q", cwd=folder)
    judge = report(folder)["judges"]["helpful"]
    assert judge["calibration"] == {
        "state": "ok",
        "n": 79,
        "positives": made["tp"] + made["fn"],
        "negatives": made["tn"] + made["fp"],
        "date": made["calibrated_at"],
        "drift": 0.0,
        **{key: made[key] for key in ("kappa", "se", "sp", "j")},
        "j_error": pytest.approx(
            math.hypot(*(high - low for low, high in (made["se_ci95"], made["sp_ci95"]))) / 3.92,
            rel=1e-4,
        ),
    }
    assert judge["fingerprint"] == made["fingerprint"]
    assert judge["why"] == []
    elsewhere = ("calibrate", "labels.csv", "-o", "raw.json", "--set", "report.out=elsewhere")
    raw = command(*elsewhere, cwd=folder)
    assert "there is no report of the run, so Se, Sp, κ and agreement are of the" in raw.stderr
    named = command(*elsewhere[:4], "--report", "reports/report.json", *elsewhere[4:], cwd=folder)
    assert "weighted by its labels of the run" in named.stderr
    gone = lm_eval_so("calibrate", "labels.csv", "--report", "none.json", cwd=folder)
    assert (gone.returncode, "none.json" in gone.stderr) == (2, True)
    (folder / "reports/report.json").rename(folder / "baseline.json")
    command("evaluate", "-q", cwd=folder)
    compared = command("compare", "reports/report.json", "--json", cwd=folder)
    metric = json.loads(compared.stdout)["metrics"]["helpful"]
    assert metric["judge_j"] == made["j"]
    assert 0.9 * 0.05 * made["j"] < metric["margin"] < 0.05 * made["j"]  # J is not known exactly
    assert metric["corrected"]["margin"] == pytest.approx(0.05)
    assert f"The judge shows {made['j']:.2f} of a true change" in metric["sentence"]


def test_export__never_overwrites_labels(folder: Path) -> None:
    command("evaluate", "-q", "--export-labels", "4", cwd=folder)
    path = folder / "reports/labels_todo.csv"
    command("evaluate", "-q", "--export-labels", "6", cwd=folder)
    assert len(list(csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline="")))) == 7
    filled = path.read_bytes().replace(b",,,\r\n", b",good,,\r\n")
    path.write_bytes(filled)
    refused = lm_eval_so("evaluate", "--export-labels", "4", cwd=folder)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "reports/labels_todo.csv has labels in it, which would be lost" in refused.stderr
    assert path.read_bytes() == filled


def test_export__needs_a_judge(folder: Path) -> None:
    arguments = ("evaluate", "--export-labels", "4", "--set", "metrics=[exact_match]")
    refused = lm_eval_so(*arguments, cwd=folder)
    assert refused.returncode == 2
    assert "no metric here judges by labels" in refused.stderr


def test_calibrate__exit_codes_and_outputs(folder: Path) -> None:
    command("evaluate", "-q", "--export-labels", "10", cwd=folder)
    empty = lm_eval_so("calibrate", "reports/labels_todo.csv", cwd=folder)
    assert (empty.returncode, empty.stdout) == (3, "")
    assert "no line of reports/labels_todo.csv has a label" in empty.stderr
    (folder / "labels.csv").write_text("id,label\n질문-0,bad\n질문-1,합격\n질문-2,great\n", "utf-8")
    wrong = lm_eval_so("calibrate", "labels.csv", cwd=folder)
    assert wrong.returncode == 2
    assert 'error: the label "great" is not one of good, bad\n  --> labels.csv:4\n' in wrong.stderr
    missing = lm_eval_so("calibrate", "none.csv", cwd=folder)
    assert (missing.returncode, "no such file" in missing.stderr) == (2, True)
    (folder / "labels.csv").write_text("id,label\n질문-0,bad\n질문-1,합격\n", "utf-8")
    done = command("calibrate", "labels.csv", "-q", "--json", "-o", "made/c.json", cwd=folder)
    written = json.loads((folder / "made/c.json").read_text("utf-8"))
    assert json.loads(done.stdout) == {"helpful": written}
    assert (written["tp"], written["tn"], written["j"]) == (1, 1, 1.0)
    assert "warning: helpful: 1 good and 1 bad answers are too few" in done.stderr
    command("evaluate", "-q", "--set", "metrics[0].judge.calibration=made/c.json", cwd=folder)
    assert report(folder)["judges"]["helpful"]["calibration"]["state"] == "small"
    (folder / "made/c.json").write_text("{", "utf-8")
    broken = lm_eval_so("evaluate", "--set", "metrics[0].judge.calibration=made/c.json", cwd=folder)
    assert broken.returncode == 2
    assert "--> made/c.json:1" in broken.stderr


def test_schema__of_a_calibration(folder: Path) -> None:
    shown = json.loads(command("schema", "calibration", cwd=folder).stdout)
    assert shown["$id"].endswith("/calibration-1.json")
    assert {"confusion", "se_ci95", "disagreements"} <= shown["properties"].keys()
