"""`ci` in a real git repository, against a loopback chatbot and a loopback GitHub."""

import json
import shutil
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from servers.checkout import KEY, Checkout, N, open_checkout
from servers.commands import git, lm_eval_so, start_anew
from servers.processes import finish, wait
from servers.runner_log import split_masks
from servers.runs import rows

from lm_eval_so.action.marker import header, marker
from lm_eval_so.testing import Reply


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Checkout]:
    with open_checkout(tmp_path) as found:
        yield found


def test_ci__creates_one_comment_and_updates_it(place: Checkout) -> None:
    place.is_worse = True
    first = place.ci()
    assert first.returncode == 1, first.stderr
    (number, body), *rest = place.hub.bodies(7).items()
    assert not rest
    assert "exact_match" in body
    assert "회귀" in body
    assert "추가하세요: `.lm-eval-so/accept.yaml`" in body
    outputs = place.outputs()
    assert (outputs["verdict"], outputs["passed"]) == ("regression", "false")
    assert outputs["regressed_count"] == str(N // 2)
    assert outputs["baseline_source"] == "git"
    assert outputs["comment_url"].startswith("http")
    assert outputs["report_json"] == "lm-eval-so-report/report.json"
    assert outputs["report_html"] == "lm-eval-so-report/report.html"
    summary = place.folder.parent / "summary"
    told = summary.read_text(encoding="utf-8")
    assert "회귀" in told
    assert first.stderr.count("::error title=") == 10
    assert len(body) > 4000

    accept_the_drop(place)
    place.commit("accepted")
    inputs = {"JOB_SUMMARY": "false", "MAX_ANNOTATIONS": "2", "COMMENT_MAX_CHARS": "4000"}
    second = place.ci(GITHUB_RUN_ID="7", **{f"INPUT_{name}": inputs[name] for name in inputs})
    assert summary.read_text(encoding="utf-8") == told
    assert second.stderr.count("::warning title=shop%3A") == 2
    assert len(place.hub.bodies(7)[number]) <= 4000
    assert second.returncode == 0, second.stderr
    assert list(place.hub.bodies(7)) == [number]
    assert "이 PR에서 하락 1건 승인" in place.hub.bodies(7)[number].splitlines()[2]
    assert "`exact_match` 0.5만큼 나빠짐" in place.hub.bodies(7)[number]
    outputs = place.outputs()
    assert (outputs["passed"], outputs["accepted_count"]) == ("true", "1")


def accept_the_drop(place: Checkout) -> None:
    day = datetime.now(tz=UTC) + timedelta(days=9)
    entry = {"metric": "exact_match", "max_drop": 0.5, "reason": "새 말투", "until": f"{day:%F}"}
    file = place.folder / ".lm-eval-so/accept.yaml"
    file.write_text(json.dumps([entry]), encoding="utf-8")


def test_ci__under_strict_rules_a_pull_request_accepts_nothing_by_itself(place: Checkout) -> None:
    config = place.folder / "lm-eval-so.yaml"
    text = config.read_text(encoding="utf-8")
    git("checkout", "-q", "main", cwd=place.folder)
    config.write_text(text.replace("gate: {", "gate: {rules: strict, "), encoding="utf-8")
    git("commit", "-qam", "strict", cwd=place.folder)
    git("checkout", "-q", "topic", cwd=place.folder)
    git("merge", "-q", "main", cwd=place.folder)
    config.write_text(text, encoding="utf-8")  # and it takes that back, too
    accept_the_drop(place)
    place.commit("accepted")
    place.is_worse = True
    done = place.ci()
    assert done.returncode == 1, done.stderr
    [body] = place.hub.bodies(7).values()
    assert "승인" not in body.splitlines()[2]
    assert "추가하세요" not in body
    assert "gate.rules: strict에서는 베이스에도 있는 승인만 인정합니다." in done.stderr
    assert place.outputs()["accepted_count"] == "0"


def test_ci__without_a_token_writes_everything_and_says_so(place: Checkout) -> None:
    place.is_worse = True
    done = place.ci(INPUT_GITHUB_TOKEN="", INPUT_COMMENT_REQUIRED="true")
    assert done.returncode == 1  # a regression is told before a comment that failed
    assert "no token, so no comment" in done.stderr
    report = place.folder / "lm-eval-so-report"
    assert {f.name for f in report.iterdir()} == {
        "comparison.json",
        "report.html",
        "report.json",
        "report.md",
        "run",
        "run-again",
    }
    assert place.outputs()["comment_file_written"] == "true"
    assert not place.hub.bodies(7)

    # as after a fork's run, whose upload another workflow tells of
    archive = shutil.make_archive(str(place.folder.parent / "upload"), "zip", report)
    place.hub.add_pull(7, head=place.hub_head, repo=2)
    place.hub.add_run(6, head_sha=place.hub_head, repo=2, conclusion="failure")
    place.hub.add_artifact(6, "results", Path(archive).read_bytes())
    given = {"COMMAND": "comment", "RUN_ID": "6", "ARTIFACT_NAME": "results", "LANGUAGE": "ko"}
    told = place.ci(
        **{f"INPUT_{name}": value for name, value in given.items()},
        GITHUB_EVENT_NAME="workflow_dispatch",
        GITHUB_RUN_ID="70",
        GITHUB_WORKFLOW_REF="o/r/.github/workflows/comment.yml@refs/heads/main",
    )
    assert told.returncode == 0, told.stderr
    [body] = place.hub.bodies(7).values()
    assert header(body)[0] == marker("fork/evaluate.yml/evaluate/shop")
    assert "⚠️ 포크의 코드로 계산한 결과라 검증되지 않았습니다" in body
    assert "`질문 #1`" in body
    outputs = place.outputs()
    assert (outputs["verdict"], outputs["passed"]) == ("skipped", "true")
    assert outputs["comment_url"] == split_masks(told.stdout)[1].strip()


def test_ci__a_failed_comment_is_a_warning_unless_it_is_required(place: Checkout) -> None:
    place.hub.fail("POST", "/comments", 403, "Resource not accessible by integration", times=2)
    done = place.ci()
    assert done.returncode == 0, done.stderr
    assert "pull-requests: write" in done.stderr
    outputs = place.outputs()
    assert (outputs["passed"], outputs["comment_file_written"]) == ("true", "true")
    required = place.ci(INPUT_COMMENT_REQUIRED="true")
    assert required.returncode == 5


@pytest.mark.parametrize(
    ("fault", "number"),
    [
        # the wait that GitHub asks for
        (("POST", "/comments", 403, {"Retry-After": "50"}), signal.SIGTERM),
        # the waits between reads that are repeated
        (("GET", "/pulls/7", 502, {}), signal.SIGINT),
    ],
    ids=["rate-limit", "reads"],
)
def test_ci__a_signal_ends_the_waits_for_github(
    place: Checkout, fault: tuple[str, str, int, dict[str, str]], number: signal.Signals
) -> None:
    method, part, status, headers = fault
    place.hub.fail(method, part, status, "secondary rate limit", headers=headers, times=99)
    process = start_anew("ci", cwd=place.folder, environ=place.environ())

    def tried() -> list[str]:
        return [r.path for r in place.hub.requests if r.method == method and part in r.path]

    wait(lambda: len(tried()) >= (1 if method == "POST" else 3), process)
    process.send_signal(number)
    process.send_signal(number)  # as a wrapper does: to the process, then to its group
    code, told = finish(process)
    assert code == 130, told
    assert "interrupted" in told
    assert len([call for call in place.hub.calls("POST") if "graphql" not in call]) == len(headers)
    outputs = place.outputs()
    assert (outputs["verdict"], outputs["passed"]) == ("inconclusive", "false")


PERMITTED = {"INPUT_ALLOW_PLUGINS": "true"}
EARLY = """
import os
import signal

os.kill(os.getpid(), signal.SIGTERM)  # while the config is looked at, and no stage listens
os.kill(os.getpid(), signal.SIGTERM)  # as a wrapper does
"""


def test_ci__stopped_before_anything_is_asked_is_told(place: Checkout) -> None:
    assert place.ci().returncode == 0
    (place.folder / "early.py").write_text(EARLY, encoding="utf-8")
    with (place.folder / "lm-eval-so.yaml").open("a", encoding="utf-8") as config:
        config.write("plugins: [early.py]\n")
    done = place.ci(GITHUB_RUN_ID="7", **PERMITTED)
    assert done.returncode == 130, done.stderr
    assert place.outputs()["verdict"] == "error"
    [body] = place.hub.bodies(7).values()
    assert "### ⚠️ 측정하지 못함: 중단되었습니다 · shop\n" in body


STOPPER = """
import os
import signal

from lm_eval_so.evaluator.metrics.text.wording import ExactMatch

class Late(ExactMatch):
    name = "late"

    def corpus_score(self, counts, units):
        os.kill(os.getpid(), signal.SIGTERM)  # while the report is made, which blocks the loop
        return None
"""


def test_ci__stopped_while_the_report_is_made_tells_github_nothing(place: Checkout) -> None:
    (place.folder / "late.py").write_text(STOPPER, encoding="utf-8")
    config = place.folder / "lm-eval-so.yaml"
    text = config.read_text(encoding="utf-8").replace("[exact_match,", "[exact_match, late,")
    config.write_text(f"{text}plugins: [late.py]\n", encoding="utf-8")
    done = place.ci(**PERMITTED)
    assert done.returncode == 130, done.stderr
    assert (place.folder / "lm-eval-so-report/report.json").is_file()
    assert not place.hub.requests
    assert place.outputs()["verdict"] == "error"


@pytest.mark.parametrize("name", ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"])
@pytest.mark.parametrize(("is_worse", "code"), [(False, 0), (True, 1)])
def test_ci__what_github_takes_no_more_costs_no_verdict(
    place: Checkout, name: str, is_worse: bool, code: int
) -> None:
    place.is_worse = is_worse
    done = place.ci(**{name: str(place.folder.parent)}, INPUT_COMMENT_REQUIRED="true")
    assert done.returncode == code, done.stderr
    assert done.stderr.count("Is a directory") == 1
    assert len(place.hub.bodies(7)) == 1


@pytest.mark.parametrize("is_served", [False, True])
def test_ci__neither_baseline_nor_rules_of_the_pull_request_itself_count(
    place: Checkout, is_served: bool
) -> None:
    place.is_worse = True
    place.hub.repository = place.folder if is_served else None
    git("checkout", "-q", "topic", cwd=place.folder)
    baseline = place.folder / "baselines/shop.json"
    report = json.loads(baseline.read_text(encoding="utf-8"))
    report["samples"]["scores"]["exact_match"] = [0.0] * N  # as if it had always been bad
    baseline.write_text(json.dumps(report), encoding="utf-8")
    config, data = place.folder / "lm-eval-so.yaml", place.folder / "data/test.jsonl"
    config.write_text(config.read_text("utf-8").replace("margin: 0.05", "margin: 0.9"), "utf-8")
    lines = data.read_text(encoding="utf-8").splitlines(keepends=True)
    data.write_text("".join(lines[2:]), encoding="utf-8")  # without q0 and q1
    (place.folder / ".lm-eval-so/cache.sqlite").write_text("votes", encoding="utf-8")
    git("add", "-f", ".lm-eval-so/cache.sqlite", cwd=place.folder)
    place.commit("cheat")
    checkout = place.fetch(1)
    done = checkout.ci()
    assert done.returncode == is_served, done.stderr
    outputs = checkout.outputs()
    if is_served:
        assert (outputs["verdict"], outputs["baseline_source"]) == ("regression", "git")
        assert ".lm-eval-so/cache.sqlite is not used" in done.stderr
        asked = {row["sample_id"] for row in rows(checkout.folder / "lm-eval-so-report/run")}
        assert asked == {f"q{i}" for i in range(N)}
        [body] = place.hub.bodies(7).values()
        told = "exact_match의 margin 0.05 → 0.9; 케이스 2개 삭제"
        assert f"main의 규칙: 회귀. 이 PR의 규칙: 통과 ({told})." in body
        return
    assert (outputs["verdict"], outputs["baseline_source"]) == ("incomparable", "none")
    assert "to compare with it" not in done.stderr
    [body] = place.hub.bodies(7).values()
    first = next(line for line in body.splitlines() if line.startswith("### "))
    assert first.startswith("### ⚪ ")
    assert "이 PR의 규칙으로 판정" in first
    said = body.split("\n\n")[1].partition(" [")[0]
    assert "git에서 베이스 커밋을 찾을 수 없고" in said
    assert "fetch-depth: 2" in said
    for file in ("summary", "workspace/lm-eval-so-report/report.md"):
        assert said in (place.folder.parent / file).read_text(encoding="utf-8")
    asked = len(place.bot.requests)
    demanded = checkout.ci(INPUT_ON_MISSING_BASELINE="fail")
    assert demanded.returncode == 3
    assert "fix: give actions/checkout fetch-depth: 2" in demanded.stderr
    assert len(place.bot.requests) == asked


def test_ci__where_nothing_could_be_measured_the_comment_says_so(place: Checkout) -> None:
    """It passed; then the key is refused, then all rows fail, then it passes again."""
    assert place.ci().returncode == 0
    [before] = place.hub.bodies(7).values()
    answer, refusal = place.answer, Reply(status=401, body=b'{"error": {"message": "@octocat"}}')
    place.answer = lambda _: refusal
    summary = place.folder.parent / "summary"
    summary.write_text("")
    refused = place.ci(GITHUB_RUN_ID="7", INPUT_COMMENT_REQUIRED="true")
    assert refused.returncode == 4, refused.stderr
    [body] = place.hub.bodies(7).values()
    last = "커밋의 이전 결과: 판단 보류."
    for text in (body, summary.read_text(encoding="utf-8")):
        assert "### ⚠️ 측정하지 못함: 엔드포인트가 키를 거부했습니다" in text
        assert "`@octocat`" in text
        assert f"`{place.hub_head[:7]}` {last}" in text
        assert KEY not in text
    outputs = place.outputs()
    assert (outputs["verdict"], outputs["passed"]) == ("error", "false")
    assert outputs["comment_url"].startswith("http")

    bad = Reply(status=400, body=b'{"error": {"message": "no such thing"}}')
    place.answer = lambda seen: answer(seen) if seen.text.endswith("#0") else bad
    failed = place.ci(GITHUB_RUN_ID="8")
    assert failed.returncode == 3, failed.stderr
    [body] = place.hub.bodies(7).values()
    first, told = body.split("\n\n")[:2]
    assert "\n### ⚠️ 측정하지 못함: 답변 40건 중 39건을 받지 못했습니다" in first
    assert first.endswith(" · 답변이 있던 케이스 39개에 이번에는 답변이 없습니다 · shop")
    assert told.startswith("측정하지 못했습니다: 답변 40건 중 39건을 받지 못했습니다")
    assert last in body
    report = place.folder / "lm-eval-so-report"
    assert told.partition(" [")[0] in (report / "report.md").read_text(encoding="utf-8")
    comparison = json.loads((report / "comparison.json").read_text(encoding="utf-8"))
    assert (comparison["verdict"], comparison["exit_code"]) == ("error", 3)
    assert place.outputs()["verdict"] == "error"

    place.answer = answer
    assert place.ci(GITHUB_RUN_ID="9").returncode == 0
    [body] = place.hub.bodies(7).values()
    assert body.partition("\n### ")[2][:40] == before.partition("\n### ")[2][:40]
    assert "측정하지 못" not in body


def test_ci__a_cancelled_job_says_so(place: Checkout) -> None:
    """Also where answers never come: the runner waits for 7.5 seconds, and kills soon after."""
    asked = len(place.bot.requests)
    answer = place.answer
    place.answer = lambda seen: Reply(text=answer(seen), hang=seen.number >= asked + 4)
    process = start_anew("ci", cwd=place.folder, environ=place.environ(INPUT_CONCURRENCY="2"))
    wait(lambda: len(place.bot.requests) >= asked + 6, process)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    code, told = finish(process)
    assert code == 130, told
    assert time.monotonic() - began < 7.5
    report = place.folder / "lm-eval-so-report"
    assert {each.name for each in report.iterdir()} == {"run"}
    lines = (report / "run/run_results.jsonl").read_text(encoding="utf-8").splitlines()
    assert len([json.loads(line)["response"]["text"] for line in lines]) == 4
    assert json.loads((report / "run/run.json").read_text(encoding="utf-8"))["state"] != "complete"
    [body] = place.hub.bodies(7).values()
    assert "### ⚠️ 측정하지 못함: 중단되었습니다" in body
    assert place.outputs()["verdict"] == "error"


@pytest.mark.parametrize(("required", "code"), [("false", 0), ("true", 5)])
def test_ci__an_event_without_a_number_says_so(place: Checkout, required: str, code: int) -> None:
    environ = dict(place.environ(INPUT_COMMENT_REQUIRED=required))
    event = Path(environ["GITHUB_EVENT_PATH"])
    payload = json.loads(event.read_text())
    del payload["pull_request"]["number"]
    event.write_text(json.dumps(payload))
    done = lm_eval_so("ci", cwd=place.folder, environ=environ)
    assert done.returncode == code, done.stderr
    said = "the event names no pull request number, so no comment is written"
    assert f"::warning title=ci::{said}" in done.stderr
    assert f"⚠ {said}" in (place.folder.parent / "summary").read_text(encoding="utf-8")
    assert place.outputs()["comment_file_written"] == "true"
    assert not place.hub.bodies(7)


def test_ci__a_fork_without_keys_is_skipped(place: Checkout) -> None:
    environ = from_fork(place)
    asked = len(place.bot.requests)
    done = lm_eval_so("ci", cwd=place.folder, environ=environ)
    assert done.returncode == 0, done.stderr
    assert place.outputs()["verdict"] == "skipped"
    assert "::notice title=ci::skipped: OPENAI_API_KEY is empty" in done.stderr
    summary = (place.folder.parent / "summary").read_text(encoding="utf-8")
    assert summary.startswith("### ⚪ 건너뛰어 측정하지 않았습니다: OPENAI_API_KEY is empty")
    assert len(place.bot.requests) == asked
    failing = lm_eval_so(
        "ci", cwd=place.folder, environ={**environ, "INPUT_ON_MISSING_SECRETS": "fail"}
    )
    assert failing.returncode == 2
    assert place.outputs()["verdict"] == "error"


def test_ci__a_dry_run_says_where_the_comment_would_go(place: Checkout) -> None:
    asked = len(place.bot.requests)
    for more, told in [({}, "on #7"), ({"INPUT_COMMENT": "never"}, "none is written by this step")]:
        done = lm_eval_so("ci", "--dry-run", cwd=place.folder, environ=place.environ(**more))
        assert done.returncode == 0, done.stderr
        assert f"{told}; suite_id evaluate.yml/evaluate/shop\n" in done.stdout
        assert "to ask" in done.stdout
    outputs = place.outputs()
    assert (outputs["verdict"], outputs["passed"]) == ("skipped", "true")
    assert (len(place.bot.requests), place.hub.calls("POST", "PATCH")) == (asked, [])


HTTP = """\
backend:
  name: http
  label: bot
  options:
    url: "${NOT_SET}/v1/chat/completions"
    body: {messages: "{{ messages }}"}
    response: {text: "choices[0].message.content"}
"""


def test_ci__target_url_reaches_every_backend_with_an_address(place: Checkout) -> None:
    config = place.folder / "lm-eval-so.yaml"
    text = config.read_text(encoding="utf-8")
    line = next(each for each in text.splitlines() if each.startswith("backend:"))
    config.write_text(text.replace(line, HTTP), encoding="utf-8")
    asked = len(place.bot.requests)
    done = place.ci(INPUT_TARGET_URL=place.bot.url.removesuffix("/v1"))
    assert done.returncode == 0, done.stderr
    assert len(place.bot.requests) == asked + N

    config.write_text(text.replace(line, "backend: {name: scripted}"), encoding="utf-8")
    refused = place.ci(INPUT_TARGET_URL=place.bot.url)
    assert refused.returncode == 2
    assert "input target_url: the backend scripted has no address" in refused.stderr
    assert "fix: leave target_url out of the workflow" in refused.stderr


PLUGIN = """
from pathlib import Path

from lm_eval_so.core.backends.base import ChatBackend, register_backend
from lm_eval_so.core.records.chat import ChatResponse

Path("plugin-ran").touch()

@register_backend("mine")
class Mine(ChatBackend):
    async def send(self, request):
        return ChatResponse(text="a")
"""


def from_fork(place: Checkout, **more: str) -> dict[str, str]:
    """Return the environment of a pull request from a fork, which gets no secrets."""
    environ = dict(place.environ(OPENAI_API_KEY="", **more))
    event = Path(environ["GITHUB_EVENT_PATH"])
    payload = json.loads(event.read_text())
    payload["pull_request"]["head"]["repo"]["id"] = 2
    event.write_text(json.dumps(payload))
    return environ


@pytest.mark.parametrize(
    ("backend", "why"),
    [
        (None, "OPENAI_API_KEY is empty"),
        ("mine", "the keys of mine are known to its own code alone"),
        ("mine:Mine", "the keys of mine:Mine are known to its own code alone"),
    ],
)
def test_ci__code_of_a_fork_that_is_skipped_does_not_run(
    place: Checkout, backend: str | None, why: str
) -> None:
    (place.folder / "mine.py").write_text(PLUGIN, encoding="utf-8")
    config = place.folder / "lm-eval-so.yaml"
    text = config.read_text(encoding="utf-8")
    if backend:
        text = text.replace("name: openai", f'name: "{backend}"')
    config.write_text(f"{text}plugins: [mine.py]\n", encoding="utf-8")
    place.commit("code of its own")
    python = {"PYTHONPATH": str(place.folder), **PERMITTED}
    for more in ({}, {"INPUT_TARGET_URL": "https://pr-7.example.dev"}):
        environ = from_fork(place, **python, **more)
        done = lm_eval_so("ci", cwd=place.folder, environ=environ)
        assert done.returncode == 0, done.stderr
        assert why in done.stderr
        assert place.outputs()["verdict"] == "skipped"
        assert not (place.folder / "plugin-ran").exists()
    # the event of the repository itself runs it
    assert place.ci(**python).returncode in {0, 1, 2}
    assert (place.folder / "plugin-ran").exists()


EVIL = """
run: {simulator: {backend: {name: openai, params: {model: m}, options: {base_url: "${EVIL_URL}"}}}}
gate: {control_url: "https://api.openai.com@evil.example"}
plugins: [evil.py]
"""


def test_ci__asks_no_host_and_runs_no_code_that_the_workflow_does_not_permit(
    place: Checkout,
) -> None:
    config = place.folder / "lm-eval-so.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.partition("gate:")[0] + EVIL, encoding="utf-8")
    (place.folder / "evil.py").write_text("raise SystemExit('it ran')", encoding="utf-8")
    asked = len(place.bot.requests)
    more = {"EVIL_URL": "https://evil.example:8443/v1", "INPUT_ALLOWED_HOSTS": "127.0.0.1"}
    code = place.ci(**more)
    assert code.returncode == 2, code.stderr
    assert "evil.py is code of your own, which may not run" in code.stderr
    assert (
        "fix: if you trust everyone who can change it, give the step allow_plugins" in code.stderr
    )
    (place.folder / "evil.py").write_text("", encoding="utf-8")
    target = {"INPUT_TARGET_URL": "https://127.0.0.1.evil.example"}
    hosts = place.ci(**more, **target, INPUT_ALLOW_PLUGINS="true")
    assert hosts.returncode == 2, hosts.stderr
    assert "evil.example:8443 is not among the allowed hosts" in hosts.stderr
    assert "evil.example is not among the allowed hosts" in hosts.stderr
    assert "lm-eval-so.yaml:9" in hosts.stderr
    assert "lm-eval-so.yaml:10" in hosts.stderr
    assert "127.0.0.1.evil.example is not among the allowed hosts" in hosts.stderr
    assert len(place.bot.requests) == asked
    config.write_text(text + "plugins: [evil.py]\n", encoding="utf-8")
    done = place.ci(INPUT_ALLOWED_HOSTS="127.0.0.1", INPUT_ALLOW_PLUGINS="true")
    assert done.returncode == 0, done.stderr
    here = place.bot.url.removeprefix("http://").removesuffix("/v1")
    (body,) = place.hub.bodies(7).values()
    assert f"보낸 곳 `{here}` · 직접 쓴 코드 `evil.py`" in body
    report = json.loads((place.folder / "lm-eval-so-report/report.json").read_text())
    assert report["experiment"]["sent_to"] == [here]
    assert report["experiment"]["own_code"] == ["evil.py"]


LINKS = {
    "run": ("lm-eval-so-report/run", {}),
    "again": ("lm-eval-so-report/run-again", {}),
    "main": ("lm-eval-so-report/run-main", {}),
    "reports": ("lm-eval-so-report", {}),
    "cache": (".lm-eval-so", {}),
    "cache file": (".lm-eval-so/cache.sqlite", {}),
    "dataset": ("made", {"INPUT_DATASET": "made/faq", "INPUT_GENERATE": "always"}),
    "log": ("lm-eval-so-report/run/run_results.jsonl", {}),
    "lock": ("lm-eval-so-report/run/run.lock", {}),
    "new": ("lm-eval-so-report/run/run_results.new", {}),
}


@pytest.mark.parametrize(
    ("cache", "inputs"),
    [(".GIT/index", {}), ("link/config", {}), ("c.sqlite", {"INPUT_REPORT_DIR": ".git/hooks"})],
)
def test_ci__nothing_is_written_into_gits_own_folder(
    place: Checkout, cache: str, inputs: dict[str, str]
) -> None:
    config = place.folder / "lm-eval-so.yaml"
    config.write_text(f"{config.read_text('utf-8')}run: {{cache: {cache}}}\n", "utf-8")
    (place.folder / "link").symlink_to(".git")
    asked = len(place.bot.requests)
    done = place.ci(**inputs)
    assert (done.returncode, len(place.bot.requests)) == (2, asked), done.stderr
    assert "leads into git's own folder" in done.stderr


@pytest.mark.parametrize("name", LINKS)
def test_ci__nothing_is_written_through_a_link_out_of_the_workspace(
    place: Checkout, name: str
) -> None:
    link, inputs = LINKS[name]
    config = place.folder / "lm-eval-so.yaml"
    source = "generator: {sources: [{id: faq, path: faq.csv, map: {input: q}}]}\n"
    config.write_text(config.read_text(encoding="utf-8") + source, encoding="utf-8")
    (place.folder / "faq.csv").write_text("q\n질문\n", encoding="utf-8")
    shutil.rmtree(place.folder / ".lm-eval-so")
    outside, at = place.folder.parent / "outside", place.folder / link
    at.parent.mkdir(parents=True, exist_ok=True)
    at.symlink_to(outside)
    asked = len(place.bot.requests)

    def refused() -> bool:
        done = place.ci(**inputs)
        is_told = "link" in done.stderr or "outside the workspace" in done.stderr
        return done.returncode == 2 and is_told and len(place.bot.requests) == asked

    assert refused()
    assert not outside.exists()
    if inputs:  # a dataset that is not made is not written
        done = place.ci(**{**inputs, "INPUT_GENERATE": "never"})
        assert (done.returncode, "leads out" in done.stderr) == (2, False)
    if at.suffix:
        outside.write_text("theirs\n", encoding="utf-8")
        assert refused()
        assert outside.read_text(encoding="utf-8") == "theirs\n"
    else:
        outside.mkdir()
        assert refused()
        assert not [*outside.iterdir()]


def test_ci__a_link_inside_the_workspace_is_fine_and_files_are_replaced(place: Checkout) -> None:
    folder = place.folder
    shutil.rmtree(folder / ".lm-eval-so")
    for link, target in {"lm-eval-so-report": "out", ".lm-eval-so": "kept"}.items():
        (folder / target).mkdir()
        (folder / link).symlink_to(target)
    workflow = folder / "workflow.yml"
    workflow.write_text("on: push\n", encoding="utf-8")
    for name in ("out/report.json", "out/report.md", "kept/.gitignore"):
        (folder / name).symlink_to(workflow)
    done = place.ci()
    assert done.returncode == 0, done.stderr
    assert workflow.read_text(encoding="utf-8") == "on: push\n"
    assert json.loads((folder / "out/report.json").read_text(encoding="utf-8"))
    assert not (folder / "out/report.md").is_symlink()
    assert (folder / "kept/cache.sqlite").is_file()


def test_ci__links_that_lead_to_each_other_are_no_bug(place: Checkout) -> None:
    (place.folder / "a").symlink_to("b")
    (place.folder / "b").symlink_to("a")
    done = place.ci(INPUT_REPORT_DIR="a/reports")
    assert done.returncode == 2, done.stderr


@pytest.mark.parametrize("folder", ["", "bots/shop"])
def test_ci__paths_are_told_as_people_write_them(place: Checkout, folder: str) -> None:
    if folder:
        (place.folder / folder).mkdir(parents=True)
        for name in ("lm-eval-so.yaml", "data"):
            (place.folder / name).rename(place.folder / folder / name)
    config = place.folder / folder / "lm-eval-so.yaml"
    text = config.read_text(encoding="utf-8")
    place.commit("a first run")
    other = {"INPUT_BASELINE_PATH": "baselines/other.json"}
    first = place.ci(INPUT_WORKING_DIRECTORY=folder, **other)
    assert first.returncode == 0, first.stderr
    kept = Path(folder, "baselines/other.json")
    assert f"keep lm-eval-so-report/report.json as {kept} to compare" in first.stderr
    assert "lm-eval-so-report/report.json\n" in first.stdout
    [body] = place.hub.bodies(7).values()
    reproduce = f"lm-eval-so ci -c {folder}/lm-eval-so.yaml" if folder else "lm-eval-so ci"
    assert f"\n{reproduce} --set baseline.ref=" in body or f"\n{reproduce}\n" in body

    config.write_text(text.replace("margin: 0.05", "margin: viel"), encoding="utf-8")
    wrong = place.ci(INPUT_WORKING_DIRECTORY=folder)
    assert wrong.returncode == 2
    assert f"--> {Path(folder, 'lm-eval-so.yaml')}:" in wrong.stderr
    for done in (first, wrong):
        assert str(place.folder) not in done.stdout + done.stderr


def test_ci__refuses_pull_request_target(place: Checkout) -> None:
    place.event = "pull_request_target"
    asked = len(place.bot.requests)
    assert place.ci().returncode == 2
    assert len(place.bot.requests) == asked
    assert not place.hub.requests


def test_ci__a_bad_input_is_told_before_anything_is_asked(place: Checkout) -> None:
    asked = len(place.bot.requests)
    done = place.ci(INPUT_COMMENT="sometimes", INPUT_REPEATS="many")
    assert done.returncode == 2
    assert "comment" in done.stderr
    assert "repeats" in done.stderr
    assert len(place.bot.requests) == asked
    assert place.outputs()["verdict"] == "error"


def test_ci__no_key_and_no_token_in_anything_that_is_written(place: Checkout) -> None:
    place.is_worse = True
    done = place.ci()
    masked, stdout = split_masks(done.stdout)  # what hides them from the rest of the job's log
    assert masked == ["ghs_token_of_the_workflow", KEY]
    texts = [stdout, done.stderr, *place.hub.bodies(7).values()]
    files = [f for f in place.folder.parent.rglob("*") if f.is_file() and ".git" not in f.parts]
    texts += [f.read_text(encoding="utf-8", errors="replace") for f in files]
    assert not [text for text in texts if KEY in text or "ghs_token_of_the_workflow" in text]


def test_comment__posts_what_was_compared(place: Checkout) -> None:
    place.is_worse = True
    assert place.ci(INPUT_COMMENT="never").returncode == 1
    assert not place.hub.requests
    git("checkout", "-q", "topic", cwd=place.folder)
    report = place.folder / "lm-eval-so-report/report.json"
    values = json.loads(report.read_text(encoding="utf-8"))
    values["experiment"]["commit"] = place.hub_head
    report.write_text(json.dumps(values), encoding="utf-8")
    arguments = ["comment", "lm-eval-so-report/comparison.json", "--repo", "o/r", "--pr", "7"]
    environ = {"GITHUB_API_URL": place.hub.url, "GITHUB_TOKEN": "t", "BOT_URL": "x"}
    dry = lm_eval_so(*arguments, "--dry-run", cwd=place.folder, environ=environ)
    assert dry.returncode == 0, dry.stderr
    assert "회귀" in dry.stdout
    assert not place.hub.bodies(7)
    done = lm_eval_so(*arguments, cwd=place.folder, environ=environ)
    assert done.returncode == 0, done.stderr
    assert len(place.hub.bodies(7)) == 1


def test_ci__a_budget_that_ends_too_early_is_inconclusive_with_exit_3(place: Checkout) -> None:
    config = place.folder / "lm-eval-so.yaml"
    priced = config.read_text(encoding="utf-8").replace(
        'base_url: "${BOT_URL}"',
        'base_url: "${BOT_URL}", price: {input_per_mtok: 100, output_per_mtok: 100}',
    )
    config.write_text(priced.replace("params: {model: m}", "params: {model: m, max_tokens: 10}"))
    asked = len(place.bot.requests)
    done = place.ci(INPUT_MAX_COST_USD="0.02")
    assert done.returncode == 3, done.stderr
    assert 0 < len(place.bot.requests) - asked < N // 2
    outputs = place.outputs()
    assert (outputs["verdict"], outputs["passed"]) == ("inconclusive", "false")
    [body] = place.hub.bodies(7).values()
    assert "### 🟡 예산을 다 써서 답변" in body
    report = json.loads((place.folder / outputs["report_json"]).read_text(encoding="utf-8"))
    assert report["experiment"]["budget"]["stopped"]["by"] == "max_cost_usd"
    assert not report["experiment"]["eligible"]
