import asyncio
import base64
import json
from dataclasses import replace

import pytest
from servers.own_endpoints import DONE, SSE, ask, event, make, request
from servers.runs import until
from servers.shop_bot import Asked, ShopBot, Told

from lm_eval_so.core.asking.retry import Policy, Tried, row_wait_s
from lm_eval_so.core.records.chat import Message
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.errors import BackendError, ErrorKind
from lm_eval_so.testing import ChatServer, Reply

TOKEN = "tok-1234567890abcdef"
CHAT = {"text": "choices[0].message.content"}


async def failure(reply: Reply, **options: object) -> BackendError:
    with ChatServer(lambda _: reply) as server, pytest.raises(BackendError) as failed:
        await ask(make(server.url, response=CHAT, **options))
    return failed.value


async def refused(told: Told, **options: object) -> BackendError:
    with ShopBot(lambda _: told) as bot, pytest.raises(BackendError) as failed:
        await ask(make(bot.url, **options))
    return failed.value


async def test_send__korean_arrives_byte_equal_and_quotes_stay_valid():
    said = '안녕 "하세요" \\ 「?」\n둘째 줄'
    with ShopBot() as bot:
        response = await ask(make(bot.url + "/chat"), request(said))
        asked = bot.asked[0]
    assert response.text == said
    assert "안녕".encode() in asked.raw
    assert asked.json == {"message": said, "history": []}
    assert asked.headers["content-type"] == "application/json"


async def test_send__decomposed_hangul_stays_decomposed():
    said = "\u1112\u1161\u11ab\u1100\u1173\u11af"
    with ShopBot() as bot:
        assert (await ask(make(bot.url), request(said))).text == said


async def test_send__any_method_query_headers_and_path():
    def script(asked: Asked) -> Told:
        return Told({"답변": {"텍스트": asked.query["q"][0]}})

    with ShopBot(script) as bot:
        backend = make(
            bot.url + "/shops/{{ params.shop }}/ask?v=2",
            method="get",
            body=None,
            query={"q": "{{ last_user }}", "lang": "{{ sample.language }}", "tag": "{{ sample.tags }}"},
            headers={"X-Sample": "{{ sample.id }}", "X-Fixed": "1"},
            headers_env={"Authorization": "BOT_TOKEN"},
            environ={"BOT_TOKEN": f"Bearer {TOKEN}"},
        )  # fmt: skip
        asking = request(
            "환불 & 교환?", params={"shop": "서울/../강남"}, metadata={"tags": ["a", "b"]}
        )
        response = await ask(backend, asking)
        asked = bot.asked[0]
    assert response.text == "환불 & 교환?"
    assert asked.method == "GET"
    assert asked.path == "/shops/%EC%84%9C%EC%9A%B8%2F..%2F%EA%B0%95%EB%82%A8/ask"
    assert asked.query == {"v": ["2"], "q": ["환불 & 교환?"], "tag": ["a", "b"]}
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert (asked.headers["x-sample"], asked.headers["x-fixed"]) == ("q1", "1")
    assert asked.raw == b""


async def test_send__form_and_text():
    def script(asked: Asked) -> Told:
        said = asked.form["m"][0] if "form" in asked.headers["content-type"] else asked.raw.decode()
        return Told({"답변": {"텍스트": said}})

    with ShopBot(script) as bot:
        form = make(bot.url, content_type="form", body={"m": "{{ last_user }}", "n": 1})
        xml = make(
            bot.url,
            content_type="text",
            body="<q>{{ last_user | escape }}</q>",
            headers={"Content-Type": "text/xml"},
        )
        assert (await ask(form, request("가&나=다"))).text == "가&나=다"
        assert (await ask(xml, request("가<나"))).text == "<q>가&lt;나</q>"
        assert bot.asked[1].headers["content-type"] == "text/xml"


