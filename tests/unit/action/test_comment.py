import json
from contextlib import contextmanager

import pytest
from made_reports import compared, comparison, report
from rendering import comment_body
from servers.fake_github import BOT, FakeGitHub

from lm_eval_so.action.comment import LEVELS, Clock, publish
from lm_eval_so.action.github.connection import open_github
from lm_eval_so.action.inputs import LEAST_CHARS
from lm_eval_so.action.marker import State, marker
from lm_eval_so.action.target import Target, suites_on
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.reporter.markdown import Origin

HEAD = "a" * 40
SUITE = "evaluate.yml/evaluate/support-qa"
LISTS = "GET 7/comments"
POSTS = "POST 7/comments"


class FakeClock:
    def __init__(self):
        self.slept = []

    def clock(self):
        return Clock(sleep=self.slept.append, jitter=lambda: 0.5)


@contextmanager
def hub_with(*comments, head=HEAD, state="open", **options):
    with FakeGitHub(**options) as hub:
        hub.add_pull(7, head=head, state=state)
        for number, author, body in comments:
            hub.add_comment(7, body, author=author, number=number)
        yield hub


def send(hub, bodies=lambda level, _=None: f"body at level {level}", clock=None, **changes):
    target = {
        "pull": 7,
        "head": HEAD,
        "suite_id": SUITE,
        "run_id": 6,
        "run_attempt": 1,
        "job": "evaluate",
        "verdict": Verdict.PASS,
        **changes,
    }

    with open_github("o/r", token="t", api_url=hub.url, write_gap_s=0, retry_wait_s=0) as github:
        return publish(bodies, Target(**target), github.pulls, clock=(clock or FakeClock()).clock())


def ours(run=5, *, attempt=1, head=HEAD, job="x", body="old"):
    state = {"run": run, "attempt": attempt, "job": job, "head": head, "sum": "s"}
    return f"{marker(SUITE)}\n<!-- lm-eval-so/state/1 {json.dumps(state)} -->\n{body}"


def writes(hub):
    return [call for call in hub.calls("POST", "PATCH", "DELETE") if "graphql" not in call]


def test_publish__no_comment_posts_once():
    with hub_with() as hub:
        result = send(hub)
        assert writes(hub) == [POSTS]
        assert [c for c in hub.calls("GET", "POST") if "comments" in c] == [LISTS, POSTS, LISTS]
        [(number, body)] = hub.bodies(7).items()
    assert body.startswith(f"{marker(SUITE)}\n<!-- lm-eval-so/state/1 {{")
    assert body.endswith("\nbody at level 0")
    assert result.url == f"https://github.com/o/r/pull/7#issuecomment-{number}"
    assert (result.written, result.failed, result.warnings, result.notices) == (True, False, (), ())


def test_publish__own_comment_is_updated():
    with hub_with((10, "octocat", "hi"), (11, BOT, ours())) as hub:
        assert send(hub).url.endswith("-11")
        assert writes(hub) == ["PATCH comments/11"]
        assert hub.bodies(7)[11].endswith("body at level 0")
        assert hub.bodies(7)[10] == "hi"


def test_publish__same_text_is_not_written():
    with hub_with((11, BOT, ours())) as hub:
        send(hub)
        before = len(writes(hub))
        hub.comments[7][0]["body"] = hub.bodies(7)[11].replace("\n", "\r\n")
        result = send(hub)
        assert len(writes(hub)) == before
    assert result.url.endswith("-11")
    assert result.written is False


def test_publish__all_pages_are_read():
    others = [(n, "octocat", "x") for n in range(1, 105)]
    rest = [(n, "octocat", "x") for n in range(106, 131)]
    with hub_with(*others, (105, BOT, ours()), *rest) as hub:
        send(hub)
        assert writes(hub) == ["PATCH comments/105"]
        pages = [r.query.get("page", "1") for r in hub.requests if r.path.endswith("7/comments")]
        assert pages == ["1", "2", "1", "2"]
        assert {r.query["per_page"] for r in hub.requests if r.path.endswith("7/comments")} == {
            "100"
        }


def test_publish__a_strangers_marker_is_not_ours():
    with hub_with((11, "octocat", ours())) as hub:
        send(hub)
        assert writes(hub) == [POSTS]
        assert hub.bodies(7)[11] == ours()


