"""`ci` asks main's configuration before it blames a pull request, and never what that may have changed."""

import json
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from servers.commands import Done, git, lm_eval_so, start
from servers.hosted import Provider
from servers.processes import finish, wait
from servers.runs import KEY, rows, write_dataset

from lm_eval_so.testing import ChatServer, Reply, Seen

N = 30
CHATBOT = 'backend: {name: openai, label: bot, params: {model: test-model}, options: {base_url: "${BOT_URL}"}}'
HOSTED = "backend: {name: openai, label: bot, params: {model: test-model}}"
CONFIG = """\
version: 1
suite: shop
dataset: {path: data}
%s
system: be kind
metrics: [exact_match]
baseline: {path: base.json}
run: {max_attempts: 1}
"""


@dataclass
class Team:
    """A team's repository with a pull request, its chatbot, and main's deployment of it."""

    folder: Path
    bot: ChatServer
    main: ChatServer
    provider: Provider
    wrong: set[int] = field(default_factory=set)
    """Questions that the pull request's chatbot gets wrong."""
    wrong_on_main: dict[int, int] = field(default_factory=dict)
    """Questions that main gets wrong today, with the number of times."""
    log: list[tuple[str, int]] = field(default_factory=list)
    """Requests after the run itself, as they came: who was asked, and the question."""
    asked: Counter[str] = field(default_factory=Counter)
    latency_s: float = 0.0

    def answer(self, who: str, seen: Seen) -> Reply:
        number = int(seen.text.rpartition("#")[2])
        turns = [turn["content"] for turn in seen.body["messages"]]
        # behind a provider's address both are told apart by what they are sent
        who = (
            "main" if who == "hosted" and "be kind" in turns else "bot" if who == "hosted" else who
        )
        self.asked[who] += 1
        if self.asked[who] > N or who == "main":
            self.log.append((who, number))
        is_wrong = who == "bot" and number in self.wrong
        if who == "main" and self.wrong_on_main.get(number, 0) > 0:
            self.wrong_on_main[number] -= 1
            is_wrong = True
        return Reply(text="모름" if is_wrong else f"답 {number}", latency_s=self.latency_s)

    @property
    def environ(self) -> dict[str, str]:
        return {
            "OPENAI_API_KEY": KEY,
            "BOT_URL": self.bot.url,
            "MAIN_URL": self.main.url.removesuffix("/v1"),
            **self.provider.environ,
        }

    def ci(self, *arguments: str, **more: str) -> Done:
        return lm_eval_so("ci", *arguments, cwd=self.folder, environ={**self.environ, **more})

    def write(self, config: str) -> None:
        (self.folder / "lm-eval-so.yaml").write_text(config, encoding="utf-8")

    def merge(self, config: str) -> None:
        """Put all that is there into main, as the remote repository has it."""
        self.write(config)
        self.commit("main")
        git("update-ref", "refs/remotes/origin/main", "HEAD", cwd=self.folder)
        refs = ("refs/remotes/origin/HEAD", "refs/remotes/origin/main")
        git("symbolic-ref", *refs, cwd=self.folder)

    def commit(self, message: str) -> None:
        git("add", "-A", cwd=self.folder)
        git("commit", "-qm", message, "--allow-empty", cwd=self.folder)

    def propose(self, config: str) -> None:
        """Commit a pull request's config, and what else was changed."""
        self.write(config)
        self.commit("proposed")

    def comparison(self) -> dict[str, Any]:
        return json.loads((self.folder / "reports/comparison.json").read_text(encoding="utf-8"))

    def case(self) -> tuple[str, list[int], list[int] | None]:
        (case,) = self.comparison()["broken"]["cases"]
        return case["state"], case["now"], case["main"]


