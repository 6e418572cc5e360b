"""Keys in files that are renewed while a run uses them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from servers.batch_server import BatchServer

from lm_eval_so.core.backends.base import BackendEnv, ChatBackend
from lm_eval_so.core.backends.openai.azure import AzureBackend
from lm_eval_so.core.backends.openai.backend import OpenAIBackend
from lm_eval_so.core.records.chat import ChatRequest, Message
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.errors import BackendError
from lm_eval_so.testing import ChatServer, Reply, Seen

OLD, NEW, NEWEST = "old-0123456789abcdef", "new-0123456789abcdef", "newest-0123456789ab"
REQUEST = ChatRequest(messages=(Message(role="user", content="hi"),), params={})


def make(url: str, name: str, options: Mapping[str, Any], folder: Path) -> ChatBackend:
    env = BackendEnv(environ={"OPENAI_API_KEY": "of-the-variable"}, folder=folder, timeout_s=5)
    if name == "azure":
        given = AzureBackend.Options(
            deployment="bot", endpoint=url.removesuffix("/v1"), **{"api_key_env": "", **options}
        )
        return AzureBackend(params=AzureBackend.Params(), options=given, env=env)
    params = OpenAIBackend.Params(model="test-model")
    return OpenAIBackend(
        params=params, options=OpenAIBackend.Options(base_url=url, **options), env=env
    )


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("name", "options", "header", "before"),
    [
        ("openai", {"api_key_file": "key"}, "authorization", "Bearer "),
        ("openai", {"headers_file": {"Authorization": "key"}}, "authorization", ""),
        ("azure", {"api_key_file": "key"}, "api-key", ""),
        ("azure", {"token_file": "key"}, "authorization", "Bearer "),
    ],
)
async def test_key_file__is_read_again_when_it_changes_and_after_a_401(
    tmp_path: Path, name: str, options: Mapping[str, Any], header: str, before: str, stream: bool
):
    file, sent, valid = tmp_path / "key", list[str](), {OLD}
    file.write_text(OLD)

    def script(seen: Seen) -> Reply:
        sent.append(seen.headers[header].removeprefix(before))
        if sent[-1] in valid:
            return Reply(text="yes")
        if not valid:  # renewed between the look at the file and the answer
            file.write_text(NEW)
            valid.add(NEW)
        return Reply(status=401, message=f"{sent[-1]} expired")

    with ChatServer(script) as server:
        backend = make(server.url, name, {**options, "stream": stream}, tmp_path)
        await backend.open()
        await backend.send(REQUEST)
        assert backend.learned == Redactor()
        valid.clear()
        assert (await backend.send(REQUEST)).text == "yes"
        assert sent == [OLD, OLD, NEW]
        assert backend.learned.finds(NEW)
        file.write_text(NEWEST)
        valid.add(NEWEST)
        await backend.send(REQUEST)
        assert sent[3:] == [NEWEST], "without a 401"
        valid.remove(NEWEST)
        with pytest.raises(BackendError) as failed:
            await backend.send(REQUEST)
        assert sent[4:] == [NEWEST], "the file is the same, so nothing is sent again"
        assert NEWEST not in f"{failed.value} {failed.value.details}"
        await backend.close()


async def test_key_file__does_not_overrule_a_header_of_the_options(tmp_path: Path):
    (tmp_path / "key").write_text(OLD)
    options = {"api_key_file": "key", "headers": {"Authorization": "Basic mine"}}
    with ChatServer(lambda _: Reply(text="yes")) as server:
        backend = make(server.url, "openai", options, tmp_path)
        await backend.open()
        (tmp_path / "key").write_text(NEW)
        await backend.send(REQUEST)
        await backend.close()
    assert [seen.headers["authorization"] for seen in server.requests] == ["Basic mine"]


async def test_key_file__a_batch_outlasts_a_token(tmp_path: Path):
    (tmp_path / "key").write_text(OLD)
    (tmp_path / "input.jsonl").write_text("{}\n")
    with BatchServer() as server:
        backend = make(server.url, "openai", {"api_key_file": "key"}, tmp_path)
        await backend.open()
        batches = backend.batches()
        assert batches is not None
        await batches.upload(tmp_path / "input.jsonl", "input.jsonl")
        (tmp_path / "key").write_text(NEW)
        assert await batches.find({"no": "such"}, since=0) is None
        await batches.close()
        await backend.close()
    keys = [headers["authorization"] for _, _, headers in server.book.seen]
    assert keys == [f"Bearer {OLD}", f"Bearer {NEW}"]
