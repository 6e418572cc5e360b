"""The functions as people use them at a prompt and in a notebook."""

import asyncio
import csv
import inspect
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import lm_eval_so as so
from lm_eval_so.errors import ConfigError, UsageError

SAID = ("good", "good", "bad")
"""The judge's label of each answer."""


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    samples = [{"id": f"q{i}", "input": f"환불 {i}", "expected": f"환불 {i}"} for i in range(3)]
    lines = "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in samples)
    (tmp_path / "test.jsonl").write_text(lines, "utf-8")
    return {
        "version": 1,
        "suite": "shop",
        "dataset": {"path": tmp_path / "test.jsonl"},
        "backend": {"name": "scripted", "label": "bot", "options": {"default": "echo"}},
        "run": {"out": str(tmp_path / "runs"), "cache": False},
        "metrics": ["exact_match", "char_f1"],
    }


def test_functions__in_a_notebook_with_a_mapping(config: dict[str, Any]) -> None:
    """A notebook's loop runs while its cells do."""

    async def cells() -> tuple[so.EvaluationReport, so.RunInfo]:
        so.run(config)
        with pytest.raises(ConfigError, match="no_such_metric"):
            so.evaluate(config, overrides=["metrics=[no_such_metric]"])
        return so.evaluate(config), await so.arun(config)

    report, info = asyncio.run(cells())
    assert (info.state, report.metrics["exact_match"].mean) == ("complete", 1.0)
    again = so.compare(report, baseline=report, config=config, overrides=["gate.alpha=0.1"])
    assert again.alpha == 0.1
    with pytest.raises(UsageError, match="not int"):
        so.run(3)


def test_functions__variables_stand_in_a_mapping_as_in_a_file(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_SUITE", "shop-ko")
    so.run({**config, "suite": "${SHOP_SUITE}"})
    assert so.evaluate({**config, "suite": "${SHOP_SUITE}"}).experiment.suite == "shop-ko"


def test_functions__progress_is_shown_where_it_is_wanted(
    config: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    so.run(config)
    assert capsys.readouterr() == ("", "")
    so.run(config, fresh=True, progress=True)
    assert "3" in capsys.readouterr().err
    monkeypatch.setattr(sys, "ps1", "In : ", raising=False)
    so.evaluate(config)
    out, err = capsys.readouterr()
    assert not out
    assert err


def test_records__are_short_at_a_prompt_and_tables_in_a_notebook(config: dict[str, Any]) -> None:
    so.run(config)
    report = so.evaluate(config)
    assert repr(report) == "EvaluationReport(shop: 3 samples, exact_match 1.000, char_f1 1.000)"
    told = so.compare(report, baseline=report)
    assert repr(told).startswith(
        "Comparison(shop: inconclusive, exit code 0, exact_match 1.000 → 1.000"
    )
    many = {f"<b>{i}": report.metrics["char_f1"] for i in range(8)}
    report = replace(report, metrics=many)
    told = replace(told, metrics={f"<b>{i}": told.metrics["char_f1"] for i in range(8)})
    assert repr(report).endswith("<b>4 1.000, … 3 more)")
    for record in (report, told):
        table = record._repr_html_()
        assert table.count("<tr>") == 9
        assert "&lt;b&gt;" in table
        assert "<b>" not in table


def test_calibrate__as_the_command_does(config: dict[str, Any], tmp_path: Path) -> None:
    said = {
        f"환불 {i}": f'{{"reason": "규정", "label": "{label}"}}' for i, label in enumerate(SAID)
    }
    judge = {"name": "scripted", "options": {"match": "regex", "answers": said}}
    params = {"rubric": "맞는가?", "labels": ["good", "bad"]}
    metric = {"id": "right", "name": "llm_judge", "params": params, "backend": judge}
    given = {**config, "metrics": [metric]}
    so.run(given)
    labels, made = tmp_path / "labels.csv", tmp_path / "made.json"
    with labels.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", "label"], ["q0", "good"], ["q1", "bad"], ["q2", "bad"]])
    with pytest.raises(UsageError, match="--positive great"):
        so.calibrate(labels, config=given, positive=["great"])
    found = so.calibrate(labels, config=given, report=so.evaluate(given), out=made)["right"]
    assert repr(found) == (
        "Calibration(right: 3 answers, agreement 0.667, κ 0.400, Se 1.000, Sp 0.500, J 0.500)"
    )
    # the judge calls 2 of 3 good, and every other bad one among them
    assert (found.weighted, found.corrected_rate) == (True, pytest.approx(1 / 3))
    assert [(each.human, each.judge) for each in found.disagreements] == [("bad", "good")]
    given["metrics"] = [{**metric, "judge": {"calibration": str(made)}}]
    assert so.evaluate(given).judges["right"].calibration.kappa == found.kappa
    again = asyncio.run(so.acalibrate(labels, config=given, out=made))["right"]
    assert (again.weighted, again.corrected_rate, again.agreement) == (False, None, 2 / 3)


@pytest.mark.parametrize("name", ["generate", "run", "evaluate", "calibrate", "compare", "render"])
def test_help__tells_every_parameter_and_an_example(name: str) -> None:
    function = getattr(so, name)
    text = inspect.getdoc(function) or ""
    assert ">>> " in text
    listed = text.partition("Args:")[2].partition("Raises:")[0]
    assert all(f"    {each}: " in listed for each in inspect.signature(function).parameters)
    twin = getattr(so, f"a{name}", None)
    assert (
        twin is None or inspect.signature(twin).parameters == inspect.signature(function).parameters
    )


STOPPED = """
import asyncio, os, signal, sys, threading, time
import lm_eval_so as so

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it

async def cell():
    run = so.run  # its modules are imported before the button is pressed
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    run({config!r})

try:
    asyncio.new_event_loop().run_until_complete(cell())  # as ipykernel: Ctrl-C is raised where it is
except KeyboardInterrupt:
    print("stopped", threading.active_count())
"""


def test_run__the_stop_button_of_a_notebook_ends_it(config: dict[str, Any], tmp_path: Path) -> None:
    slow = {"default": "echo", "latency_ms": 60_000}
    given = {**config, "dataset": {"path": str(tmp_path / "test.jsonl")}}
    given["backend"] = {**config["backend"], "options": slow}
    code = STOPPED.replace("{config!r}", repr(given))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "stopped 1\n", done.stderr