@contextmanager
def open_team(folder: Path) -> Iterator[Team]:
    samples = [
        {"id": f"q{i}", "input": f"환불은 며칠? #{i}", "expected": f"답 {i}"} for i in range(N)
    ]
    root = folder / "repo"
    write_dataset(root / "data", samples)
    (root / ".gitignore").write_text("/runs/\n/reports/\n/.lm-eval-so/\n")
    git("init", "-q", cwd=root)
    with (
        ChatServer(lambda seen: team.answer("bot", seen)) as bot,
        ChatServer(lambda seen: team.answer("main", seen)) as main,
        ChatServer(lambda seen: team.answer("hosted", seen)) as hosted,
        Provider(hosted, folder, "api.openai.com") as provider,
    ):
        team = Team(root, bot, main, provider)
        yield team


@pytest.fixture(scope="module")
def baselines(tmp_path_factory: pytest.TempPathFactory) -> dict[int, bytes]:
    """Return reports of main while all was well, by answers a question."""
    found = {}
    for k in (1, 3):
        with open_team(tmp_path_factory.mktemp("base")) as team:
            team.write(CONFIG % HOSTED)
            done = team.ci("--set", f"run.repeats={k}")
            assert done.returncode == 0, done.stderr
            assert team.provider.hosts[0] == "api.openai.com"
            found[k] = (team.folder / "reports/report.json").read_bytes()
    return found


@pytest.fixture
def team(tmp_path: Path, baselines: dict[int, bytes]) -> Iterator[Team]:
    with open_team(tmp_path) as found:
        (found.folder / "base.json").write_bytes(baselines[1])
        yield found


OTHER = "system: be brief"
OWN = CONFIG % CHATBOT + 'gate: {control_url: "${MAIN_URL}"}\n'
OF_PROVIDER = CONFIG % HOSTED


def changed(config: str) -> str:
    return config.replace("system: be kind", OTHER)


@pytest.mark.parametrize("config", [OWN, OF_PROVIDER], ids=["control_url", "hosted"])
def test_ci__a_case_that_the_pull_request_broke_is_proven_by_main(team: Team, config: str) -> None:
    team.merge(config)
    team.propose(changed(config))
    team.wrong = {7}
    done = team.ci()
    assert done.returncode == 1, done.stderr
    assert team.case() == ("proven", [6, 6], [3, 3])
    found = team.comparison()
    assert found["broken"]["cases"][0]["needed"] == 6
    assert found["broken"]["asked"] == 5
    assert found["control"]["state"] == "asked"
    assert found["control"]["requests"] == 3
    assert found["control"]["commit"] == git("rev-parse", "HEAD^", cwd=team.folder)
    assert found["reasons"][0] == {"code": "broken_cases", "figures": {"proven": 1}}
    assert "Main's configuration answers it right today (3 of 3)." in found["sentence"]
    assert "Main's configuration answers it right today (3 of 3)." in " ".join(done.stderr.split())
    # after three wrong answers, in turn before and after the pull request's question
    asked = [who for who, number in team.log if number == 7]
    assert asked == ["bot", "bot", "main", "bot", "bot", "main", "main", "bot"]
    assert not [number for who, number in team.log if number != 7]


def test_ci__a_case_that_the_provider_broke_is_named_and_excused(team: Team) -> None:
    team.merge(OF_PROVIDER)
    team.propose(changed(OF_PROVIDER))
    team.wrong, team.wrong_on_main = {7}, {7: 99}
    done = team.ci()
    assert done.returncode == 0, done.stderr
    assert team.case() == ("unproven", [6, 6], [0, 3])
    found = team.comparison()
    assert {"code": "provider_moved", "figures": {"cases": 1}} in found["reasons"]
    told = "Main's configuration gets it wrong today, too (3 of 3): the provider changed."
    assert told in found["sentence"]
    assert "too few answers" not in found["sentence"]
    assert team.ci("--set", "gate.broken=strict", "--fresh").returncode == 0


def test_ci__a_case_that_main_is_unsure_of_stays_unproven(team: Team) -> None:
    team.merge(OF_PROVIDER)
    team.propose(changed(OF_PROVIDER))
    team.wrong, team.wrong_on_main = {7}, {7: 2}
    done = team.ci()
    assert done.returncode == 0, done.stderr
    assert team.case() == ("unproven", [6, 6], [1, 3])
    assert "right only 1 of 3 times today, so this proves nothing." in team.comparison()["sentence"]
    assert not [r for r in team.comparison()["reasons"] if r["code"] == "provider_moved"]


