import asyncio
import json
import os
import sys
import textwrap
import unicodedata
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from lm_eval_so.core.backends.base import BackendEnv
from lm_eval_so.core.backends.own_code.command import CommandBackend
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Message, ToolCall, Usage
from lm_eval_so.errors import BackendError, ErrorKind

KOREAN = "환불은 며칠 걸리나요?\n둘째 줄 \u2028 끝"
ECHO = """
import json, sys
values = json.load(sys.stdin)
print(json.dumps({"text": values["messages"][-1]["content"]}, ensure_ascii=False))
"""
WORKER = """
import json, os, sys
for line in sys.stdin:
    values = json.loads(line)
    text = values["messages"][-1]["content"]
    if text == "die":
        print("no memory left", file=sys.stderr, flush=True)
        os._exit(3)
    answer = {"id": values["id"], "text": f"{text}|{os.getpid()}"}
    print(json.dumps(answer, ensure_ascii=False), flush=True)
"""
SLEEPER = """
import subprocess, sys, pathlib, os, time
child = subprocess.Popen(["sleep", "60"])
pathlib.Path("pids").write_text(f"{os.getpid()} {child.pid}")
time.sleep(60)
"""

Make = Callable[..., CommandBackend]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    made: list[CommandBackend] = []

    def backend(code: str, *, environ: dict[str, str] | None = None, **options):
        (tmp_path / "bot.py").write_text(textwrap.dedent(code), encoding="utf-8")
        given = {"argv": [sys.executable, "bot.py"], **options}
        base = {"PATH": os.environ["PATH"], "LANG": "C"}
        env = BackendEnv(environ={**base, **(environ or {})}, folder=tmp_path, concurrency=4)
        made.append(CommandBackend(options=CommandBackend.Options(**given), env=env))
        return made[-1]

    yield backend
    for each in made:
        await each.close()


async def ask(backend: CommandBackend, text: str = KOREAN, **values) -> ChatResponse:
    request = ChatRequest(messages=(Message(role="user", content=text),), sample_id="q1", **values)
    return await backend.send(request)


async def fail(backend: CommandBackend, text: str = KOREAN) -> BackendError:
    with pytest.raises(BackendError) as failed:
        await ask(backend, text)
    return failed.value


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


async def is_gone(pid: int) -> bool:
    return await until(lambda: not is_running(pid))


async def until(holds: Callable[[], bool]) -> bool:
    for _ in range(500):
        if holds():
            return True
        await asyncio.sleep(0.01)
    return False


@pytest.mark.parametrize("form", ["NFC", "NFD"])
async def test_send__korean_there_and_back(make: Make, form: str):
    text = unicodedata.normalize(form, KOREAN)
    assert (await ask(make(ECHO), text)).text == text


async def test_send__text_in_and_out(make: Make):
    backend = make("print(input() + '!')", stdin="text", stdout="text")
    assert (await ask(backend, "환불")).text == "환불!"


async def test_send__whole_request(make: Make):
    code = "import sys; print(sys.stdin.read(), end='')"
    request = ChatRequest(
        messages=(
            Message(role="user", content="환불"),
            Message(role="assistant", tool_calls=(ToolCall(id="c1", name="f", arguments="{}"),)),
            Message(role="tool", content="3일", tool_call_id="c1"),
        ),
        system="친절하게",
        params={"channel": "web"},
        tools=({"type": "function"},),
        seed=7,
        session="s1",
        sample_id="q1",
        repeat=2,
        metadata={"sample_hash": "x", "tags": ["배송"], "language": "ko"},
    )
    got = json.loads((await make(code, stdout="text").send(request)).text)
    assert got == {
        "id": "q1:2:0:1",
        "messages": [
            {"role": "user", "content": "환불"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "c1", "name": "f", "arguments": "{}"}],
            },
            {"role": "tool", "content": "3일", "tool_call_id": "c1"},
        ],
        "system": "친절하게",
        "params": {"channel": "web"},
        "session": "s1",
        "seed": 7,
        "sample": {"id": "q1", "repeat": 2, "turn": 0, "tags": ["배송"], "language": "ko"},
        "tools": [{"type": "function"}],
        "tool_choice": None,
    }


async def test_send__fields_of_an_answer(make: Make):
    answer = {
        "text": None,
        "tool_calls": [{"name": "찾기", "arguments": "{}"}],
        "usage": {"input_tokens": 3},
        "context_ids": ["d1"],
        "model": "m",
    }
    response = await ask(make(f"import json; print(json.dumps({answer!r}))"))
    assert response == ChatResponse(
        tool_calls=(ToolCall(name="찾기", arguments="{}"),),
        usage=Usage(input_tokens=3),
        context_ids=("d1",),
        model="m",
    )


