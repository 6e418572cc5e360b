"""`ci` with a flaky chatbot: samples that got worse are asked again before a regression counts."""

import json
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from servers.commands import Done, lm_eval_so, start
from servers.processes import finish, wait
from servers.runs import KEY, rows, write_dataset

from lm_eval_so.testing import ChatServer, Reply, Seen

N = 60
CONFIG = """\
version: 1
suite: shop
dataset: {path: .}
backend:
  {name: openai, label: bot, params: {model: test-model}, options: {base_url: "${BOT_URL}"}}
metrics: [exact_match, token_f1, latency_ms]
baseline: {path: base.json}
gate: {confirm: 3, broken: off, metrics: {exact_match: {}}}
"""
LOST = range(10)
"""Samples whose first answer of the candidate is wrong."""


@dataclass
class Shop:
    """A chatbot that gets some answers wrong, for good or once, and its folder."""

    folder: Path
    server: ChatServer
    wrong: frozenset[int] = frozenset()
    """Samples that are wrong the first time."""
    lasting: frozenset[int] = frozenset()
    """Those that stay wrong."""
    asked: Counter[int] = field(default_factory=Counter)
    latency_s: float = 0.0

    def answer(self, seen: Seen) -> Reply:
        number = int(seen.text.rpartition("#")[2])
        self.asked[number] += 1
        is_wrong = number in self.lasting or (number in self.wrong and self.asked[number] == 1)
        return Reply(text="모름" if is_wrong else f"답 {number}", latency_s=self.latency_s)

    @property
    def environ(self) -> dict[str, str]:
        return {"OPENAI_API_KEY": KEY, "BOT_URL": self.server.url}

    def ci(self, *arguments: str) -> Done:
        return lm_eval_so("ci", *arguments, cwd=self.folder, environ=self.environ)

    def comparison(self) -> dict[str, Any]:
        return json.loads((self.folder / "reports/comparison.json").read_text(encoding="utf-8"))

    def get_worse(self, *, lasting: int = 0) -> None:
        """Answer ten samples wrong from now on, so many of them for good."""
        self.wrong, self.lasting = frozenset(LOST), frozenset(range(lasting))
        self.asked.clear()


