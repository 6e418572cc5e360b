"""`generate` with a model as a process: killed, under another locale and hash seed, told what it costs."""

import json
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from servers.commands import lm_eval_so, start
from servers.processes import wait
from servers.question_writer import QuestionWriter

from lm_eval_so.testing import ChatServer, Reply, Seen

CONFIG = """\
version: 1
suite: docs
language: ko
dataset: {{path: made, name: docs}}
run: {{cache: cache.sqlite, concurrency: {concurrency}}}
generator:
  backend: {{name: openai, params: {{model: m}}, options: {{base_url: "{url}", api_key_env: "", price: {{input_per_mtok: 1, output_per_mtok: 2}}}}}}
  sources: [{{id: docs, as: documents, path: policy.md}}]
  synthesise: {{questions: 12, twins: 0, mix: {{fact: 2, unanswerable: 1}}, attempts: 6}}
"""
POLICY = Path(__file__).parents[1] / "data/shop/policy.md"


@pytest.fixture
def server() -> Iterator[ChatServer]:
    writer = QuestionWriter()

    def script(seen: Seen) -> Reply:
        return Reply(text=writer.reply(seen.text))

    with ChatServer(script) as server:
        yield server


def folder(path: Path, server: ChatServer, concurrency: int = 8) -> Path:
    path.mkdir()
    (path / "policy.md").write_bytes(POLICY.read_bytes())
    config = CONFIG.format(url=server.url, concurrency=concurrency)
    (path / "lm-eval-so.yaml").write_text(config, "utf-8")
    return path


def files(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (path / "made").iterdir()}


def cached(file: Path) -> int:
    """Count the answers of a cache that is written to; 0 where there is none yet."""
    with (
        suppress(sqlite3.OperationalError),
        closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as cache,
    ):
        return int(cache.execute("SELECT count(*) FROM answers").fetchone()[0])
    return 0


def test_generate__killed_after_some_answers_asks_them_no_more(
    tmp_path: Path, server: ChatServer
) -> None:
    here = folder(tmp_path / "a", server, concurrency=1)
    quick = server.script
    server.script = lambda seen: quick(seen) if server.answered < 7 else Reply(hang=True)
    running = start("generate", cwd=here)
    wait(lambda: cached(here / "cache.sqlite") == 7, running)
    running.send_signal(signal.SIGKILL)
    running.communicate(timeout=60)
    assert server.answered == 7
    assert not (here / "made").exists()
    first = [seen.text for seen in server.requests[:7]]
    server.requests.clear()
    server.script = quick
    done = lm_eval_so("generate", cwd=here)
    assert done.returncode == 0, done.stderr
    assert not {seen.text for seen in server.requests} & set(first)
    assert len((here / "made/test.jsonl").read_text("utf-8").splitlines()) == 12


def test_generate__stopped_by_a_person_ends_at_once_and_goes_on(
    tmp_path: Path, server: ChatServer
) -> None:
    here = folder(tmp_path / "a", server, concurrency=1)
    quick = server.script
    server.script = lambda seen: replace(quick(seen), latency_s=0.1)
    running = start("generate", cwd=here)
    wait(lambda: server.answered >= 3, running)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "stopped before all tests were written" in told
    assert not (here / "made").exists()
    first = {seen.text for seen in server.requests}
    server.requests.clear()
    server.script = quick
    assert lm_eval_so("generate", cwd=here).returncode == 0
    assert not {seen.text for seen in server.requests} & first


@pytest.mark.parametrize(
    ("option", "most", "asked"), [("--max-requests", "5", 5), ("--max-cost-usd", "0.0001", 0)]
)
def test_generate__a_budget_of_the_command_line_ends_it_and_the_next_goes_on(
    tmp_path: Path, server: ChatServer, option: str, most: str, asked: int
) -> None:
    here = folder(tmp_path / "a", server, concurrency=1)
    done = lm_eval_so("generate", option, most, cwd=here)
    assert done.returncode == 3, done.stderr
    assert len(server.requests) == asked
    first = {seen.text for seen in server.requests}
    server.requests.clear()
    assert lm_eval_so("generate", cwd=here).returncode == 0
    assert server.requests
    assert not {seen.text for seen in server.requests} & first


def test_generate__same_bytes_whatever_the_machine(tmp_path: Path, server: ChatServer) -> None:
    one, other = folder(tmp_path / "a", server), folder(tmp_path / "b", server, concurrency=1)
    done = lm_eval_so("generate", cwd=one, environ={"PYTHONHASHSEED": "0", "LC_ALL": "C"})
    assert done.returncode == 0, done.stderr
    done = lm_eval_so(
        "generate", cwd=other, environ={"PYTHONHASHSEED": "1", "LC_ALL": "ko_KR.UTF-8"}
    )
    assert done.returncode == 0, done.stderr
    assert {n: files(one)[n] for n in ("test.jsonl", "rejected.jsonl", "sources.jsonl")} == {
        n: files(other)[n] for n in ("test.jsonl", "rejected.jsonl", "sources.jsonl")
    }
    assert files(one) == files(other)


def test_try__shows_tests_with_their_evidence_and_the_price_of_all(
    tmp_path: Path, server: ChatServer
) -> None:
    here = folder(tmp_path / "a", server)
    done = lm_eval_so("generate", "--try", "2", cwd=here)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("1 fact           policy.md › ")
    assert sum(line.strip().startswith("근거") for line in lines) == 2
    assert "2개 생성" in lines[-1]
    assert "12개를 모두 만들면 약 $0.00" in lines[-1]
    assert sorted(path.name for path in here.iterdir()) == [
        "cache.sqlite",
        "lm-eval-so.yaml",
        "policy.md",
    ]


def test_generate__strict_fails_if_tests_are_missing(tmp_path: Path, server: ChatServer) -> None:
    here = folder(tmp_path / "a", server)
    (here / "policy.md").write_text("일요일은 9시부터 5시까지 엽니다.", "utf-8")
    done = lm_eval_so("generate", "--strict", "--json", cwd=here)
    assert done.returncode == 3
    assert json.loads(done.stdout)["plan"]["unfilled"]["no_chunk"] == 8
    assert lm_eval_so("generate", cwd=here).returncode == 0
