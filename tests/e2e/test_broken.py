"""`ci` and cases that broke: asked again in rounds, named first, and fatal where they are proven."""

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

N = 30
CONFIG = """\
version: 1
suite: shop
dataset: {path: .}
backend:
  {name: openai, label: bot, params: {model: test-model}, options: {base_url: "${BOT_URL}"}}
metrics: [exact_match]
baseline: {path: base.json}
run: {max_attempts: 1}
"""


@dataclass
class Shop:
    """A chatbot of 30 questions that gets some wrong, and its folder."""

    folder: Path
    server: ChatServer
    wrong: set[int] = field(default_factory=set)
    """Questions that are wrong for good."""
    once: set[int] = field(default_factory=set)
    """Questions that are wrong the first time."""
    failing: set[int] = field(default_factory=set)
    """Questions that get HTTP 500."""
    open_for: int | None = None
    """Requests that it answers before it fails all; None: all."""
    asked: Counter[int] = field(default_factory=Counter)
    latency_s: float = 0.0

    def answer(self, seen: Seen) -> Reply:
        number = int(seen.text.rpartition("#")[2])
        self.asked[number] += 1
        is_closed = self.open_for is not None and sum(self.asked.values()) > self.open_for
        if number in self.failing or is_closed:
            return Reply(status=500, latency_s=self.latency_s)
        is_wrong = number in self.wrong or (number in self.once and self.asked[number] == 1)
        return Reply(text="모름" if is_wrong else f"답 {number}", latency_s=self.latency_s)

    @property
    def environ(self) -> dict[str, str]:
        return {"OPENAI_API_KEY": KEY, "BOT_URL": self.server.url}

    @property
    def further(self) -> int:
        """Requests beyond the run itself."""
        return sum(self.asked.values()) - N

    def ci(self, *arguments: str) -> Done:
        return lm_eval_so("ci", *arguments, cwd=self.folder, environ=self.environ)

    def comparison(self) -> dict[str, Any]:
        return json.loads((self.folder / "reports/comparison.json").read_text(encoding="utf-8"))

    def cases(self) -> list[tuple[str, str, list[int]]]:
        found = self.comparison()["broken"]["cases"]
        return [(case["sample_id"], case["state"], case["now"]) for case in found]


@contextmanager
def open_shop(folder: Path) -> Iterator[Shop]:
    samples = [
        {"id": f"q{i}", "input": f"환불은 며칠? #{i}", "expected": f"답 {i}"} for i in range(N)
    ]
    samples[3]["tags"] = ["must"]
    write_dataset(folder, samples)
    (folder / "lm-eval-so.yaml").write_text(CONFIG, encoding="utf-8")
    with ChatServer(lambda seen: shop.answer(seen)) as server:  # noqa: PLW0108 - shop comes later
        shop = Shop(folder, server)
        yield shop


@pytest.fixture(scope="module")
def baselines(tmp_path_factory: pytest.TempPathFactory) -> dict[int, bytes]:
    """Return reports of the chatbot while all was well, by answers a question."""
    found = {}
    for k in (1, 3, 5):
        with open_shop(tmp_path_factory.mktemp("base")) as shop:
            done = shop.ci("--set", f"run.repeats={k}")
            assert done.returncode == 0, done.stderr
            found[k] = (shop.folder / "reports/report.json").read_bytes()
    return found


@pytest.fixture
def shop(tmp_path: Path, baselines: dict[int, bytes]) -> Iterator[Shop]:
    with open_shop(tmp_path) as found:
        (tmp_path / "base.json").write_bytes(baselines[5])
        yield found


