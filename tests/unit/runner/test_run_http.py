"""Runs against endpoints of one's own: what a row comes to, and what is never sent twice."""

import json
from pathlib import Path
from typing import Any

import pytest
from servers.own_endpoints import DONE, SSE, event
from servers.runs import endpoint, make, resources, rows, write_dataset
from servers.shop_bot import Asked, ShopBot, Told

from lm_eval_so.core.backends.config_secrets import config_redactor
from lm_eval_so.errors import ConfigError, ExitCode, TooManyErrors
from lm_eval_so.runner.run import run
from lm_eval_so.testing import ChatServer, Reply, Seen

TOKEN = "Bearer tok-1234567890abcdef"


def own(url: str, **options: Any) -> dict[str, Any]:
    values = {
        "url": url,
        "body": {"messages": "{{ messages }}"},
        "response": {"text": "choices[0].message.content"},
        **options,
    }
    return {"name": "http", "label": "bot", "options": values}


def files_of(folder: Path) -> str:
    return "".join(p.read_text("utf-8", "replace") for p in folder.rglob("*") if p.is_file())


async def test_run__a_cut_stream_is_asked_again_once_and_then_a_bad_response(tmp_path: Path):
    def cut(seen: Seen) -> Reply:
        pieces = (event("안"), event("녕"), DONE)
        always = "#1" in seen.text
        return Reply(pieces=pieces, cut_after=2 if always or seen.nth == 0 else None)

    write_dataset(tmp_path, 10)
    with ChatServer(cut) as server:
        info = await run(make(tmp_path, own(server.url, response={}, stream=SSE)), resources())
    assert info.counts == {"ok": 9, "error": 1}
    healed, broken = rows(tmp_path / "runs" / "bot")[:2]
    assert (healed["response"]["text"], healed["attempts"]) == ("안녕", 2)
    assert (broken["error"]["kind"], broken["error"]["partial_text"]) == ("bad_response", "안녕")
    assert len(server.requests) == 20


async def test_run__an_overloaded_stream_is_asked_again(tmp_path: Path):
    """In the words of Anthropic's stream, whose status is 200 by then."""
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    overloaded = f"event: error\ndata: {json.dumps(error)}\n\n".encode()

    def script(seen: Seen) -> Reply:
        end = overloaded if "#3" in seen.text and seen.nth == 0 else DONE
        return Reply(pieces=(event("안"), event("녕"), end))

    write_dataset(tmp_path, 10)
    with ChatServer(script) as server:
        info = await run(make(tmp_path, own(server.url, response={}, stream=SSE)), resources())
    assert info.counts == {"ok": 10}
    (again,) = [row for row in rows(tmp_path / "runs" / "bot") if row["attempts"] == 2]
    assert (again["retries"][0]["kind"], again["response"]["text"]) == ("rate_limit", "안녕")


async def test_run__texts_so_far_end_it_with_the_key(tmp_path: Path):
    said = ("환불은", "환불은 영업일", "환불은 영업일 기준 3일")
    reply = Reply(pieces=(*map(event, said), DONE))
    write_dataset(tmp_path, 10)
    with ChatServer(lambda _: reply) as server:
        with pytest.raises(ConfigError, match="holds the text so far") as failed:
            await run(make(tmp_path, own(server.url, response={}, stream=SSE)), resources())
        assert (
            len(server.requests) == 4
        )  # two rows, once more as every response that cannot be read
        stream = {**SSE, "cumulative": True}
        config = make(tmp_path, own(server.url, response={}, stream=stream))
        info = await run(config, resources())
    (problem,) = failed.value.problems
    assert problem.where
    assert problem.where.key == "backend.options.stream.cumulative"
    assert info.counts == {"ok": 10}
    assert rows(tmp_path / "runs" / "bot")[0]["response"]["text"] == said[-1]


async def test_run__why_an_answer_ended_in_the_words_of_its_maker(tmp_path: Path):
    """As Gemini, Anthropic and Bedrock say it; whole, and at the end of a stream."""
    words = ("STOP", "MAX_TOKENS", "SAFETY", "refusal", "guardrail_intervened", "tool_use", "OTHER")

    def whole(asked: Asked) -> Told:
        number = int(asked.json["messages"][-1]["content"].rpartition("#")[2])
        return Told({"text": "환불은 3", "why": words[number]})

    def streamed(seen: Seen) -> Reply:
        why = words[int(seen.text.rpartition("#")[2])]
        end = f'event: end\ndata: {{"why": "{why}"}}\n\n'.encode()
        return Reply(pieces=('data: {"text": "환불은 3"}\n\n'.encode(), end))

    write_dataset(tmp_path, len(words))
    expected = ["ok", "truncated", "filtered", "refused", "filtered", "ok", "ok"]
    response = {"text": "text", "finish_reason": "why"}
    stream = {"delta": "text", "event": ["message", "end"]}
    with ShopBot(whole) as bot, ChatServer(streamed) as server:
        for url, more in ((bot.url, {}), (server.url, {"stream": stream})):
            await run(make(tmp_path, own(url, response=response, **more)), resources())
            found = rows(tmp_path / "runs" / "bot")
            assert [row["status"] for row in found] == expected
            kept = [row["response"]["finish_reason"] for row in found]
            assert kept[:2] == ["stop", "length"]
            assert kept[-2:] == ["tool_calls", "OTHER"]