async def test_send__body_as_a_mapping_keeps_types():
    with ShopBot() as bot:
        body = {
            "message": "{{ last_user }}",
            "history": "{{ history }}",
            "seed": "{{ seed }}",
            "who": "q-{{ sample.id }}",
            "deep": [{"on": True, "params": "{{ params }}", "none": "{{ system }}"}],
        }
        asking = request("가", "나", "다", seed=7, params={"channel": "web"})
        await ask(make(bot.url, body=body), asking)
        assert bot.asked[0].json == {
            "message": "다",
            "history": [{"role": "user", "content": "가"}, {"role": "assistant", "content": "나"}],
            "seed": 7,
            "who": "q-q1",
            "deep": [{"on": True, "params": {"channel": "web"}, "none": None}],
        }


async def test_send__env_names_listed_variables_only():
    environ = {"SHOP": "강남", "OTHER": "x"}
    body = {"message": "{{ env.SHOP }} {{ env.OTHER | default('-') }}", "history": []}
    with ShopBot() as bot:
        backend = make(bot.url, body=body, env=["SHOP"], environ=environ)
        assert (await ask(backend)).text == "강남 -"


async def test_send__response_as_text_and_in_cp949():
    with ShopBot(
        lambda _: Told("답변".encode("cp949"), headers={"content-type": "text/plain"})
    ) as bot:
        backend = make(bot.url, response={"format": "text", "encoding": "cp949"})
        assert (await ask(backend)).text == "답변"
    kind = {"content-type": "application/json; charset=euc-kr"}
    with ShopBot(lambda _: Told('{"a": "답변"}'.encode("euc-kr"), headers=kind)) as bot:
        assert (await ask(make(bot.url, response={"text": "a"}))).text == "답변"


async def test_send__cp949_that_nobody_tells_of_is_named():
    error = await refused(Told('{"답변": "가"}'.encode("cp949")))
    assert error.kind is ErrorKind.BAD_RESPONSE
    assert "not UTF-8 (byte 2)" in error.message
    assert error.hint == "it looks like CP949; set response.encoding: cp949"


async def test_send__what_the_templates_leave_out_is_not_lost_silently():
    backend = make("http://127.0.0.1:1/", body={"message": "{{ last_user }}"})
    with pytest.raises(BackendError, match="no template sends the earlier messages"):
        await ask(backend, request("a", "b", "c"))
    with pytest.raises(BackendError, match="no template sends the system prompt") as failed:
        await ask(backend, request("a", system="s"))
    assert failed.value.kind is ErrorKind.UNSUPPORTED
    asking = request("a")
    result = Message(role="tool", content="{}", tool_call_id="c1")
    asking = replace(asking, messages=(*asking.messages, result))
    with pytest.raises(BackendError, match="no template sends the results of tools"):
        await ask(make("http://127.0.0.1:1/"), asking)


async def test_send__missing_text_names_keys_and_a_likely_path():
    error = await refused(
        Told({"답변": {"텍스트": "가"}, "sources": [], "usage": {}}), response={"text": "answer"}
    )
    assert error.message == (
        'response.text "answer" found nothing; the response has: 답변, sources, usage'
    )
    assert error.hint == """try '"답변"."텍스트"'"""
    assert error.kind is ErrorKind.BAD_RESPONSE
    assert error.retryable
    assert error.details == {"option": "options.response.text"}


async def test_send__error_in_a_good_response():
    error = await refused(Told({"error": {"message": "busy", "code": 503}}))
    assert (error.kind, error.retryable, error.message) == (ErrorKind.SERVER, True, "busy")


async def test_send__status_of_the_mapping():
    options = {"status": {"refused": "blocked == `true`", "filtered": "code == 'CONTENT_FILTER'"}}
    for told, status in (
        (Told({"blocked": True}), RunStatus.REFUSED),
        (Told({"blocked": "true", "답변": {"텍스트": "x"}}), None),
        (Told({"code": "CONTENT_FILTER"}), RunStatus.FILTERED),
        (Told({"code": "CONTENT_FILTER"}, status=400), RunStatus.FILTERED),
    ):
        with ShopBot(lambda _, told=told: told) as bot:
            assert (await ask(make(bot.url, **options))).status is status