def test_publish__a_user_named_like_the_bot_is_not_the_bot():
    with hub_with((11, "github-actions", ours())) as hub:
        send(hub)
        assert writes(hub) == [POSTS]


def test_publish__marker_counts_in_the_first_line_only():
    with hub_with((11, BOT, f"a\nb\n{ours()}")) as hub:
        send(hub)
        assert writes(hub) == [POSTS]


def test_publish__own_duplicates_are_deleted():
    with hub_with((15, BOT, ours(5)), (11, BOT, ours(4)), (16, "octocat", ours(4))) as hub:
        assert send(hub).url.endswith("-11")
        assert writes(hub) == ["PATCH comments/11", "DELETE comments/15"]
        assert set(hub.bodies(7)) == {11, 16}


def test_publish__a_duplicate_that_another_run_deletes_first_is_no_failure():
    with hub_with((11, BOT, ours(4)), (15, BOT, ours(5))) as hub:

        def delete(request):
            if request.method == "DELETE":
                hub.comments[7] = [each for each in hub.comments[7] if each["id"] != 15]

        hub.before = delete
        result = send(hub)
        assert writes(hub) == ["PATCH comments/11", "DELETE comments/15"]
        assert set(hub.bodies(7)) == {11}
    assert (result.written, result.failed, result.warnings) == (True, False, ())
    assert result.url.endswith("-11")


def test_publish__our_own_comment_deleted_by_another_run_while_we_delete_it():
    """Ours is the duplicate, and the list does not show it: once gone it must not count again."""
    with hub_with() as hub:
        hub.lag = 9

        def interfere(request):
            if request.method == "GET" and writes(hub) == [POSTS] and 900 not in hub.bodies(7):
                hub.add_comment(7, ours(5), number=900)
            if request.method == "DELETE":
                hub.comments[7] = [each for each in hub.comments[7] if each["id"] == 900]

        hub.before = interfere
        result = send(hub)
        assert writes(hub) == [POSTS, "DELETE comments/1001", "PATCH comments/900"]
        assert list(hub.bodies(7)) == [900]
    assert (result.failed, result.warnings) == (False, ())
    assert result.url.endswith("-900")


def test_publish__another_suite_keeps_its_comment():
    with hub_with((11, BOT, ours().replace("support-qa", "support-qa-2"))) as hub:
        send(hub)
        assert writes(hub) == [POSTS]
        assert len(hub.bodies(7)) == 2


def test_publish__stale_head():
    with hub_with(head="b" * 40) as hub:
        result = send(hub)
        assert hub.calls() == ["GET pulls/7"]
    assert result.failed is False
    assert result.notices == ("stale head: #7 has moved on to bbbbbbb; no comment is written",)


def test_publish__head_moves_just_before_the_write():
    with hub_with() as hub:

        def move(request):
            if request.path.endswith("/comments"):
                hub.pulls[7]["head"]["sha"] = "b" * 40

        hub.before = move
        assert send(hub).notices[0].startswith("stale head")
        assert writes(hub) == []


@pytest.mark.parametrize(("run", "attempt"), [(9, 1), (6, 2)])
def test_publish__newer_result_wins(run, attempt):
    with hub_with((11, BOT, ours(run, attempt=attempt))) as hub:
        result = send(hub)
        assert writes(hub) == []
    assert result.notices == (
        "a newer result is present: https://github.com/o/r/pull/7#issuecomment-11",
    )


def test_publish__a_newer_result_of_another_head_is_replaced():
    with hub_with((11, BOT, ours(9, head="b" * 40))) as hub:
        send(hub)
        assert writes(hub) == ["PATCH comments/11"]


@pytest.mark.parametrize("state", ["", "{", "[1]", '{"run": "x"}'])
def test_publish__unreadable_state_is_oldest(state):
    body = f"{marker(SUITE)}\n<!-- lm-eval-so/state/1 {state} -->\nold"
    with hub_with((11, BOT, body)) as hub:
        send(hub)
        assert writes(hub) == ["PATCH comments/11"]


