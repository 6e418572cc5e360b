"""Sessions that a first request opens, answers that are polled for, and tokens that are renewed."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers.own_endpoints import ask, found, make, request
from servers.shop_bot import Asked, ShopBot, Told

from lm_eval_so.core.asking.answer.outcome import Answers, Row
from lm_eval_so.core.backends.base import BackendEnv
from lm_eval_so.core.backends.http.backend import HttpBackend
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.errors import BackendError, ErrorKind

KEY = "Bearer key-0123456789abcdef"
SESSION = {
    "session": {"url": "/conversations", "take": {"conversation": "id", "token": "token"}},
    "body": {"text": "{{ last_user }}", "in": "{{ session.conversation }}"},
    "headers": {"X-Token": "{{ session.token }}"},
    "response": {"text": "said"},
    "history": "stateful",
}


def with_sessions(asked: Asked) -> Told:
    """Open a conversation, then answer in it."""
    if asked.path == "/conversations":
        number = len(json.loads(asked.raw or b"[]")) or 1
        return Told({"id": number, "token": "tok-0123456789abcdefAB"}, status=201)
    return Told({"said": asked.json["text"]})


async def failure(script: Callable[[Asked], Told], *requests: Any, **options: Any) -> BackendError:
    with ShopBot(script) as bot, pytest.raises(BackendError) as failed:
        await ask(make(bot.url + "/chat", **options), *requests)
    return failed.value


async def test_session__one_for_each_conversation():
    with ShopBot(with_sessions) as bot:
        backend = make(bot.url + "/chat", **SESSION)
        assert list(backend.check()) == []
        turns = (request("a"), request("a", "a", "b", turn=1))
        response = await ask(backend, *turns, request("c", session="q2:0"))
    assert response.text == "c"
    assert response.latency_ms is not None
    paths = ["/conversations", "/chat", "/chat", "/conversations", "/chat"]
    assert [each.path for each in bot.asked] == paths
    token = "tok-0123456789abcdefAB"
    assert [a.headers.get("x-token") for a in bot.asked[:3]] == [None, token, token]
    assert bot.asked[1].json == {"text": "a", "in": 1}


async def test_session__its_token_stands_in_no_answer():
    def script(asked: Asked) -> Told:
        opens = asked.path == "/conversations"
        said = f"your token is {asked.headers.get('x-token')}"
        return with_sessions(asked) if opens else Told({"said": said, "passages": [said]})

    options = {**SESSION, "response": {"text": "said", "context": "passages"}}
    with ShopBot(script) as bot:
        backend = make(bot.url + "/chat", wants={"keeps_raw": True}, **options)
        response = await ask(backend)
    assert response.text == "your token is [redacted:session.token]"
    assert "tok-0123" not in str(response)


async def test_session__with_history_full_each_request_has_its_own():
    def script(asked: Asked) -> Told:
        fails = asked.path == "/chat" and asked.json["text"] == "fails"
        return Told({}, status=500) if fails else with_sessions(asked)

    options = {**SESSION, "history": "full"}
    options["body"] = {**SESSION["body"], "history": "{{ history }}"}
    options["response"] = {"text": "said", "session": {"kept": "said"}}
    with ShopBot(script) as bot:
        backend = make(bot.url + "/chat", **options)
        await ask(backend, request("a"))
        with pytest.raises(BackendError):
            await ask(backend, request("a", "a", "fails", turn=1))
        await ask(backend, request("a", "a", "b", turn=1))
    assert backend.capabilities.cacheable
    assert [each.path for each in bot.asked] == ["/conversations", "/chat"] * 3


async def test_session__a_failed_first_turn_is_asked_again_in_another():
    ids: list[str] = []

    def script(asked: Asked) -> Told:
        if asked.path.startswith("/sessions/"):
            ids.append(asked.path)
            return Told(status=204, body=b"")
        return Told({"oops": 1}, status=500)

    options = {
        "session": {"url": "/sessions/{{ session.id }}", "method": "PUT"},
        "body": {"text": "{{ last_user }}", "in": "{{ session.id }}"},
        "response": {"text": "said"},
        "history": "stateful",
    }
    with ShopBot(script) as bot:
        backend = make(bot.url + "/chat", **options)
        for attempt, turn in ((1, 0), (2, 0), (1, 1)):
            texts = ("a", "b", "c") if turn else ("a",)
            with pytest.raises(BackendError) as failed:
                await ask(backend, request(*texts, attempt=attempt, turn=turn))
            assert failed.value.taken_in is bool(turn)
    assert len(set(ids[:2])) == 2


async def test_session__several_steps_and_errors_that_name_them():
    def script(asked: Asked) -> Told:
        if asked.path == "/users":
            return Told({"key": "secret-key-0123456789AB"})
        if asked.path == "/conversations":
            return Told({"message": "unknown key secret-key-0123456789AB"}, status=404)
        return Told({"said": "x"})

    steps = [
        {"url": "/users", "take": {"key": "key"}},
        {"url": "/conversations", "take": {"id": "conversation.id"}},
    ]
    options = {
        "session": steps,
        "headers": {"X-Key": "{{ session.key }}"},
        "body": {"in": "{{ session.id }}"},
        "response": {"text": "said"},
    }
    error = await failure(script, **options)
    assert error.message.startswith(
        "the session could not be opened (request 2 of 2): nothing found at http://127.0.0.1:"
    )
    assert error.message.endswith("/conversations (404: unknown key [redacted:session.key])")
    assert error.hint == "is options.session.1.url right?"
    assert (error.kind, error.taken_in) == (ErrorKind.NOT_FOUND, False)
    steps[1]["url"] = "/users"
    error = await failure(script, **options)
    assert 'take.id "conversation.id" found nothing; the response has: key' in error.message
    assert error.details == {"option": "options.session.1.take.id"}


JOBS = {
    "body": {"text": "{{ last_user }}"},
    "response": {"text": "result.text"},
    "poll": {"every_s": 0.01},
}


def job(*polls: Told, first: Told | None = None) -> Callable[[Asked], Told]:
    """Take a question, and answer polls one after another, the last again and again."""
    left = list(polls)

    def script(asked: Asked) -> Told:
        if asked.path == "/chat":
            return first or Told({"id": "j/1"}, status=202, headers={"Location": "/jobs/1"})
        return left.pop(0) if len(left) > 1 else left[0]

    return script


RUNNING = Told({"state": "running"}, status=202)
HALF = Told({"state": "running", "result": {"text": "반"}})
FAULT = Told({}, status=502)
DONE = Told({"state": "done", "result": {"text": "답"}})


@pytest.mark.parametrize(
    ("script", "options", "paths"),
    [
        (job(RUNNING, DONE), {}, ["/jobs/1"] * 2),
        (job(Told({}, status=502), Told({}, status=503), DONE), {}, ["/jobs/1"] * 3),
        (job(*[Told({}, status=429)] * 4, DONE), {}, ["/jobs/1"] * 5),
        (job(DONE), {"poll": {"url": "/v2/{{ answer.id }}"}}, ["/v2/j%2F1"]),
        (job(DONE, first=Told({"at": "../next"})), {"poll": {"url": "{{ answer.at }}"}}, ["/next"]),
        (job(Told({}, status=303, headers={"Location": "/r/1"}), DONE), {}, ["/jobs/1", "/r/1"]),
        (job(RUNNING, first=DONE), {}, []),
        (job(HALF, DONE), {"poll": {"until": "state == 'done'"}}, ["/jobs/1"] * 2),
        (job(FAULT, FAULT, RUNNING, FAULT, DONE), {}, ["/jobs/1"] * 5),
        (job(RUNNING, Told(b"\xeb\x8b\xb5")), {"response": {"format": "text"}}, ["/jobs/1"] * 2),
    ],
)  # fmt: skip
async def test_poll__until_the_answer_is_there(script: Any, options: Any, paths: list[str]):
    options = {**JOBS, **options, "poll": {**JOBS["poll"], **options.get("poll", {})}}
    with ShopBot(script) as bot:
        backend = make(bot.url + "/chat", **options)
        assert list(backend.check()) == []
        assert (await ask(backend)).text == "답"
    assert [each.path for each in bot.asked[1:]] == paths


@pytest.mark.parametrize(
    ("script", "poll", "told"),
    [
        (job(Told({}, status=500)), {}, "poll 3 for the answer: {}"),
        (job(Told({"m": 1}, status=404)), {}, "poll 1 for the answer: nothing found at"),
        (job(Told({"state": "failed"})), {"failed": "state == 'failed'"}, "poll 1 for the answer"),
        (job(Told({"error": "no"})), {}, "poll 1 for the answer: no"),
        (job(DONE, first=Told({"a": 1})), {}, "that has no header Location"),
        (
            job(Told({"state": "running", "text": "곧"})),
            {},
            "polls; the last response has: state, text",
        ),
        (job(Told({}, status=202, headers={"Retry-After": "90"})), {}, "after 1 poll"),
        (job(DONE, first=Told({"message": "slow down"}, status=429)), {}, "slow down"),
    ],
)
async def test_poll__errors_say_which_request_failed(script: Any, poll: Any, told: str):
    options = {**JOBS, "poll": {**JOBS["poll"], **poll}, "timeout_s": 0.3}
    error = await failure(script, **options)
    assert told in error.message
    assert error.taken_in is ("slow down" not in told)


@pytest.mark.parametrize(
    ("script", "url"),
    [
        (job(DONE, first=Told({}, status=202, headers={"Location": "//evil.example/x"})), ""),
        (job(DONE, first=Told({"at": "https://evil.example/x"})), "{{ answer.at }}"),
        (job(Told({}, status=303, headers={"Location": "http://evil.example/x"})), ""),
    ],
    ids=["location", "answer", "redirect"],
)
async def test_poll__a_server_sends_the_keys_to_no_other_host(script: Any, url: str):
    error = await failure(script, **{**JOBS, "poll": {**JOBS["poll"], "url": url}})
    assert "the server says that the answer is at another host, evil.example" in error.message
    assert not error.retryable


async def test_poll__messages_settle_and_the_watermark_is_kept():
    """As bots of DirectLine answer: several messages, after the echo of the question."""
    said: list[dict[str, str]] = []
    polls = 0

    def script(asked: Asked) -> Told:
        nonlocal polls
        if asked.method == "POST":
            said.append({"from": "user", "text": asked.json["text"]})
            return Told({"id": "1"})
        polls += 1
        if polls in {2, 3, 6}:
            said.append({"from": "bot", "text": f"{polls} "})
        since = int(asked.query.get("watermark", ["0"])[0] or 0)
        return Told({"activities": said[since:], "watermark": str(len(said))})

    poll = {"url": "/a?watermark={{ session.mark | default('') }}", "every_s": 0.01}
    options = {
        "body": {"text": "{{ last_user }}"},
        "history": "stateful",
        "poll": {**poll, "settle_s": 0.02},
        "response": {"text": "activities[?from=='bot'].text", "session": {"mark": "watermark"}},
    }
    with ShopBot(script) as bot:
        backend = make(bot.url + "/a", **options)
        assert list(backend.check()) == []
        await backend.open()
        assert (await backend.send(request("a"))).text == "2 3 "
        polls, began = 5, time.monotonic()
        second = await backend.send(request("a", "2 3", "b", turn=1))
        took_ms = (time.monotonic() - began) * 1000
        await backend.close()
    assert second.text == "6 "
    assert second.latency_ms is not None
    assert second.latency_ms <= took_ms - 15, "without the wait for further messages"


async def test_poll__values_of_the_first_response_are_kept():
    first = Told({"thread": "t1"}, status=202, headers={"Location": "/jobs/1"})
    options = {
        **JOBS,
        "body": {"text": "{{ last_user }}", "thread": "{{ session.thread | default('') }}"},
        "history": "stateful",
        "response": {**JOBS["response"], "session": {"thread": "thread"}},
    }
    with ShopBot(job(DONE, first=first)) as bot:
        backend = make(bot.url + "/chat", **options)
        await ask(backend, request("a"), request("a", "b", "c", turn=1))
    assert [each.json["thread"] for each in bot.asked if each.raw] == ["", "t1"]


def test_check__addresses_and_places():
    for options, told in (
        ({"session": {"url": "chat"}}, '"chat" is no address'),
        ({"session": {"url": "https://{{ sample.id }}/a"}}, "the host of options.session.url"),
        ({"session": [{"url": "https://u:p@a/b"}]}, "options.session.0.url holds a user"),
        ({"session": {"url": "/a", "take": {"x": "a-b"}}}, "keys with - or letters"),
        ({"session": {"url": "/a", "body": {"t": "{{ session.x }}"}}}, 'there is no "x"'),
        ({"session": {"url": "/{{ answer.id }}"}}, "answer"),
        ({"poll": {"until": "a b"}}, "no JMESPath"),
        ({"poll": {"until": "a"}, "response": {"format": "text"}}, "response.format text"),
        ({"poll": {}, "stream": {"delta": "a", "done": "b"}}, "is not streamed"),
    ):
        assert told in " ".join(problem.what for problem in found(**options))


def test_reach__tells_requests_without_their_secrets():
    backend = make(
        "https://a.example/chat?key=abc",
        session={"url": "https://login.example/t?api_key=geheimnis&v=2", "take": {"t": "t"}},
        poll={"url": "/jobs"},
    )
    assert backend.addresses() == {
        "url": "https://a.example/chat?key=abc",
        "session.url": "https://login.example/t?api_key=geheimnis&v=2",
    }
    assert "geheimnis" not in f"{backend.reach()}{backend.public_reach()}"
    told = {"url": "https://login.example/t", "query": {"v": "2"}, "take": {"t": "t"}}
    assert backend.reach()["session"] == told
    assert backend.public_reach()["session"] == {**told, "query": ["api_key", "v"]}
    assert make("http://a", session={"url": "/a"}).reach() != make("http://a").reach()


async def test_headers_file__is_read_again_when_it_changes_and_after_a_401(tmp_path: Path):
    token, old = tmp_path / "token", "Bearer old-0123456789abcdef"
    token.write_text(old)
    valid, sent = {old}, []

    def script(asked: Asked) -> Told:
        sent.append(asked.headers["authorization"])
        if asked.headers["authorization"] not in valid:
            return Told({"message": f"{sent[-1]} expired"}, status=401)
        if asked.json["message"] == "renew":  # between the look at the file and the answer
            token.write_text(KEY)
            valid.discard(old)
            valid.add(KEY)
            return Told({"message": "expired"}, status=401)
        return Told({"답변": {"텍스트": f"you sent {sent[-1]}"}})

    with ShopBot(script) as bot:
        options = HttpBackend.Options(
            url=bot.url,
            body={"message": "{{ last_user if attempt == 1 else 'hi' }}"},
            response={"text": '"답변"."텍스트"'},
            headers_file={"Authorization": Path("token")},
        )
        backend = HttpBackend(options=options, env=BackendEnv(folder=tmp_path))
        await backend.open()
        await backend.send(request("hi"))
        assert backend.learned == Redactor()
        with pytest.raises(BackendError):  # the second try says the same, and is refused for it
            await backend.send(request("renew"))
        assert sent == [old, old, KEY]
        answers = Answers(backend, Redactor())
        response = await backend.send(request("hi"))
        row = Row(request=request("hi"), key="00", began=0.0)
        kept = answers.of_response(response, row, now=1.0)
        assert kept.response is not None
        assert KEY.removeprefix("Bearer ") not in kept.response.text
        valid.clear()
        del sent[:]
        with pytest.raises(BackendError) as failed:
            await backend.send(request("hi"))
        assert sent == [KEY], "the file is the same, so nothing is sent again"
        assert "key-0123" not in f"{failed.value} {failed.value.partial_text}"
        newer = f"{KEY}-2"
        valid.update({KEY, newer})
        token.write_text(newer)
        await backend.send(request("hi"))
        assert sent[-1] == newer, "without a 401"
        token.write_text("")  # being written
        assert (await backend.send(request("hi"))).text
        await backend.close()


async def test_headers_file__a_stream_is_asked_again_with_a_new_token(tmp_path: Path):
    token = tmp_path / "token"
    token.write_text("old")

    def script(asked: Asked) -> Told:
        if asked.headers["authorization"] == "old":
            token.write_text(KEY)
            return Told({}, status=401)
        return Told(
            b'data: {"d": "a"}\n\ndata: end\n\n', headers={"content-type": "text/event-stream"}
        )

    with ShopBot(script) as bot:
        options = HttpBackend.Options(
            url=bot.url,
            stream={"delta": "d", "done": "end"},
            headers_file={"Authorization": Path("token")},
        )
        backend = HttpBackend(options=options, env=BackendEnv(folder=tmp_path))
        assert (await ask(backend)).text == "a"