@contextmanager
def open_shop(folder: Path) -> Iterator[Shop]:
    samples = [
        {"id": f"q{i}", "input": f"환불은 며칠? #{i}", "expected": f"답 {i}"} for i in range(N)
    ]
    write_dataset(folder, samples)
    (folder / "lm-eval-so.yaml").write_text(CONFIG, encoding="utf-8")
    with ChatServer(lambda seen: shop.answer(seen)) as server:  # noqa: PLW0108 - shop comes later
        shop = Shop(folder, server)
        yield shop


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the report of the chatbot while all was well."""
    with open_shop(tmp_path_factory.mktemp("base")) as found:
        done = found.ci()
        assert done.returncode == 0, done.stderr
        return (found.folder / "reports/report.json").read_bytes()


@pytest.fixture
def shop(tmp_path: Path, baseline: bytes) -> Iterator[Shop]:
    with open_shop(tmp_path) as found:
        (tmp_path / "base.json").write_bytes(baseline)
        yield found


def test_ci__a_flaky_regression_is_not_confirmed(shop: Shop) -> None:
    shop.get_worse(lasting=2)
    done = shop.ci("--fresh")
    assert done.returncode == 0, done.stderr
    assert "asking 10 samples that changed 3× more" in done.stderr
    found = shop.comparison()
    metric = found["metrics"]["exact_match"]
    assert (found["verdict"], metric["reason"]) == ("inconclusive", "not_confirmed")
    assert "asked again only 2 of 10 samples were worse. About " in metric["sentence"]
    assert metric["asked_again"] == {"times": 3, "samples": 10, "confirmed": 2}
    assert {c["sample_id"] for c in found["changed"]} == {"q0", "q1"}
    assert [c["again"] for c in found["changed"]] == [[3, 3]] * 2
    assert {c["sample_id"] for c in found["flaky"]} == {f"q{i}" for i in range(2, 10)}
    assert "Flaky when asked again" in (shop.folder / "reports/report.md").read_text("utf-8")

    again = rows(shop.folder / "runs/bot-again")
    assert Counter(row["sample_id"] for row in again) == {f"q{i}": 3 for i in LOST}
    assert {row["repeat"] for row in again} == {1, 2, 3}
    assert len({row["seed"] for row in again}) == 30
    run = rows(shop.folder / "runs/bot")
    assert len(run) == N  # as it was
    assert [row["response"]["text"] for row in run[:10]] == ["모름"] * 10
    report = json.loads((shop.folder / "reports/report.json").read_text(encoding="utf-8"))
    assert report["metrics"]["exact_match"]["mean"] == pytest.approx(50 / 60)


def test_ci__a_regression_that_lasts_is_confirmed(shop: Shop) -> None:
    shop.get_worse(lasting=9)
    done = shop.ci("--fresh")
    assert done.returncode == 1, done.stderr
    found = shop.comparison()
    metric = found["metrics"]["exact_match"]
    assert (found["verdict"], metric["worse"]) == ("regression", 9)
    assert "9 samples went from right to wrong" in metric["sentence"]
    assert "Asked again, 9 of the 10 samples that got worse were worse again." in metric["sentence"]
    assert sum(shop.asked.values()) == N + 30
    # with its verdict it is over: the same command asks the chatbot as it is now
    assert shop.ci().returncode == 1
    assert sum(shop.asked.values()) == N + 30 + N + 27
    assert len(rows(shop.folder / "runs/bot.1")) == N
    assert len(rows(shop.folder / "runs/bot-again.1")) == 30
    assert {row["sample_id"] for row in rows(shop.folder / "runs/bot-again")} == {
        f"q{i}" for i in range(9)
    }


def test_ci__asks_nobody_again_where_nothing_regressed(shop: Shop) -> None:
    assert shop.ci("--fresh").returncode == 0
    assert not (shop.folder / "runs/bot-again").exists()


def test_ci__killed_while_asking_again_goes_on(shop: Shop) -> None:
    shop.get_worse(lasting=10)
    shop.latency_s = 0.05
    limits = ["--set", "run.concurrency=2"]
    process = start("ci", "--fresh", *limits, cwd=shop.folder, environ=shop.environ)
    wait(lambda: sum(shop.asked.values()) >= N + 12, process)
    process.kill()
    assert finish(process)[0] == -signal.SIGKILL
    kept = (shop.folder / "runs/bot-again/run_results.jsonl").read_bytes().count(b"\n")
    assert 6 <= kept < 30
    before = sum(shop.asked.values())
    done = shop.ci(*limits)
    assert done.returncode == 1, done.stderr
    assert sum(shop.asked.values()) - before <= 30 - kept
    assert len(rows(shop.folder / "runs/bot-again")) == 30
    assert shop.comparison()["metrics"]["exact_match"]["asked_again"]["confirmed"] == 10


def test_ci__the_budget_is_that_of_the_run(shop: Shop) -> None:
    shop.get_worse()
    done = shop.ci("--fresh", "--set", f"run.max_requests={N + 5}")
    assert done.returncode == 1, done.stderr
    assert sum(shop.asked.values()) == N + 5
    assert "could not ask again, so the regression stands" in done.stderr
    assert "not asked again" in shop.comparison()["metrics"]["exact_match"]["sentence"]


def test_compare__alone_says_that_it_cannot_ask(shop: Shop) -> None:
    shop.get_worse()
    assert shop.ci("--fresh").returncode == 0
    asked = sum(shop.asked.values())
    done = lm_eval_so(
        *("compare", "reports/report.json", "-o", "alone"), cwd=shop.folder, environ=shop.environ
    )
    assert done.returncode == 1
    assert "gate.confirm needs the chatbot" in done.stderr
    assert sum(shop.asked.values()) == asked


def test_ci__known_flaky_and_accepted_samples_let_it_pass(shop: Shop) -> None:
    folder = shop.folder / ".lm-eval-so"
    folder.mkdir(exist_ok=True)
    (folder / "quarantine.yaml").write_text(
        "- {ids: [q0, q1, q2, q3, q4, q99], reason: 답이 둘, until: 2099-01-01}\n",
        encoding="utf-8",
    )
    ids = "[q5, q6, q7, q8, q9]"
    (folder / "accept.yaml").write_text(
        f"- {{ids: {ids}, max_drop: 1, reason: new tone, until: 2026-12-01}}\n", encoding="utf-8"
    )
    shop.get_worse(lasting=10)
    epoch = {**shop.environ, "SOURCE_DATE_EPOCH": "1795501800"}  # 2026-11-24
    done = lm_eval_so("ci", "--fresh", cwd=shop.folder, environ=epoch)
    assert done.returncode == 0, done.stderr
    assert "quarantine.yaml:1: no report has a sample q99" in done.stderr
    page = (shop.folder / "reports/report.md").read_text(encoding="utf-8")
    assert "Known flaky, not gating (6)" in page
    assert "답이 둘" in page
    assert "Accepted on purpose (5)" in page

    later = {**shop.environ, "SOURCE_DATE_EPOCH": "1796169600"}  # 2026-12-02
    done = lm_eval_so("ci", "--set", "gate.confirm=0", cwd=shop.folder, environ=later)
    assert done.returncode == 1, done.stderr
    assert "the change of q5 counts again; it was accepted until 2026-12-01" in done.stderr


def test_ci__a_bad_file_is_told_before_anything_is_asked(shop: Shop) -> None:
    (shop.folder / ".lm-eval-so").mkdir(exist_ok=True)
    (shop.folder / ".lm-eval-so/quarantine.yaml").write_text("- {id: q1, reson: x}\n")
    shop.asked.clear()
    for command in (["ci", "--fresh"], ["compare", "base.json"]):
        done = lm_eval_so(*command, cwd=shop.folder, environ=shop.environ)
        assert done.returncode == 2
        assert 'unknown key "reson" (did you mean "reason"?)' in done.stderr
        assert ".lm-eval-so/quarantine.yaml:1" in done.stderr
    assert not shop.asked
