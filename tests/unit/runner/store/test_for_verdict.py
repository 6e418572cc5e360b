"""What `ci` goes on with, what it puts aside, and what of that it keeps."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from servers.runs import endpoint, make, resources, rows, write_dataset

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Event, Noticed
from lm_eval_so.core.records.codec import dumps
from lm_eval_so.core.records.run import Checkout, RunInfo
from lm_eval_so.runner.run import RunOptions, run
from lm_eval_so.runner.store.for_verdict import ForVerdict, note_verdict, why_anew
from lm_eval_so.runner.store.run_dir import read_info
from lm_eval_so.testing import ChatServer

N = 4
T0 = 1_795_501_800
HERE = ForVerdict(checkout=Checkout(commit="c" * 40, changes="d" * 64))
STALE = "has no answer of the last hour, so all is asked anew"
ECHO = {"name": "scripted", "label": "bot", "options": {"default": "echo"}}


def at(seconds: float) -> dict[str, str]:
    return {"SOURCE_DATE_EPOCH": str(T0 + int(seconds))}


def config_of(folder: Path, backend: dict[str, Any] = ECHO, **sections: Any) -> Config:
    write_dataset(folder, N)
    return make(folder, backend, **sections)


async def asked(
    config: Config, *, after: float = 0, events: list[Event] | None = None, **options: Any
) -> int:
    """Ask for a verdict, and give how many requests that took."""
    verdict = options.pop("verdict", HERE)
    given = RunOptions(**options)
    return (await run(config, resources(events, at(after)), given, verdict=verdict)).requests


def start_of(folder: Path, **changes: Any) -> RunInfo:
    """Return the head of the run in a folder as it would begin now."""
    info = read_info(folder)
    assert info is not None
    return replace(info, **changes)


def change(folder: Path, **changes: Any) -> None:
    (folder / "run.json").write_text(dumps(start_of(folder, **changes)), encoding="utf-8")


async def test_run__for_a_verdict_goes_on_with_what_began_for_it(tmp_path: Path) -> None:
    config, events = config_of(tmp_path), []
    assert await asked(config) == N
    assert await asked(config, after=3_599, events=events) == N  # and no more
    assert not (tmp_path / "runs/bot.1").exists()
    info = read_info(tmp_path / "runs/bot")
    assert info is not None
    assert (info.checkout, info.judged_at) == (HERE.checkout, None)
    assert info.resumed_at is not None
    assert info.resumed_at > info.started_at


@pytest.mark.parametrize("after", [3_700, 86_400, -3_700])
async def test_run__for_a_verdict_asks_anew_after_an_hour(tmp_path: Path, after: float) -> None:
    config, events = config_of(tmp_path), []
    await asked(config)
    assert await asked(config, after=after, events=events) == N
    aside = tmp_path / "runs/bot.1"
    (told,) = [e.text for e in events if isinstance(e, Noticed)]
    assert told == f"{tmp_path}/runs/bot {STALE}; it is kept as {aside}"
    assert len(rows(aside)) == N


async def test_run__for_a_verdict_asks_anew_even_where_the_clock_stands_still(
    tmp_path: Path,
) -> None:
    config = config_of(tmp_path)
    await asked(config)
    yesterday = time.time() - 86_400
    os.utime(tmp_path / "runs/bot/run_results.jsonl", (yesterday, yesterday))
    assert await asked(config) == N


CHECKOUTS = [
    (Checkout(commit="e" * 40, changes="d" * 64), "another commit (ccccccc → eeeeeee)"),
    (Checkout(commit=None, changes="d" * 64), "another commit (ccccccc → none)"),
    (Checkout(commit="c" * 40, changes="f" * 64), "before tracked files changed"),
]


@pytest.mark.parametrize(("checkout", "why"), CHECKOUTS)
async def test_why_anew__the_checkout_changed(tmp_path: Path, checkout: Checkout, why: str) -> None:
    await asked(config_of(tmp_path))
    folder = tmp_path / "runs/bot"
    text = why_anew(folder, start_of(folder), ForVerdict(checkout=checkout))
    assert text is not None
    assert why in text
    assert why_anew(folder, start_of(folder), HERE) is None


async def test_why_anew__git_that_cannot_say_is_no_yes(tmp_path: Path) -> None:
    unknown = ForVerdict(checkout=Checkout(commit="c" * 40))
    await asked(config_of(tmp_path), verdict=unknown)
    folder = tmp_path / "runs/bot"
    text = why_anew(folder, start_of(folder), unknown)
    assert text == "was asked where git does not say whether tracked files changed"


async def test_why_anew__without_git_the_rest_decides(tmp_path: Path) -> None:
    nowhere = ForVerdict(checkout=Checkout())
    await asked(config_of(tmp_path), verdict=nowhere)
    folder = tmp_path / "runs/bot"
    assert why_anew(folder, start_of(folder), nowhere) is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"config_digest": "0" * 64}, "was asked with another config"),
        ({"judged_at": "2026-11-24T06:30:00.000Z"}, "has its verdict already"),
        ({"checkout": None}, "was not asked by ci: its answers may come from the cache"),
    ],
)
async def test_why_anew__what_the_run_says_of_itself(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    await asked(config_of(tmp_path))
    folder = tmp_path / "runs/bot"
    now = start_of(folder)
    change(folder, **changes)
    assert why_anew(folder, now, HERE) == why


async def test_why_anew__further_answers_keep_the_run_recent(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    await asked(config)
    beside = tmp_path / "runs/bot-again"
    await asked(config, after=3_000, out=beside)
    folder = tmp_path / "runs/bot"
    now = start_of(folder, started_at="2026-11-24T07:45:00.000Z")  # 75 minutes later
    assert why_anew(folder, now, HERE) == "has no answer of the last hour"
    assert why_anew(folder, now, replace(HERE, beside=beside)) is None


async def test_why_anew__a_batch_that_goes_on_is_waited_for(tmp_path: Path) -> None:
    await asked(config_of(tmp_path))
    folder = tmp_path / "runs/bot"
    chunk = {"digest": "0" * 64, "requests": 1, "batch_id": "batch_1"}
    log = {"run": "r", "begun_at": T0, "chunks": [chunk]}
    (folder / "batch.json").write_text(json.dumps(log), encoding="utf-8")
    now = start_of(folder, started_at="2026-11-25T06:00:00.000Z")
    assert why_anew(folder, now, HERE) is None


async def test_run__for_a_verdict_asks_past_the_cache(tmp_path: Path) -> None:
    with ChatServer() as server:
        section = endpoint(server.url)
        config = config_of(tmp_path, section, run={"cache": ".lm-eval-so/cache.sqlite"})
        given = {"OPENAI_API_KEY": "k", **at(0)}
        await run(config, resources(environ=given), RunOptions(out=tmp_path / "warm"))
        assert len(server.requests) == N
        await run(config, resources(environ=given), RunOptions(out=tmp_path / "cold"), verdict=HERE)
        assert len(server.requests) == 2 * N
        assert not any(row["cached"] for row in rows(tmp_path / "cold"))


async def test_run__by_itself_goes_on_with_a_run_that_has_its_verdict(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    await asked(config)
    note_verdict(tmp_path / "runs/bot", "2026-11-24T06:31:00.000Z", broken=0)
    info = await run(config, resources(environ=at(9_999)))
    assert (info.requests, info.checkout, info.judged_at) == (N, None, None)
    assert await asked(config, after=9_999) == N  # which `ci` does not take for its own


async def test_run__for_a_verdict_puts_nothing_aside_that_holds_nothing(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    await asked(config)
    folder = tmp_path / "runs/bot"
    (folder / "run_results.jsonl").write_bytes(b"")
    began = start_of(folder).started_at
    assert await asked(config, after=9_999) == N
    assert not (tmp_path / "runs/bot.1").exists()
    assert start_of(folder).started_at > began


async def test_note_verdict__only_where_ci_asked(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    note_verdict(tmp_path / "nowhere", "now", broken=0)
    assert not (tmp_path / "nowhere").exists()
    await run(config, resources())
    note_verdict(tmp_path / "runs/bot", "now", broken=0)
    assert start_of(tmp_path / "runs/bot").judged_at is None


def numbers(folder: Path) -> list[int]:
    return sorted(int(path.name.removeprefix("bot.")) for path in folder.glob("bot.*"))


async def test_put_aside__three_stay_and_their_numbers_grow(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    for number in range(7):
        await asked(config, after=number * 10_000)
    assert numbers(tmp_path / "runs") == [4, 5, 6]
    begun = [start_of(tmp_path / f"runs/bot.{number}").started_at for number in (4, 5, 6)]
    assert begun == sorted(begun)


def foreign_file(aside: Path) -> None:
    (aside / "notes.txt").write_text("mine", encoding="utf-8")


def foreign_folder(aside: Path) -> None:
    (aside / "mine").mkdir()


def link(aside: Path) -> None:
    elsewhere = aside.with_name("elsewhere")
    aside.rename(elsewhere)
    aside.symlink_to(elsewhere)


def gone_on_with(aside: Path) -> None:
    change(aside, put_aside_at=None)


def damaged(aside: Path) -> None:
    (aside / "run.json").write_text("{", encoding="utf-8")


@pytest.mark.parametrize("touch", [foreign_file, foreign_folder, link, gone_on_with, damaged])
async def test_put_aside__what_others_have_touched_stays(
    tmp_path: Path, touch: Callable[[Path], None]
) -> None:
    config = config_of(tmp_path)
    for number in range(2):
        await asked(config, after=number * 10_000)
    touch(tmp_path / "runs/bot.1")
    for number in range(2, 7):
        await asked(config, after=number * 10_000)
    assert numbers(tmp_path / "runs") == [1, 4, 5, 6]
    assert len(rows(tmp_path / "runs/bot.1")) == N


async def test_put_aside__what_run_put_aside_stays(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    for number in range(3):
        await run(config, resources(environ=at(number)), RunOptions(fresh=True))  # bot.1 and bot.2
    for number in range(1, 6):
        await asked(config, after=number * 10_000)
    # bot.3 was that of run, but ci put it aside
    assert numbers(tmp_path / "runs") == [1, 2, 5, 6, 7]
