"""Every recipe of the docs asks a stand-in that speaks its API, and refuses what the API would.

Sources of the shapes: anthropic 2.14, botocore 1.44 (bedrock-runtime 2023-09-30), dify-client 0.1.10, google-cloud-dialogflow-cx
2.9, google-genai 3.6, kakaosb 1.0, langserve 0.3.3, ollama 0.6.3 and rasa 3.6.21 on PyPI; @botpress/chat 0.5.5,
botframework-directlinejs 0.15.8 and flowise-sdk 1.0.9 on npm; the Converse API on v12.botpress.com; RFC 9110 (202 and
Location); the GraphQL specification of 2021.
"""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from aiohttp import web
from servers.own_endpoints import ask, request
from servers.shop_bot import Asked, ShopBot, Told
from snippets import ROOT, blocks

from lm_eval_so.core.backends.base import BackendEnv
from lm_eval_so.core.backends.http.backend import HttpBackend
from lm_eval_so.errors import BackendError

PAGE = ROOT / "docs" / "http-recipes.md"
SECRETS = ("DIFY_KEY", "DIRECTLINE_SECRET", "BEDROCK_KEY", "ANTHROPIC_API_KEY", "FLOWISE_KEY")
ENVIRON = dict.fromkeys((*SECRETS, "BOT_TOKEN", "BOT_PASSWORD"), "Bearer key-0123456789")
Answer = Callable[[Asked], Told]


def sse(*events: tuple[str, Any]) -> Told:
    lines = [f"event: {kind}\r\n" + (f"data: {data}\r\n" if data else "") for kind, data in events]
    body = "\r\n".join([*lines, ""]).encode()
    return Told(body, headers={"content-type": "text/event-stream"})


def dumped(values: Any) -> str:
    return json.dumps(values, ensure_ascii=False)


def dify(asked: Asked) -> Told:
    body = asked.json
    assert body.keys() == {"inputs", "query", "response_mode", "user", "conversation_id"}
    assert body["response_mode"] == "blocking"
    assert body["conversation_id"] in {"", "c-1"}
    usage = {"prompt_tokens": 5, "completion_tokens": 3}
    found = {"position": 1, "segment_id": "s1", "score": 0.9, "content": "3일 안에"}
    return Told(
        {
            "event": "message",
            "conversation_id": "c-1",
            "mode": "chat",
            "answer": f"{body['query']}{'' if body['conversation_id'] else ' first'}",
            "metadata": {"usage": usage, "retriever_resources": [found]},
        }
    )


def rasa(asked: Asked) -> Told:
    body = asked.json
    assert body.keys() == {"sender", "message"}
    if body["message"] == "a":
        return Told([])
    texts = [{"recipient_id": body["sender"], "text": text} for text in ("하나", "둘")]
    return Told([*texts, {"recipient_id": body["sender"], "image": "https://a/b.png"}])


def botpress(asked: Asked) -> Told:
    assert asked.json["type"] == "text"
    typing = {"type": "typing", "value": True}
    return Told({"responses": [typing, {"type": "text", "text": asked.json["text"]}], "state": {}})