@pytest.mark.parametrize(
    ("on_main", "code", "said"),
    [(0, 1, ("proven", [8, 8], [3, 3])), (99, 0, ("unproven", [6, 6], [0, 3]))],
)
def test_ci__main_takes_away_what_a_steady_baseline_alone_would_prove(
    team: Team, baselines: dict[int, bytes], on_main: int, code: int, said: tuple[Any, ...]
) -> None:
    (team.folder / "base.json").write_bytes(baselines[3])
    team.merge(OF_PROVIDER)
    team.propose(changed(OF_PROVIDER))
    team.wrong, team.wrong_on_main = {7}, {7: on_main}
    done = team.ci()
    assert done.returncode == code, done.stderr
    assert team.case() == said


def test_ci__a_required_case_fails_and_main_is_told(team: Team) -> None:
    file = team.folder / "data/test.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines()
    lines[7] = json.dumps({**json.loads(lines[7]), "tags": ["must"]})
    file.write_text("\n".join(lines), encoding="utf-8")
    team.merge(OF_PROVIDER)
    team.propose(changed(OF_PROVIDER))
    team.wrong, team.wrong_on_main = {7}, {7: 99}
    done = team.ci()
    assert done.returncode == 1, done.stderr
    state, now, main = team.case()
    assert (state, now, main) == ("must", [3, 3], [0, 3])
    assert "Main's configuration gets it wrong today, too" in team.comparison()["sentence"]


def test_ci__asks_main_nothing_where_no_case_stayed_wrong(team: Team) -> None:
    team.merge(OF_PROVIDER)
    team.propose(changed(OF_PROVIDER))
    assert team.ci().returncode == 0
    assert team.log == []
    assert team.comparison()["control"] is None


def test_ci__main_switches_it_off_and_a_pull_request_cannot(team: Team) -> None:
    team.merge(OF_PROVIDER)
    team.propose(changed(OF_PROVIDER) + "gate: {control: off}\n")
    team.wrong = {7}
    assert team.ci().returncode == 1  # on main it is on
    assert team.case() == ("proven", [6, 6], [3, 3])

    team.merge(OF_PROVIDER + 'gate: {control: "off"}\n')
    team.propose(changed(OF_PROVIDER))
    team.log.clear()
    assert team.ci().returncode == 0
    assert team.case() == ("unproven", [10, 10], None)
    assert team.comparison()["control"] is None


def test_ci__a_drop_without_a_change_of_what_is_sent_is_not_the_pull_requests(team: Team) -> None:
    team.merge(OF_PROVIDER)
    (team.folder / "README.md").write_text("a document", encoding="utf-8")
    team.commit("only a document")
    team.wrong_on_main = dict.fromkeys(range(12), 99)
    done = team.ci("--set", "report.formats=[json,md,html]")
    assert done.returncode == 0, done.stderr
    found = team.comparison()
    assert found["verdict"] == "inconclusive"
    assert found["metrics"]["exact_match"]["reason"] == "nothing_differs"
    assert found["control"]["state"] == "nothing_differs"
    assert found["control"]["requests"] == 0
    assert not (team.folder / "runs/bot-main").exists()
    told = "This PR does not change what is sent to the model: either the provider changed"
    assert told in found["sentence"]
    assert told in " ".join(done.stderr.split())
    for name in ("report.md", "report.html"):
        assert told in (team.folder / "reports" / name).read_text(encoding="utf-8")
    done = team.ci("--set", "gate.on_inconclusive=fail")
    assert done.returncode == 3


