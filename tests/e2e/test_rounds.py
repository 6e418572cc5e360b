"""`ci` that asks in rounds and stops once it is decided: looks, levels, budget, kill and resume."""

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

N = 100
CONFIG = """\
version: 1
suite: shop
language: ko
dataset: {path: .}
backend:
  {name: openai, label: bot, params: {model: test-model}, options: {base_url: "${BOT_URL}"}}
metrics: [exact_match]
baseline: {path: base.json}
run: {repeats: 5, max_attempts: 1}
gate: {claim: these, stop: pass, broken: "off"}
"""


@dataclass
class Shop:
    """A chatbot of 100 questions that gets some wrong, some of them in some rounds, and its folder."""

    folder: Path
    server: ChatServer
    wrong: set[int] = field(default_factory=set)
    """Questions that are wrong for good."""
    wavering: set[int] = field(default_factory=set)
    """Questions that are right and wrong by turns."""
    open_for: int | None = None
    """Requests that it answers before it is stuck; None: all."""
    asked: Counter[int] = field(default_factory=Counter)

    def answer(self, seen: Seen) -> Reply:
        number = int(seen.text.rpartition("#")[2])
        self.asked[number] += 1
        is_stuck = self.open_for is not None and self.asked.total() > self.open_for
        is_wrong = number in self.wrong or (number in self.wavering and self.asked[number] % 2 == 0)
        text = "모름" if is_wrong else f"답 {number}"
        return Reply(text=text, latency_s=60 if is_stuck else 0)

    @property
    def environ(self) -> dict[str, str]:
        return {"OPENAI_API_KEY": KEY, "BOT_URL": self.server.url}

    @property
    def rounds(self) -> float:
        return self.asked.total() / N

    def ci(self, *arguments: str) -> Done:
        self.asked.clear()
        return lm_eval_so("ci", *arguments, cwd=self.folder, environ=self.environ)

    def read(self, name: str) -> dict[str, Any]:
        return json.loads((self.folder / "reports" / name).read_text(encoding="utf-8"))

    def ended(self) -> tuple[str, int, int]:
        rounds = self.read("comparison.json")["rounds"]
        return rounds["ended"], rounds["asked"], rounds["of"]


@contextmanager
def open_shop(folder: Path) -> Iterator[Shop]:
    write_dataset(
        folder,
        [{"id": f"q{i}", "input": f"환불은 며칠? #{i}", "expected": f"답 {i}"} for i in range(N)],
    )
    (folder / "lm-eval-so.yaml").write_text(CONFIG, encoding="utf-8")
    with ChatServer(lambda seen: shop.answer(seen)) as server:  # noqa: PLW0108 - shop comes later
        shop = Shop(folder, server)
        yield shop


@pytest.fixture(scope="module")
def baselines(tmp_path_factory: pytest.TempPathFactory) -> dict[int, bytes]:
    """Return reports of the chatbot before the change, by the questions that waver."""
    found = {}
    for wavering in (0, 30):
        with open_shop(tmp_path_factory.mktemp("base")) as shop:
            shop.wavering = set(range(wavering))
            done = shop.ci()
            assert done.returncode == 0, done.stderr
            assert shop.rounds == 5  # it makes the baseline, so it never stops early
            assert shop.read("comparison.json")["rounds"] is None
            assert shop.read("report.json")["experiment"]["eligible"]
            found[wavering] = (shop.folder / "reports/report.json").read_bytes()
    return found


@pytest.fixture
def shop(tmp_path: Path, baselines: dict[int, bytes]) -> Iterator[Shop]:
    with open_shop(tmp_path) as found:
        (tmp_path / "base.json").write_bytes(baselines[0])
        yield found


@pytest.fixture
def unsteady(shop: Shop, baselines: dict[int, bytes]) -> Shop:
    """Return the chatbot with 30 questions that waver, as they did before."""
    (shop.folder / "base.json").write_bytes(baselines[30])
    shop.wavering = set(range(30))
    return shop


def test_ci__a_chatbot_that_is_as_it_was_passes_after_two_rounds(shop: Shop) -> None:
    done = shop.ci()
    assert done.returncode == 0, done.stderr
    assert shop.rounds == 2
    assert shop.ended() == ("passed", 2, 5)
    found = shop.read("comparison.json")
    metric = found["metrics"]["exact_match"]
    assert (found["verdict"], metric["method"], metric["n"]) == ("pass", "these_binary", N)
    assert found["rounds"]["pass_alpha"] == pytest.approx(0.005)
    z = 2.5758293035489004
    assert metric["ci90"] == pytest.approx([-(z**2) / (200 + z**2), 2.7055 / 202.7055], abs=1e-5)
    assert metric["p_worse"] == 0.5
    told = "최대 5회 중 2회까지 물은 결과로 통과가 확실해져 더 묻지 않았습니다."
    assert found["sentence"].endswith(told)
    assert told in " ".join(done.stderr.split())
    assert "round 2 of at most 5" in done.stderr
    assert "round 3" not in done.stderr
    assert not shop.read("report.json")["experiment"]["eligible"]  # it stopped because it was good
    refused = lm_eval_so(
        *("baseline", "update", "reports", "--reason", "a lucky one"),
        cwd=shop.folder,
        environ=shop.environ,
    )
    assert refused.returncode == 5
    assert "stopped early, or got worse" in refused.stderr


