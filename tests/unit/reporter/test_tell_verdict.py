"""How a first baseline is made, as it is told at the end of a run without one."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_reports as made
from servers.runs import make, write_dataset

from lm_eval_so.core.events import Concluded, Event, Noticed
from lm_eval_so.core.records.enums import Verdict
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.pipeline.measure.plan import Plan, tell_how_to_begin
from lm_eval_so.reporter.first_screen import tell_verdict

ECHO = {"name": "scripted", "options": {"default": "echo"}}


def told(folder: Path, baseline: str | None, *, may: bool = True, **experiment: Any) -> str:
    write_dataset(folder, [{"id": "q1", "input": "환불은 며칠?"}])
    config = make(folder, ECHO, baseline={"path": baseline} if baseline else {})
    report = made.report()
    report = replace(report, experiment=replace(report.experiment, **experiment))
    plan = Plan(run=Path("runs/bot"), reports=Path("내 보고서"), may_be_baseline=may)
    events: list[Event] = []
    tell_how_to_begin(report, config, plan, events.append)
    [told] = events
    assert isinstance(told, Noticed)
    return told.text.removeprefix("no baseline yet: ")


def test_how_to_begin__the_command_that_takes_this_report(tmp_path: Path) -> None:
    text = told(tmp_path, "base/shop.json", eligible=True)
    command, _, rest = text.partition(" takes ")
    assert rest == "this report as one"
    words = ["lm-eval-so", "baseline", "update", "내 보고서"]
    assert shlex.split(command) == [*words, "--reason", "TEXT"]


def test_how_to_begin__no_command_that_would_refuse_the_report(tmp_path: Path) -> None:
    text = told(tmp_path, "base/shop.json", eligible=False)
    assert "baseline update" not in text
    assert "the gate lets it through" in text


def test_how_to_begin__a_pull_request_keeps_the_file(tmp_path: Path) -> None:
    text = told(tmp_path, "base/shop.json", may=False, eligible=False)
    assert text.startswith("keep 내 보고서/report.json as ")
    assert "base/shop.json" in text


def test_how_to_begin__names_the_suite_where_the_config_has_no_baseline(tmp_path: Path) -> None:
    assert "baselines/test.json" in told(tmp_path, None, eligible=True)


def verdict_told(folder: Path, *, language: str = "en", **changes: Any) -> list[Event]:
    """Return the events that tell a passing verdict."""
    config, events = make(folder, ECHO, language=language), []
    compared = made.comparison(Verdict.PASS, changed=(), metrics={}, **changes)
    redactor = make_redactor({"BOT_TOKEN": "hunter2-long-password"})
    tell_verdict(compared, made.report(), config, events.append, redactor=redactor)
    return events


def test_tell_verdict__is_one_screen(tmp_path: Path) -> None:
    [plain] = verdict_told(tmp_path)
    unreviewed = "  12 of 240 tests were reviewed by nobody."
    assert plain == Concluded(stage="compare", headline="✅ Pass · support-qa", lines=(unreviewed,))
    [told] = verdict_told(tmp_path, lost=made.lost())
    assert isinstance(told, Concluded)
    assert told.is_warning
    assert told.headline == "🟡 2 cases that had an answer have none now · support-qa"
    assert told.lines == (
        "  2 cases that had an answer have none now (HTTP 500: 1, timeout: 1): 제주도는",
        "  배송비가 얼마인가요?, refund-014",
        "",
        unreviewed,
    )


def test_tell_verdict__in_korean(tmp_path: Path) -> None:
    [plain] = verdict_told(tmp_path, language="ko")
    assert isinstance(plain, Concluded)
    assert plain.headline == "✅ 통과 · support-qa"
    *_, again = verdict_told(tmp_path, rerun="git fetch\nlm-eval-so run", language="ko")
    assert isinstance(again, Noticed)
    assert again.text == "베이스라인을 다시 측정하려면: git fetch && lm-eval-so run"
