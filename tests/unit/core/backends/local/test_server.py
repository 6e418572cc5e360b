"""A llama-server is a real process here; what it serves is made up."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers.runs import until

from lm_eval_so.core.backends.base import BackendEnv
from lm_eval_so.core.backends.local.backend import LocalBackend
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Message, Usage
from lm_eval_so.errors import BackendError, ConfigError, ErrorKind
from lm_eval_so.testing import ChatServer

SERVER = """#!{python}
import json, subprocess, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

args = dict(zip(sys.argv[1::2], sys.argv[2::2]))
here, began = Path(__file__).parent, time.monotonic()
child = subprocess.Popen(["sleep", "60"])
(here / "pids").write_text(f"{{child.pid}}\\n{{__import__('os').getpid()}}")
(here / "argv").write_text(json.dumps(sys.argv[1:]))
(here / "environ").write_text(json.dumps(sorted(__import__("os").environ)))
if "--fail" in args:
    sys.exit(f"모델을 읽을 수 없습니다: {{args['--fail']}}")
load_s = float(args.get("--load", "0.2"))
props = {{"default_generation_settings": {{"n_ctx": 8192}}, "total_slots": 3,
         "model_path": args["-m"], "build_info": "b9999-abc"}}

class Llama(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        loading = time.monotonic() - began < load_s
        if self.path == "/health" and loading:
            self.give(503, {{"error": {{"code": 503, "message": "Loading model"}}}})
        else:
            self.give(200, props if self.path == "/props" else {{"status": "ok"}})
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        (here / "body").write_text(json.dumps(body))
        text = "답: " + body["messages"][-1]["content"]
        self.give(200, {{"choices": [{{"message": {{"content": text}}, "finish_reason": "stop"}}],
                        "timings": {{"cache_n": 0, "prompt_n": 7, "predicted_n": 2}}}})
    def give(self, status, values):
        data = json.dumps(values).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def log_message(self, *args): pass

ThreadingHTTPServer((args["--host"], int(args["--port"])), Llama).serve_forever()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    program = tmp_path / "llama-server"
    program.write_text(SERVER.format(python=sys.executable), encoding="utf-8")
    program.chmod(0o755)
    (tmp_path / "작은 모델.gguf").write_bytes(b"GGUF")
    return tmp_path


def make(folder: Path, **options: Any) -> LocalBackend:
    given = {"server": "llama-server", "model_path": Path("작은 모델.gguf"), **options}
    environ = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "CUDA_VISIBLE_DEVICES": "0"}
    environ |= dict.fromkeys(["OPENAI_API_KEY", "BOT_URL", "LLAMA_API_KEY"], "sk-1")
    env = BackendEnv(environ=environ, folder=folder, concurrency=8)
    return LocalBackend(options=LocalBackend.Options(**given), env=env)


async def ask(backend: LocalBackend, text: str) -> ChatResponse:
    messages = (Message(role="user", content=text),)
    params = backend.params.model_dump(mode="json")
    return await backend.send(ChatRequest(messages=messages, params=params, seed=7))


def has_ended(folder: Path) -> Callable[[], bool]:
    pids = [int(pid) for pid in (folder / "pids").read_text().split()]

    def runs(pid: int) -> bool:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        return state != "Z"

    return lambda: not any(runs(pid) for pid in pids)


async def test_open__starts_a_server_and_ends_its_group(folder: Path):
    backend = make(folder, args=["-c", "8192"])
    assert list(backend.check()) == []
    await backend.open()
    ended = has_ended(folder)
    try:
        response = await ask(backend, "환불?")
        assert not ended()
    finally:
        await backend.close()
    await until(ended)
    assert response.text == "답: 환불?"
    assert response.usage == Usage(input_tokens=7, output_tokens=2, cached_tokens=0)
    assert backend.details() == {
        "model": "작은 모델",
        "model_file": "작은 모델.gguf",
        "context_tokens": 8192,
        "slots": 3,
        "build": "b9999-abc",
    }
    assert backend.most_at_once() == 3
    sent = (folder / "body").read_text()
    assert '"cache_prompt": false' in sent
    assert '"seed": 7' in sent
    argv = (folder / "argv").read_text()
    assert '"-c", "8192"' in argv
    assert '"--host", "127.0.0.1"' in argv
    names = json.loads((folder / "environ").read_text())
    assert {"PATH", "CUDA_VISIBLE_DEVICES"} <= set(names)
    assert not {"OPENAI_API_KEY", "BOT_URL", "LLAMA_API_KEY"} & set(names)


async def test_open__a_server_that_ends_is_quoted(folder: Path):
    backend = make(folder, args=["--fail", "헤더"])
    with pytest.raises(ConfigError, match="ended with code 1: 모델을 읽을 수 없습니다: 헤더"):
        await backend.open()
    await until(has_ended(folder))


async def test_open__a_server_that_takes_too_long_is_ended(folder: Path):
    backend = make(folder, args=["--load", "60"], startup_timeout_s=0.6)
    with pytest.raises(BackendError) as failed:
        await asyncio.wait_for(backend.open(), 30)
    assert failed.value.kind is ErrorKind.TIMEOUT
    assert "is not ready after 0.6 s" in failed.value.message
    await until(has_ended(folder))


async def test_open__attaches_to_a_server_that_still_loads(folder: Path):
    first = make(folder, server="./llama-server", args=["--load", "0.3"])
    await first.open()
    try:
        options = LocalBackend.Options(base_url=first._started.url + "/v1/")
        other = LocalBackend(options=options, env=BackendEnv(concurrency=2))
        await other.open()
        assert (await ask(other, "가")).text == "답: 가"
        assert other.details()["build"] == "b9999-abc"
        assert other.most_at_once() == 2
        await other.close()
        assert (await ask(first, "나")).text == "답: 나"
    finally:
        await first.close()


async def test_open__attaching_to_nobody():
    with ChatServer() as server:
        url = server.url.removesuffix("/v1")
    with pytest.raises(BackendError) as failed:
        await LocalBackend(options=LocalBackend.Options(base_url=url)).open()
    assert failed.value.message == f"cannot reach {url} (connection refused)"


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"server": "no-such-server"}, "no program no-such-server"),
        ({"server": "./absent"}, "no program ./absent"),
        ({"model_path": None}, "a server needs a model"),
        ({"model_path": Path("nope.gguf")}, "no model file"),
        ({"base_url": "http://127.0.0.1:1"}, "a server is either started or attached to"),
    ],
)
def test_check__what_is_missing(folder: Path, options: dict[str, Any], what: str):
    (problem,) = make(folder, **options).check()
    assert problem.what.startswith(what)


def test_reach__of_a_started_server(folder: Path):
    assert make(folder, args=["-np", "4"]).reach() == {
        "model_file": "작은 모델.gguf",
        "model_bytes": 4,
        "server": "llama-server",
        "args": ["-np", "4"],
    }