def test_ci__at_an_address_of_its_own_a_drop_is_the_pull_requests(team: Team) -> None:
    team.merge(CONFIG % CHATBOT)
    team.commit("only a document")
    team.wrong = set(range(12))
    done = team.ci("--set", "report.formats=[json,md]")
    assert done.returncode == 1, done.stderr
    found = team.comparison()
    assert found["verdict"] == "regression"
    assert found["control"]["state"] == "not_possible"
    assert found["control"]["why"]["code"] == "own_address"
    told = "Main's configuration could not be asked: this PR may change code that the config does"
    assert told in " ".join(done.stderr.split())
    assert told in (team.folder / "reports/report.md").read_text(encoding="utf-8")
    assert not team.asked["main"]


def test_ci__killed_while_main_is_asked_goes_on(team: Team) -> None:
    team.merge(OWN)
    team.propose(changed(OWN))
    team.wrong, team.latency_s = {7}, 0.2
    process = start("ci", cwd=team.folder, environ=team.environ)
    of_main = team.folder / "runs/bot-main/run_results.jsonl"
    wait(lambda: of_main.is_file() and of_main.read_bytes().count(b"\n") >= 1, process)
    process.send_signal(signal.SIGKILL)
    assert finish(process)[0] == -signal.SIGKILL
    before = [rows(of_main.parent), rows(team.folder / "runs/bot-again")]
    under_way = len(team.log) - sum(map(len, before))
    assert team.asked["main"] < 3
    done = team.ci()
    assert done.returncode == 1, done.stderr
    assert team.case() == ("proven", [6, 6], [3, 3])
    after = [rows(of_main.parent), rows(team.folder / "runs/bot-again")]
    assert [found[: len(old)] for found, old in zip(after, before, strict=True)] == before
    assert [row["repeat"] for row in after[0]] == [0, 1, 2]
    assert len(team.log) == 5 + 3 + under_way

    # the verdict is made, so nothing of it is taken for the next one; nor from the cache
    team.log.clear()
    assert team.ci().returncode == 1
    assert Counter(who for who, _ in team.log)["main"] == 3
    assert not any(row["cached"] for row in rows(of_main.parent))


def test_ci__where_main_does_not_answer_the_baseline_alone_decides(
    team: Team, baselines: dict[int, bytes]
) -> None:
    (team.folder / "base.json").write_bytes(baselines[3])
    team.merge(CONFIG % CHATBOT + 'gate: {control_url: "http://127.0.0.1:9"}\n')
    team.propose(changed(CONFIG % CHATBOT))
    team.wrong = {7}
    done = team.ci()
    assert done.returncode == 1, done.stderr
    assert team.case() == ("proven", [8, 8], None)
    found = team.comparison()["control"]
    assert (found["state"], found["why"]["code"]) == ("not_possible", "failed")
    assert "Main's configuration could not be asked: " in done.stderr


def scheduled(team: Team, *arguments: str) -> Done:
    """Run `ci` as a workflow does on a schedule."""
    event = team.folder.parent / "event.json"
    event.write_text("{}")
    commit = git("rev-parse", "HEAD", cwd=team.folder)
    return team.ci(
        *arguments,
        GITHUB_ACTIONS="true",
        GITHUB_EVENT_NAME="schedule",
        GITHUB_EVENT_PATH=str(event),
        GITHUB_SHA=commit,
        GITHUB_WORKSPACE=str(team.folder),
        INPUT_REPORT_DIR="reports",
    )