class BotpressCloud:
    """Users, conversations, and messages, the newest first; the bot is slow."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        self.looks = 0

    def add(self, user: str, text: str) -> dict[str, Any]:
        number = len(self.said)
        message = {
            "id": f"m{number}",
            "createdAt": f"2026-01-01T00:00:{number:02}.000Z",
            "payload": {"type": "text", "text": text},
            "userId": user,
            "conversationId": "c1",
        }
        self.said.insert(0, message)
        return message

    def __call__(self, asked: Asked) -> Told:
        path = asked.path.removeprefix("/YOUR_WEBHOOK")
        if path == "/users":
            self.user = asked.json["id"]
            return Told({"user": {"id": self.user}, "key": "jwt-0123456789"}, status=201)
        assert asked.headers["x-user-key"] == "jwt-0123456789"
        if path == "/conversations":
            return Told({"conversation": {"id": "c1"}}, status=201)
        if asked.method == "POST":
            assert asked.json["conversationId"] == "c1"
            self.looks = 0
            return Told({"message": self.add(self.user, asked.json["payload"]["text"])}, status=201)
        assert path == "/conversations/c1/messages"
        self.looks += 1
        if self.looks == 2:
            self.add("user_bot", f"echo {self.said[0]['payload']['text']}")
        return Told({"messages": self.said, "meta": {}})


class DirectLine:
    """Activities behind a watermark: a greeting, the user's own, and two of the bot for each."""

    def __init__(self) -> None:
        self.said = [{"type": "message", "from": {"id": "bot"}, "text": "어서 오세요"}]

    def __call__(self, asked: Asked) -> Told:
        assert asked.headers["authorization"] == ENVIRON["DIRECTLINE_SECRET"]
        path = asked.path.removeprefix("/v3/directline/conversations")
        if not path:
            return Told({"conversationId": "c/1", "token": "t", "streamUrl": "wss://…"}, status=201)
        assert path == "/c%2F1/activities"
        if asked.method == "POST":
            assert asked.json["type"] == "message"
            said = [asked.json, {"type": "typing", "from": {"id": "bot"}}]
            said += (
                {"type": "message", "from": {"id": "bot"}, "text": t}
                for t in ("네", asked.json["text"])
            )
            self.said += said
            return Told({"id": f"c/1|{len(self.said):07}"})
        since = int(asked.query.get("watermark", ["0"])[0])
        return Told({"activities": self.said[since:], "watermark": str(len(self.said))})


def dialogflow(asked: Asked) -> Told:
    assert asked.headers["authorization"] == "Bearer ya29.google"
    session = asked.path.removeprefix(
        "/v3/projects/my-project/locations/us-central1/agents/AGENT/sessions/"
    )
    assert re.fullmatch(r"[0-9a-f-]{1,36}:detectIntent", session)
    text = asked.json["queryInput"]["text"]["text"]
    said = [{"text": {"text": ["네."]}}, {"payload": {}}, {"text": {"text": [text]}}]
    return Told({"responseId": "r", "queryResult": {"responseMessages": said, "text": text}})


def vertex(asked: Asked) -> Told:
    assert asked.path.endswith("/publishers/google/models/gemini-2.5-flash:generateContent")
    turns = [(turn["role"], turn["parts"][0]["text"]) for turn in asked.json["contents"]]
    assert turns == [("user", "a"), ("model", 'b "x"'), ("user", "c")]
    content = {"role": "model", "parts": [{"text": "제미"}, {"text": "나이"}]}
    return Told(
        {
            "candidates": [{"content": content, "finishReason": "MAX_TOKENS"}],
            "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 2},
            "modelVersion": "gemini-2.5-flash",
        }
    )


def bedrock(asked: Asked) -> Told:
    assert asked.path == "/model/anthropic.claude-3-haiku-20240307-v1:0/converse"
    assert asked.headers["authorization"] == ENVIRON["BEDROCK_KEY"]
    assert [m["role"] for m in asked.json["messages"]] == ["user", "assistant", "user"]
    assert asked.json["messages"][1]["content"] == [{"text": 'b "x"'}]
    message = {"role": "assistant", "content": [{"text": "답"}]}
    usage = {"inputTokens": 9, "outputTokens": 1, "totalTokens": 10}
    return Told({"output": {"message": message}, "stopReason": "end_turn", "usage": usage})


