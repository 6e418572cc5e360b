from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from servers.runs import ENVIRON, KEY, endpoint, make, resources

from lm_eval_so.core.asking.open import (
    backend_problems,
    build_asked,
    open_asker,
)
from lm_eval_so.core.backends.base import ChatBackend, backends
from lm_eval_so.core.backends.build import section_path
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
            assert bot.limiter.limit <= 6
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
async def test_ask__first_request_says_that_nothing_else_was_sent(
    tmp_path: Path, reply: Reply, kind: ErrorKind, requests: int
):
    with ChatServer(lambda _: reply) as server:
        config = make(tmp_path, endpoint(server.url))
        assert config.backend
        async with open_asker(config.backend, config=config, resources=resources()) as asker:
            with pytest.raises(BackendError) as failed:
                await asker.ask(REQUEST)
    assert failed.value.kind is kind
    assert "othing else was sent" in (failed.value.hint or "")
    assert KEY not in f"{failed.value} {failed.value.hint}"
    assert len(server.requests) == requests


async def test_ask__first_request_other_failures_are_rows(tmp_path: Path):
    with ChatServer(lambda _: Reply(status=400)) as server:
        config = make(tmp_path, endpoint(server.url))
        assert config.backend
        async with open_asker(
            config.backend, config=config, resources=resources(environ=ENVIRON)
        ) as asker:
            answer = await asker.ask(REQUEST)
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


def test_backend_problems__money_needs_a_price_of_judges_too(tmp_path: Path):
    judge = {"name": "llm_judge", "backend": endpoint("http://127.0.0.1:9/v1")}
    config = make(
        tmp_path, endpoint("http://a/v1"), metrics=["exact_match", judge], run={"max_cost_usd": 1}
    )
    section = config.metrics[1].backend
    assert section
    problem = backend_problems(section, config=config, environ=ENVIRON)[0]
    assert problem.what == "no price known for bot"
    assert problem.hint == "set metrics[1].backend.options.price or remove run.max_cost_usd"
    assert problem.where
    assert problem.where.key == "metrics[1].backend"


@pytest.mark.parametrize(
    "backend",
    [
        {"name": "scripted", "options": {"default": "echo"}},
        {
            **endpoint("http://a/v1"),
            "options": {"price": {"input_per_mtok": 1, "output_per_mtok": 2}},
        },
    ],
    ids=["free", "priced"],
)
def test_backend_problems__a_price_that_is_known(tmp_path: Path, backend: dict[str, object]):
    config = make(tmp_path, backend, run={"max_cost_usd": 1})
    assert config.backend
    assert backend_problems(config.backend, config=config, environ=ENVIRON) == []


def test_build__what_is_measured_and_kept_and_what_every_backend_needs(tmp_path: Path):
    section = endpoint("http://a/v1")
    section["options"]["headers_env"] = {"X-Key": "NOT_THERE"}
    config = make(tmp_path, section, metrics=["ttft_ms"], run={"keep_raw": True})
    assert config.backend
    problems = backend_problems(config.backend, config=config, environ=ENVIRON)
    assert [problem.what for problem in problems] == ["NOT_THERE is not set"]
    backend = build_asked(config.backend, config=config, environ={**ENVIRON, "NOT_THERE": "x"})
    assert (backend.env.wants_ttft, backend.env.keeps_raw) == (True, True)


async def test_open_asker__other_key_or_speed_same_answer_other_params_another(tmp_path: Path):
    async def requests(url: str, environ: Mapping[str, str], **params: object) -> int:
        run = {"cache": tmp_path / "cache.sqlite", "concurrency": params.pop("concurrency", 2)}
        config = make(tmp_path, endpoint(url, **params), run=run)
        assert config.backend
        async with open_asker(
            config.backend, config=config, resources=resources(environ=environ)
        ) as asker:
            sent = replace(REQUEST, params={"model": "test-model", **params})
            assert (await asker.ask(sent)).response
            return asker.requests

    with ChatServer() as server:
        assert await requests(server.url, ENVIRON) == 1
        assert await requests(server.url, ENVIRON) == 0
        assert await requests(server.url, {"OPENAI_API_KEY": "sk-another-key"}) == 0
        assert await requests(server.url, ENVIRON, concurrency=9) == 0
        assert await requests(server.url, ENVIRON, temperature=0.5) == 1
