from pathlib import Path

import pytest
from servers.runs import ENVIRON, KEY, endpoint, make, resources

from lm_eval_so.core.asking.open import ask_first, open_asker, section_path
from lm_eval_so.core.backends.base import ChatBackend, backends
from lm_eval_so.core.records.chat import ChatRequest, Message
from lm_eval_so.errors import BackendError, ConfigError, ErrorKind
from lm_eval_so.testing import ChatServer, Reply

REQUEST = ChatRequest(messages=(Message(role="user", content="환불?"),), params={"model": "m"})


def with_judge(folder: Path, url: str):
    judge = {"name": "llm_judge", "backend": endpoint(url, seed=1)}
    return make(folder, endpoint(url), metrics=["exact_match", judge], run={"concurrency": 6})


async def test_open_asker__bot_and_judge_share_a_limiter_and_are_closed(tmp_path: Path):
    shared = resources()
    with ChatServer() as server:
        config = with_judge(tmp_path, server.url)
        judge = config.metrics[1].backend
        assert config.backend
        assert judge
        async with (
            open_asker(config.backend, config=config, resources=shared) as bot,
            open_asker(judge, config=config, resources=shared) as second,
        ):
            assert bot.limiter is second.limiter
            assert bot.limiter.limit == 6
            assert (await bot.ask(REQUEST)).response
            assert (await second.ask(REQUEST)).response


def test_section_path__of_bot_and_judge(tmp_path: Path):
    config = with_judge(tmp_path, "http://a/v1")
    judge = config.metrics[1].backend
    assert config.backend
    assert judge
    assert section_path(config.backend, config) == ("backend",)
    assert section_path(judge, config) == ("metrics", 1, "backend")


async def test_open_asker__missing_key(tmp_path: Path):
    config = make(tmp_path, endpoint("http://a/v1"))
    assert config.backend
    with pytest.raises(ConfigError, match="OPENAI_API_KEY is not set"):
        async with open_asker(config.backend, config=config, resources=resources(environ={})):
            pass


@pytest.mark.parametrize(
    ("reply", "kind", "requests"),
    [
        (Reply(status=401, message=f"Incorrect API key provided: {KEY}"), ErrorKind.AUTH, 1),
        (Reply(status=404, message="no such model"), ErrorKind.NOT_FOUND, 1),
        (Reply(reset=True), ErrorKind.CONNECTION, 2),
    ],
)
async def test_ask_first__says_that_nothing_else_was_sent(
    tmp_path: Path, reply: Reply, kind: ErrorKind, requests: int
):
    with ChatServer(lambda _: reply) as server:
        config = make(tmp_path, endpoint(server.url))
        assert config.backend
        async with open_asker(config.backend, config=config, resources=resources()) as asker:
            with pytest.raises(BackendError) as failed:
                await ask_first(asker, REQUEST)
    assert failed.value.kind is kind
    assert "othing else was sent" in (failed.value.hint or "")
    assert KEY not in f"{failed.value} {failed.value.hint}"
    assert len(server.requests) == requests


async def test_ask_first__other_failures_are_rows(tmp_path: Path):
    with ChatServer(lambda _: Reply(status=400)) as server:
        config = make(tmp_path, endpoint(server.url))
        assert config.backend
        async with open_asker(
            config.backend, config=config, resources=resources(environ=ENVIRON)
        ) as asker:
            answer = await ask_first(asker, REQUEST)
    assert answer.error
    assert answer.error.kind is ErrorKind.INVALID_REQUEST


async def test_open_asker__plugin_that_cannot_get_ready(tmp_path: Path):
    class Broken(ChatBackend):
        async def open(self) -> None:
            raise RuntimeError("no weights")

    backends.register("test_cannot_open", Broken)
    config = make(tmp_path, {"name": "test_cannot_open"})
    assert config.backend
    with pytest.raises(BackendError, match="cannot get ready: RuntimeError: no weights"):
        async with open_asker(config.backend, config=config, resources=resources()):
            pass