async def test_send__ok_status():
    told = Told({"답변": {"텍스트": "x"}}, status=202)
    with ShopBot(lambda _: told) as bot:
        assert (await ask(make(bot.url, ok_status=[200, 202]))).text == "x"
    error = await refused(told)
    assert error.message == "status 202 is not among ok_status"
    assert error.details == {"option": "options.ok_status"}
    assert "options.poll asks for it" in (error.hint or "")


async def test_send__redirect_names_url_and_is_not_followed():
    error = await refused(Told({}, status=302, headers={"location": "/v2/chat"}))
    assert "redirects are not followed, set url to http://127.0.0.1" in error.message
    assert error.message.endswith("/v2/chat")
    assert error.kind is ErrorKind.INVALID_REQUEST


async def test_send__secrets_in_an_error_are_taken_out():
    words = f"bad {TOKEN} and {base64.b64encode(b'u:geheimnis').decode()} and geheimnis"
    with ShopBot(lambda _: Told({"message": words}, status=401)) as bot:
        url = bot.url.replace("http://", "http://u:geheimnis@")
        backend = make(
            url, headers_env={"X-Key": "BOT_TOKEN"}, environ={"BOT_TOKEN": f"Bearer {TOKEN}"}
        )
        with pytest.raises(BackendError) as failed:
            await ask(backend)
        sent = bot.asked[0].headers["authorization"]
    assert sent == "Basic " + base64.b64encode(b"u:geheimnis").decode()
    told = f"{failed.value} {failed.value.hint} {failed.value.partial_text} {backend.reach()}"
    assert "the endpoint refused BOT_TOKEN (401: bad [redacted" in told
    assert TOKEN not in told
    assert "geheimnis" not in told + backend.limiter_key() + repr(backend._address)


@pytest.mark.parametrize(
    ("header", "hint"),
    [
        (
            "Authorization",
            "BOT_TOKEN must hold the whole value of the header Authorization, such as Bearer KEY",
        ),
        ("X-Key", "BOT_TOKEN must hold the whole value of the header X-Key"),
    ],
)
async def test_send__a_refused_variable_holds_the_whole_header(header: str, hint: str):
    with ShopBot(lambda _: Told({"message": "no"}, status=401)) as bot:
        backend = make(bot.url, headers_env={header: "BOT_TOKEN"}, environ={"BOT_TOKEN": TOKEN})
        with pytest.raises(BackendError) as failed:
            await ask(backend)
    assert failed.value.hint == hint


async def test_send__session_of_body_and_header_comes_back():
    def script(asked: Asked) -> Told:
        body = {"답변": {"텍스트": json.dumps(asked.json)}, "sessionId": "srv-1"}
        return Told(body, headers={"Set-Cookie": "sid=abc; Path=/", "X-Conv": "c9"})

    body = {
        "id": "{{ session.remote | default(session.id) }}",
        "cookie": "{{ session.cookie | default('') }}",
        "conv": "{{ session.conv | default('') }}",
    }
    response = {
        "text": '"답변"."텍스트"',
        "session": {"remote": "sessionId"},
        "session_headers": {"cookie": "Set-Cookie", "conv": "X-Conv"},
    }
    with ShopBot(script) as bot:
        backend = make(bot.url, body=body, response=response, history="stateful")
        assert list(backend.check()) == []
        await ask(backend, request("a"), request("a", "b", "c", turn=1))
        await backend.end_session("q1:0")
        await ask(backend, request("a"))
    first, second, third = (asked.json for asked in bot.asked)
    assert len(first["id"]) == 36
    assert first["cookie"] == ""
    assert second == {"id": "srv-1", "cookie": "sid=abc", "conv": "c9"}
    assert third == first, "the same conversation has the same id within a run"
    again = make(bot.url, body=body, response=response, history="stateful")
    assert again._conversations.get("q1:0").id != first["id"], "another run goes on with none"