def test_publish__closed():
    with hub_with(state="closed") as hub:
        result = send(hub)
        assert writes(hub) == []
    assert result.notices == ("pull request #7 is closed; no comment is written",)


def test_publish__no_permission():
    with hub_with() as hub:
        hub.fail(
            "POST",
            "/comments",
            403,
            "Resource not accessible by integration",
            headers={"X-Accepted-GitHub-Permissions": "pull_requests=write"},
        )
        result = send(hub)
        assert writes(hub) == [POSTS]
    assert (result.failed, result.written, result.url) == (True, False, "")
    [warning] = result.warnings
    assert "Resource not accessible by integration (HTTP 403)" in warning
    assert "the API asks for pull_requests=write" in warning
    assert "pull-requests: write" in warning


@pytest.mark.parametrize("status", [502, 0])
def test_publish__post_without_an_answer_that_took_effect(status):
    clock = FakeClock()
    with hub_with() as hub:
        hub.fail("POST", "/comments", status, "Server Error", takes_effect=True)
        result = send(hub, clock=clock)
        assert writes(hub) == [POSTS]
        assert len(hub.bodies(7)) == 1
    assert result.failed is False
    assert result.url
    assert clock.slept == [2.0]


def test_publish__post_without_an_answer_is_never_sent_again():
    with hub_with() as hub:
        hub.fail("POST", "/comments", 502, "Server Error", times=9)
        result = send(hub)
        assert writes(hub) == [POSTS]
    assert result.failed is True
    assert "did not say whether it took the comment" in result.warnings[0]


def test_publish__patch_without_an_answer_is_sent_again():
    with hub_with((11, BOT, ours())) as hub:
        hub.fail("PATCH", "/comments", 502, "Server Error")
        assert send(hub).url.endswith("-11")
        assert writes(hub) == ["PATCH comments/11", "PATCH comments/11"]


def test_publish__comment_deleted_meanwhile():
    with hub_with((11, BOT, ours())) as hub:

        def delete(request):
            if request.method == "PATCH":
                hub.comments[7].clear()

        hub.before = delete
        result = send(hub)
        assert writes(hub) == ["PATCH comments/11", POSTS]
        assert len(hub.bodies(7)) == 1
    assert result.failed is False


@pytest.mark.parametrize("most", [2, LEVELS - 1])
def test_publish__too_long_for_github_takes_the_next_level(most):
    with hub_with() as hub:
        send(
            hub,
            bodies=lambda level, _=None: "x" * (70_000 if level < most else 10),
            max_chars=100_000,
        )
        assert writes(hub) == [POSTS] * (most + 1)
        [body] = hub.bodies(7).values()
    assert body.endswith("\n" + "x" * 10)


def test_publish__level_fits_the_budget_in_utf16_units():
    with hub_with() as hub:
        send(hub, bodies=lambda level, _=None: "👍" * (1200 if level == 0 else 800), max_chars=2000)
        [body] = hub.bodies(7).values()
    assert body.count("👍") == 800


def test_publish__nothing_fits():
    with hub_with() as hub:
        result = send(hub, bodies=lambda _, __=None: "x" * 5000, max_chars=2000)
        assert writes(hub) == []
    assert result.failed is True
    assert "too long even without details" in result.warnings[0]


@pytest.mark.parametrize(
    ("date", "slept"),
    [
        ("Fri, 31 Dec 9999 23:59:59 GMT", []),  # longer than it is worth
        ("Friday, 31-Dec-49 23:59:59 GMT", []),
        ("Fri Dec 31 23:59:59 9999", []),
        ("Sun, 06 Nov 1994 08:49:37 GMT", [1.0, 0.5]),
        ("0", [1.0, 0.5]),
    ],
)
def test_publish__retry_after_is_a_date_or_seconds(date, slept):
    clock = FakeClock()
    with hub_with() as hub:
        hub.fail("POST", "/comments", 403, "secondary rate limit", headers={"Retry-After": date})
        result = send(hub, clock=clock)
    assert clock.slept == slept
    assert result.failed is (not slept)


