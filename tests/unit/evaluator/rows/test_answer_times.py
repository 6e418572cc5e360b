"""From when the answers of a report are: asked, asked earlier, from the cache."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from evaluation import EPOCH, a_config, a_failure, a_run, report_of, write_dataset, write_run

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.events import Event, Noticed
from lm_eval_so.core.records.costs import AnswerTimes, TimeSpan
from lm_eval_so.core.records.enums import Language, RunStatus
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.words.phrases import answers_text
from lm_eval_so.errors import ErrorKind
from lm_eval_so.evaluator.evaluate import EvaluationInputs, evaluate

NOW = "2026-03-02T09:13:00.000Z"
"""A minute before EPOCH, by which the tests evaluate."""
ROWS = [
    {"started_at": NOW},
    {"started_at": "2026-03-02T09:13:30.000Z"},
    {"started_at": "2026-03-01T23:00:00.000Z"},
    {"started_at": NOW, "answered_at": "2026-02-20T10:00:00.000Z", "cached": True, "attempts": 0},
    {"started_at": NOW, "answered_at": "2026-02-11T10:00:00.000Z", "cached": True, "attempts": 0},
]


def made(folder: Path, rows: list[dict[str, Any]], **info: Any) -> tuple[EvaluationReport, str]:
    """Evaluate rows of these times; give the report and what was told of them."""
    names = [f"q{n}" for n in range(len(rows))]
    dataset = write_dataset(folder, [{"id": n, "input": n, "expected": "a"} for n in names])
    run = write_run(folder, dataset, lambda s, _: a_run("a", **rows[names.index(s.id)]), **info)
    events: list[Event] = []
    report = report_of(a_config(folder, ["exact_match"]), run, listener=events.append)
    return report, "".join(each.text for each in events if isinstance(each, Noticed))


def test_evaluate__counts_answers_by_where_they_are_from(tmp_path: Path) -> None:
    report, told = made(tmp_path, ROWS, resumed_at=NOW)
    assert report.answered == AnswerTimes(
        asked=TimeSpan(n=2, oldest=NOW, newest="2026-03-02T09:13:30.000Z"),
        earlier=TimeSpan(n=1, oldest="2026-03-01T23:00:00.000Z", newest="2026-03-01T23:00:00.000Z"),
        cached=TimeSpan(n=2, oldest="2026-02-11T10:00:00.000Z", newest="2026-02-20T10:00:00.000Z"),
    )
    assert told == (
        "5 answers: 2 asked on 2026-03-02, 1 asked before the run was resumed, on 2026-03-01, "
        "2 from the cache, 2026-02-11 to 2026-02-20."
    )


def test_evaluate__what_was_just_asked_needs_no_word(tmp_path: Path) -> None:
    report, told = made(tmp_path, ROWS[:2])
    assert report.answered is not None
    assert (report.answered.asked.n, report.answered.earlier.n, told) == (2, 0, "")


def test_evaluate__answers_of_another_day_are_told(tmp_path: Path) -> None:
    began = "2026-02-27T09:00:00.000Z"
    _, told = made(tmp_path, [{"started_at": "2026-02-27T10:00:00.000Z"}] * 3, started_at=began)
    assert told == "3 answers: 3 asked on 2026-02-27."


def test_evaluate__runs_of_two_days_are_told_and_none_was_resumed(tmp_path: Path) -> None:
    """As of shards that were asked one after another; also where `merge` made one run of them."""
    then = "2026-02-27T09:00:00.000Z"
    dataset = write_dataset(tmp_path, [{"id": n, "input": n, "expected": "a"} for n in "ab"])

    def part(name: str, samples: str, at: str) -> Path:
        row = a_run("a", started_at=at)
        rows = dict.fromkeys(samples, row)
        return write_run(tmp_path, dataset, lambda s, _: rows.get(s.id), name=name, started_at=at)

    config = a_config(tmp_path, ["exact_match"])
    resources = Resources(environ=EPOCH)
    parts = [part("first", "a", then), part("second", "b", NOW)]
    report = asyncio.run(evaluate(config, resources, EvaluationInputs(runs=parts)))
    told = "2 answers: 2 asked from 2026-02-27 to 2026-03-02."
    assert answers_text(report, Language.EN) == told
    merged, text = made(tmp_path, [{"started_at": then}, {"started_at": NOW}], started_at=then)
    assert merged.answered == report.answered
    assert text == told


def test_evaluate__rows_without_an_answer_are_not_counted(tmp_path: Path) -> None:
    failed = a_failure(RunStatus.TIMEOUT, ErrorKind.TIMEOUT, "no answer")
    dataset = write_dataset(tmp_path, [{"id": n, "input": n, "expected": "a"} for n in "abc"])
    run = write_run(
        tmp_path,
        dataset,
        lambda s, _: replace(a_run("a"), **failed) if s.id == "b" else a_run("a"),
    )
    report = report_of(a_config(tmp_path, ["exact_match"]), run)
    assert report.answered is not None
    assert report.answered.asked.n == 2


def test_evaluate__rows_that_do_not_tell_their_time(tmp_path: Path) -> None:
    rows = [{}, {"started_at": "yesterday"}, {"cached": True, "attempts": 0}]
    report, told = made(tmp_path, rows, resumed_at=NOW)
    assert report.answered is not None
    assert (report.answered.asked, report.answered.cached) == (TimeSpan(n=2), TimeSpan(n=1))
    assert told == "3 answers: 2 asked at an unknown time, 1 from the cache, of an unknown day."


def test_evaluate__times_of_another_zone_are_compared_as_times(tmp_path: Path) -> None:
    rows = [{"started_at": "2026-03-02T18:13:30+09:00"}, {"started_at": NOW}]
    report, told = made(tmp_path, rows, resumed_at=NOW)
    assert report.answered is not None
    assert report.answered.asked.newest == "2026-03-02T09:13:30.000Z"
    assert not told


@pytest.mark.parametrize("why", ["HTTP 503", "timeout", "filtered", "missing"])
def test_evaluate__says_what_kept_a_row_from_its_answer(tmp_path: Path, why: str) -> None:
    fields = {
        "HTTP 503": a_failure(RunStatus.ERROR, ErrorKind.SERVER, "no"),
        "timeout": a_failure(RunStatus.TIMEOUT, ErrorKind.TIMEOUT, "no"),
        "filtered": {"status": RunStatus.FILTERED, "response": None},
        "missing": {},
    }[why]
    if why == "HTTP 503":
        fields["error"] = replace(fields["error"], http_status=503)
    dataset = write_dataset(tmp_path, [{"id": n, "input": n, "expected": "a"} for n in "abc"])

    def row(sample: Any, _: int) -> Any:
        if sample.id != "b":
            return a_run("a")
        return replace(a_run("a"), **fields) if fields else None

    report = report_of(a_config(tmp_path, ["exact_match"]), write_run(tmp_path, dataset, row))
    assert report.samples.failures == {why: (1,)}


def test_evaluate__keeps_the_users_own_ids_and_masks_them_as_other_texts(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "input": "?", "expected": "a", "ref": "환불-1"},
        {"id": "b", "input": "?", "expected": "a", "ref": "kim@example.com"},
    ]
    dataset = write_dataset(tmp_path, rows)
    run = write_run(tmp_path, dataset, lambda *_: a_run("a"))
    plain = report_of(a_config(tmp_path, ["exact_match"]), run)
    assert plain.samples.refs == ("환불-1", "kim@example.com")
    masked = report_of(a_config(tmp_path, ["exact_match", "pii_leak"]), run)
    assert masked.samples.refs is not None
    assert masked.samples.refs[0] == "환불-1"
    assert "kim" not in str(masked.samples.refs)


def test_answers_text__korean(tmp_path: Path) -> None:
    report, _ = made(tmp_path, ROWS, resumed_at=NOW)
    assert answers_text(report, Language.KO) == (
        "답변 5건: 2026-03-02에 받은 답변 2건, 이어서 실행하기 전 2026-03-01에 받은 답변 1건, "
        "캐시에서 가져온 2026-02-11 ~ 2026-02-20 답변 2건."
    )
    assert answers_text(replace(report, answered=None), Language.KO) is None