@pytest.mark.parametrize(("k", "further"), [(5, 4), (3, 7)])
def test_ci__one_broken_case_fails_and_is_named_first(
    shop: Shop, baselines: dict[int, bytes], k: int, further: int
) -> None:
    (shop.folder / "base.json").write_bytes(baselines[k])
    shop.wrong = {7}
    done = shop.ci("--set", "report.formats=[json,md,html]")
    assert done.returncode == 1, done.stderr
    assert shop.further == further
    assert shop.cases() == [("q7", "proven", [further + 1] * 2)]
    found = shop.comparison()
    assert found["broken"]["asked"] == further
    assert found["verdict"] == "regression"
    assert found["reasons"][0] == {"code": "broken_cases", "figures": {"proven": 1}}
    assert found["metrics"]["exact_match"]["verdict"] == "inconclusive"
    assert found["sentence"].startswith(
        f'1 of 30 cases broke: q7 "환불은 며칠? #7" was right {k} of {k} times in the baseline'
        f" and is wrong {further + 1} of {further + 1} times now."
        " The mean alone cannot tell: exact_match: "
    ), found["sentence"]
    assert found["broken"]["cases"][0]["answer"] == "모름"
    assert found["broken"]["cases"][0]["baseline_answer"] == "답 7"
    for name in ("report.md", "report.html"):
        page = (shop.folder / "reports" / name).read_text(encoding="utf-8")
        assert "1 of 30 cases broke" in page
        named, table = page.index(f"right {k} of {k}"), page.index("Allowed")
        assert named < page.index(f"wrong {further + 1} of {further + 1}") < table
        assert page.index("모름") < table
        assert named < page.index("The mean alone cannot tell")
    screen = done.stderr.partition("❌ 1 of 30 cases broke · ")[2]
    told = ["q7", "환불은 며칠? #7", f"right {k} of {k} → wrong {further + 1} of", "Baseline → now"]
    assert [*sorted(told, key=screen.index)] == told


def test_ci__asked_once_before_a_broken_case_is_named(
    shop: Shop, baselines: dict[int, bytes]
) -> None:
    (shop.folder / "base.json").write_bytes(baselines[1])
    shop.wrong = {7}
    done = shop.ci()
    assert done.returncode == 0, done.stderr
    assert shop.further == 9
    assert shop.cases() == [("q7", "unproven", [10, 10])]
    told = "too few answers to fail a run. With baseline.repeats: 3 they would do."
    assert told in shop.comparison()["sentence"]
    assert "🟡 1 case stayed wrong, the baseline was asked only once · " in done.stderr
    assert "If the answer\n  is wrong, fix it." in done.stderr

    shop.asked.clear()
    assert shop.ci("--set", "gate.broken=strict").returncode == 1
    assert shop.further == 9

    shop.asked.clear()
    done = shop.ci("--set", "gate.broken=off", "--fresh")
    assert done.returncode == 0
    assert shop.further == 0
    assert shop.comparison()["broken"] is None
    assert "q7" not in shop.comparison()["sentence"]


def test_ci__a_case_that_slips_once_costs_one_answer(shop: Shop) -> None:
    shop.once = {7}
    done = shop.ci()
    assert done.returncode == 0, done.stderr
    assert shop.further == 1
    assert shop.cases() == [("q7", "slip", [1, 2])]
    assert "1 case went wrong once but was right when asked again: q7" in done.stderr
    told = "No case that was right stayed wrong when asked again."
    assert shop.comparison()["sentence"].endswith(told)


def test_ci__asks_nobody_again_where_nothing_went_wrong(shop: Shop) -> None:
    assert shop.ci().returncode == 0
    assert shop.further == 0
    assert not (shop.folder / "runs/bot-again").exists()


def test_ci__further_answers_enter_no_mean(shop: Shop) -> None:
    shop.wrong = {7}
    shop.ci()
    report = json.loads((shop.folder / "reports/report.json").read_text(encoding="utf-8"))
    assert report["metrics"]["exact_match"]["mean"] == pytest.approx(29 / 30)
    again = rows(shop.folder / "runs/bot-again")
    assert [(row["sample_id"], row["repeat"]) for row in again] == [("q7", n) for n in range(1, 5)]
    assert len({row["seed"] for row in again}) == 4
    assert not any(row["cached"] for row in again)
    assert len(rows(shop.folder / "runs/bot")) == N