def test_ci__on_a_schedule_a_drop_that_nobody_made_is_drift(team: Team) -> None:
    team.write(OF_PROVIDER)
    made = team.ci("--set", "run.repeats=3")
    assert made.returncode == 0, made.stderr
    (team.folder / "reports/report.json").replace(team.folder / "base.json")
    team.merge(OF_PROVIDER)
    team.wrong_on_main = dict.fromkeys(range(10), 999)
    done = scheduled(team)
    assert done.returncode == 0, done.stderr
    found = team.comparison()
    assert found["verdict"] == "inconclusive"
    assert found["metrics"]["exact_match"]["reason"] == "provider_moved"
    assert found["control"]["state"] == "unchanged"
    assert {"code": "provider_moved", "figures": {"metric": "exact_match"}} in found["reasons"]
    assert "Nobody here changed the chatbot since its baseline (" in found["sentence"]
    assert "::warning" in done.stderr
    report = json.loads((team.folder / "reports/report.json").read_text(encoding="utf-8"))
    assert report["experiment"]["eligible"] is False  # nothing takes it by itself
    hint = "lm-eval-so baseline update reports -c lm-eval-so.yaml --force --reason 'provider moved'"
    assert hint in done.stderr
    assert "🟡 The provider changed: nobody here changed the chatbot · " in done.stderr
    assert "right 3 of 3 on 20" in done.stderr
    kept = team.folder / ".lm-eval-so/main/comparison.json"
    assert json.loads(kept.read_text(encoding="utf-8")) == found

    # a pull request that gets worse, too, is told what main lost by itself, with the verdict that it has
    team.propose(OF_PROVIDER.replace("be kind", "be brief"))
    team.wrong = set(range(14))
    done = team.ci()
    quoted = team.comparison()
    told = "Main itself got worse by 33.3 points since its baseline ("
    assert told in quoted["sentence"], done.stderr
    assert quoted["control"]["main_fell"]["drop"] == pytest.approx(1 / 3)
    kept.rename(kept.with_suffix(".away"))
    assert team.ci("--fresh").returncode == done.returncode
    plain = team.comparison()
    assert (plain["verdict"], plain["sentence"]) == (
        quoted["verdict"],
        quoted["sentence"].partition(" Main itself")[0],
    )

    team.merge(OF_PROVIDER)
    team.wrong = set()
    done = scheduled(team, "--set", "gate.on_drift=fail")
    assert done.returncode == 1, done.stderr
    assert team.comparison()["verdict"] == "regression"
    assert team.comparison()["metrics"]["exact_match"]["reason"] == "provider_moved"

    # another fingerprint: somebody here changed it
    team.wrong = set(range(10))
    done = scheduled(team, "--set", "system=be brief")
    assert done.returncode == 1, done.stderr
    assert team.comparison()["control"] is None
    assert team.comparison()["reasons"][0]["code"] == "broken_cases"


def test_ci__a_pull_request_on_github_cannot_name_a_main_of_its_own(team: Team) -> None:
    team.merge(OWN)
    git("branch", "-M", "main", cwd=team.folder)
    git("checkout", "-qb", "topic", cwd=team.folder)
    team.propose(changed(OWN).replace("MAIN_URL", "BOT_URL") + "language: en\n")
    head = git("rev-parse", "HEAD", cwd=team.folder)
    git("checkout", "-q", "--detach", "main", cwd=team.folder)
    git("merge", "-q", "--no-ff", "-m", "merge", "topic", cwd=team.folder)
    git("update-ref", "-d", "refs/remotes/origin/main", cwd=team.folder)
    pull = {
        "number": 7,
        "head": {"sha": head, "repo": {"id": 1}},
        "base": {
            "sha": git("rev-parse", "main", cwd=team.folder),
            "ref": "main",
            "repo": {"id": 1},
        },
    }
    event = team.folder.parent / "event.json"
    event.write_text(json.dumps({"action": "opened", "pull_request": pull}))
    team.wrong = {7}
    done = team.ci(
        GITHUB_ACTIONS="true",
        GITHUB_EVENT_NAME="pull_request",
        GITHUB_EVENT_PATH=str(event),
        GITHUB_SHA=git("rev-parse", "HEAD", cwd=team.folder),
        GITHUB_WORKSPACE=str(team.folder),
        INPUT_REPORT_DIR="reports",
        INPUT_COMMENT="never",
    )
    assert done.returncode == 1, done.stderr
    assert team.case() == ("proven", [6, 6], [3, 3])
    assert team.comparison()["control"]["commit"] == git("rev-parse", "main", cwd=team.folder)
    assert Counter(who for who, _ in team.log) == {"bot": 5, "main": 3}