def test_publish__short_wait_is_kept():
    clock = FakeClock()
    with hub_with() as hub:
        hub.fail("POST", "/comments", 403, "secondary rate limit", headers={"Retry-After": "2"})
        result = send(hub, clock=clock)
        assert writes(hub) == [POSTS, POSTS]
        assert len(hub.bodies(7)) == 1
    assert result.failed is False
    assert clock.slept == [2.0, 0.5]


@pytest.mark.parametrize(
    ("headers", "slept"),
    [({"Retry-After": "90"}, []), ({"Retry-After": "50"}, [50.0, 50.0]), ({}, [60.0, 60.0])],
)
def test_publish__long_wait_is_a_failure(headers, slept):
    clock = FakeClock()
    with hub_with() as hub:
        text = "You have exceeded a secondary rate limit"
        hub.fail("POST", "/comments", 403, text, headers=headers, times=9)
        result = send(hub, clock=clock)
        assert hub.bodies(7) == {}
    assert clock.slept == slept
    assert result.failed is True
    assert "limits the rate" in result.warnings[0]


def test_publish__primary_limit_is_waited_for_until_its_reset():
    clock = FakeClock()
    with hub_with() as hub:
        headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "99999999999"}
        hub.fail("GET", "/comments", 403, "API rate limit exceeded", headers=headers)
        assert send(hub, clock=clock).failed is True
    assert clock.slept == []


def test_publish__locked():
    with hub_with() as hub:
        hub.fail("POST", "/comments", 403, "Unable to create comment because issue is locked.")
        result = send(hub)
    assert result.failed is True
    assert result.warnings == ("no comment on #7: the conversation is locked (HTTP 403)",)


@pytest.mark.parametrize(
    ("prefix", "graphql"),
    [("/api/v3", "/api/graphql"), ("", "/graphql")],  # a server of one's own; github.com, *.ghe.com
)
def test_publish__enterprise_server(prefix, graphql):
    with hub_with(prefix=prefix) as hub:
        send(hub)
        paths = {request.path.split("/repos")[0] for request in hub.requests}
        assert paths == {prefix, graphql}
        assert {request.headers["authorization"] for request in hub.requests} == {"token t"}


def test_publish__next_page_on_another_host_is_not_followed():
    with hub_with(*((n, "octocat", "x") for n in range(1, 102))) as hub:
        hub.next_page_host = "https://evil.example"
        result = send(hub)
        assert writes(hub) == []
    assert "points to another host" in result.warnings[0]


def test_publish__on_change_a_comment_that_tells_the_same_is_left():
    changes = {"is_for_change": True, "verdict": Verdict.REGRESSION, "regressed": "aa"}
    unmeasured = {**changes, "verdict": None, "regressed": ""}
    with hub_with() as hub:
        for number, (more, wrote) in enumerate(
            [
                (changes, POSTS),  # there is none yet
                (changes, None),
                ({**changes, "regressed": "bb"}, "PATCH"),  # another case
                ({**changes, "regressed": "bb", "verdict": Verdict.PASS}, "PATCH"),
                (unmeasured, "PATCH"),
                (
                    {**changes, "regressed": "bb", "verdict": Verdict.PASS},
                    "PATCH",
                ),  # measured again
                ({**changes, "regressed": "bb", "verdict": Verdict.PASS, "job": "b"}, None),
            ]
        ):
            before = len(writes(hub))
            result = send(hub, lambda *_: f"run {number}", run_id=6 + number, **more)  # noqa: B023
            assert [call.partition(" ")[0] for call in writes(hub)[before:]] == (
                [wrote.partition(" ")[0]] if wrote else []
            )
            assert result.url
            assert result.failed is False
        told = send(
            hub, run_id=11, job="other", **changes | {"verdict": Verdict.PASS, "regressed": "bb"}
        )
    assert [text for text in told.warnings if "two jobs" in text]


def test_publish__two_jobs_of_a_run_do_not_fight():
    with hub_with((11, BOT, ours(6, job="other"))) as hub:

        def interfere(request):
            if request.path.endswith("7/comments") and len(writes(hub)) == 1:
                hub.comments[7][0]["body"] = ours(6, job="other")

        hub.before = interfere
        result = send(hub)
        assert writes(hub) == ["PATCH comments/11"]
    assert (result.failed, result.written) == (False, True)
    assert result.url.endswith("-11")
    [warning] = result.warnings
    assert SUITE in warning
    assert "suite_id" in warning
    assert "two jobs" in result.notices[0]


