"""Baselines that are asked several times: by `ci`, by the Action, and by `baseline update --ask`."""

import json
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from servers.checkout import Checkout, open_checkout
from servers.checkout import N as OF_CHECKOUT
from servers.commands import Done, git, lm_eval_so, start
from servers.processes import finish, wait
from servers.runs import KEY, rows, write_dataset

from lm_eval_so.testing import ChatServer, Reply, Seen

N = 20
REPEATS = 3
CONFIG = """\
version: 1
suite: shop
dataset: {path: data}
backend:
  {name: openai, label: bot, params: {model: test-model}, options: {base_url: "${BOT_URL}"}}
metrics: [exact_match]
baseline: {path: base.json, repeats: 3}
run: {concurrency: 4, drain_s: 0.1}
"""
UPDATE = ("baseline", "update", "reports", "--reason", "the first one")


@dataclass
class Desk:
    """A chatbot and the folder of its config."""

    folder: Path
    server: ChatServer
    asked: Counter[int] = field(default_factory=Counter)
    stuck_after: int | None = None
    """Requests that it answers before it hangs; None: all."""
    wrong: set[int] = field(default_factory=set)

    def answer(self, seen: Seen) -> Reply:
        number = int(seen.text.rpartition("#")[2])
        self.asked[number] += 1
        is_stuck = self.stuck_after is not None and self.asked.total() > self.stuck_after
        text = "모름" if number in self.wrong else f"답 {number}"
        return Reply(text=text, latency_s=120 if is_stuck else 0)

    @property
    def environ(self) -> dict[str, str]:
        return {"OPENAI_API_KEY": KEY, "BOT_URL": self.server.url}

    def run(self, *arguments: str) -> Done:
        self.asked.clear()
        return lm_eval_so(*arguments, cwd=self.folder, environ=self.environ)

    def file(self, name: str) -> dict[str, Any]:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def answers(self, name: str = "reports/report.json") -> set[int]:
        """Return how many answers the samples of a report have."""
        return set(Counter(self.file(name)["samples"]["ids"]).values())


def stopped(desk: Desk, *arguments: str, results: Path, rows_before: int) -> tuple[int, str]:
    """Stop a command by Ctrl-C once a run has so many rows; return its exit code and stderr."""
    process = start(*arguments, cwd=desk.folder, environ=desk.environ)
    wait(lambda: results.is_file() and results.read_bytes().count(b"\n") >= rows_before, process)
    process.send_signal(signal.SIGINT)
    return finish(process)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    samples = [
        {"id": f"q{i}", "input": f"환불은 며칠? #{i}", "expected": f"답 {i}"} for i in range(N)
    ]
    write_dataset(tmp_path / "data", samples)
    (tmp_path / "lm-eval-so.yaml").write_text(CONFIG, encoding="utf-8")
    with ChatServer(lambda seen: found.answer(seen)) as server:  # noqa: PLW0108 - found comes later
        found = Desk(tmp_path, server)
        yield found


def test_ci__the_first_one_at_a_desk_asks_as_a_baseline_does(desk: Desk) -> None:
    planned = desk.run("ci", "--dry-run", "--json")
    told = "no baseline yet, so each sample is asked 3× (baseline.repeats): 60 requests"
    assert told in planned.stderr
    assert (json.loads(planned.stdout)["planned"], desk.asked.total()) == (60, 0)

    done = desk.run("ci")
    assert done.returncode == 0, done.stderr
    assert set(desk.asked.values()) == {3}
    lines = done.stderr.splitlines()
    said = next(at for at, line in enumerate(lines) if told in line)
    assert not any("60/60" in line for line in lines[:said])
    taken = desk.run(*UPDATE)
    assert taken.returncode == 0, taken.stderr
    assert "was asked" not in taken.stderr

    # with a baseline a run asks `run.repeats`; three answers against one are the same measurement
    done = desk.run("ci")
    assert done.returncode == 0, done.stderr
    assert set(desk.asked.values()) == {1}
    assert "baseline.repeats" not in done.stderr
    found, now, before = map(
        desk.file, ("reports/comparison.json", "reports/report.json", "base.json")
    )
    assert (found["pairing"]["paired"], found["pairing"]["changed"]) == (N, [])
    assert (found["differences"], found["settings"]) == ([], [])
    assert found["metrics"]["exact_match"]["n"] == N
    for key in ("run", "reach", "dataset", "metrics"):
        assert now["experiment"]["fingerprints"][key] == before["experiment"]["fingerprints"][key]
    assert (
        now["metrics"]["exact_match"]["fingerprint"]
        == (before["metrics"]["exact_match"]["fingerprint"])
    )


