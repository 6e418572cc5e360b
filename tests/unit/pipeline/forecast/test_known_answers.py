"""Answers of a forecast: each of this chatbot, to this dataset, asked anew, and counted once."""

from collections import Counter
from pathlib import Path

import pytest
from servers.runs import make, resources, rows, write_dataset

from lm_eval_so.core.events import Noticed, Warned
from lm_eval_so.core.records.run import Checkout
from lm_eval_so.core.report_file import read_report
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.errors import BudgetSpent, CannotMeasure, UsageError
from lm_eval_so.evaluator.evaluate import EvaluationInputs, evaluate
from lm_eval_so.pipeline.forecast.at_hand import asked_folders
from lm_eval_so.pipeline.forecast.known_answers import Options, ask_missing, find_answers
from lm_eval_so.pipeline.forecast.subject import subject_of
from lm_eval_so.pipeline.reports import write_report
from lm_eval_so.runner.run import FurtherAnswers, RunOptions, run, run_folder
from lm_eval_so.runner.store.for_verdict import ForVerdict, note_verdict

ECHO = {"name": "scripted", "options": {"default": "echo"}}
SAMPLES = [{"id": f"s{i}", "input": f"질문 {i}", "expected": f"질문 {i % 4}"} for i in range(6)]
DAY = 24 * 3600


def config(folder: Path, samples=SAMPLES, *, backend=ECHO, **sections):
    write_dataset(folder, samples)
    return make(folder, backend, **{"metrics": ["exact_match"], **sections})


def at(day: int, **more):
    """Return resources on some day."""
    return resources(environ={"SOURCE_DATE_EPOCH": str(1_790_000_000 + day * DAY)}, **more)


async def measure(found, folder: Path, *, day: int, fresh: bool = True) -> Path:
    """Run and evaluate, and write the report into a folder of its own."""
    given = at(day)
    out = folder / f"runs-{day}"
    await run(found, given, RunOptions(out=out, fresh=fresh))
    report = await evaluate(found, given, EvaluationInputs(runs=[out]))
    write_report(folder / f"{day}.json", report, Redactor())
    return folder / f"{day}.json"


async def counts(found, given=(), *, events=None, **more) -> list[int]:
    around = resources(events)
    known = await find_answers(subject_of(found, around), around, given, **more)
    return list(known.counts)


async def test_find_answers__those_of_named_reports_and_of_a_run_that_is_not_scored(
    tmp_path: Path,
) -> None:
    found = config(tmp_path)
    first = await measure(found, tmp_path, day=1)
    await run(found, at(2), RunOptions(out=tmp_path / "unscored"))
    assert await counts(found, [first]) == [1] * 6
    assert await counts(found, [first, tmp_path / "unscored"]) == [2] * 6
    assert await counts(found, [first, first]) == [1] * 6


async def test_find_answers__at_hand_are_baseline_last_report_last_run_and_those_before(
    tmp_path: Path,
) -> None:
    found = config(tmp_path, baseline={"path": "base.json"}, report={"out": "reports"})
    (await measure(found, tmp_path, day=1)).rename(tmp_path / "base.json")
    report = await measure(found, tmp_path, day=2)
    (tmp_path / "reports").mkdir()
    report.rename(tmp_path / "reports/report.json")
    for day in (3, 4):
        await run(found, at(day), RunOptions(fresh=True))
    known = await find_answers(subject_of(found, resources()), resources(), ())
    assert list(known.counts) == [4] * 6
    assert known.days == ("2026-09-22", "2026-09-23", "2026-09-24", "2026-09-25")
    assert [len(own[0]) for own in known.rows_by_day] == [1, 1, 1, 1]