async def test_run__an_answer_that_an_error_ended_is_asked_again(tmp_path: Path):
    def script(seen: Seen) -> Reply:
        is_broken = "#3" in seen.text and seen.nth == 0
        return Reply(text="3일", finish_reason="error" if is_broken else "stop")

    write_dataset(tmp_path, 10)
    with ChatServer(script) as server:
        info = await run(make(tmp_path, endpoint(server.url)), resources())
    assert info.counts == {"ok": 10}
    (again,) = [row for row in rows(tmp_path / "runs" / "bot") if row["attempts"] == 2]
    assert again["retries"][0]["kind"] == "server"


async def test_run__a_message_that_an_error_ended_is_not_told_twice(tmp_path: Path):
    body = {"session": "{{ session.id }}", "messages": "{{ messages }}"}
    response = {"text": "text", "finish_reason": "why"}
    write_dataset(tmp_path, 5)
    with ShopBot(lambda _: Told({"text": "환불은 3", "why": "ERROR"})) as bot:
        options = {"body": body, "response": response, "history": "stateful"}
        with pytest.raises(TooManyErrors):
            await run(make(tmp_path, own(bot.url, **options)), resources())
        assert len(bot.asked) == 5
    assert {row["error"]["kind"] for row in rows(tmp_path / "runs" / "bot")} == {"server"}


@pytest.mark.parametrize(("is_unsafe", "asked"), [(False, 1), (True, 2)])
async def test_run__stateful_reset_after_the_request(tmp_path: Path, is_unsafe: bool, asked: int):
    def script(seen: Seen) -> Reply:
        return Reply(text="ok", reset="#1" in seen.text and seen.nth == 0)

    write_dataset(tmp_path, 10)
    body = {"messages": "{{ messages }}", "id": "{{ session.id }}"}
    with ChatServer(script) as server:
        backend = own(server.url, body=body, history="stateful", retry_unsafe=is_unsafe)
        await run(make(tmp_path, backend), resources())
        sent = [seen for seen in server.requests if "#1" in seen.text]
    assert len(sent) == asked
    row = rows(tmp_path / "runs" / "bot")[1]
    if is_unsafe:
        assert row["status"] == "ok"
    else:
        assert (row["status"], row["error"]["kind"]) == ("error", "connection")
        assert row["attempts"] == 1


async def test_run__a_path_that_misses_ends_it_with_its_place(tmp_path: Path):
    write_dataset(tmp_path, 5)
    with ShopBot(lambda _: Told({"답변": {"텍스트": "가"}})) as bot:
        config = make(tmp_path, own(bot.url, response={"text": "answer"}))
        with pytest.raises(ConfigError) as failed:
            await run(config, resources())
        assert len(bot.asked) == 4  # two rows, each asked again once
    problem = failed.value.problems[0]
    assert failed.value.exit_code is ExitCode.BAD_INPUT
    assert problem.what == 'response.text "answer" found nothing; the response has: 답변'
    assert problem.where is not None
    assert problem.where.key == "backend.options.response.text"
    assert problem.hint is not None
    assert """try '"답변"."텍스트"'""" in problem.hint


async def test_run__metadata_of_a_sample_reaches_the_template(tmp_path: Path):
    def script(asked: Asked) -> Told:
        return Told({"a": json.dumps(asked.json, ensure_ascii=False)})

    samples = [
        {"id": "q1", "input": "가", "metadata": {"user": {"id": 7}}, "tags": ["환불"]},
        *({"id": f"r{i}", "input": "나", "metadata": {"user": {"id": i}}} for i in range(8)),
        {"id": "q2", "input": "다", "metadata": {}},
    ]
    write_dataset(tmp_path, samples)
    body = {"uid": "{{ sample.metadata.user.id }}", "tags": "{{ sample.tags }}"}
    with ShopBot(script) as bot:
        await run(make(tmp_path, own(bot.url, body=body, response={"text": "a"})), resources())
    right, *_, wrong = rows(tmp_path / "runs" / "bot")
    assert json.loads(right["response"]["text"]) == {"uid": 7, "tags": ["환불"]}
    assert wrong["error"]["kind"] == "invalid_request"
    assert wrong["error"]["message"].startswith('options.body.uid: there is no "user"')


async def test_run__secrets_of_env_and_headers_reach_no_file(tmp_path: Path):
    def script(asked: Asked) -> Told:
        key = asked.headers["authorization"].removeprefix("Bearer ")
        if "#1" in asked.json["m"]:
            return Told({"message": f"bad {asked.raw.decode()} {key}"}, status=400)
        return Told({"a": f"{asked.json['pin']} {key}"}, headers={"X-Request-Id": key})

    write_dataset(tmp_path, 8)
    environ = {"BOT_AUTH": TOKEN, "PIN": "geheim-4711"}
    backend = own(
        "",
        body={"m": "{{ last_user }}", "pin": "{{ env.PIN }}"},
        headers_env={"Authorization": "BOT_AUTH"},
        env=["PIN"],
        response={"text": "a"},
    )
    with ShopBot(script) as bot:
        backend["options"]["url"] = bot.url
        config = make(tmp_path, backend, run={"cache": str(tmp_path / "cache.sqlite")})
        given = resources(environ=environ)
        redactor = config_redactor(config, environ, runs_code=True)
        await run(config, type(given)(environ=environ, redactor=redactor))
    statuses = [row["status"] for row in rows(tmp_path / "runs" / "bot")]
    assert statuses == ["ok", "error", *["ok"] * 6]
    told = files_of(tmp_path)
    assert "[redacted:BOT_AUTH]" in told
    assert "[redacted:PIN]" in told
    for secret in ("tok-1234567890abcdef", "geheim-4711"):
        assert secret not in told