def test_publish__a_comment_that_is_written_is_no_failure():
    with hub_with((11, BOT, ours())) as hub:

        def break_down(request):
            if request.method == "PATCH":
                hub.fail("GET", "/comments", 500, "Server Error", times=9)

        hub.before = break_down
        result = send(hub)
    assert (result.failed, result.written) == (False, True)
    assert result.url.endswith("-11")
    assert result.warnings == ("the comment was not checked on #7: Server Error (HTTP 500)",)


def test_publish__two_runs_at_once_end_with_one_comment():
    with hub_with() as hub:

        def interfere(request):
            if request.method == "POST" and "comments" in request.path and not hub.comments.get(7):
                hub.add_comment(7, ours(5), number=900)

        hub.before = interfere
        assert send(hub).url.endswith("-900")
        assert writes(hub) == [POSTS, "DELETE comments/1002", "PATCH comments/900"]
        assert list(hub.bodies(7)) == [900]


@pytest.mark.parametrize("lag", [1, 2, 5, 99])
def test_publish__a_list_that_lags_makes_no_second_comment(lag):
    clock = FakeClock()
    with hub_with() as hub:
        hub.lag = lag
        result = send(hub, clock=clock)
        assert writes(hub) == [POSTS]
        assert hub.calls("GET").count(LISTS) == min(lag + 2, 7)
        [number] = hub.bodies(7)
    assert (result.failed, result.written, result.warnings) == (False, True, ())
    assert result.url.endswith(f"-{number}")
    assert sum(clock.slept) < 5


def test_publish__two_runs_at_once_end_with_one_comment_though_the_list_lags():
    with hub_with() as hub:
        hub.lag = 2

        def interfere(request):
            if request.method == "POST" and "comments" in request.path and not hub.comments.get(7):
                hub.add_comment(7, ours(5), number=900)

        hub.before = interfere
        assert send(hub).url.endswith("-900")
        assert writes(hub) == [POSTS, "DELETE comments/1002", "PATCH comments/900"]
        assert list(hub.bodies(7)) == [900]


def test_publish__a_comment_that_was_deleted_after_it_was_made_is_made_again():
    """The other run deletes ours as a duplicate, and a person the other run's."""
    with hub_with() as hub:
        hub.lag = 9

        def delete(request):
            if request.method == "PATCH":
                hub.comments[7] = [c for c in hub.comments[7] if c["id"] not in {900, 1001}]
            if request.method == "GET" and writes(hub) == [POSTS] and 900 not in hub.bodies(7):
                hub.add_comment(7, ours(5), number=900)

        hub.before = delete
        result = send(hub)
        assert len(hub.bodies(7)) == 1
    assert result.failed is False


def test_publish__the_state_keeps_the_last_verdict_that_was_measured():
    with hub_with() as hub:
        first = send(hub, verdict=Verdict.REGRESSION)
        assert (first.before.verdict, first.before.at) == ("", "")
        hub.pulls[7]["head"]["sha"] = "b" * 40
        failed = send(hub, head="b" * 40, verdict=None, run_id=7)
        again = send(hub, head="b" * 40, verdict=None, run_id=8)
        for result in (failed, again):
            assert (result.before.verdict, result.before.at) == ("regression", HEAD)
        send(hub, head="b" * 40, run_id=9)
        state = State.read(*hub.bodies(7).values())
    assert (state.verdict, state.at, state.head) == ("pass", "b" * 40, "b" * 40)


def test_publish__the_text_is_told_what_the_comment_said():
    seen = []
    with hub_with((11, BOT, ours())) as hub:

        def bodies(level, before=None):
            seen.append(before)
            return "text"

        send(hub, bodies=bodies)
        send(hub, bodies=bodies, run_id=7)
    assert [(b.run, b.verdict) for b in seen] == [(5, ""), (6, "pass")]


