"""The contract suite of backends: the built-in ones pass it, and yours should."""

import asyncio
import unicodedata
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Message, Usage
from lm_eval_so.errors import BackendError, ErrorKind
from lm_eval_so.testing.chat_server import ChatServer, Reply, Script, echo

__all__ = ["backend_contract"]

_KOREAN = "환불은 며칠 걸리나요? 「3영업일」 · 값은 '₩1,000'\n둘째 줄"
_PATIENCE_S = 30.0
_TOOL = {"function": {"name": "find_order", "parameters": {"type": "object"}}, "type": "function"}
_MADE = {"name": "find_order", "arguments": '{"번호": "A-1023"}'}
_LONG_AGO = "Thu, 01 Jan 2015 00:00:00 GMT"
_TWO_S_LATER = "Thu, 01 Jan 2015 00:00:02 GMT"

MakeBackend = Callable[[], ChatBackend]


def backend_contract(
    make_backend: MakeBackend,
    *,
    echoes: bool = False,
    server: ChatServer | None = None,
    secrets: Sequence[str] = (),
    sample_id: str = "contract",
) -> tuple[str, ...]:
    """Check a backend against the rules that the asker relies on.

    Args:
        make_backend: Function that makes a fresh backend, not yet open.
        echoes: Whether the chatbot behind it repeats what it is asked; then Korean text must come
            back as it was sent.
        server: Chat server that the backend asks, if it asks one; then its faults are played
            through, too. Its script is replaced.
        secrets: Keys that the backend was given; they may stand in no text of it.
        sample_id: Id of the sample that is asked, for backends that look at it.

    Returns:
        Names of the rules that were checked.

    Raises:
        AssertionError: With the name of every broken rule, and the reason.
    """
    contract = _Contract(make_backend, echoes, server, tuple(secrets), sample_id)
    rules: list[Callable[[], Awaitable[None]]] = [
        contract.answers,
        contract.keeps_korean,
        contract.tells_usage_or_null,
        contract.stops_when_cancelled,
        contract.names_no_secret,
    ]
    if server is not None:
        rules += [
            contract.usage_not_told_is_null,
            contract.maps_rate_limit,
            contract.counts_waits_from_the_servers_clock,
            contract.follows_no_redirect,
            contract.maps_server_error,
            contract.maps_refused_key,
            contract.maps_reset,
            contract.maps_malformed_body,
            contract.closes_connection_when_cancelled,
            contract.records_tool_calls,
            contract.streams_to_the_same_answer,
            contract.keeps_what_a_broken_stream_gave,
        ]
    broken = [text for rule in rules if (text := asyncio.run(_held(rule)))]
    assert not broken, "\n".join(["the backend breaks its contract:", *broken])  # noqa: S101
    return tuple(rule.__name__ for rule in rules)


async def _held(rule: Callable[[], Awaitable[None]]) -> str | None:
    name = getattr(rule, "__name__", "rule")
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await rule()
    except AssertionError as error:
        return f"- {name}: {error}"
    except Exception as error:  # noqa: BLE001 - a rule that a backend crashes is one it breaks
        return f"- {name}: {type(error).__name__}: {error}"
    return None