async def test_find_answers__a_run_in_which_cases_broke_is_of_another_chatbot(
    tmp_path: Path,
) -> None:
    found = config(tmp_path, report={"out": "reports"})
    verdict = ForVerdict(checkout=Checkout())
    for day, broken in ((1, 0), (2, 3)):
        await run(found, at(day), RunOptions(), verdict=verdict)
        note_verdict(run_folder(found), "2026-11-24T06:30:00Z", broken=broken)
    report = await evaluate(found, at(2), EvaluationInputs(runs=[run_folder(found)]))
    (tmp_path / "reports").mkdir()
    write_report(tmp_path / "reports/report.json", report, Redactor())
    events: list[Noticed] = []
    assert await counts(found, events=events) == [1] * 6
    told = [event.text for event in events if isinstance(event, Noticed)]
    why = "cases broke in it, so another chatbot answered"
    assert told == [f"not counted: {run_folder(found)}: {why}"]


async def test_find_answers__a_baseline_that_is_the_last_report_counts_once(tmp_path: Path) -> None:
    found = config(tmp_path, baseline={"path": "reports/report.json"})
    (tmp_path / "reports").mkdir()
    report = await measure(found, tmp_path, day=1)
    report.rename(tmp_path / "reports/report.json")
    assert await counts(found) == [1] * 6


async def test_find_answers__further_answers_to_cases_that_went_wrong_never_count(
    tmp_path: Path,
) -> None:
    found = config(tmp_path)
    await run(found, at(1), RunOptions())
    more = found.with_repeats(4)
    only = FurtherAnswers(until={"s4": 4, "s5": 4}, first=1, of=found)
    again = found.resolve(found.run.out) / "scripted-again"
    verdict = ForVerdict(checkout=Checkout())
    await run(more, at(1), RunOptions(out=again), only=only, verdict=verdict)
    assert len(rows(again)) == 6
    assert await counts(found) == [1] * 6


async def test_find_answers__cached_answers_do_not_count(tmp_path: Path) -> None:
    found = config(tmp_path, run={"cache": "cache.sqlite"}, backend=echo_that_caches())
    first = await measure(found, tmp_path, day=1)
    second = await measure(found, tmp_path, day=2, fresh=False)
    assert read_report(second).samples.cached
    assert await counts(found, [first]) == [1] * 6
    assert await counts(found, [second]) == [0] * 6
    assert await counts(found, [first, second]) == [1] * 6


def echo_that_caches():
    return {"name": "scripted", "options": {"default": "echo", "cacheable": True}}


async def test_find_answers__only_answers_to_the_samples_as_they_are(tmp_path: Path) -> None:
    first = await measure(config(tmp_path), tmp_path, day=1)
    corrected = [{**SAMPLES[0], "expected": "다른 답"}, *SAMPLES[1:5], {**SAMPLES[5], "id": "new"}]
    assert await counts(config(tmp_path, corrected), [first]) == [0, 1, 1, 1, 1, 0]


async def test_find_answers__only_scores_of_the_metric_as_it_is(tmp_path: Path) -> None:
    first = await measure(config(tmp_path), tmp_path, day=1)
    other = config(tmp_path, metrics=[{"name": "exact_match", "params": {"profile": "answer"}}])
    assert await counts(other, [first]) == [0] * 6


async def test_find_answers__of_several_chatbots_the_one_with_the_most_answers(
    tmp_path: Path,
) -> None:
    before = config(tmp_path, system="earlier", baseline={"path": "base.json"})
    (await measure(before.with_repeats(2), tmp_path, day=1)).rename(tmp_path / "base.json")
    now = config(tmp_path, system="now", baseline={"path": "base.json"})
    await run(now, at(2), RunOptions())
    around = resources()
    subject = subject_of(now, around)
    known = await find_answers(subject, around, ())
    assert list(known.counts) == [2] * 6
    assert known.chatbot != subject.chatbot
    assert (known.reached, known.reached_now) == (2, 1)
    only_now = await find_answers(subject, around, (), only_now=True)
    assert list(only_now.counts) == [1] * 6
    await run(now.with_repeats(2), at(3), RunOptions())
    assert (await find_answers(subject, around, ())).chatbot == subject.chatbot


