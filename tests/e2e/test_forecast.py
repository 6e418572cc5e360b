"""`forecast` on answers at hand and on those that it asks itself."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from servers.checkout import open_checkout
from servers.commands import Done, git, lm_eval_so
from servers.runs import KEY, write_dataset

from lm_eval_so.testing import ChatServer, Reply, Seen

N = 12
CONFIG = """\
version: 1
suite: shop
dataset: {path: .}
backend:
  {name: openai, label: bot, params: {model: test-model}, options: {base_url: "${BOT_URL}"}}
metrics: [exact_match]
run: {max_attempts: 1, concurrency: 1}
"""


@dataclass
class Shop:
    """A chatbot of 12 questions, of which two are answered now so and now otherwise."""

    folder: Path
    server: ChatServer
    asked: Counter[int] = field(default_factory=Counter)

    def answer(self, seen: Seen) -> Reply:
        number = int(seen.text.rpartition("#")[2])
        self.asked[number] += 1
        flips = number < 2 and self.asked[number] % 2 == 0
        return Reply(text="모름" if flips else f"답 {number}")

    @property
    def requests(self) -> int:
        return sum(self.asked.values())

    def command(self, *arguments: str) -> Done:
        environ = {"OPENAI_API_KEY": KEY, "BOT_URL": self.server.url}
        return lm_eval_so(*arguments, cwd=self.folder, environ=environ)

    def forecast(self, *arguments: str) -> dict[str, Any]:
        done = self.command("forecast", "--json", *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    samples = [
        {"id": f"q{i}", "input": f"환불은 며칠? #{i}", "expected": f"답 {i}"} for i in range(N)
    ]
    write_dataset(tmp_path, samples)
    (tmp_path / "lm-eval-so.yaml").write_text(CONFIG, encoding="utf-8")
    with ChatServer(lambda seen: made.answer(seen)) as server:  # noqa: PLW0108 - made comes later
        made = Shop(tmp_path, server)
        yield made


def test_forecast__knows_nothing_before_anything_is_asked_and_asks_nothing(shop: Shop) -> None:
    done = shop.command("forecast")
    assert done.returncode == 0, done.stderr
    assert "No answers are known yet.\nlm-eval-so forecast --ask asks 36 more" in done.stdout
    assert "exact_match: 12 questions, margin 5.0 points, flips 10% (assumed)" in done.stdout
    assert shop.requests == 0
    assert not (shop.folder / ".lm-eval-so/forecast").exists()


def test_forecast__asks_what_is_missing_once_and_says_the_same_again(shop: Shop) -> None:
    assert shop.command("run").returncode == 0
    assert shop.forecast()["source"] == "assumed"
    done = shop.command("forecast", "--ask")
    assert done.returncode == 0, done.stderr
    assert shop.requests == N + 2 * N
    assert "asking 12 questions 2× more: 24 requests" in done.stderr
    assert done.stdout.splitlines()[1].startswith("If nothing changes")
    first = shop.forecast("--ask")
    kept = shop.folder / ".lm-eval-so/forecast/forecast.json"
    text = kept.read_bytes()
    assert json.loads(text) == first == shop.forecast()
    assert kept.read_bytes() == text
    assert shop.requests == 3 * N
    assert first["source"] == "split"
    assert first["answers"]["k_min"] == 3
    assert [each["broken"] for each in first["scenarios"]] == [0, 1, 2]
    assert first["noise"][0]["total"]["value"] == pytest.approx(2 * (2 / 3) / N)


def test_forecast__goes_on_where_the_budget_ended_it(shop: Shop) -> None:
    done = shop.command("forecast", "--ask", "--max-requests", "17")
    assert done.returncode == 3
    assert shop.requests == 17
    assert shop.forecast("--ask")["answers"]["k_min"] == 3
    assert shop.requests == 3 * N


def test_forecast__two_answers_each_redraw_the_questions(shop: Shop) -> None:
    assert shop.command("run", "--set", "run.repeats=2").returncode == 0
    found = shop.forecast("--run", "runs/bot")
    assert found["source"] == "split_questions"
    assert found["missing"] == N


def test_forecast__a_baseline_of_three_takes_four_answers(shop: Shop) -> None:
    three = ("--set", "baseline.repeats=3")
    assert shop.command("run", "--set", "run.repeats=3").returncode == 0
    found = shop.forecast(*three)
    assert (found["source"], found["scenarios"]) == ("formula", [])
    assert found["missing"] == 2 * N
    assert found["plan"]["needed"]["least_n"] == 53
    assert shop.forecast("--ask", *three)["gate"] | {"metrics": None} == {
        "metrics": None,
        "margin": 0.05,
        "k_b": 3,
        "k_c": 1,
        "claim": "like_these",
    }
    assert shop.requests == 5 * N


def test_forecast__the_next_report_says_how_often_the_gate_fails_by_itself(shop: Shop) -> None:
    assert shop.command("run").returncode == 0
    assert shop.command("evaluate").returncode == 0
    shop.forecast("--ask")
    based = ("--baseline", "reports/report.json", "-o", "compared")
    told = "runs in which nothing changed (forecast of "
    for arguments, is_fitting in (
        ((), True),
        (("--set", "gate.metrics.exact_match.margin=0.2"), False),
    ):
        done = shop.command("ci", *based, *arguments)
        assert done.returncode == 0, done.stderr
        page = (shop.folder / "compared/report.md").read_text(encoding="utf-8")
        assert (told in page) is is_fitting


def test_ci__a_forecast_that_a_pull_request_brings_is_none(tmp_path: Path) -> None:
    with open_checkout(tmp_path) as place:
        git("checkout", "-q", "topic", cwd=place.folder)
        environ = {"OPENAI_API_KEY": KEY, "BOT_URL": place.bot.url}
        made = lm_eval_so("forecast", "--ask", cwd=place.folder, environ=environ)
        assert made.returncode == 0, made.stderr
        place.commit("a forecast that git ignores")

        def told() -> object:
            done = place.ci()
            assert done.returncode == 0, done.stderr
            file = place.folder / "lm-eval-so-report/comparison.json"
            return json.loads(file.read_text(encoding="utf-8"))["forecast"]

        assert told() is not None  # a step of the job put it there
        file = place.folder / ".lm-eval-so/forecast/forecast.json"
        forged = json.loads(file.read_text(encoding="utf-8"))
        forged["scenarios"][0]["fail"] = 0.97
        file.write_text(json.dumps(forged), encoding="utf-8")
        git("checkout", "-q", "topic", cwd=place.folder)
        git("add", "-f", str(file), cwd=place.folder)
        place.commit("a gate that is said to fail without a reason")
        assert told() is None
        assert all("97%" not in body for body in place.hub.bodies(7).values())


def test_forecast__a_margin_that_fits_no_score_is_refused(shop: Shop) -> None:
    done = shop.command("forecast", "--margin", "5")
    assert done.returncode == 2
    assert "accepts any drop" in done.stderr
    assert shop.requests == 0