def anthropic(asked: Asked) -> Told:
    body = asked.json
    assert asked.headers["anthropic-version"] == "2023-06-01"
    assert asked.headers["x-api-key"] == ENVIRON["ANTHROPIC_API_KEY"]
    assert body["max_tokens"] == 1024
    message = {"model": body["model"], "role": "assistant", "usage": {"input_tokens": 8}}
    if not body["stream"]:
        said = [{"type": "thinking", "thinking": "…"}, {"type": "text", "text": "클로드"}]
        usage = {"input_tokens": 8, "output_tokens": 3}
        return Told({**message, "content": said, "stop_reason": "end_turn", "usage": usage})
    deltas = [
        ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": text}})
        for text in ("클로", "드")
    ]
    events = [
        ("message_start", {"message": message}),
        ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
        ("ping", {}),
        *deltas,
        ("content_block_stop", {"index": 0}),
        ("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}),
        ("message_stop", {}),
    ]
    return sse(*((kind, dumped({"type": kind, **values})) for kind, values in events))


def langserve(asked: Asked) -> Told:
    assert asked.json.keys() == {"input"}
    asking = asked.json["input"]
    if asked.path == "/shop/invoke":
        return Told({"output": asking["question"], "metadata": {"run_id": "r"}})
    pieces = (("data", dumped(piece)) for piece in ("스트", "림"))
    return sse(("metadata", dumped({"run_id": "r"})), *pieces, ("end", None))


def flowise(asked: Asked) -> Told:
    session = asked.json["overrideConfig"]["sessionId"]
    documents = [{"pageContent": "3일", "metadata": {}}]
    return Told({"text": "답", "chatId": "c", "sessionId": session, "sourceDocuments": documents})


def kakao(asked: Asked) -> Told:
    assert asked.json.keys() == {"intent", "userRequest", "bot", "action"}
    said = asked.json["userRequest"]["utterance"]
    card = {"textCard": {"title": "제목", "description": "설명", "buttons": []}}
    outputs = [{"simpleText": {"text": said}}, card, {"simpleImage": {"imageUrl": "https://a"}}]
    return Told({"version": "2.0", "template": {"outputs": outputs, "quickReplies": []}})


def ollama(asked: Asked) -> Told:
    assert asked.json["stream"] is True
    parts = [
        {"message": {"role": "assistant", "content": c}, "done": False} for c in ("올", "라마")
    ]
    last = {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
    lines = [*parts, {**last, "prompt_eval_count": 4, "eval_count": 2}]
    body = "".join(f"{dumped({'model': asked.json['model'], **line})}\n" for line in lines)
    return Told(body.encode(), headers={"content-type": "application/x-ndjson"})


def graphql(asked: Asked) -> Told:
    assert asked.json["query"].startswith("mutation Ask($question: String!) {")
    sources = [{"id": "7", "text": "약관"}]
    return Told(
        {"data": {"ask": {"answer": asked.json["variables"]["question"], "sources": sources}}}
    )


def login(asked: Asked) -> Told:
    if asked.path == "/login":
        assert asked.form == {"user": ["tester"], "password": [ENVIRON["BOT_PASSWORD"]]}
        cookie = {"Set-Cookie": "sid=abc; Path=/; HttpOnly", "Location": "/"}
        return Told(b"", status=302, headers=cookie)
    assert asked.headers["cookie"] == "sid=abc"
    return Told({"reply": asked.json["message"]})


class Jobs:
    """A job that is done at the second look."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self, asked: Asked) -> Told:
        assert asked.headers["authorization"] == ENVIRON["BOT_TOKEN"]
        if asked.method == "POST":
            return Told({"status": "queued"}, status=202, headers={"Location": "/jobs/7"})
        assert asked.path == "/jobs/7"
        self.looks += 1
        if self.looks == 1:
            return Told({"status": "running"}, status=202, headers={"Retry-After": "0"})
        return Told({"status": "done", "result": {"answer": "다 됐습니다"}})


@dataclass(frozen=True)
class Recipe:
    """A stand-in, and what comes back from it."""

    answer: Callable[[], Answer]
    text: str
    also: tuple[Any, ...] = ()
    """Finish reason, tokens, passages: what the API tells besides."""
    streams: bool = False


def of(script: Answer) -> Callable[[], Answer]:
    return lambda: script


RECIPES = {
    "Dify": Recipe(of(dify), "c", (5, 3, ("3일 안에",))),
    "Rasa": Recipe(of(rasa), "하나\n둘"),
    "Botpress v12": Recipe(of(botpress), "c"),
    "Botpress Cloud": Recipe(BotpressCloud, "echo c"),
    "Direct Line": Recipe(DirectLine, "네\nc"),
    "Dialogflow CX": Recipe(of(dialogflow), "네.\nc"),
    "Vertex AI": Recipe(of(vertex), "제미나이", ("MAX_TOKENS", 7, 2)),
    "Bedrock": Recipe(of(bedrock), "답", ("end_turn", 9, 1)),
    "Anthropic": Recipe(of(anthropic), "클로드", ("end_turn", 8, 3)),
    "Anthropic, streamed": Recipe(of(anthropic), "클로드", ("end_turn", 8, 3), streams=True),
    "LangServe": Recipe(of(langserve), "c"),
    "LangServe, streamed": Recipe(of(langserve), "스트림"),
    "Flowise": Recipe(of(flowise), "답", (("3일",),)),
    "Kakao i Open Builder skill": Recipe(of(kakao), "c제목설명"),
    "Ollama": Recipe(of(ollama), "올라마", ("stop", 4, 2)),
    "GraphQL": Recipe(of(graphql), "c", (("약관",),)),
    "A login with a cookie": Recipe(of(login), "c"),
    "Jobs": Recipe(Jobs, "다 됐습니다"),
}


ALONE = {"GraphQL", "Jobs"}
"""Recipes that send the question alone."""


def written() -> Iterator[tuple[str, Any]]:
    """Yield the recipes of the page by heading."""
    for section in PAGE.read_text("utf-8").split("\n## ")[1:]:
        heading, _, rest = section.partition("\n")
        found = re.search(r"^```yaml\n(.*?)^```$", rest, re.MULTILINE | re.DOTALL)
        if found:
            yield heading, yaml.safe_load(found[1])["backend"]


def test_recipes__all_are_asked():
    named = {name.removesuffix(", streamed") for name in RECIPES}
    assert {heading.removesuffix(", streamed") for heading, _ in written()} == named
    assert sum(1 for block in blocks(PAGE) if block.language == "yaml") == len([*written()])


async def test_recipe__asks_and_reads_its_api(tmp_path: Path):
    (tmp_path / "google.token").write_text("Bearer ya29.google")
    sections = dict(written())
    with ShopBot() as bot:
        for name, recipe in RECIPES.items():
            script = recipe.answer()
            broken: list[str] = []

            def checked(asked: Asked, script: Answer = script, broken: list[str] = broken) -> Told:
                try:
                    return script(asked)
                except (AssertionError, KeyError) as error:
                    broken.append(f"{asked.path}: {error!r} {asked.raw.decode()}")
                    return Told({"error": "no request of this API"}, status=400)

            bot.script = checked
            section = sections.get(name) or sections[name.removesuffix(", streamed")]
            backend = made(section, bot.url, tmp_path, recipe)
            assert list(backend.check()) == [], name
            params = backend.params.model_dump()
            turns = [request("a", 'b "x"', "c", turn=1, params=params)]
            if backend.capabilities.stateful:
                turns.insert(0, request("a"))
            elif name in ALONE:
                turns = [request("c")]
            try:
                response = await ask(backend, *turns)
            except BackendError as error:
                pytest.fail(f"{name}: {error} {broken}")
            assert not broken, name
            assert response.text == recipe.text, name
            tokens = (response.usage.input_tokens, response.usage.output_tokens)
            told = (response.finish_reason, *tokens, response.context)
            assert tuple(each for each in told if each) == recipe.also, name


def made(section: Any, url: str, folder: Path, recipe: Recipe) -> HttpBackend:
    """Make the backend of a recipe at another host, with short waits."""
    options = section["options"]
    asked = urlsplit(options["url"])
    options = {**options, "url": options["url"].replace(f"{asked.scheme}://{asked.netloc}", url)}
    if "poll" in options:
        settle_s = 0.02 if options["poll"].get("settle_s") else 0
        options["poll"] = {**options["poll"], "every_s": 0.01, "settle_s": settle_s}
    return HttpBackend(
        params=HttpBackend.Params(**section.get("params", {})),
        options=HttpBackend.Options(**options),
        env=BackendEnv(environ=ENVIRON, folder=folder, timeout_s=5, wants_ttft=recipe.streams),
    )


async def test_recipe__websocket_is_spoken_by_a_function(monkeypatch: pytest.MonkeyPatch):
    async def echo(asked: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(asked)
        said = await socket.receive_json()
        await socket.send_json({"text": said["text"]})
        await socket.close()
        return socket

    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    monkeypatch.setenv("BOT_URL", f"http://127.0.0.1:{port}/")
    names: dict[str, Any] = {}
    text = next(each.text for each in blocks(PAGE) if each.text.startswith("# ws_bot.py"))
    exec(text, names)
    async with asyncio.timeout(5):
        assert await names["answer"]([{"role": "user", "content": "안녕"}]) == "안녕"
    await runner.cleanup()