def test_ci__the_first_one_is_resumed_with_all_its_answers(desk: Desk) -> None:
    desk.stuck_after = 25
    stopped(desk, "ci", results=desk.folder / "runs/bot/run_results.jsonl", rows_before=25)
    desk.stuck_after = None
    done = desk.run("ci")
    assert done.returncode == 0, done.stderr
    assert "60 requests" not in done.stderr
    assert "each sample is asked 3× (baseline.repeats): 35 requests" in done.stderr
    assert desk.asked.total() == 3 * N - 25
    assert desk.answers() == {3}


def test_ci__a_baseline_that_cannot_be_stored_is_not_asked_for(desk: Desk) -> None:
    done = desk.run("ci", "--set", "baseline.path=null")
    assert done.returncode == 0, done.stderr
    assert set(desk.asked.values()) == {1}


def test_run__shares_its_first_answer_with_a_run_of_more(desk: Desk) -> None:
    assert desk.run("run").returncode == 0
    first = {row["sample_id"]: row for row in rows(desk.folder / "runs/bot")}
    assert desk.run("run", "--set", "run.repeats=3").returncode == 0
    assert set(desk.asked.values()) == {2}
    found = rows(desk.folder / "runs/bot")
    assert [row for row in found if row["repeat"] == 0] == list(first.values())
    assert len({row["request_hash"] for row in found}) == 3 * N
    # from the cache all three come back, each under its own number
    assert desk.run("run", "--set", "run.repeats=3", "-o", "runs/second").returncode == 0
    assert desk.asked.total() == 0


def test_update__asks_what_a_report_lacks(desk: Desk) -> None:
    assert desk.run("ci", "--set", "baseline.repeats=null").returncode == 0
    assert desk.answers() == {1}
    before = rows(desk.folder / "runs/bot")
    done = desk.run(*UPDATE, "--ask")
    assert done.returncode == 0, done.stderr
    assert (
        "asking what the report lacks to 3 answers a sample (baseline.repeats): 40 requests"
    ) in done.stderr
    assert set(desk.asked.values()) == {2}
    assert desk.answers() == desk.answers("base.json") == {3}
    after = rows(desk.folder / "runs/bot")
    assert [row for row in after if row["repeat"] == 0] == before
    baseline = desk.file("base.json")
    assert baseline["accepted"][-1]["reason"] == "the first one"
    assert baseline["experiment"]["eligible"] is True
    assert desk.file("reports/comparison.json")["verdict"] == "incomparable"  # the first one

    assert "20 samples, asked 3 times each" in desk.run("baseline", "show").stdout
    told = desk.run("baseline", "show", "--language", "ko").stdout
    assert "케이스 20개를 3번씩 물음" in told

    # nothing is asked twice, and the comparison beside it is of this very report
    done = desk.run(*UPDATE, "--ask")
    assert done.returncode == 0, done.stderr
    assert desk.asked.total() == 0
    assert "another report" not in done.stderr