@pytest.mark.parametrize(("sent", "keeps"), [("session.id", True), ("last_user", False)])
def test_keeps_sessions__of_templates_that_name_them(sent: str, keeps: bool):
    assert make("http://127.0.0.1:1", body={"id": f"{{{{ {sent} }}}}"}).keeps_sessions is keeps


async def test_send__stateful_sends_earlier_messages_once():
    body = {"message": "{{ last_user }}", "history": "{{ history }}", "id": "{{ session.id }}"}
    with ShopBot() as bot:
        backend = make(bot.url, body=body, history="stateful")
        await ask(backend, request("a", "b", "c"), request("a", "b", "c", "d", "e", turn=1))
    assert [len(asked.json["history"]) for asked in bot.asked] == [2, 0]
    assert [asked.json["message"] for asked in bot.asked] == ["c", "e"]


POLICY = Policy(timeout_s=60, max_attempts=5, row_deadline_s=300, max_retry_after_s=120)
STATEFUL = {
    "history": "stateful",
    "body": {"messages": "{{ messages }}", "id": "{{ session.id }}"},
}


@pytest.mark.parametrize(
    ("reply", "options", "may_repeat"),
    [
        (Reply(reset=True), {}, False),
        (Reply(reset=True), {"retry_unsafe": True}, True),
        (Reply(reset=True), {"history": "full"}, True),
        (Reply(status=500), {}, False),
        (Reply(status=429), {}, True),
        (Reply(status=503), {}, True),
        (Reply(body=b"{}"), {}, False),
        (Reply(body=b"{}"), {"retry_unsafe": True}, True),
    ],
)
async def test_send__stateful_is_not_asked_twice(reply, options, may_repeat):
    options = {**STATEFUL, **options}
    error = await failure(reply, **options)
    assert error.retryable
    may_hear_twice = make("http://bot.invalid/", response=CHAT, **options).may_hear_twice
    tried = Tried(error=error, may_hear_twice=may_hear_twice)
    assert (row_wait_s(tried, POLICY) is not None) is may_repeat


async def test_send__stateful_may_be_asked_again_if_nothing_was_sent():
    with pytest.raises(BackendError) as failed:
        await ask(make("http://127.0.0.1:1/", response=CHAT, **STATEFUL))
    assert failed.value.kind is ErrorKind.CONNECTION
    assert failed.value.retryable
    assert not failed.value.taken_in