class _Contract:
    def __init__(
        self,
        make_backend: MakeBackend,
        echoes: bool,
        server: ChatServer | None,
        secrets: tuple[str, ...],
        sample_id: str,
    ) -> None:
        self._make = make_backend
        self._echoes = echoes
        self._server = server
        self._secrets = secrets
        self._sample_id = sample_id

    async def answers(self) -> None:
        response = await self._ask("How long does a refund take?")
        _need(isinstance(response, ChatResponse), f"send gave {type(response).__name__}")
        _need(isinstance(response.text, str), "the text of the response is no str")

    async def keeps_korean(self) -> None:
        for text in (_KOREAN, unicodedata.normalize("NFD", _KOREAN)):
            response = await self._ask(text)
            if self._echoes:
                _need(response.text == text, f"{text!r} came back as {response.text!r}")

    async def tells_usage_or_null(self) -> None:
        usage = (await self._ask("hello")).usage
        for name in ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"):
            value = getattr(usage, name)
            _need(value is None or value >= 0, f"usage.{name} is {value}")

    async def stops_when_cancelled(self) -> None:
        backend = await self._opened()
        try:
            task = asyncio.create_task(backend.send(self._request("hello")))
            await asyncio.sleep(0)
            task.cancel()
            done, _ = await asyncio.wait({task}, timeout=5)
            _need(bool(done), "send goes on after it was cancelled")
            await asyncio.gather(task, return_exceptions=True)
        finally:
            await backend.close()

    async def names_no_secret(self) -> None:
        backend = await self._opened()
        try:
            texts = [repr(backend), repr(backend.env), backend.limiter_key()]
            texts += [str(backend.reach()), str(backend.details())]
        finally:
            await backend.close()
        self._need_no_secret(*texts)

    async def usage_not_told_is_null(self) -> None:
        response = await self._ask("hello", lambda _: Reply(text="x", usage=None))
        _need(response.usage == Usage(), f"usage that is not told became {response.usage}")

    async def maps_rate_limit(self) -> None:
        for headers in ({"retry-after": "7"}, {"retry-after-ms": "7000"}):
            error = await self._fails(Reply(status=429, headers=headers), ErrorKind.RATE_LIMIT)
            _need(error.retryable, "a 429 is retryable")
            _need(error.retry_after_s == 7, f"{headers} became {error.retry_after_s} s")

    async def counts_waits_from_the_servers_clock(self) -> None:
        headers = {"date": _LONG_AGO, "retry-after": _TWO_S_LATER}
        error = await self._fails(Reply(status=429, headers=headers), ErrorKind.RATE_LIMIT)
        _need(error.retry_after_s == 2, f"a wait until a date became {error.retry_after_s} s")

    async def follows_no_redirect(self) -> None:
        with ChatServer() as other:
            for status in (301, 307):
                reply = Reply(status=status, headers={"location": f"{other.url}/chat/completions"})
                await self._fails(reply, ErrorKind.INVALID_REQUEST)
            _need(not other.requests, "a redirect was followed to another host")

    async def maps_server_error(self) -> None:
        error = await self._fails(Reply(status=500), ErrorKind.SERVER)
        _need(
            error.retryable and error.http_status == 500, "a 500 is retryable and keeps its status"
        )

    async def maps_refused_key(self) -> None:
        key = " ".join(self._secrets)
        error = await self._fails(Reply(status=401, message=f"bad key {key}"), ErrorKind.AUTH)
        _need(not error.retryable, "a 401 is not retryable")

    async def maps_reset(self) -> None:
        error = await self._fails(Reply(reset=True), ErrorKind.CONNECTION)
        _need(error.retryable, "a broken connection is retryable")

    async def maps_malformed_body(self) -> None:
        for body in (b"<html>", b"{}", b'{"choices": []}', b"null"):
            error = await self._fails(Reply(body=body), ErrorKind.BAD_RESPONSE)
            _need(error.retryable, "a malformed body is retryable")

    async def closes_connection_when_cancelled(self) -> None:
        server = self._server
        assert server is not None  # noqa: S101 - the rule is played with a server only
        server.script = lambda _: Reply(hang=True)
        before, gone = len(server.requests), server.gone
        backend = await self._opened()
        try:
            task = asyncio.create_task(backend.send(self._request("hello")))
            await _until(lambda: len(server.requests) > before, "the request never came")
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await _until(lambda: server.gone > gone, "the connection stays open")
        finally:
            await backend.close()

    async def records_tool_calls(self) -> None:
        if not self._make().capabilities.tools:
            return
        call = {"id": "call_1", "type": "function", "function": _MADE}
        reply = Reply(message_fields={"content": None, "tool_calls": [call]})
        for streamed in (False, True):
            response = await self._ask("order?", lambda _: reply, tool=_TOOL, streamed=streamed)
            calls = [
                {"name": made.name, "arguments": made.arguments} for made in response.tool_calls
            ]
            _need(calls == [_MADE], f"{'streamed ' * streamed}tool calls became {calls}")

    async def streams_to_the_same_answer(self) -> None:
        reply = Reply(text=_KOREAN, finish_reason="length", first_token_s=0.08)
        whole = await self._ask("hello", lambda _: reply)
        if not self._was_streamed:
            _need(whole.ttft_ms is None, "an answer that was not streamed has a ttft_ms")
        streamed = await self._ask("hello", lambda _: reply, streamed=True)
        if not self._was_streamed:
            return
        ttft_ms = streamed.ttft_ms or 0.0
        _need(80 <= ttft_ms < 2000, f"the first token came after 80 ms, not {streamed.ttft_ms}")
        same = replace(streamed, ttft_ms=whole.ttft_ms, headers=whole.headers, raw=whole.raw)
        _need(same == whole, f"streamed, {whole} became {same}")

    async def keeps_what_a_broken_stream_gave(self) -> None:
        reply = Reply(text=_KOREAN, cut_after=4)
        try:
            await self._ask("hello", lambda _: reply, streamed=True)
        except BackendError as error:
            got = error.partial_text or ""
            _need(error.kind is ErrorKind.BAD_RESPONSE, f"a broken stream became {error.kind}")
            _need(error.retryable, "a broken stream is retryable")
            _need(bool(got) and _KOREAN.startswith(got), f"what had come became {got!r}")
        else:
            _need(not self._was_streamed, "a stream that broke off became an answer")

    @property
    def _was_streamed(self) -> bool:
        return self._server is not None and bool(self._server.requests[-1].body.get("stream"))

    async def _fails(self, reply: Reply, kind: ErrorKind) -> BackendError:
        try:
            response = await self._ask("hello", lambda _: reply)
        except BackendError as error:
            _need(error.kind is kind, f"{reply} became {error.kind}, not {kind}")
            texts = (str(error), error.message, error.hint, error.code, error.partial_text)
            self._need_no_secret(*(text for text in texts if text))
            return error
        raise AssertionError(f"{reply} became the answer {response.text!r}")

    async def _ask(
        self,
        text: str,
        script: Script = echo,
        *,
        tool: Mapping[str, Any] | None = None,
        streamed: bool = False,
    ) -> ChatResponse:
        if self._server is not None:
            self._server.script = script
        backend = await self._opened(streamed=streamed)
        try:
            request = self._request(text)
            return await backend.send(replace(request, tools=(tool,)) if tool else request)
        finally:
            await backend.close()

    async def _opened(self, *, streamed: bool = False) -> ChatBackend:
        backend = self._make()
        backend.env = replace(backend.env, wants_ttft=streamed)
        await backend.open()
        return backend

    def _request(self, text: str) -> ChatRequest:
        backend: Any = self._make()
        return ChatRequest(
            messages=(Message(role="user", content=text),),
            params=backend.params.model_dump(mode="json"),
            seed=1,
            sample_id=self._sample_id,
        )

    def _need_no_secret(self, *texts: str) -> None:
        for secret in self._secrets:
            _need(not any(secret in text for text in texts), "a text of the backend tells a secret")


def _need(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


async def _until(holds: Callable[[], bool], otherwise: str) -> None:
    for _ in range(500):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(otherwise)