def test_ci__a_clear_drop_ends_it_only_where_the_gate_says_so(shop: Shop) -> None:
    shop.wrong = set(range(20))
    done = shop.ci("--set", "gate.stop=decided")
    assert done.returncode == 1, done.stderr
    assert shop.rounds == 2
    assert shop.ended() == ("failed", 2, 5)
    found = shop.read("comparison.json")
    assert found["verdict"] == "regression"
    assert found["sentence"].endswith(
        "2회까지 물은 결과로 나빠진 것이 확실해져 더 묻지 않았습니다."
    )

    done = shop.ci("--fresh")
    assert done.returncode == 1, done.stderr
    assert shop.rounds == 5
    assert shop.ended() == ("all", 5, 5)
    assert shop.read("comparison.json")["rounds"]["pass_alpha"] == pytest.approx(0.05 * 0.909)


@pytest.mark.parametrize(("margin", "asked"), [(0.05, 3), (0.01, 5)])
def test_ci__what_is_not_clear_is_asked_again_and_all_answers_count(
    unsteady: Shop, margin: float, asked: int
) -> None:
    gate = ("--set", f"gate.metrics={{exact_match: {{margin: {margin}}}}}")
    done = unsteady.ci(*gate)
    assert done.returncode == 0, done.stderr
    assert unsteady.ended() == ("passed" if asked < 5 else "all", asked, 5)
    assert Counter(unsteady.asked.values()) == {asked: N}
    keys = [(row["sample_id"], row["repeat"]) for row in rows(unsteady.folder / "runs/bot")]
    assert keys == [(f"q{i}", k) for i in range(N) for k in range(asked)]
    assert unsteady.read("report.json")["answered"]["earlier"]["n"] == 0  # one run, never resumed
    assert "이어서 실행하기 전" not in done.stderr


def test_ci__killed_between_rounds_and_resumed_it_stops_in_the_same_place(shop: Shop) -> None:
    epoch = {"SOURCE_DATE_EPOCH": "1790000000"}
    shop.wrong = {1}
    gate = ("--set", "gate.metrics={exact_match: {margin: 0.03}}")
    command = ("ci", *gate, "--set", "run.concurrency=2")
    whole = lm_eval_so(*command, cwd=shop.folder, environ={**shop.environ, **epoch})
    assert whole.returncode == 0, whole.stderr
    asked = shop.ended()[1]
    assert asked > 2
    before = (shop.folder / "reports/comparison.json").read_bytes()

    (shop.folder / "runs").rename(shop.folder / "runs.old")
    shop.asked.clear()
    shop.open_for = 2 * N + 40  # in the middle of the third round
    process = start(*command, cwd=shop.folder, environ={**shop.environ, **epoch})
    # both that are under way have arrived, so none of them is counted later
    wait(lambda: shop.asked.total() == 2 * N + 42, process)
    process.kill()
    assert finish(process)[0] == -signal.SIGKILL
    shop.open_for = None
    kept = len(rows(shop.folder / "runs/bot"))
    shop.asked.clear()
    resumed = lm_eval_so(*command, cwd=shop.folder, environ={**shop.environ, **epoch})
    assert resumed.returncode == 0, resumed.stderr
    assert shop.asked.total() == asked * N - kept
    assert shop.ended()[1] == asked
    assert (shop.folder / "reports/comparison.json").read_bytes() == before


def test_ci__a_budget_that_ends_in_a_round_leaves_a_verdict_on_those_before(
    unsteady: Shop,
) -> None:
    gate = ("--set", "gate.metrics={exact_match: {margin: 0.02}}")
    done = unsteady.ci(*gate, "--set", "run.max_requests=350")
    assert done.returncode == 0, done.stderr
    assert unsteady.ended() == ("budget", 3, 5)
    found = unsteady.read("comparison.json")
    assert found["metrics"]["exact_match"]["missing"] == [0, 0]
    assert found["rounds"]["pass_alpha"] == pytest.approx(0.05 * 0.970)
    assert "예산을 다 써서 최대 5회 중 3회까지의 답변으로 판정했습니다." in found["sentence"]


def test_ci__a_budget_for_no_two_rounds_measures_nothing(shop: Shop) -> None:
    done = shop.ci("--set", "run.max_requests=150")
    assert done.returncode == 3, done.stderr
    assert shop.read("comparison.json")["verdict"] == "inconclusive"


def test_ci__broken_cases_are_asked_after_the_rounds(shop: Shop) -> None:
    shop.wrong = {7}
    done = shop.ci("--set", "gate.broken=fail")
    assert done.returncode == 1, done.stderr
    found = shop.read("comparison.json")
    assert found["broken"]["cases"][0]["sample_id"] == "q7"
    rounds = shop.ended()[1]
    assert shop.asked[7] > rounds
    assert {shop.asked[i] for i in range(N) if i != 7} == {rounds}
    again = rows(shop.folder / "runs/bot-again")
    assert [row["repeat"] for row in again] == list(range(rounds, shop.asked[7]))


def test_ci__dry_run_tells_the_most(shop: Shop) -> None:
    done = shop.ci("--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["to_ask"] == 5 * N
    assert "gate.stop may end it after 2 of 5 rounds" in done.stderr
    assert shop.asked.total() == 0


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        (["gate.claim=like_these"], "stop: pass needs claim: these"),
        (["run.repeats=1"], "stop: pass asks in rounds, and run.repeats is 1"),
        (["run.executor=batch"], "stop: pass and executor: batch exclude each other"),
        (["gate.confirm=2"], "confirm and claim: these exclude each other"),
    ],
)
def test_ci__what_does_not_fit_together_is_refused(
    shop: Shop, changes: list[str], what: str
) -> None:
    done = shop.ci(*(word for change in changes for word in ("--set", change)))
    assert done.returncode == 2
    assert what in done.stderr
    assert shop.asked.total() == 0