def test_ci__a_required_case_fails_without_a_baseline(shop: Shop) -> None:
    (shop.folder / "base.json").unlink()
    shop.wrong = {3, 4}
    done = shop.ci()
    assert done.returncode == 1, done.stderr
    assert shop.further == 2
    assert shop.cases() == [("q3", "must", [3, 3])]
    assert shop.comparison()["reasons"][0]["code"] == "must_failed"
    assert "❌ 1 required case failed · " in done.stderr
    assert "q3  환불은 며칠? #3\n" in done.stderr
    assert "Required case · wrong 3 of 3\n" in done.stderr

    shop.wrong, shop.once = set(), {3}
    shop.asked.clear()
    assert shop.ci().returncode == 0
    assert shop.further == 1
    assert shop.cases() == []

    shop.wrong = {3}
    shop.asked.clear()
    assert shop.ci("--set", "gate.must=null").returncode == 0
    assert shop.further == 0


def test_ci__a_required_case_that_is_quarantined_is_not_required(shop: Shop) -> None:
    (shop.folder / ".lm-eval-so").mkdir(exist_ok=True)
    entry = "- {id: q3, reason: flaky, until: 2026-12-01}\n"
    (shop.folder / ".lm-eval-so/quarantine.yaml").write_text(entry, encoding="utf-8")
    shop.wrong = {3}
    on_the_day = {**shop.environ, "SOURCE_DATE_EPOCH": "1796083200"}  # 2026-12-01
    done = lm_eval_so("ci", cwd=shop.folder, environ=on_the_day)
    assert done.returncode == 0, done.stderr
    assert shop.further == 0
    after = {**shop.environ, "SOURCE_DATE_EPOCH": "1796169600"}  # 2026-12-02
    done = lm_eval_so("ci", cwd=shop.folder, environ=after)
    assert done.returncode == 1, done.stderr
    assert shop.cases() == [("q3", "must", [3, 3])]


def test_ci__a_case_that_no_longer_answers_is_proven(shop: Shop) -> None:
    shop.failing = {7}
    done = shop.ci()
    assert done.returncode == 1, done.stderr
    assert shop.cases() == [("q7", "proven", [5, 5])]
    assert shop.asked[7] == 5
    assert shop.further == 5  # and one that was right, to see that the endpoint answers
    assert "and no longer answers (HTTP 500, 5 of 5 times)." in shop.comparison()["sentence"]


def test_ci__cases_that_no_longer_answer_do_not_close_the_endpoint(
    shop: Shop, baselines: dict[int, bytes]
) -> None:
    (shop.folder / "base.json").write_bytes(baselines[1])
    shop.failing = {7, 8}
    done = shop.ci()
    assert done.returncode == 0, done.stderr
    assert shop.cases() == [("q7", "unproven", [10, 10]), ("q8", "unproven", [10, 10])]
    assert (shop.asked[7], shop.asked[8]) == (10, 10)
    assert "trying again in" not in done.stderr


def test_ci__an_endpoint_that_is_down_after_the_run_proves_nothing(shop: Shop) -> None:
    shop.wrong, shop.open_for = {7}, N
    done = shop.ci()
    assert done.returncode == 0, done.stderr
    found = shop.comparison()["broken"]
    assert found["cases"] == []
    assert [warning["code"] for warning in found["warnings"]] == ["endpoint_down"]
    assert "The endpoint does not answer, so broken cases could not be checked." in done.stderr


def test_ci__answers_of_confirm_are_the_first_ones(shop: Shop) -> None:
    shop.wrong = set(range(9, 19))
    done = shop.ci("--set", "gate.confirm=3")
    assert done.returncode == 1, done.stderr
    # 10 × 3 for the mean, then one more each: 1 + 3 + 1 = 5
    assert shop.further == 30 + 10
    assert shop.comparison()["broken"]["asked"] == 10
    assert shop.cases() == [(f"q{i}", "proven", [5, 5]) for i in range(9, 19)]


