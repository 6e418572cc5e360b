"""A run that is killed goes on where it was, and ends like one that was not disturbed."""

import json
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from servers.commands import lm_eval_so
from servers.processes import finish, start, wait, write_config
from servers.runs import KEY, rows, write_dataset
from servers.shop_bot import Asked, ShopBot, Told

from lm_eval_so.testing import ChatServer, Reply

TIMES = {"latency_ms", "total_ms", "queue_ms", "started_at"}


def without_times(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: row[key] for key in row if key not in TIMES} for row in found]


def report(folder: Path, out: str) -> dict[str, Any]:
    """Evaluate a run with the command, and give its report without times and place of the run."""
    done = lm_eval_so(
        *("evaluate", "--run", f"{out}/bot", "--out", f"{out}/reports"),
        *("--set", "run.out=runs"),
        cwd=folder,
        environ={"OPENAI_API_KEY": KEY},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / out / "reports/report.json").read_text(encoding="utf-8"))
    for name in ("started_at", "finished_at", "evaluated_at"):
        del found["experiment"][name]
    del found["experiment"]["runs"]
    del found["experiment"]["fingerprints"]["run_config"]
    del found["latency"]
    found["answered"] = sum(span["n"] for span in found["answered"].values())
    return found


def test_run__killed_at_half_and_started_again(tmp_path: Path):
    questions = [f"환불은 며칠? #{i}" for i in range(60)]
    samples = [
        {"id": f"q{i:04}", "input": text, "expected": f"답: {text if i % 3 else i}"}
        for i, text in enumerate(questions)
    ]
    write_dataset(tmp_path, samples)
    with ChatServer(lambda seen: Reply(text=f"답: {seen.text}", latency_s=0.05)) as server:
        config = write_config(tmp_path, server.url)
        process = start(config)
        wait(lambda: server.answered >= 30, process)
        process.kill()
        assert finish(process)[0] == -signal.SIGKILL
        results = tmp_path / "runs" / "bot" / "run_results.jsonl"
        whole = [
            line for line in results.read_bytes().splitlines(keepends=True) if line[-1:] == b"\n"
        ]
        kept = {json.loads(line)["response"]["text"].removeprefix("답: ") for line in whole}
        assert 20 <= len(kept) < 60
        results.write_bytes(
            b"".join(whole) + b'{"sample_id": "q00'
        )  # as a kill in a write leaves it
        asked_before = len(server.requests)

        code, told = finish(start(config))
        assert (code, told) == (0, "")
        asked_again = Counter(seen.text for seen in server.requests[asked_before:])
        assert not kept & asked_again.keys()
        assert len(asked_again) == asked_again.total() == 60 - len(kept)
        assert results.with_suffix(".torn").read_bytes() == b'{"sample_id": "q00\n'

        undisturbed = write_config(tmp_path, server.url, out="undisturbed")
        assert finish(start(undisturbed))[0] == 0
        reports = [report(tmp_path, out) for out in ("runs", "undisturbed")]
    assert reports[0] == reports[1]
    found = without_times(rows(tmp_path / "runs" / "bot"))
    assert [row["sample_id"] for row in found] == [f"q{i:04}" for i in range(60)]
    assert found == without_times(rows(tmp_path / "undisturbed" / "bot"))


def test_run__killed_in_conversations_with_sessions_plays_them_anew(tmp_path: Path):
    """The server keeps the conversations, so half a one is of no use to the next process."""
    heard: dict[str, list[str]] = {}
    """What each session was told, in order."""
    killed = threading.Event()

    def script(asked: Asked) -> Told:
        if asked.path == "/conversations":
            heard[name := f"s{len(heard)}"] = []
            return Told({"id": name})
        told = heard[asked.path.split("/")[2]]
        told.append(asked.json["text"])
        if len(heard) > 6 and len(told) == 2:
            killed.wait(60)  # in the second turn of two conversations
        return Told({"reply": " / ".join(told)})

    names = [f"c{i}" for i in range(10)]
    write_dataset(
        tmp_path,
        [{"id": n, "scenario": {"turns": [{"user": f"{n} {t}"} for t in "abc"]}} for n in names],
    )
    with ShopBot(script) as bot:
        options = {
            "url": bot.url + "/conversations/{{ session.id }}/messages",
            "session": {"url": "/conversations", "take": {"id": "id"}},
            "body": {"text": "{{ last_user }}"},
            "history": "stateful",
            "response": {"text": "reply"},
        }
        backend = {"name": "http", "label": "bot", "options": options}
        sections = {"version": 1, "suite": "e2e", "dataset": {"path": "."}, "backend": backend}
        config = tmp_path / "lm-eval-so.yaml"
        run = {"concurrency": 2, "cache": False}
        config.write_text(json.dumps({**sections, "run": run}), encoding="utf-8")
        process = start(config)
        try:
            wait(lambda: len(heard) > 6 and [*map(len, heard.values())].count(2) > 1, process)
        finally:
            process.kill()
        assert finish(process)[0] == -signal.SIGKILL
        whole = {row["sample_id"] for row in rows(tmp_path / "runs" / "bot")}
        assert 0 < len(whole) < 10
        before = {name: list(told) for name, told in heard.items()}
        killed.set()  # what the first process asked is answered to nobody
        assert finish(start(config)) == (0, "")
    anew = [told for name, told in heard.items() if name not in before]
    left = [name for name in names if name not in whole]
    assert sorted(anew) == [[f"{name} {turn}" for turn in "abc"] for name in sorted(left)]
    assert all(told == heard[name] for name, told in before.items()), "no old session goes on"
    found = rows(tmp_path / "runs" / "bot")
    assert [row["sample_id"] for row in found] == names
    for row in found:
        said = [f"{row['sample_id']} {turn}" for turn in "abc"]
        assert [turn["user"] for turn in row["turns"]] == said
        assert row["response"]["text"] == " / ".join(said), "nothing of another conversation"