async def test_send__cancelled_closes_the_connection():
    with ChatServer(lambda _: Reply(hang=True)) as server:
        backend = make(server.url, response=CHAT)
        await backend.open()
        task = asyncio.create_task(backend.send(request("a")))
        await until(lambda: len(server.requests) == 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await until(lambda: server.gone == 1)
        await backend.close()


async def test_stream__time_to_the_first_delta():
    pieces = (event(""), event("안"), event("녕"), DONE)
    reply = Reply(pieces=pieces, first_token_s=0.08)
    with ChatServer(lambda _: reply) as server:
        backend = make(server.url, response={}, stream=SSE)
        await ask(backend)
        response = await ask(backend)
    assert response.text == "안녕"
    assert response.ttft_ms is not None
    assert 80 <= response.ttft_ms < 180


async def test_stream__cut_in_the_middle_keeps_what_came():
    reply = Reply(pieces=(event("안"), event("녕"), DONE), cut_after=2)
    error = await failure(reply, stream=SSE)
    assert (error.kind, error.retryable, error.partial_text) == (
        ErrorKind.BAD_RESPONSE,
        True,
        "안녕",
    )
    assert "ended early" in error.message


async def test_stream__silence_is_a_time_out():
    reply = Reply(pieces=(event("안"), DONE), stall_after=1)
    error = await failure(reply, stream=SSE, idle_timeout_s=0.1)
    assert (error.kind, error.partial_text) == (ErrorKind.TIMEOUT, "안")


async def test_stream__an_error_status_and_an_answer_that_came_whole():
    assert (await failure(Reply(status=429), stream=SSE)).kind is ErrorKind.RATE_LIMIT
    with ChatServer(lambda _: Reply(text="whole")) as server:
        assert (await ask(make(server.url, response=CHAT, stream=SSE))).text == "whole"
        with pytest.raises(BackendError, match="no stream came, but application/json"):
            await ask(make(server.url, response={}, stream=SSE))


async def test_stream__a_template_that_names_it_asks_for_it_where_it_is_measured():
    body = {"messages": "{{ messages }}", "stream": "{{ stream }}"}
    with ChatServer() as server:
        for wants in (False, True):
            backend = make(
                server.url, body=body, response=CHAT, stream=SSE, wants={"wants_ttft": wants}
            )
            response = await ask(backend, request("가나다"))
            assert response.text == "가나다"
            assert (response.ttft_ms is not None) is wants
            assert server.requests[-1].body["stream"] is wants


def test_capabilities__follow_from_the_templates():
    plain = make("http://127.0.0.1:1/").capabilities
    assert (plain.seed, plain.tools, plain.json_schema, plain.stream) == (False,) * 4
    assert (plain.stateful, plain.cacheable) == (False, True)
    body = {
        "m": "{{ messages }}",
        "s": "{{ seed }}",
        "t": "{{ tools }}",
        "r": "{{ response_format }}",
    }
    rich = make("http://127.0.0.1:1/", body=body, stream=SSE).capabilities
    assert (rich.seed, rich.tools, rich.json_schema, rich.stream) == (True,) * 4
    kept = make("http://127.0.0.1:1/", **STATEFUL).capabilities
    assert (kept.stateful, kept.cacheable) == (True, False)
    of_sample = {"m": "{{ last_user }}", "uid": "{{ sample.metadata.uid }}"}
    assert not make("http://127.0.0.1:1/", body=of_sample).capabilities.cacheable


def test_reach__tells_all_but_secrets():
    backend = make(
        "https://u:geheimnis@bot.example.com/chat?version=3&api_key=geheimnis",
        headers={"X-Fixed": "a-header"},
        headers_env={"X-Key": "BOT_TOKEN"},
        query={"token": "geheimnis", "lang": "ko"},
        environ={"BOT_TOKEN": TOKEN},
    )
    told = json.dumps(backend.reach(), ensure_ascii=False)
    assert backend.reach()["url"] == "https://bot.example.com/chat"
    assert backend.reach()["query"] == {"version": "3", "lang": "ko"}
    for hidden in ("geheimnis", TOKEN, "a-header"):
        assert hidden not in told
    changed = make("https://bot.example.com/chat?version=4").reach()
    assert changed != make("https://bot.example.com/chat?version=3").reach()


def test_reach__another_shop_is_another_chatbot_and_another_key_is_not():
    def reach(**environ: str) -> object:
        body = {"m": "{{ last_user }}", "shop": "{{ env.SHOP_ID }}", "k": "{{ env.BOT_TOKEN }}"}
        given = {"SHOP_ID": "A", "BOT_TOKEN": "one", **environ}
        return make(
            "http://127.0.0.1:1/", body=body, env=["SHOP_ID", "BOT_TOKEN"], environ=given
        ).reach()

    assert reach() == reach(BOT_TOKEN="two")
    assert reach() != reach(SHOP_ID="B")
    assert "one" not in json.dumps(reach())


def test_limiter_key__tells_credentials_apart():
    def key(token: str) -> str:
        backend = make(
            "https://bot.example.com/chat",
            headers_env={"X-Key": "BOT_TOKEN"},
            environ={"BOT_TOKEN": token},
        )
        return backend.limiter_key()

    assert key(TOKEN) == key(TOKEN) != key("tok-another")
    assert key(TOKEN).startswith("http https://bot.example.com/chat ")
    assert TOKEN not in key(TOKEN)