@pytest.mark.parametrize(
    ("code", "what", "hint"),
    [
        ("print('답')", "the output is no JSON", "stdout: text"),
        ("print('')", "nothing", "stdout: text"),
        ("print('[1]')", "gave list, not a text", None),
        ('print(\'{"txt": "x"}\')', 'the unknown field "txt"', "write text"),
        ("print('{\"text\": 5}')", "wrong text: input should be a valid string", None),
        ('print(\'{"usage": {"input_tokens": "x"}}\')', "wrong usage.input_tokens", None),
        ('print(\'{"usage": {"input_tokens": -1}}\')', "is less than 0", None),
        ('print(\'{"text": "x", "status": "ok"}\')', "may be refused or filtered", None),
        ("print('{\"text\": NaN}')", "NaN is no JSON number", "stdout: text"),
        (
            "import sys; sys.stdout.buffer.write('{\"text\": \"환불\"}'.encode('cp949'))",
            "no UTF-8 at byte 12",
            "CP949",
        ),
        ("import sys; sys.stdout.buffer.write(b'\\xff\\xff')", "at byte 0", "write UTF-8"),
    ],
)
async def test_send__answer_that_cannot_be_used(make: Make, code: str, what: str, hint: str | None):
    error = await fail(make(code))
    assert error.kind is ErrorKind.BAD_RESPONSE
    assert not error.retryable
    assert what in error.message
    assert (hint or "") in (error.hint or "")


async def test_send__exit_code(make: Make):
    error = await fail(make("import sys; print('서버가 없음', file=sys.stderr); sys.exit(3)"))
    assert (error.kind, error.retryable) == (ErrorKind.SUBPROCESS, True)
    assert error.message.endswith("ended (exit code 3): 서버가 없음")
    assert error.details == {"stderr": "서버가 없음"}


async def test_send__last_words(make: Make):
    code = "import sys; sys.stderr.write('가' * 100_000 + 'end'); sys.exit(1)"
    error = await fail(make(code))
    assert len(error.details["stderr"]) == 2000
    assert error.details["stderr"].endswith("가end")
    code = "import sys; sys.stderr.buffer.write('오류'.encode('cp949')); sys.exit(1)"
    assert (await fail(make(code))).details == {"stderr": "오류"}


async def test_send__ended_by_a_signal(make: Make):
    error = await fail(make("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"))
    assert error.message.endswith("ended (SIGSEGV)")


async def test_send__environment_is_what_is_listed(make: Make):
    code = "import os; print(' '.join(sorted(os.environ)))"
    environ = {"BOT_MODE": "x", "SECRET_KEY": "sk-1", "HOME": "/h"}
    backend = make(code, stdout="text", environ=environ, env=["BOT_MODE"])
    names = set((await ask(backend)).text.split())
    # LC_CTYPE is Python's own doing (PEP 538)
    assert names - {"LC_CTYPE"} == {"BOT_MODE", "HOME", "LANG", "PATH", "PYTHONUTF8"}


async def test_send__errors_do_not_tell_the_listed_variables(make: Make):
    code = "import os, sys; sys.exit('bad login: ' + os.environ['BOT_LOGIN'])"
    backend = make(code, environ={"BOT_LOGIN": "kim:p4ssw0rd"}, env=["BOT_LOGIN"])
    error = await fail(backend)
    assert "p4ssw0rd" not in error.message + str(error.details)
    assert "[redacted:BOT_LOGIN]" in error.message


@pytest.mark.parametrize("mode", ["once", "jsonl"])
async def test_send__large_lines(make: Make, mode: str):
    text = "가" * 500_000
    code = ECHO if mode == "once" else WORKER
    assert (await ask(make(code, mode=mode), text)).text.startswith(text)


@pytest.mark.parametrize("mode", ["once", "jsonl"])
async def test_send__too_much_output(make: Make, mode: str):
    error = await fail(make("while True: print('x' * 1_000_000, end='')", mode=mode))
    assert (error.kind, error.retryable) == (ErrorKind.TOO_LARGE, False)


async def test_send__program_that_does_not_read(make: Make):
    backend = make("print('\"x\"')")
    assert (await ask(backend, "가" * 500_000)).text == "x"


@pytest.mark.parametrize("mode", ["once", "jsonl"])
async def test_send__time_out_leaves_no_child(make: Make, tmp_path: Path, mode: str):
    backend = make(SLEEPER, mode=mode)
    task = asyncio.create_task(ask(backend))
    pids = tmp_path / "pids"
    assert await until(lambda: pids.is_file() and " " in pids.read_text())
    task.cancel()
    await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), 30)
    for pid in map(int, pids.read_text().split()):
        assert await is_gone(pid)


async def test_send__answer_although_a_child_holds_stderr(make: Make):
    code = """
    import subprocess, sys
    subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    print('"done"')
    """
    assert (await asyncio.wait_for(ask(make(code)), 30)).text == "done"


