"""Further answers: asked in passes, kept beside the run, and never asked twice."""

from pathlib import Path

from servers.runs import make, resources, rows, write_dataset

from lm_eval_so.core.records.run import Checkout
from lm_eval_so.pipeline.measure.further import AskedRun, Pass, ask_further, score_further
from lm_eval_so.pipeline.measure.plan import Plan
from lm_eval_so.runner.run import RunOptions, run
from lm_eval_so.runner.store.for_verdict import ForVerdict

SAMPLES = [{"id": f"s{i}", "input": f"질문 {i}", "expected": f"질문 {i % 4}"} for i in range(8)]
FAILING = {"s5": {"error": {"kind": "server", "http_status": 500}}}


def asked_run(folder: Path) -> AskedRun:
    plan = Plan(run=folder / "runs/bot", reports=folder / "reports")
    return AskedRun(plan=plan, verdict=ForVerdict(checkout=Checkout()))


async def begin(folder: Path, **options):
    """Ask the run itself."""
    write_dataset(folder, SAMPLES)
    backend = {"name": "scripted", "options": {"default": "echo", **options}}
    given = {"run": {"max_attempts": 1}, "metrics": ["exact_match"]}
    found, asked = make(folder, backend, **given), asked_run(folder)
    await run(found, resources(), RunOptions(out=asked.plan.run), verdict=asked.verdict)
    return found, asked


def one_pass(until: dict[str, int], *, fresh: bool = False) -> Pass:
    return Pass(until=until, fresh=fresh, is_live=True, keep_errors=True)


def places(asked: AskedRun) -> list[tuple[str, int]]:
    return [(row["sample_id"], row["repeat"]) for row in rows(asked.folder)]


async def test_ask_further__a_pass_keeps_the_answers_of_those_before(tmp_path: Path) -> None:
    found, asked = await begin(tmp_path)
    await ask_further(found, resources(), asked, one_pass({"s1": 2, "s5": 2}))
    first = rows(asked.folder)
    await ask_further(found, resources(), asked, one_pass({"s1": 3, "s5": 2}))
    await ask_further(found, resources(), asked, one_pass({"s1": 2}))  # as after a crash
    assert places(asked) == [("s1", 1), ("s5", 1), ("s1", 2)]
    assert rows(asked.folder)[:2] == first
    assert not (tmp_path / "runs/bot-again.1").exists()


async def test_ask_further__a_failed_answer_keeps_its_number(tmp_path: Path) -> None:
    found, asked = await begin(tmp_path, answers=FAILING)
    for until in (2, 3, 4):
        info = await ask_further(found, resources(), asked, one_pass({"s5": until}))
        assert info is not None
        assert info.state == "complete"
    assert places(asked) == [("s5", 1), ("s5", 2), ("s5", 3)]
    assert {row["status"] for row in rows(asked.folder)} == {"error"}
    assert not (tmp_path / "runs/bot-again.1").exists()


async def test_ask_further__never_by_batch(tmp_path: Path) -> None:
    found, asked = await begin(tmp_path)
    batch = found.model_copy(update={"run": found.run.model_copy(update={"executor": "batch"})})
    await ask_further(batch, resources(), asked, one_pass({"s1": 2}))
    assert places(asked) == [("s1", 1)]


async def test_ask_further__fresh_puts_what_is_there_aside(tmp_path: Path) -> None:
    found, asked = await begin(tmp_path)
    await ask_further(found, resources(), asked, one_pass({"s1": 2}))
    await ask_further(found, resources(), asked, one_pass({"s5": 2}, fresh=True))
    assert places(asked) == [("s5", 1)]
    assert (tmp_path / "runs/bot-again.1/run.json").is_file()


async def test_score_further__by_the_metrics_that_are_wanted(tmp_path: Path) -> None:
    found, asked = await begin(tmp_path)
    await ask_further(found, resources(), asked, one_pass({"s1": 2, "s5": 3}))
    report = await score_further(found, resources(), asked, ["exact_match"])
    scores = zip(
        report.samples.ids,
        report.samples.repeats,
        report.samples.scores["exact_match"],
        strict=True,
    )
    assert [each for each in scores if each[2] is not None] == [
        ("s1", 1, 1.0),
        ("s5", 1, 0.0),
        ("s5", 2, 0.0),
    ]