def test_update__warns_of_another_commit(desk: Desk) -> None:
    (desk.folder / ".gitignore").write_text("runs/\nreports/\n.lm-eval-so/\n", encoding="utf-8")
    git("init", "-q", cwd=desk.folder)
    git("add", "-A", cwd=desk.folder)
    git("commit", "-qm", "one", cwd=desk.folder)
    first = git("rev-parse", "HEAD", cwd=desk.folder)[:7]
    assert desk.run("ci", "--set", "baseline.repeats=null").returncode == 0
    git("commit", "-qm", "two", "--allow-empty", cwd=desk.folder)
    second = git("rev-parse", "HEAD", cwd=desk.folder)[:7]
    done = desk.run(*UPDATE, "--ask")
    assert done.returncode == 0, done.stderr
    assert f"the report measured {first}, and further answers are those of {second}" in done.stderr
    assert desk.file("base.json")["experiment"]["commit"].startswith(first)


def test_update__asks_past_the_cache(desk: Desk) -> None:
    assert desk.run("run", "--set", "run.repeats=3", "-o", "runs/old").returncode == 0
    assert desk.run("ci", "--set", "baseline.repeats=null").returncode == 0
    assert desk.run(*UPDATE, "--ask").returncode == 0
    assert set(desk.asked.values()) == {2}


def test_update__takes_fewer_answers_and_says_so(desk: Desk) -> None:
    assert desk.run("ci", "--set", "baseline.repeats=null").returncode == 0
    done = desk.run(*UPDATE)
    assert done.returncode == 0, done.stderr
    assert desk.asked.total() == 0
    (line,) = (each for each in done.stderr.splitlines() if "baseline.repeats" in each)
    assert "each sample was asked 1×, a baseline 3× (baseline.repeats)" in line
    assert desk.answers("base.json") == {1}


def test_update__stopped_while_asking_goes_on(desk: Desk) -> None:
    assert desk.run("ci", "--set", "baseline.repeats=null").returncode == 0
    report = (desk.folder / "reports/report.json").read_bytes()
    desk.asked.clear()
    desk.stuck_after = 25
    results = desk.folder / "runs/bot/run_results.jsonl"
    code, told = stopped(desk, *UPDATE, "--ask", results=results, rows_before=N + 25)
    assert code == 130
    assert "lm-eval-so baseline update -c lm-eval-so.yaml reports --reason" in told
    assert not (desk.folder / "base.json").exists()
    assert (desk.folder / "reports/report.json").read_bytes() == report

    desk.stuck_after = None
    done = desk.run(*UPDATE, "--ask")
    assert done.returncode == 0, done.stderr
    assert desk.asked.total() == 2 * N - 25
    assert desk.answers("base.json") == {3}


def test_update__a_budget_that_is_spent_leaves_the_report_as_it_is(desk: Desk) -> None:
    assert desk.run("ci", "--set", "baseline.repeats=null").returncode == 0
    report = (desk.folder / "reports/report.json").read_bytes()
    done = desk.run(*UPDATE, "--ask", "--set", "run.max_requests=30")
    assert done.returncode == 3, done.stderr
    assert desk.asked.total() == 30 - N  # a limit holds for a run, whichever command asks
    assert not (desk.folder / "base.json").exists()
    assert (desk.folder / "reports/report.json").read_bytes() == report
    assert desk.run(*UPDATE, "--ask").returncode == 0
    assert desk.asked.total() == 2 * N - 10


def test_update__what_is_refused_is_not_asked(desk: Desk) -> None:
    gate = ("--set", "gate.metrics={exact_match: {min: 0.99}}")
    desk.wrong = {1}
    desk.run("ci", *gate, "--set", "baseline.repeats=null")
    done = desk.run(*UPDATE, "--ask", *gate)
    assert done.returncode == 5, done.stderr
    assert "misses the minimum" in done.stderr
    assert desk.asked.total() == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("gone", "the run of this report is not here (runs/bot)"),
        ("anew", "was asked anew since this report was made"),
        ("seed", "was asked anew since this report was made"),
        ("system", "are not those of the report, so all would be asked anew"),
    ],
)
def test_update__asks_only_the_chatbot_of_the_report(desk: Desk, change: str, told: str) -> None:
    assert desk.run("ci", "--set", "baseline.repeats=null").returncode == 0
    more: tuple[str, ...] = ()
    if change == "gone":
        (desk.folder / "runs").rename(desk.folder / "elsewhere")
    elif change in {"anew", "seed"}:
        seed = "run.seed=8" if change == "seed" else "run.seed=7"
        assert desk.run("run", "--fresh", "--set", seed).returncode == 0
    else:
        more = ("--set", "system=짧게 답하세요")
    done = desk.run(*UPDATE, "--ask", *more)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert desk.asked.total() == 0
    assert not (desk.folder / "base.json").exists()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Checkout]:
    with open_checkout(tmp_path) as found:
        git("checkout", "-q", "main", cwd=found.folder)
        config = found.folder / "lm-eval-so.yaml"
        text = config.read_text(encoding="utf-8")
        text = text.replace("shop.json}", "shop.json, repeats: 3}").replace("0.05", "0.2")
        config.write_text(text, encoding="utf-8")
        git("commit", "-qam", "ask it three times", cwd=found.folder)
        yield found