@pytest.mark.parametrize(
    ("verdict", "at"), [("pass", "$(rm)"), ("great", "a" * 40), (1, 2), (None, None)]
)
def test_state__a_verdict_that_nobody_gave_is_none(verdict, at):
    told = json.loads(State(run=5, attempt=1).line().partition("/1 ")[2].removesuffix(" -->"))
    line = json.dumps({**told, "verdict": verdict, "at": at})
    state = State.read(f"{marker(SUITE)}\n<!-- lm-eval-so/state/1 {line} -->\nold")
    assert (state.run, state.verdict, state.at) == (5, "", "")


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("most", [LEAST_CHARS, 5000])
def test_publish__many_metrics_in_a_small_comment(most, language):
    made = comparison(metrics={f"지표_{n}_of_the_shop": compared() for n in range(41)})

    def bodies(level, before=None):
        return comment_body(made, report(), level=level, language=language, origin=Origin())

    with hub_with() as hub:
        assert send(hub, bodies=bodies, max_chars=most).failed is False
        [body] = hub.bodies(7).values()
    assert len(body) <= most
    assert "exact_match: 89.5% → 84.9%" in body


def test_publish__a_guessed_suite_leaves_what_this_run_has_written():
    with hub_with((11, BOT, ours(6))) as hub:
        result = send(hub, verdict=None, is_guess=True)
        assert writes(hub) == []
        assert "has written" in result.notices[0]
        send(hub, verdict=None, is_guess=True, run_id=7)
        # the suite's own job of the same run is then not taken for a second one
        result = send(hub, run_id=7)
        assert writes(hub) == ["PATCH comments/11", "PATCH comments/11"]
    assert (result.warnings, result.notices) == ((), ())


def test_suites_on__those_of_a_job_that_are_ours():
    bodies = [
        (1, BOT, ours()),
        (2, BOT, f"{marker('evaluate.yml/evaluate/챗봇')}\nx"),
        (3, BOT, f"{marker('evaluate.yml/evaluate-2/shop')}\nx"),
        (4, "octocat", f"{marker('evaluate.yml/evaluate/stranger')}\nx"),
        (5, BOT, "hello"),
        (6, BOT, ours()),
    ]
    with (
        hub_with(*bodies) as hub,
        open_github("o/r", token="t", api_url=hub.url, retry_wait_s=0) as github,
    ):
        found = suites_on(7, "evaluate.yml/evaluate/", github.pulls)
    assert found == (SUITE, "evaluate.yml/evaluate/챗봇")


def test_publish__the_reply_tells_who_we_are():
    with hub_with(viewer=None, author="my-app[bot]") as hub:
        assert send(hub).failed is False
        assert writes(hub) == [POSTS]


def test_publish__no_server():
    with FakeGitHub() as hub:
        pass
    result = send(hub)
    assert result.failed is True
    assert "no answer" in result.warnings[0]


def test_publish__bad_token():
    with hub_with() as hub:
        hub.fail("GET", "/pulls/7", 401, "Bad credentials")
        assert "refuses the token" in send(hub).warnings[0]


def test_publish__too_many_comments():
    with hub_with(*((n, "octocat", "x") for n in range(1, 3002))) as hub:
        assert "more than 3,000 comments" in send(hub).warnings[0]


@pytest.mark.parametrize(
    ("suite_id", "line"),
    [
        (SUITE, f"<!-- lm-eval-so/comment/1 suite={SUITE} -->"),
        ("a--b---c", "<!-- lm-eval-so/comment/1 suite=a-%2Db-%2D-c -->"),
        ("x --> <h1>", "<!-- lm-eval-so/comment/1 suite=x%20-%2D%3E%20%3Ch1%3E -->"),
        ("한국어", "<!-- lm-eval-so/comment/1 suite=%ED%95%9C%EA%B5%AD%EC%96%B4 -->"),
    ],
)
def test_marker__cannot_close_the_comment(suite_id, line):
    assert marker(suite_id) == line


def test_open_pulls__of_a_branch():
    with FakeGitHub() as hub:
        hub.add_pull(3, head=HEAD, branch="o:feature")
        hub.add_pull(4, head=HEAD, branch="o:other")
        hub.add_pull(5, head=HEAD, branch="o:feature", state="closed")
        with open_github("o/r", token="t", api_url=hub.url) as github:
            [pull] = github.pulls.open_of("o:feature")
    assert (pull.number, pull.head, pull.is_open) == (3, HEAD, True)