async def test_find_answers__named_runs_of_different_chatbots_are_refused(tmp_path: Path) -> None:
    first = await measure(config(tmp_path, system="a"), tmp_path, day=1)
    other = config(tmp_path, system="b")
    second = await measure(other, tmp_path, day=2)
    with pytest.raises(UsageError, match="different chatbots"):
        await counts(other, [first, second])


async def test_find_answers__what_cannot_be_read_is_told_and_the_rest_counts(
    tmp_path: Path,
) -> None:
    found = config(tmp_path, baseline={"path": "base.json"})
    (tmp_path / "base.json").write_text("{}", encoding="utf-8")
    await run(found, at(1), RunOptions())
    events = []
    assert await counts(found, events=events) == [1] * 6
    assert next(e.text for e in events if isinstance(e, Warned)).startswith("not counted: ")


async def test_find_answers__runs_that_take_a_judge_are_named_and_not_scored(
    tmp_path: Path,
) -> None:
    judge = {"name": "llm_judge", "params": {"rubric": "맞는가"}, "backend": ECHO}
    found = config(tmp_path, metrics=[judge])
    await run(found, at(1), RunOptions())
    events = []
    assert await counts(found, events=events) == [0] * 6
    assert "which takes a judge" in next(e.text for e in events if isinstance(e, Noticed))
    with pytest.raises(UsageError, match="takes a judge"):
        await counts(found, [found.resolve(found.run.out) / "scripted"])


async def test_ask_missing__asks_run_after_run_and_nothing_twice(tmp_path: Path) -> None:
    found = config(tmp_path)
    await run(found, at(1), RunOptions())
    events = []
    around = at(2, events=events)
    subject = subject_of(found, around)
    known = await ask_missing(subject, around, Options())
    assert list(known.counts) == [3] * 6
    assert [folder.name for folder in asked_folders(subject)] == ["1", "2"]
    assert Counter(r["repeat"] for f in asked_folders(subject) for r in rows(f)) == {0: 12}
    assert "asking 6 questions 2× more: 12 requests" in [
        e.text for e in events if isinstance(e, Noticed)
    ]
    assert (tmp_path / ".lm-eval-so/forecast/.gitignore").read_text(encoding="utf-8") == "*\n"
    await ask_missing(subject, around, Options())
    assert len(asked_folders(subject)) == 2


async def test_ask_missing__goes_on_with_a_run_that_the_budget_cut_short(tmp_path: Path) -> None:
    found = config(tmp_path, run={"concurrency": 1, "repeats": 2})
    around = resources()
    subject = subject_of(found, around)
    with pytest.raises(BudgetSpent):
        await ask_missing(subject, around, Options(most_requests=5))
    assert len(rows(asked_folders(subject)[0])) == 5
    around = resources()
    known = await ask_missing(subject, around, Options())
    assert list(known.counts) == [5] * 6
    assert [len(rows(folder)) for folder in asked_folders(subject)] == [12, 12, 6]


async def test_ask_missing__counts_the_named_reports_and_its_own_runs(tmp_path: Path) -> None:
    found = config(tmp_path)
    first = await measure(found, tmp_path, day=1)
    around = resources()
    subject = subject_of(found, around)
    known = await ask_missing(subject, around, Options(runs=(first,)))
    assert list(known.counts) == [3] * 6


async def test_ask_missing__a_record_is_not_asked_again(tmp_path: Path) -> None:
    found = config(tmp_path)
    await run(found, at(1), RunOptions(out=tmp_path / "kept"))
    replayed = config(tmp_path, backend={"name": "replay", "options": {"run": "kept"}})
    around = resources()
    with pytest.raises(CannotMeasure, match="is a record"):
        await ask_missing(subject_of(replayed, around), around, Options())
