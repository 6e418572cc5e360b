"""Asking samples again: what is asked, what it is scored by, and what cannot be."""

from pathlib import Path
from typing import Any

import pytest
from servers.fast import fast
from servers.runs import make, resources, rows, write_dataset

from lm_eval_so.core.events import Event, Warned
from lm_eval_so.core.records.run import Checkout
from lm_eval_so.errors import Interrupted
from lm_eval_so.pipeline.measure.ask_again import ask_again
from lm_eval_so.pipeline.measure.further import AskedRun
from lm_eval_so.pipeline.measure.plan import Plan, again_folder
from lm_eval_so.runner.run import RunOptions, run
from lm_eval_so.runner.store.for_verdict import ForVerdict

ECHO = {"name": "scripted", "options": {"default": "echo"}}
SAMPLES = [{"id": f"s{i}", "input": f"질문 {i}", "expected": f"질문 {i % 4}"} for i in range(8)]
WORSE = {"exact_match": ("s1", "s5")}
VERDICT = ForVerdict(checkout=Checkout())


def config(folder: Path, backend: dict[str, Any] = ECHO, **sections: Any):
    write_dataset(folder, SAMPLES)
    given = {"metrics": ["exact_match"], "gate": {"confirm": 2}, **sections}
    return make(folder, backend, **given)


def warnings(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Warned)]


async def ask(found, folder: Path, worse=WORSE, *, fresh=False, events=None, **more):
    given = resources(events, **more)
    run = AskedRun(plan=plan(folder, fresh=fresh), verdict=VERDICT)
    return await ask_again(found, given, worse, run)


def plan(folder: Path, *, fresh: bool = False) -> Plan:
    return Plan(run=folder / "runs/bot", reports=folder / "reports", fresh=fresh)


async def test_ask_again__further_repeats_of_these_samples_alone(tmp_path: Path) -> None:
    found = config(tmp_path, run={"repeats": 3})
    scores = await ask(found, tmp_path)
    assert scores == {"exact_match": {"s1": [1.0, 1.0], "s5": [0.0, 0.0]}}
    asked = rows(again_folder(tmp_path / "runs/bot"))
    assert [(r["sample_id"], r["repeat"]) for r in asked] == [
        ("s1", 3),
        ("s1", 4),
        ("s5", 3),
        ("s5", 4),
    ]


async def test_ask_again__its_rows_belong_to_the_same_chatbot_as_the_run(tmp_path: Path) -> None:
    found = config(tmp_path)
    first = await run(found, resources(), RunOptions(out=tmp_path / "runs/bot"))
    await ask(found, tmp_path)
    again = rows(tmp_path / "runs/bot-again")
    assert {r["fingerprint"] for r in again} == {first.fingerprint}
    seeds = {r["seed"] for r in rows(tmp_path / "runs/bot")}
    assert seeds.isdisjoint(r["seed"] for r in again)


async def test_ask_again__metrics_that_are_built_from_others_have_their_parts(
    tmp_path: Path,
) -> None:
    metrics = [
        "exact_match",
        "token_f1",
        {"name": "composite", "id": "both", "params": {"parts": ["exact_match", "token_f1"]}},
        "keyword_coverage",
    ]
    gate = {"confirm": 2, "metrics": {"both": {}, "keyword_coverage": {}}}
    found = config(tmp_path, metrics=metrics, gate=gate)
    scores = await ask(found, tmp_path, {"both": ("s1", "s5")})
    assert set(scores) == {"both"}
    assert scores["both"]["s1"] == [1.0, 1.0]
    assert all(value is not None and value < 1 for value in scores["both"]["s5"])


@pytest.mark.parametrize(
    "metric",
    [
        {"name": "consistency", "id": "m"},
        {"name": "invariance", "id": "m", "params": {"of": "exact_match"}},
        {"name": "consistency", "id": "part"},
    ],
)
async def test_ask_again__what_holds_answers_against_others_is_not_asked(
    tmp_path: Path, metric: dict[str, Any]
) -> None:
    events: list[Event] = []
    whole = {"name": "composite", "id": "m", "params": {"parts": [metric["id"]]}}
    metrics = ["exact_match", metric, *([whole] if metric["id"] != "m" else [])]
    found = config(tmp_path, metrics=metrics)
    assert await ask(found, tmp_path, {"m": ("s1",)}, events=events) == {}
    assert warnings(events) == [
        "m holds answers against others, so its samples are not asked again"
    ]
    assert not (tmp_path / "runs/bot-again").exists()


async def test_ask_again__an_endpoint_that_fails_leaves_the_regression(tmp_path: Path) -> None:
    events: list[Event] = []
    found = config(tmp_path, {"name": "scripted", "options": {"default": "error"}})
    assert await ask(found, tmp_path, events=events) == {}
    assert any("could not ask again, so the regression stands" in text for text in warnings(events))


async def test_ask_again__one_failed_answer_has_no_score(tmp_path: Path) -> None:
    broken = {"s5": {"error": {"kind": "server", "http_status": 400}}}
    options = {"default": "echo", "answers": broken}
    backend = {"name": "scripted", "options": options}
    worse = {"exact_match": tuple(f"s{i}" for i in range(6))}
    scores = await ask(config(tmp_path, backend), tmp_path, worse, **fast(20))
    assert scores["exact_match"]["s5"] == [None, None]
    assert scores["exact_match"]["s0"] == [1.0, 1.0]


async def test_ask_again__answers_to_an_earlier_run_are_put_aside(tmp_path: Path) -> None:
    found = config(tmp_path)
    out = tmp_path / "runs/bot"
    early, late = ({"SOURCE_DATE_EPOCH": str(t)} for t in (1_700_000_000, 1_700_000_100))
    await run(found, resources(environ=early), RunOptions(out=out))
    await ask(found, tmp_path, environ=early)
    await run(found, resources(environ=late), RunOptions(out=out, fresh=True))
    await ask(found, tmp_path, environ=late)
    assert (tmp_path / "runs/bot-again.1/run.json").is_file()
    await ask(found, tmp_path, environ=late)
    assert not (tmp_path / "runs/bot-again.2").exists()


async def test_ask_again__stopped_by_the_user_is_no_answer(tmp_path: Path) -> None:
    given = resources()
    given.stop.set()
    run = AskedRun(plan=plan(tmp_path), verdict=VERDICT)
    with pytest.raises(Interrupted) as caught:
        await ask_again(config(tmp_path), given, WORSE, run)
    assert caught.value.problems[0].hint == "go on with lm-eval-so ci"
