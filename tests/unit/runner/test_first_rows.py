"""Runs in which nothing was answered yet: what one row says of the endpoint, and what two or 20 say."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from servers.fast import fast
from servers.own_endpoints import SSE
from servers.runs import KEY, endpoint, make, resources, rows, write_dataset

from lm_eval_so.errors import BackendError, ConfigError, ExitCode, LMEvalError, TooManyErrors
from lm_eval_so.runner.run import RunOptions, run
from lm_eval_so.testing import ChatServer, Reply, Seen

N = 60
ENVIRON = {"OPENAI_API_KEY": KEY, "AZURE_OPENAI_API_KEY": KEY}
PAGE = Reply(body=b"<!doctype html><title>Sign in</title>", headers={"content-type": "text/html"})
FORBIDDEN = Reply(status=403, message="blocked by rule 941100")
NO_CHOICES = b'{"choices": []}'
NO_KEY = b'{"outputs": []}'
STREAM = b'data: {"choices": [{"delta": {"content": "hi"}}]}\n\ndata: [DONE]\n\n'


def _http(url: str, **options: Any) -> dict[str, Any]:
    given = {
        "url": url,
        "body": {"messages": "{{ messages }}"},
        "response": {"text": "choices[0].message.content"},
        "headers_env": {"Authorization": "OPENAI_API_KEY"},
        **options,
    }
    return {"name": "http", "label": "bot", "options": given}


def _azure(url: str) -> dict[str, Any]:
    return {"name": "azure", "label": "bot", "options": {"deployment": "m"}}


BACKENDS: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "openai": endpoint,
    "azure": _azure,
    "http": _http,
}
ADDRESS = {"openai": "options.base_url", "azure": "options.endpoint_env", "http": "options.url"}


async def asked(
    folder: Path, name: str, script: Callable[[Seen], Reply | str], *, times: int = 1
) -> tuple[LMEvalError | None, list[Seen]]:
    """Run against a script; give what ended it the last time, and the requests that came then."""
    with ChatServer(script) as server:
        config = make(folder, BACKENDS[name](server.url))
        environ = {**ENVIRON, "AZURE_OPENAI_ENDPOINT": server.url.removesuffix("/v1")}
        for _ in range(times):
            failure, before = None, len(server.requests)
            try:
                await run(config, resources(environ=environ))
            except LMEvalError as error:
                failure = error
        return failure, server.requests[before:]


def number_of(seen: Seen) -> int:
    return int(seen.text.rpartition("#")[2])


def statuses(folder: Path) -> list[str]:
    return [row["status"] for row in rows(folder / "runs" / "bot")]


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize(
    ("reply", "requests", "code", "key", "hint"),
    [
        (PAGE, 4, ExitCode.BAD_INPUT, "address", "a web page came; is ADDRESS right?"),
        (Reply(body=b""), 4, ExitCode.CANNOT_MEASURE, None, "is ADDRESS right?"),
        (
            Reply(body=STREAM),
            4,
            ExitCode.BAD_INPUT,
            "options.stream",
            "a stream came, though none was asked for; set options.stream",
        ),
        (
            Reply(status=400, message="bad"),
            2,
            ExitCode.CANNOT_MEASURE,
            None,
            "mend that, then run again",
        ),
        (FORBIDDEN, 2, ExitCode.BACKEND, None, "the key in OPENAI_API_KEY may not do this, or a"),
        (Reply(status=401, message="no"), 1, ExitCode.BACKEND, None, "nothing else was sent"),
    ],
    ids=["web page", "empty", "stream", "400", "403", "401"],
)
async def test_run__what_holds_for_all_ends_it_after_a_few_requests(
    tmp_path: Path,
    name: str,
    reply: Reply,
    requests: int,
    code: ExitCode,
    key: str | None,
    hint: str,
):
    write_dataset(tmp_path, N)
    failure, seen = await asked(tmp_path, name, lambda _: reply)
    assert failure is not None
    assert (failure.exit_code, len(seen)) == (code, requests)
    problem = failure.problems[0]
    if key is not None:
        assert problem.where is not None
        at = ADDRESS[name] if key == "address" else key
        assert problem.where.key == f"backend.{at}"
    variable = "AZURE_OPENAI_API_KEY" if name == "azure" else "OPENAI_API_KEY"
    wanted = hint.replace("ADDRESS", ADDRESS[name]).replace("OPENAI_API_KEY", variable)
    assert wanted in (problem.hint or "")
    assert "?;" not in (problem.hint or "")
    info = json.loads((tmp_path / "runs/bot/run.json").read_text(encoding="utf-8"))
    assert info["state"] == "stopped"
    assert sum(info["counts"].values()) == (0 if requests == 1 else 2)  # they were paid for


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        ("openai", NO_CHOICES, ExitCode.CANNOT_MEASURE),
        ("azure", NO_CHOICES, ExitCode.CANNOT_MEASURE),
        ("http", NO_KEY, ExitCode.BAD_INPUT),
    ],
)
async def test_run__an_answer_of_another_shape(
    tmp_path: Path, name: str, body: bytes, code: ExitCode
):
    write_dataset(tmp_path, N)
    failure, seen = await asked(tmp_path, name, lambda _: Reply(body=body))
    assert failure is not None
    assert (failure.exit_code, len(seen)) == (code, 4)
    shown = "found nothing" if name == "http" else "no choices[0].message"
    assert shown in str(failure)


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize(
    "reply",
    [
        PAGE,
        FORBIDDEN,
        Reply(body=b""),
        Reply(body=NO_KEY),
        Reply(body=STREAM),
        Reply(status=400, message="no <script>"),
    ],
    ids=["web page", "403", "empty", "another shape", "stream", "400"],
)
async def test_run__a_first_row_that_alone_is_bad_ends_nothing(
    tmp_path: Path, name: str, reply: Reply
):
    write_dataset(tmp_path, N)
    failure, _ = await asked(tmp_path, name, lambda s: reply if s.text.endswith("#0") else "네")
    assert failure is None
    assert statuses(tmp_path) == ["error", *["ok"] * (N - 1)]


@pytest.mark.parametrize("name", BACKENDS)
async def test_run__403_of_ten_rows_in_a_row_is_theirs(tmp_path: Path, name: str):
    def firewall(seen: Seen) -> Reply | str:
        return FORBIDDEN if "<script>" in seen.text else "네"

    texts = [f"<script> {i}" if 20 <= i < 30 else f"질문 {i}" for i in range(N)]
    write_dataset(tmp_path, [{"id": f"q{i:02}", "input": text} for i, text in enumerate(texts)])
    failure, seen = await asked(tmp_path, name, firewall)
    assert (failure, len(seen)) == (None, N)
    # what was answered earlier counts, so the same rows alone do not end it either
    failure, seen = await asked(tmp_path, name, firewall, times=2)
    assert (failure, len(seen)) == (None, 10)
    assert statuses(tmp_path) == ["ok"] * 20 + ["error"] * 10 + ["ok"] * 30
    row = rows(tmp_path / "runs" / "bot")[20]
    assert (row["error"]["kind"], row["error"]["http_status"], row["attempts"]) == ("auth", 403, 1)
    assert row["error"]["message"].startswith("the endpoint refuses the request (403: ")


async def test_run__rows_that_fail_each_time_end_no_later_pass(tmp_path: Path):
    """25 of 130 rows are refused by 403 and 400: in a later pass nothing else is asked."""

    def script(seen: Seen) -> Reply | str:
        number = number_of(seen)
        odd = FORBIDDEN if number % 2 else Reply(status=400, message="too odd")
        return odd if 40 <= number < 65 else "네"

    write_dataset(tmp_path, 130)
    failure, seen = await asked(tmp_path, "openai", script, times=3)
    assert (failure, len(seen)) == (None, 25)
    assert statuses(tmp_path) == ["ok"] * 40 + ["error"] * 25 + ["ok"] * 65


async def test_run__an_endpoint_that_broke_for_good_is_left_in_a_later_pass(tmp_path: Path):
    write_dataset(tmp_path, 300)
    with ChatServer() as server:
        config = make(tmp_path, endpoint(server.url), run={"max_requests": 10})
        with pytest.raises(LMEvalError):
            await run(config, resources())
        server.script = lambda _: PAGE
        before = len(server.requests)
        config = make(tmp_path, endpoint(server.url))
        with pytest.raises(ConfigError, match="the response is no JSON"):
            await run(config, resources(**fast(20)))
        # a fifth of the rows, with which nothing is measured anyway; what was under way came back
        assert 2 * 61 <= len(server.requests) - before <= 2 * (61 + 16)


async def test_run__keep_errors_leaves_the_rows_that_a_firewall_refuses(tmp_path: Path):
    def firewall(seen: Seen) -> Reply | str:
        return FORBIDDEN if number_of(seen) < 2 else "네"

    write_dataset(tmp_path, N)
    with ChatServer(firewall) as server:
        config = make(tmp_path, endpoint(server.url))
        for _ in range(2):
            with pytest.raises(BackendError) as failed:
                await run(config, resources())
            assert failed.value.exit_code == 4
            assert (failed.value.problems[0].hint or "").endswith(
                "or a firewall refuses what was sent; lm-eval-so run -c lm-eval-so.yaml"
                " --keep-errors leaves the rows that failed as they are"
            )
        assert len(server.requests) == 4
        info = await run(config, resources(), RunOptions(keep_errors=True))
    assert info.counts == {"ok": N - 2, "error": 2}
    assert len(server.requests) == 4 + N - 2


async def test_run__repeats_of_one_row_are_one_row(tmp_path: Path):
    write_dataset(tmp_path, 10)
    with ChatServer(lambda s: FORBIDDEN if s.text.endswith("#0") else "네") as server:
        config = make(tmp_path, endpoint(server.url), run={"repeats": 3})
        info = await run(config, resources())
    assert info.counts == {"ok": 27, "error": 3}


@pytest.mark.parametrize("name", BACKENDS)
async def test_run__two_rows_are_all_there_is(tmp_path: Path, name: str):
    write_dataset(tmp_path, 2)
    failure, seen = await asked(tmp_path, name, lambda _: FORBIDDEN)
    assert failure is not None
    assert (failure.exit_code, len(seen)) == (ExitCode.BACKEND, 2)
    assert "bot answers none of the first 2 samples" in str(failure)


async def test_run__one_row_is_all_there_is(tmp_path: Path):
    write_dataset(tmp_path, 1)
    failure, _ = await asked(tmp_path, "openai", lambda _: FORBIDDEN)
    assert isinstance(failure, TooManyErrors)
    assert "last: the endpoint refuses the request (403: blocked by rule 941100)" in str(failure)
    assert "or a firewall refuses what was sent" in (failure.problems[0].hint or "")


async def test_run__one_row_shows_a_mistake_of_the_config(tmp_path: Path):
    write_dataset(tmp_path, 1)
    failure, _ = await asked(tmp_path, "http", lambda _: Reply(body=b'{"answer": "hi"}'))
    assert isinstance(failure, ConfigError)
    assert failure.problems[0].where
    assert failure.problems[0].where.key == "backend.options.response.text"


async def test_run__twenty_rows_refused_for_reasons_of_their_own(tmp_path: Path):
    write_dataset(tmp_path, N)
    failure, seen = await asked(
        tmp_path, "openai", lambda s: Reply(status=400, message=f"no {s.text}")
    )
    assert failure is not None
    assert (failure.exit_code, len(seen)) == (ExitCode.CANNOT_MEASURE, 20)
    assert str(failure) == "bot answers none of the first 20 samples: no 환불은 며칠? #19"
    assert statuses(tmp_path) == ["error"] * 20


async def test_run__nineteen_bad_rows_end_nothing(tmp_path: Path):
    def script(seen: Seen) -> Reply | str:
        is_bad = number_of(seen) < 19
        return Reply(status=400, message=f"no {seen.text}") if is_bad else "네"

    write_dataset(tmp_path, 200)
    failure, seen = await asked(tmp_path, "openai", script)
    assert (failure, len(seen)) == (None, 200)


async def test_run__a_stream_that_is_none(tmp_path: Path):
    write_dataset(tmp_path, N)
    with ChatServer(lambda _: "whole") as server:
        config = make(tmp_path, _http(server.url, response={}, stream=SSE))
        with pytest.raises(ConfigError, match="no stream came") as failed:
            await run(config, resources())
        assert len(server.requests) <= 4
    assert failed.value.problems[0].where
    assert failed.value.problems[0].where.key == "backend.options.stream"


@pytest.mark.parametrize(
    ("code", "calls", "exit_code", "told"),
    [
        ("import sys; sys.exit('no model')", 40, 3, "ended (exit code 1): no model"),
        ("print('not json')", 2, 2, "the output is no JSON"),
        ("print('{\"txt\": 1}')", 2, 3, 'gave the unknown field "txt"'),
    ],
    ids=["fails", "no json", "wrong field"],
)
async def test_run__a_program_that_never_answers(
    tmp_path: Path, code: str, calls: int, exit_code: int, told: str
):
    write_dataset(tmp_path, N)
    program = "open('calls', 'a').write('x')\n" + code
    (tmp_path / "bot.py").write_text(program, encoding="utf-8")
    backend = {"name": "command", "options": {"argv": [sys.executable, "bot.py"]}}
    with pytest.raises(LMEvalError) as failed:
        await run(make(tmp_path, backend), resources())
    assert failed.value.exit_code == exit_code
    assert told in str(failed.value)
    made = len((tmp_path / "calls").read_text())
    assert calls <= made <= calls + 2 * 16


async def test_run__a_function_that_never_answers(tmp_path: Path):
    write_dataset(tmp_path, N)
    (tmp_path / "mine.py").write_text("def ask(messages):\n    raise KeyError('model')\n")
    target = f"{tmp_path / 'mine.py'}:ask"
    backend = {"name": "python", "options": {"target": target}}
    with pytest.raises(LMEvalError, match="none of the first 20 samples: KeyError") as failed:
        await run(make(tmp_path, backend, run={"concurrency": 4}), resources())
    assert failed.value.exit_code == 3


async def test_run__redirect_says_what_to_change(tmp_path: Path):
    write_dataset(tmp_path, 50)
    moved = Reply(status=301, headers={"location": "https://new.example/v1/chat/completions"})
    failure, seen = await asked(tmp_path, "openai", lambda _: moved)
    assert isinstance(failure, ConfigError)
    assert len(seen) == 1
    hint = "set base_url to https://new.example/v1, if you trust it with the key"
    assert failure.problems[0].hint == hint