def push(place: Checkout, *, event: str = "push", sha: str | None = None, **inputs: str) -> Done:
    """Run the Action on a push to the default branch, or another event of it."""
    file = place.folder.parent / "push.json"
    before = git("rev-parse", "HEAD^", cwd=place.folder)
    payload = {"before": before, "repository": {"default_branch": "main"}}
    file.write_text(json.dumps(payload), encoding="utf-8")
    given = {f"INPUT_{name.upper()}": value for name, value in inputs.items()}
    return place.ci(
        GITHUB_EVENT_NAME=event,
        GITHUB_REF="refs/heads/main",
        GITHUB_SHA=sha or git("rev-parse", "HEAD", cwd=place.folder),
        GITHUB_EVENT_PATH=str(file),
        **given,
    )


def answers(file: Path) -> set[int]:
    report = json.loads(file.read_text(encoding="utf-8"))
    return set(Counter(report["samples"]["ids"]).values())


def is_eligible(file: Path) -> bool:
    eligible = json.loads(file.read_text(encoding="utf-8"))["experiment"]["eligible"]
    return bool(eligible)


def test_action__a_push_makes_the_baseline_where_it_is_told_to(place: Checkout) -> None:
    kept = place.folder / "baselines/shop.json"
    report = place.folder / "lm-eval-so-report/report.json"
    done = push(place)
    assert done.returncode == 0, done.stderr
    assert (answers(report), answers(kept)) == ({1}, {1})
    assert not is_eligible(report)  # nobody wanted it as one

    done = push(place, update_baseline="auto")
    assert done.returncode == 0, done.stderr
    requests = 3 * OF_CHECKOUT
    told = f"this run makes the baseline, so each sample is asked 3× (baseline.repeats): {requests}"
    assert told in done.stderr
    assert (answers(report), answers(kept)) == ({3}, {3})
    assert is_eligible(report)
    accepted = json.loads(kept.read_text(encoding="utf-8"))["accepted"][-1]
    head = git("rev-parse", "HEAD", cwd=place.folder)
    assert accepted["reason"] == f"update_baseline: push at {head}"
    assert git("status", "--porcelain", cwd=place.folder) == "M baselines/shop.json"


def test_action__a_run_that_makes_the_baseline_asks_all_rounds(place: Checkout) -> None:
    config = place.folder / "lm-eval-so.yaml"
    text = config.read_text(encoding="utf-8")
    rounds = "gate: {claim: these, stop: pass, "
    text = text.replace("gate: {", rounds).replace("repeats: 3}", "repeats: 3}\nrun: {repeats: 4}")
    config.write_text(text, encoding="utf-8")
    git("commit", "-qam", "ask in rounds", cwd=place.folder)
    report = place.folder / "lm-eval-so-report/report.json"
    asked = []
    for wanted in ("auto", "never", "auto"):
        done = push(place, update_baseline=wanted)
        assert done.returncode == 0, done.stderr
        asked.append(answers(report))
    # the second one passes at its first look; what becomes the baseline is never a lucky one
    assert asked == [{3}, {2}, {3}]
    assert answers(place.folder / "baselines/shop.json") == {3}