async def test_jsonl__workers_stay(make: Make):
    backend = make(WORKER, mode="jsonl")

    async def one(number: int, gate: asyncio.Semaphore) -> str:
        async with gate:
            response = await ask(backend, f"질문 {number}")
        text, _, pid = response.text.partition("|")
        assert text == f"질문 {number}"
        return pid

    gate = asyncio.Semaphore(4)
    pids = await asyncio.gather(*(one(number, gate) for number in range(100)))
    assert len(set(pids)) == 4
    await backend.close()
    for pid in set(pids):
        assert await is_gone(int(pid))


async def test_jsonl__dead_worker_is_replaced(make: Make):
    backend = make(WORKER, mode="jsonl")
    first = (await ask(backend, "환불")).text
    error = await fail(backend, "die")
    assert (error.kind, error.retryable) == (ErrorKind.SUBPROCESS, True)
    assert error.message.endswith("ended (exit code 3): no memory left")
    second = (await ask(backend, "환불")).text
    assert second != first
    os.kill(int(second.partition("|")[2]), 9)  # while it waits
    assert await is_gone(int(second.partition("|")[2]))
    try:
        third = (await ask(backend, "환불")).text
    except BackendError:  # it was gone, but that was not known yet
        third = (await ask(backend, "환불")).text
    assert third not in {first, second}


async def test_jsonl__workers_that_do_not_end_are_ended_at_once(make: Make):
    backend = make(WORKER + "import time; time.sleep(60)", mode="jsonl")
    answers = await asyncio.gather(*(ask(backend) for _ in range(4)))
    await asyncio.wait_for(backend.close(), 30)
    for answer in answers:
        assert await is_gone(int(answer.text.rpartition("|")[2]))


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"text": "x"}', "the answer has another id: None, asked was q1:0:0:1"),
        ('{"id": "q2", "text": "x"}', "another id: q2"),
        ('"x"', "another id: x"),
        ("loading model …", "the output is no JSON"),
    ],
)
async def test_jsonl__answers_are_matched_by_id(make: Make, line: str, what: str):
    code = f"import sys\nfor _ in sys.stdin: print({line!r}, flush=True)"
    error = await fail(make(code, mode="jsonl"))
    assert error.kind is ErrorKind.BAD_RESPONSE
    assert what in error.message


@pytest.mark.parametrize(
    ("options", "key", "what"),
    [
        ({"argv": ["no-such-program"]}, "options.argv", "no program no-such-program"),
        ({"argv": ["./bot.sh"]}, "options.argv", "no program ./bot.sh"),
        ({"cwd": "nowhere"}, "options.cwd", "no folder"),
        ({"env": ["BOT_MODE"]}, "options.env", "BOT_MODE is not set"),
        ({"mode": "jsonl", "stdout": "text"}, "options.stdout", "stdout cannot be text"),
    ],
)
async def test_check(make: Make, options: dict, key: str, what: str):
    problems = list(make(ECHO, **options).check())
    assert [p.where.key for p in problems if p.where][-1] == key
    assert what in problems[-1].what
    assert list(make(ECHO).check()) == []


def test_check__a_program_that_may_not_be_executed(make: Make, tmp_path: Path):
    (tmp_path / "our bot.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    (problem,) = make(ECHO, argv=["./our bot.sh"]).check()
    assert problem.what == "./our bot.sh may not be executed"
    assert problem.hint == f"chmod +x '{tmp_path}/our bot.sh'"


def test_check__a_program_beside_the_config_needs_its_path(make: Make, tmp_path: Path):
    (tmp_path / "bot.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    (problem,) = make(ECHO, argv=["bot.sh"]).check()
    assert (problem.what, problem.hint) == (
        "no program bot.sh",
        "write ./bot.sh for the file in the folder that it runs in",
    )


async def test_send__program_that_cannot_be_started(make: Make, tmp_path: Path):
    (tmp_path / "bot.sh").write_text("echo", encoding="utf-8")
    error = await fail(make(ECHO, argv=["./bot.sh"]))
    assert error.message == "./bot.sh cannot be started: Permission denied"
    assert not error.retryable


async def test_reach__another_value_of_a_variable_is_the_same_chatbot(make: Make):
    one, other = (
        make(ECHO, environ={"BOT_MODE": value}, env=["BOT_MODE"]).reach()
        for value in ("반말", "sk-secret")
    )
    assert one == other  # a value may be a secret, and even its digest would tell a short one


async def test_reach__knows_the_code(make: Make):
    before = make(ECHO)
    reach = before.reach()
    assert reach["argv"] == [sys.executable, "bot.py"]
    changed = make(ECHO + "\n# other")
    assert changed.reach()["files"] != reach["files"]
    assert changed.limiter_key() == before.limiter_key() != make(ECHO, argv=["x"]).limiter_key()
    assert not before.capabilities.cacheable
