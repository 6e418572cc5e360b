"""`ci` at a desk: its verdict is about the chatbot that answers now, never about one of before."""

import json
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from servers.commands import Done, git, lm_eval_so, start
from servers.processes import finish, wait
from servers.runs import KEY, rows, write_dataset

from lm_eval_so.testing import ChatServer, Reply, Seen

N = 60
ANSWERED = 25
"""Questions that are answered before the chatbot is stuck."""
CONFIG = """\
version: 1
suite: shop
dataset: {path: data}
backend:
  {name: openai, label: bot, params: {model: test-model}, options: {base_url: "${BOT_URL}"}}
run: {concurrency: 4}
metrics: [exact_match]
gate: {broken: off}
baseline: {path: base.json}
"""


@dataclass
class Desk:
    """A checkout, and the chatbot that its config names."""

    folder: Path
    server: ChatServer
    is_sorry: bool = False
    stuck_from: int = N
    broken: frozenset[int] = frozenset()
    asked: list[int] = field(default_factory=list)

    def answer(self, seen: Seen) -> Reply:
        number = int(seen.text.rpartition("#")[2])
        self.asked.append(number)
        if number in self.broken:
            return Reply(status=500)
        text = "죄송합니다" if self.is_sorry else f"답 {number}"
        return Reply(text=text, latency_s=0 if number < self.stuck_from else 120)

    @property
    def environ(self) -> dict[str, str]:
        return {"OPENAI_API_KEY": KEY, "BOT_URL": self.server.url}

    def run(self, *arguments: str, **more: str) -> Done:
        return lm_eval_so(*arguments, cwd=self.folder, environ={**self.environ, **more})

    def ci(self, *arguments: str, **more: str) -> Done:
        self.asked.clear()
        return self.run("ci", *arguments, **more)

    @property
    def verdict(self) -> str:
        return json.loads((self.folder / "reports/comparison.json").read_bytes())["verdict"]

    @property
    def info(self) -> dict[str, Any]:
        return json.loads((self.folder / "runs/bot/run.json").read_bytes())

    def cut_off(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Begin `ci`, end it after some answers, and give how many rows there are."""
        results = self.folder / "runs/bot/run_results.jsonl"
        shutil.rmtree(results.parent, ignore_errors=True)
        self.stuck_from = ANSWERED
        process = start("ci", "--set", "run.drain_s=0.1", cwd=self.folder, environ=self.environ)
        wait(lambda: results.is_file() and results.read_bytes().count(b"\n") >= ANSWERED, process)
        process.send_signal(number)
        assert finish(process)[0] in {-signal.SIGKILL, 130}
        self.stuck_from = N
        return len(rows(self.folder / "runs/bot"))

    def go_on(self, *arguments: str, **more: str) -> Done:
        """Run `ci` with the config of the one that was cut off."""
        return self.ci("--set", "run.drain_s=0.1", *arguments, **more)


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with ChatServer() as found:
        yield found


@pytest.fixture
def desk(tmp_path: Path, server: ChatServer) -> Desk:
    samples = [
        {"id": f"q{i}", "input": f"환불은 며칠? #{i}", "expected": f"답 {i}"} for i in range(N)
    ]
    write_dataset(tmp_path / "data", samples)
    (tmp_path / "lm-eval-so.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "prompt.txt").write_text("친절하게 답하세요\n", encoding="utf-8")
    (tmp_path / ".gitignore").write_text(".lm-eval-so/\nruns/\nreports/\n", encoding="utf-8")
    git("init", "-q", cwd=tmp_path)
    git("add", "-A", cwd=tmp_path)
    git("commit", "-qm", "base", cwd=tmp_path)
    found = Desk(tmp_path, server)
    server.script = found.answer
    return found


def take_baseline(desk: Desk) -> None:
    done = desk.ci()
    assert done.returncode == 0, done.stderr
    shutil.copy(desk.folder / "reports/report.json", desk.folder / "base.json")


def test_ci__a_chatbot_that_says_sorry_is_asked_and_fails(desk: Desk) -> None:
    take_baseline(desk)
    desk.is_sorry = True
    done = desk.ci()
    assert done.returncode == 1, done.stderr
    assert (len(desk.asked), desk.verdict) == (N, "regression")
    assert "has its verdict already, so all is asked anew; it is kept as" in done.stderr
    shutil.rmtree(desk.folder / "runs")  # the cache still knows the good answers, and the bad ones
    desk.is_sorry = False
    assert desk.ci().returncode == 0
    assert (len(desk.asked), desk.verdict) == (N, "pass")


def test_ci__a_chatbot_that_is_switched_off_is_no_pass(desk: Desk) -> None:
    take_baseline(desk)
    for _ in range(2):
        done = desk.ci(BOT_URL="http://127.0.0.1:9/v1")
        assert done.returncode == 4, done.stderr
        assert not done.stdout
        shutil.rmtree(desk.folder / "runs")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_ci__cut_off_goes_on_where_nothing_changed(desk: Desk, number: signal.Signals) -> None:
    kept = desk.cut_off(number)
    assert ANSWERED <= kept < N
    (desk.folder / "notes.txt").write_text("no file of git\n", encoding="utf-8")
    done = desk.go_on()
    assert done.returncode == 0, done.stderr
    assert len(desk.asked) == N - kept
    assert desk.info["judged_at"] is not None
    assert not (desk.folder / "runs/bot.1").exists()
    desk.go_on()  # it has its verdict now
    assert len(desk.asked) == N


def commit(desk: Desk) -> None:
    git("commit", "-qm", "another", "--allow-empty", cwd=desk.folder)


def change_a_prompt(desk: Desk) -> None:
    (desk.folder / "prompt.txt").write_text("짧게 답하세요\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "arguments", "why"),
    [
        (commit, [], "was asked at another commit ("),
        (change_a_prompt, [], "was asked before tracked files changed"),
        (None, ["--set", "gate.alpha=0.01"], "was asked with another config"),
        (None, ["--set", "backend.options.headers.X-Bot=b"], "was asked with another config"),
        (None, ["--set", "backend.params.top_p=0.5"], "params.top_p none → 0.5"),
        (None, ["--fresh"], ""),
    ],
)
def test_ci__cut_off_asks_anew_after_a_change(
    desk: Desk, change: Callable[[Desk], None] | None, arguments: list[str], why: str
) -> None:
    kept = desk.cut_off()
    if change:
        change(desk)
    done = desk.go_on(*arguments)
    assert done.returncode == 0, done.stderr
    assert len(desk.asked) == N
    assert why in done.stderr
    assert len(rows(desk.folder / "runs/bot.1")) == kept


def test_ci__cut_off_asks_anew_where_the_dataset_changed(desk: Desk) -> None:
    file = desk.folder / "data/test.jsonl"
    git("rm", "-q", "--cached", "data/test.jsonl", cwd=desk.folder)
    git("commit", "-qm", "untracked", cwd=desk.folder)
    desk.cut_off()
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(lines[:-1]), encoding="utf-8")
    done = desk.go_on()
    assert done.returncode == 0, done.stderr
    assert "asked another dataset" in done.stderr
    assert len(desk.asked) == N - 1


def test_ci__cut_off_asks_anew_after_an_hour(desk: Desk) -> None:
    desk.cut_off()
    now = int(time.time())
    done = desk.go_on(SOURCE_DATE_EPOCH=str(now + 3_700))
    assert done.returncode == 0, done.stderr
    assert "has no answer of the last hour" in done.stderr
    assert len(desk.asked) == N


def test_ci__cut_off_goes_on_within_the_hour(desk: Desk) -> None:
    kept = desk.cut_off()
    done = desk.go_on(SOURCE_DATE_EPOCH=str(int(time.time()) + 3_400))
    assert done.returncode == 0, done.stderr
    assert len(desk.asked) == N - kept


def test_ci__without_git_the_rest_decides(desk: Desk) -> None:
    shutil.rmtree(desk.folder / ".git")
    kept = desk.cut_off()
    change_a_prompt(desk)  # which nobody can know
    assert desk.go_on().returncode == 0
    assert len(desk.asked) == N - kept


def test_ci__tracked_files_of_its_own_are_no_change(desk: Desk) -> None:
    (desk.folder / ".gitignore").unlink()
    assert desk.go_on().returncode == 0
    git("add", "-A", cwd=desk.folder)
    git("commit", "-qm", "with its reports", cwd=desk.folder)
    shutil.rmtree(desk.folder / "runs")
    kept = desk.cut_off()
    assert desk.go_on().returncode == 0
    assert len(desk.asked) == N - kept


def test_ci__does_not_take_the_answers_of_run(desk: Desk) -> None:
    take_baseline(desk)
    assert desk.run("run", "--fresh").returncode == 0
    desk.is_sorry = True
    assert desk.ci().returncode == 1
    assert len(desk.asked) == N
    # `run` goes on with what is there by its own rule, and that is no longer a run of `ci`
    desk.asked.clear()
    done = desk.run("run")
    assert "nothing to ask" in done.stderr
    assert (desk.asked, desk.info["checkout"], desk.info["judged_at"]) == ([], None, None)
    done = desk.ci()
    assert (done.returncode, len(desk.asked)) == (1, N)
    assert "was not asked by ci: its answers may come from the cache" in done.stderr


def test_ci__cut_off_and_ended_by_run_is_asked_anew(desk: Desk) -> None:
    take_baseline(desk)  # now the cache knows all the good answers
    desk.is_sorry = True
    desk.cut_off()
    assert desk.run("run", "--set", "run.drain_s=0.1").returncode == 0
    assert sum(row["cached"] for row in rows(desk.folder / "runs/bot")) == N - ANSWERED
    assert desk.go_on().returncode == 1
    assert len(desk.asked) == N


def test_ci__dry_run_tells_what_would_be_asked(desk: Desk) -> None:
    take_baseline(desk)
    plan = json.loads(desk.ci("--dry-run", "--json").stdout)
    assert (plan["done"], plan["cached"], plan["to_ask"], desk.asked) == (0, 0, N, [])
    kept = desk.cut_off()
    plan = json.loads(desk.go_on("--dry-run", "--json").stdout)
    assert (plan["done"], plan["cached"], plan["to_ask"]) == (kept, 0, N - kept)


def test_ci__of_the_runs_that_it_put_aside_the_three_newest_stay(desk: Desk) -> None:
    runs = desk.folder / "runs"
    assert desk.run("run").returncode == 0
    assert desk.run("run", "--fresh").returncode == 0  # bot.1, which `ci` did not put aside
    for _ in range(3):
        assert desk.ci().returncode == 0  # bot.2 is that of run, bot.3 and bot.4
    (runs / "bot.2/notes.txt").write_text("mine", encoding="utf-8")
    for _ in range(4):
        assert desk.ci().returncode == 0
    assert {path.name for path in runs.iterdir()} == {
        *("bot", "bot.1", "bot.2"),
        *("bot.6", "bot.7", "bot.8"),
    }
    ends = [json.loads((runs / f"bot.{n}/run.json").read_bytes())["judged_at"] for n in (6, 7, 8)]
    assert ends == sorted(ends)


def test_ci__cases_that_crash_now_stand_in_the_headline(desk: Desk) -> None:
    take_baseline(desk)
    desk.broken = frozenset({3, 7})
    done = desk.ci("--set", "run.max_attempts=1", "--set", "report.formats=[json, md, html]")
    assert done.returncode == 0, done.stderr
    assert re.search(r"hint: lm-eval-so ci .*asks all again", done.stderr)
    told = "2 cases that had an answer have none now"
    assert f"{told} (HTTP 500: 2): q3, q7" in done.stderr
    reports = desk.folder / "reports"
    found = json.loads((reports / "comparison.json").read_bytes())["lost"]
    assert (found["n"], found["by"]) == (2, {"HTTP 500": 2})
    assert [case["input"] for case in found["cases"]] == ["환불은 며칠? #3", "환불은 며칠? #7"]
    assert f"## 🟡 {told} · shop\n" in (reports / "report.md").read_text("utf-8")
    assert f">{told}</h1>" in (reports / "report.html").read_text("utf-8")


def test_report__tells_from_when_its_answers_are(desk: Desk) -> None:
    then, now = "1770800400", "1772442840"  # 2026-02-11 and 2026-03-02
    few = desk.folder / "few/test.jsonl"
    few.parent.mkdir()
    lines = (desk.folder / "data/test.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    few.write_text("".join(lines[:48]), encoding="utf-8")
    first = desk.run("run", "--set", "dataset.path=few", SOURCE_DATE_EPOCH=then)
    assert first.returncode == 0, first.stderr
    shutil.rmtree(desk.folder / "runs")
    for command in ("run", "evaluate"):
        done = desk.run(command, SOURCE_DATE_EPOCH=now)
        assert done.returncode == 0, done.stderr
    told = "60 answers: 12 asked on 2026-03-02, 48 from the cache, 2026-02-11."
    assert told in done.stderr
    assert told in (desk.folder / "reports/report.md").read_text(encoding="utf-8")
    times = json.loads((desk.folder / "reports/report.json").read_bytes())["answered"]
    assert (times["asked"]["n"], times["cached"]["n"]) == (12, 48)
    assert times["cached"]["oldest"] == "2026-02-11T09:00:00.000Z"