def test_action__a_refused_baseline_fails_only_where_it_must_be_updated(place: Checkout) -> None:
    kept = place.folder / "baselines/shop.json"
    kept.write_text("{", encoding="utf-8")  # its history would be lost
    for wanted, code in (("auto", 0), ("always", 5)):
        done = push(place, update_baseline=wanted)
        assert done.returncode == code, done.stderr
        assert "the baseline stays as it is: the baseline cannot be read" in done.stderr
        assert kept.read_text(encoding="utf-8") == "{"
    place.is_worse = True
    done = push(place, update_baseline="always")
    assert done.returncode == 1, done.stderr  # the regression goes first
    assert "experiment.eligible is false" in done.stderr


def test_action__a_pull_request_never_makes_the_baseline(place: Checkout) -> None:
    place.commit("a change")
    done = place.ci(INPUT_UPDATE_BASELINE="always")
    assert done.returncode == 5, done.stderr  # it was demanded
    assert "the baseline stays as it is: the event pull_request makes none" in done.stderr
    assert not is_eligible(place.folder / "lm-eval-so-report/report.json")
    assert answers(place.folder / "lm-eval-so-report/report.json") == {1}
    assert git("status", "--porcelain", cwd=place.folder) == ""


def test_action__another_checkout_on_an_event_of_main_makes_no_baseline(place: Checkout) -> None:
    git("checkout", "-q", "topic", cwd=place.folder)
    git("commit", "-qm", "a change", "--allow-empty", cwd=place.folder)
    of_main = git("rev-parse", "main", cwd=place.folder)
    for event in ("push", "schedule"):
        wanted, code = ("always", 5) if event == "push" else ("auto", 0)
        done = push(place, update_baseline=wanted, event=event, sha=of_main)
        assert done.returncode == code, done.stderr
        assert "the baseline stays as it is: another commit is checked out than" in done.stderr
        report = place.folder / "lm-eval-so-report/report.json"
        assert answers(report) == {1}
        assert json.loads(report.read_text(encoding="utf-8"))["experiment"]["eligible"] is False
        assert git("status", "--porcelain", cwd=place.folder) == ""

    # main moved on since the event, and the workflow checks out the branch
    head = git("rev-parse", "HEAD", cwd=place.folder)
    git("update-ref", "refs/remotes/origin/main", head, cwd=place.folder)
    done = push(place, update_baseline="always", sha=of_main)
    assert done.returncode == 0, done.stderr
    assert git("status", "--porcelain", cwd=place.folder) == "M baselines/shop.json"


def test_action__a_baseline_without_a_file_is_the_report_that_the_workflow_uploads(
    place: Checkout,
) -> None:
    config = place.folder / "lm-eval-so.yaml"
    text = config.read_text(encoding="utf-8").replace("path: baselines/shop.json, ", "")
    config.write_text(text, encoding="utf-8")
    git("commit", "-qam", "no file", cwd=place.folder)
    report = place.folder / "lm-eval-so-report/report.json"
    done = push(place, update_baseline="auto")
    assert done.returncode == 0, done.stderr
    assert "report.json may be a baseline; a later step uploads" in done.stderr
    assert "as lm-eval-so-shop" in done.stderr
    assert "no baseline yet" not in done.stderr
    assert (answers(report), is_eligible(report)) == ({3}, True)
    assert git("status", "--porcelain", cwd=place.folder) == ""

    # all are right, and too few for that bound: no regression, and no baseline
    unproven = text.replace("margin: 0.2", "margin: 0.2, min: 0.99, rule: bound")
    config.write_text(unproven, encoding="utf-8")
    done = push(place, update_baseline="always")
    assert done.returncode == 5, done.stderr
    assert "the baseline stays as it is: exact_match: 1.00 meets the minimum 0.990" in done.stderr
    assert not is_eligible(report)

    done = push(place, update_baseline="auto", baseline_store="file")
    assert done.returncode == 2
    assert "update_baseline writes the baseline, and the config names none" in done.stderr
    assert place.outputs()["verdict"] == "error"