def test_ci__killed_between_rounds_goes_on(shop: Shop) -> None:
    shop.wrong, shop.latency_s = {7, 8}, 0.2
    process = start("ci", cwd=shop.folder, environ=shop.environ)
    again = shop.folder / "runs/bot-again/run_results.jsonl"
    wait(lambda: again.is_file() and again.read_bytes().count(b"\n") >= 4, process)
    process.kill()
    assert finish(process)[0] == -signal.SIGKILL
    before = rows(again.parent)
    assert 4 <= len(before) < 8
    under_way = shop.further - len(before)
    done = shop.ci()
    assert done.returncode == 1, done.stderr
    assert shop.cases() == [("q7", "proven", [5, 5]), ("q8", "proven", [5, 5])]
    after = rows(again.parent)
    assert after[: len(before)] == before
    assert sorted((row["sample_id"], row["repeat"]) for row in after) == [
        (name, repeat) for name in ("q7", "q8") for repeat in range(1, 5)
    ]
    assert shop.further == 8 + under_way
    assert all(shop.asked[i] == 1 for i in range(N) if i not in shop.wrong)


def test_compare__alone_says_that_it_cannot_ask(shop: Shop) -> None:
    shop.wrong = {7}
    shop.ci("--set", "gate.broken=off")
    before = sum(shop.asked.values())
    done = lm_eval_so(
        *("compare", "reports/report.json", "-o", "alone"), cwd=shop.folder, environ=shop.environ
    )
    assert done.returncode == 0, done.stderr
    assert sum(shop.asked.values()) == before
    found = json.loads((shop.folder / "alone/comparison.json").read_text(encoding="utf-8"))
    assert found["broken"]["cases"] == []
    assert found["broken"]["warnings"] == [{"code": "not_asked_again", "figures": {"n": 1}}]


def test_ci__recorded_answers_cannot_be_asked_again(shop: Shop) -> None:
    shop.wrong = {7}
    shop.ci("--set", "gate.broken=off", "--set", "run.repeats=2")
    replay = json.dumps({"name": "replay", "label": "bot2", "options": {"run": "runs/bot"}})
    done = shop.ci("--set", f"backend={replay}")
    assert done.returncode == 0, done.stderr
    codes = [warning["code"] for warning in shop.comparison()["broken"]["warnings"]]
    assert codes == ["not_asked_again"]


def test_ci__what_is_asked_again_is_told_before_by_dry_run(shop: Shop) -> None:
    done = shop.ci("--dry-run")
    assert done.returncode == 0, done.stderr
    assert "up to 50 more if a case breaks" in done.stderr
    assert not shop.asked
    assert "if a case breaks" not in shop.ci("--dry-run", "--set", "gate.broken=off").stderr


def test_ci__a_budget_that_is_spent_leaves_cases_unproven(shop: Shop) -> None:
    shop.wrong = {7}
    done = shop.ci("--set", f"run.max_requests={N + 2}")
    assert done.returncode == 0, done.stderr
    assert shop.further == 2
    assert shop.cases() == [("q7", "unproven", [3, 3])]
    codes = [warning["code"] for warning in shop.comparison()["broken"]["warnings"]]
    assert codes == ["broken_cases", "not_asked_again"]
    assert "could not ask cases again" in done.stderr


def test_ci__a_condition_makes_a_graded_metric_watched(shop: Shop) -> None:
    graded = [
        *("--set", 'metrics=[{name: token_f1, pass_if: ">= 0.9"}]'),
        *("--set", "gate.metrics={token_f1: {}}"),
    ]
    (shop.folder / "base.json").unlink()
    assert shop.ci(*graded, "--set", "run.repeats=5").returncode == 0
    (shop.folder / "reports/report.json").replace(shop.folder / "base.json")
    shop.wrong = {7}
    done = shop.ci(*graded)
    assert done.returncode == 1, done.stderr
    (case,) = shop.comparison()["broken"]["cases"]
    assert (case["metric"], case["state"]) == ("token_f1", "proven")
