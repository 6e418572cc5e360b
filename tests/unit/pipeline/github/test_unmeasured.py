"""Where nothing could be measured the summary and the comment say so, against a loopback GitHub."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from servers.fake_github import FakeGitHub

from lm_eval_so.action.marker import State, marker
from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.core.events import Event, Noticed, Warned
from lm_eval_so.errors import (
    BackendError,
    BudgetSpent,
    ConfigError,
    ErrorKind,
    Interrupted,
    Problem,
    Where,
)
from lm_eval_so.pipeline.github.unmeasured import Invocation, told_if_unmeasured

HEAD, OLD = "a" * 40, "b" * 40
JOB = "evaluate.yml/evaluate"
KEY = "hunter2-long-value"
CONFIG = "version: 1\nsuite: shop\nlanguage: ko\ndataset: {path: data}\n"
SAID = "측정하지 못함"
REFUSED = BackendError(ErrorKind.AUTH, f"refused {KEY} @octocat", retryable=False, hint="look")


def end(asked: Invocation, error: BaseException, *, has_result: bool) -> None:
    with told_if_unmeasured(asked) as told:
        if has_result:
            told.set()
        raise error


@dataclass
class Place:
    folder: Path
    hub: FakeGitHub
    event: str = "pull_request"
    number: Any = 7
    told: list[Event] = field(default_factory=list)

    def fail(
        self,
        error: BaseException,
        *,
        overrides: tuple[str, ...] = (),
        has_result: bool = False,
        **more: str,
    ) -> None:
        """Let an error come out of `ci`; it must come out as it is."""
        payload = {
            "pull_request": {
                "number": self.number,
                "head": {"sha": HEAD, "repo": {"id": 1}},
                "base": {"ref": "main", "repo": {"id": 1}},
            },
            "repository": {"default_branch": "main"},
        }
        (self.folder / "event.json").write_text(json.dumps(payload), encoding="utf-8")
        environ = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.folder),
            "GITHUB_EVENT_NAME": self.event,
            "GITHUB_EVENT_PATH": str(self.folder / "event.json"),
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_API_URL": self.hub.url,
            "GITHUB_RUN_ID": "6",
            "GITHUB_JOB": "evaluate",
            "GITHUB_WORKFLOW_REF": "o/r/.github/workflows/evaluate.yml@refs/pull/7/merge",
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            "INPUT_GITHUB_TOKEN": "ghs_token_of_the_workflow",
            "BOT_KEY": KEY,
            **more,
        }
        asked = Invocation(
            environ=environ, config=CONFIG_FILE, overrides=overrides, listener=self.told.append
        )
        with pytest.raises(type(error)) as raised:
            end(asked, error, has_result=has_result)
        assert raised.value is error

    def config(self, text: str) -> None:
        (self.folder / CONFIG_FILE).write_text(text, encoding="utf-8")

    def comment(self, suite: str = "shop", *, run: int = 5, body: str = "✅ pass") -> None:
        state = State(run=run, attempt=1, job="x", head=OLD, verdict="pass", at=OLD)
        self.hub.add_comment(7, f"{marker(f'{JOB}/{suite}')}\n{state.line()}\n{body}")

    @property
    def bodies(self) -> list[str]:
        return list(self.hub.bodies(7).values())

    @property
    def summary(self) -> str:
        file = self.folder / "summary"
        return file.read_text(encoding="utf-8") if file.exists() else ""

    @property
    def warnings(self) -> list[str]:
        return [event.text for event in self.told if isinstance(event, Warned)]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with FakeGitHub() as hub:
        hub.add_pull(7, head=HEAD)
        found = Place(tmp_path, hub)
        found.config(CONFIG)
        yield found


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (REFUSED, '"refused `[redacted:BOT_KEY]` `@octocat"` · shop\n\n해결: "look"'),
        (
            BudgetSpent("the budget is spent: 9 of 9 requests (run.max_requests)"),
            "예산을 다 썼습니다: 요청 9건 중 9건 (run.max_requests) · shop\n",
        ),
        (
            Interrupted("interrupted", hint="the same command goes on"),
            "중단되었습니다 · shop\n\n해결:",
        ),
        (KeyboardInterrupt(), "중단되었습니다 · shop\n"),
        (
            ValueError(f"<b>{KEY}</b>"),
            "lm-eval-so의 버그입니다: ValueError: `<b>[redacted:BOT_KEY]</b>",
        ),
        (
            OSError(28, "No space left on device", "x.jsonl"),
            "x.jsonl 파일을 쓸 수 없습니다: No space left",
        ),
    ],
)
def test_told_if_unmeasured__a_comment_is_not_left_saying_pass(
    place: Place, error: BaseException, said: str
) -> None:
    place.comment()
    place.fail(error)
    [body] = place.bodies
    head, _, rest = body.partition(f"\n### ⚠️ {SAID}: ")
    assert head.startswith(marker(f"{JOB}/shop"))
    assert rest.startswith(said)
    assert "`bbbbbbb` 커밋의 이전 결과: 통과." in rest
    assert "✅" not in body
    assert f"<sub>측정하지 못한 커밋: `{HEAD[:7]}`</sub>" in body
    assert rest.strip() in place.summary or rest.split("\n\n")[0] in place.summary
    assert "`bbbbbbb` 커밋의 이전 결과: 통과." in place.summary
    outputs = (place.folder / "output").read_text(encoding="utf-8")
    # a budget that ended before the first answer decides as little as one that ended after it
    verdict = "inconclusive" if isinstance(error, BudgetSpent) else "error"
    assert outputs.splitlines()[1:5:3] == [verdict, "false"]
    assert "issuecomment-" in outputs
    assert KEY not in body + place.summary + outputs


def test_told_if_unmeasured__a_comment_is_made_where_there_is_none(place: Place) -> None:
    place.fail(REFUSED)
    place.fail(REFUSED, GITHUB_RUN_ID="7")  # and none is added, nor a verdict made up
    [body] = place.bodies
    assert SAID in body
    assert "이전 결과" not in body + place.summary


@pytest.mark.parametrize(
    "more", [{"INPUT_COMMENT": "never"}, {"GITHUB_EVENT_NAME": "pull_request_target"}]
)
def test_told_if_unmeasured__no_comment_where_none_may_be_written(
    place: Place, more: dict[str, str]
) -> None:
    place.fail(REFUSED, **more)
    assert place.hub.requests == []
    assert SAID in place.summary


def test_told_if_unmeasured__every_problem_with_its_place_in_the_repository(place: Place) -> None:
    file = str(place.folder / "conf/a.yaml")
    where = Where(file=file, line=4, column=1, key="datasset", text=f"datasset: {KEY}")
    problems = [
        Problem(what='unknown key "datasset"', where=where),
        Problem(what=f"no file {place.folder}/data", hint=f"make {place.folder}/data"),
    ]
    place.fail(ConfigError.of(problems))
    [body] = place.bodies
    assert "알 수 없는 키입니다: datasset · shop\n\n`conf/a.yaml:4` datasset." in body
    assert '- "no file data". 해결: "make data"\n' in body
    assert str(place.folder) not in body + place.summary
    assert KEY not in body


@pytest.mark.parametrize(
    ("config", "more", "overrides"),
    [
        ("version: 9\nsuite: shop\nlanguage: ko\n", {}, ()),
        ("suite: ${SUITE}\nlanguage: ko\nmetrics: 5\n", {"SUITE": "shop"}, ()),
        ("suite: [", {"INPUT_SUITE": "shop", "INPUT_LANGUAGE": "ko"}, ()),
        ("a: [", {"INPUT_SUITE_ID": f"{JOB}/shop"}, ("language=ko",)),
        ("suite: old\nx: 1\nlanguage: ko", {}, ("suite=shop",)),
        (CONFIG, {"INPUT_PR_NUMBER": "x", "INPUT_CONFIG": "../../etc/x"}, ()),
    ],
)
def test_told_if_unmeasured__the_suite_of_a_config_that_cannot_be_used(
    place: Place, config: str, more: dict[str, str], overrides: tuple[str, ...]
) -> None:
    place.config(config)
    place.comment("shop-2")
    place.fail(ConfigError("no"), overrides=overrides, **more)
    other, body = place.bodies
    assert other.startswith(marker(f"{JOB}/shop-2"))
    assert "✅ pass" in other
    assert body.startswith(marker(f"{JOB}/shop"))
    assert SAID in body


@pytest.mark.parametrize("config", ["a: [", "suite: Not A Suite", "suite: ${NOWHERE}", None])
def test_told_if_unmeasured__a_suite_that_nobody_can_read(place: Place, config: str | None) -> None:
    """Nothing is made up, but no comment of this job goes on saying pass."""
    (place.folder / CONFIG_FILE).unlink()
    if config:
        place.config(config)
    place.fail(ConfigError("no config"))
    assert place.bodies == []
    assert "Could not be measured: no config\n" in place.summary
    assert any("nobody knows whose it is" in e.text for e in place.told if isinstance(e, Noticed))
    place.comment("one")
    place.comment("two", run=6)  # another step of this run measured it
    place.hub.add_comment(7, f"{marker('other.yml/evaluate/one')}\n✅ pass")
    place.fail(ConfigError("no config"))
    one, two, other = place.bodies
    assert one.startswith(marker(f"{JOB}/one"))
    assert "### ⚠️ Could not be measured: no config\n" in one
    assert "Before, at `bbbbbbb`: pass." in one
    assert "✅ pass" in two
    assert "✅ pass" in other


@pytest.mark.parametrize("config", ["suite: ${BOT_KEY}", "version: 9\nsuite: ${BOT_KEY}"])
def test_told_if_unmeasured__a_secret_is_no_name(place: Place, config: str) -> None:
    place.config(f"{config}\n")
    place.fail(REFUSED)
    place.fail(REFUSED, overrides=("suite=${BOT_KEY}",), INPUT_SUITE="${BOT_KEY}")
    assert len(place.bodies) == 1
    assert KEY not in "".join(place.bodies) + place.summary


@pytest.mark.parametrize("status", [401, 403, 500])
def test_told_if_unmeasured__a_github_that_refuses_hides_nothing(place: Place, status: int) -> None:
    place.hub.fail("GET", "/pulls/7", status, "no", times=99)
    place.fail(REFUSED, GITHUB_ACTOR="dependabot[bot]" if status == 403 else "someone")
    assert SAID in place.summary
    assert place.warnings[0].startswith("no comment on #7: ")
    notices = [each.text for each in place.told if isinstance(each, Noticed)]
    assert any("command: comment" in text for text in notices) == (status == 403)


def test_told_if_unmeasured__telling_fails_altogether(place: Place) -> None:
    place.fail(REFUSED, GITHUB_API_URL="nonsense")
    assert SAID in place.summary
    assert place.warnings == ["GitHub could not be told: AttributeError"]


@pytest.mark.parametrize("name", ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"])
def test_told_if_unmeasured__what_github_takes_no_more_costs_no_comment(
    place: Place, name: str
) -> None:
    place.fail(REFUSED, **{name: str(place.folder)})
    assert len(place.bodies) == 1
    assert place.warnings[0] in {"no outputs: Is a directory", "no job summary: Is a directory"}


def test_told_if_unmeasured__a_second_stop_ends_telling_and_not_the_error(place: Place) -> None:
    def stop(request: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    place.hub.before = stop
    place.fail(REFUSED)
    assert SAID in place.summary
    assert place.bodies == []
    assert place.warnings == ["GitHub could not be told: KeyboardInterrupt"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Interrupted("x"), ValueError("x")])
def test_told_if_unmeasured__a_stop_after_the_result_is_not_told(
    place: Place, error: BaseException
) -> None:
    place.fail(error, has_result=True)
    assert len(place.bodies) == isinstance(error, ValueError)


def test_told_if_unmeasured__an_event_without_a_number(place: Place) -> None:
    place.number = None
    place.fail(REFUSED)
    assert place.hub.requests == []
    assert "⚠ the event names no pull request number, so no comment is written" in place.summary


def test_told_if_unmeasured__a_push_and_a_commit_that_moved_on(place: Place) -> None:
    place.hub.add_pull(7, head=OLD)
    place.fail(REFUSED)
    assert place.bodies == []
    assert any("stale head" in e.text for e in place.told if isinstance(e, Noticed))
    place.event = "push"
    place.fail(REFUSED, GITHUB_REF="refs/heads/main", GITHUB_SHA=HEAD)
    assert place.bodies == []
    assert place.summary.count(SAID) == 2


def test_told_if_unmeasured__what_is_no_error_is_not_told(place: Place) -> None:
    asked = Invocation(
        environ={},
        config=CONFIG_FILE,
        overrides=(),
        listener=place.told.append,
    )
    with told_if_unmeasured(asked):
        pass
    with pytest.raises(SystemExit), told_if_unmeasured(asked):
        raise SystemExit(0)
    assert place.told == []
