import asyncio
import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lm_eval_so.core.backends.base import BackendEnv
from lm_eval_so.core.backends.own_code.python import PythonBackend
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Message, ToolCall, Usage
from lm_eval_so.errors import BackendError, CannotMeasure, ConfigError, ErrorKind

KOREAN = "환불은 며칠 걸리나요?"

Make = Callable[..., PythonBackend]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write the code into bot.py; by its path it is a module of its own in each test."""

    def backend(code: str, target: str = "bot.py:answer", **options) -> PythonBackend:
        (tmp_path / "bot.py").write_text(textwrap.dedent(code), encoding="utf-8")
        given = PythonBackend.Options(target=target, **options)
        return PythonBackend(options=given, env=BackendEnv(folder=tmp_path, concurrency=8))

    return backend


async def ask(backend: PythonBackend, text: str = KOREAN, **values) -> ChatResponse:
    await backend.open()
    messages = (Message(role="user", content=text),)
    return await backend.send(ChatRequest(messages=messages, sample_id="q1", **values))


async def fail(backend: PythonBackend) -> BackendError:
    with pytest.raises(BackendError) as failed:
        await ask(backend)
    return failed.value


@pytest.mark.parametrize("word", ["def", "async def"])
async def test_send__gives_what_the_function_takes(make: Make, word: str):
    code = f"""
    import json
    {word} answer(messages, *, sample, params, session, seed=None):
        return json.dumps([messages, sample, params, session, seed])
    """
    response = await ask(
        make(code),
        system="친절하게",
        params={"style": "짧게"},
        session="s1",
        seed=7,
        metadata={"sample_hash": "x", "language": "ko"},
    )
    messages, sample, params, session, seed = json.loads(response.text)
    assert messages == [
        {"role": "system", "content": "친절하게"},
        {"role": "user", "content": KOREAN},
    ]
    assert sample == {"id": "q1", "repeat": 0, "turn": 0, "language": "ko"}
    assert (params, session, seed) == ({"style": "짧게"}, "s1", 7)


@pytest.mark.parametrize(
    "code",
    [
        "def answer(messages): return messages[-1]['content']",
        "def answer(messages, **rest): return messages[-1]['content'] * ('tools' in rest)",
        "def answer(*all): return all[0][-1]['content']",
        "class Bot:\n    async def __call__(self, m): return m[-1]['content']\nanswer = Bot()",
        "async def later(m): return m[-1]['content']\ndef answer(m): return later(m)",
        "from functools import partial\ndef a(x, m): return m[-1]['content']\nanswer = partial(a, 1)",
    ],
)
async def test_send__forms_of_a_function(make: Make, code: str):
    assert (await ask(make(code))).text == KOREAN


async def test_send__method_of_an_object(make: Make):
    code = "class Bot:\n    def answer(self, m): return 'ok'\nbot = Bot()"
    assert (await ask(make(code, target="bot.py:bot.answer"))).text == "ok"


@pytest.mark.parametrize(
    ("given", "response"),
    [
        ("'답'", ChatResponse(text="답")),
        (
            "{'text': '답', 'usage': {'input_tokens': 3}, 'context': ['가'], 'refusal': None}",
            ChatResponse(text="답", usage=Usage(input_tokens=3), context=("가",)),
        ),
        (
            "{'tool_calls': [{'name': 'find', 'arguments': '{}'}]}",
            ChatResponse(tool_calls=(ToolCall(name="find", arguments="{}"),)),
        ),
        (
            "ChatResponse(text='답', finish_reason='length')",
            ChatResponse(text="답", finish_reason="length"),
        ),
        ("{'status': 'refused'}", ChatResponse(status="refused")),
    ],
)
async def test_send__forms_of_an_answer(make: Make, given: str, response: ChatResponse):
    code = f"from lm_eval_so import ChatResponse\ndef answer(messages): return {given}"
    assert await ask(make(code)) == response


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ("None", "bot.py:answer gave NoneType, not a text or the fields of a ChatResponse"),
        ("{'texte': 'x'}", 'the unknown field "texte"'),
        ("{'text': 5}", "gave a wrong text: input should be a valid string"),
        ("{'usage': {'input_tokens': []}}", "gave a wrong usage.input_tokens"),
        ("{5: 'x'}", 'the unknown field "5"'),
        ("ChatResponse(text=b'x' * 3, usage=None, context=5)", "gave a wrong context"),
        ("(m for m in messages)", "gave generator"),
        ("{'logprobs': [float('nan')]}", "wrong logprobs: JSON has no NaN"),
        ("{'ttft_ms': float('inf')}", "wrong ttft_ms: JSON has no NaN"),
    ],
)
async def test_send__answer_that_cannot_be_used(make: Make, given: str, what: str):
    code = f"from lm_eval_so import ChatResponse\ndef answer(messages): return {given}"
    error = await fail(make(code))
    assert (error.kind, error.retryable) == (ErrorKind.BAD_RESPONSE, False)
    assert what in error.message


async def test_send__exceptions_are_passed_on(make: Make):
    with pytest.raises(ValueError, match="주문 없음"):
        await ask(make("def answer(messages): raise ValueError('주문 없음')"))


@pytest.mark.parametrize("word", ["def", "async def"])
async def test_send__own_time_out_is_no_time_out_of_the_attempt(make: Make, word: str):
    error = await fail(make(f"{word} answer(messages): raise TimeoutError('bot API')"))
    assert (error.kind, error.retryable) == (ErrorKind.CALLABLE, False)
    assert error.message == "TimeoutError: bot API"


@pytest.mark.parametrize("name", ["KeyboardInterrupt", "StopIteration", "GeneratorExit"])
async def test_send__exceptions_that_would_end_more(make: Make, name: str):
    error = await fail(make(f"def answer(messages): raise {name}('x')"))
    assert (error.kind, error.message) == (ErrorKind.CALLABLE, f"{name}: x")


async def test_send__sync_functions_run_in_threads(make: Make):
    code = """
    import threading
    four, lock, under_way = threading.Barrier(4, timeout=30), threading.Lock(), []
    def answer(messages):
        with lock:
            under_way.append(1)
            most = len(under_way)
        four.wait()  # until three others are there
        with lock:
            under_way.pop()
        return str(most)
    """
    backend = make(code, threads=4)
    await backend.open()
    assert backend.most_at_once() == 4
    answers = await asyncio.gather(*(ask(backend) for _ in range(40)))
    assert max(int(answer.text) for answer in answers) == 4


async def test_send__async_functions_are_awaited(make: Make):
    code = """
    import asyncio
    under_way, all_are = [], asyncio.Event()
    async def answer(messages):
        under_way.append(1)
        if len(under_way) == 40:
            all_are.set()
        await all_are.wait()
        return "x"
    """
    backend = make(code, threads=1)
    await backend.open()
    assert backend.most_at_once() == 8
    await asyncio.wait_for(asyncio.gather(*(ask(backend) for _ in range(40))), 30)


HANGING = """
import threading
gate = threading.Event()
def answer(messages):
    if messages[-1]["content"] == "hang":
        gate.wait(30)
    return "x"
def open_gate(messages):
    gate.set()
    return "open"
"""


async def test_send__lost_threads(make: Make):
    backend = make(HANGING, threads=2)
    opener = make(HANGING, target="bot.py:open_gate")
    await backend.open()
    for _ in range(2):
        assert (await ask(backend, "fine")).text == "x"  # one thread is still there
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await ask(backend, "hang")
    with pytest.raises(CannotMeasure, match="all 2 threads hang"):
        await ask(backend, "fine")
    await ask(opener)
    for _ in range(100):  # they ended after all
        await asyncio.sleep(0.01)
        try:
            assert (await ask(backend, "fine")).text == "x"
            break
        except CannotMeasure:
            continue
    else:
        pytest.fail("threads that ended stay lost")


def test_send__lost_threads_do_not_hold_the_process(tmp_path: Path):
    (tmp_path / "bot.py").write_text("import time\ndef answer(m): time.sleep(60)", "utf-8")
    code = f"""
import asyncio, pathlib
from lm_eval_so.core.backends.base import BackendEnv
from lm_eval_so.core.backends.own_code.python import PythonBackend
from lm_eval_so.core.records.chat import ChatRequest, Message
options = PythonBackend.Options(target="bot.py:answer")
backend = PythonBackend(options=options, env=BackendEnv(folder=pathlib.Path({str(tmp_path)!r})))
async def main():
    await backend.open()
    await asyncio.wait_for(
        backend.send(ChatRequest(messages=(Message(role="user", content="x"),))), 0.1
    )
try:
    asyncio.run(main())
except TimeoutError:
    print("timeout")
"""
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "timeout\n"
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("bot", '"bot" names no function'),
        ("bot.py:", '"bot.py:" names no function'),
        ("other.py:answer", "other.py cannot be imported: FileNotFoundError: no file"),
        ("no_such_bot:answer", "no_such_bot cannot be imported: ModuleNotFoundError"),
        ("bot.py:demandng", 'bot.py (did you mean "demanding"?)'),
        ("bot.py:number", "no function number in"),
        ("bot.py:Bot", "bot.py:Bot is a class"),
        ("bot.py:nothing", "nothing takes no messages"),
        ("bot.py:demanding", "bot.py:demanding needs user, which nothing gives"),
    ],
)
def test_check__function_that_cannot_be_used(make: Make, target: str, what: str):
    code = """
    number = 5
    class Bot: pass
    def nothing(*, sample): pass
    def demanding(messages, *, sample, user): pass
    """
    backend = make(code, target=target)
    (problem,) = backend.check()
    assert what in problem.what
    if "number" in target:
        assert problem.hint == "functions there: nothing, demanding"
    assert problem.where is not None
    assert problem.where.key == "options.target"
    assert problem.hint
    with pytest.raises(ConfigError):
        asyncio.run(backend.open())


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("x = 1\nraise KeyError('없음')", "KeyError: '없음' (bot.py:2)"),
        ("import sys\nsys.exit(3)", "SystemExit: 3 (bot.py:2)"),
        ("def answer(:", "SyntaxError: invalid syntax (bot.py, line 1)"),
    ],
)
def test_check__file_that_fails(make: Make, code: str, what: str):
    (problem,) = make(code).check()
    assert problem.what == f"bot.py cannot be imported: {what}"


def test_check__module_of_the_configs_folder(tmp_path: Path):
    package = tmp_path / "own_shop_bot"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "helper.py").write_text("TEXT = '3일'", encoding="utf-8")
    (package / "bot.py").write_text(
        "from own_shop_bot.helper import TEXT\ndef answer(messages): return TEXT", "utf-8"
    )
    before = list(sys.path)
    options = PythonBackend.Options(target="own_shop_bot.bot:answer")
    backend = PythonBackend(options=options, env=BackendEnv(folder=tmp_path))
    assert list(backend.check()) == []
    assert sys.path == before
    assert asyncio.run(ask(backend)).text == "3일"
    reach = backend.reach()
    (package / "bot.py").write_text("def answer(messages): return 'other'", encoding="utf-8")
    assert backend.reach()["sha256"] != reach["sha256"]


def test_check__another_module_of_that_name(tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "own_twin_bot.py").write_text("def answer(m): return 'x'", "utf-8")
    options = PythonBackend.Options(target="own_twin_bot:answer")
    first, second = (
        PythonBackend(options=options, env=BackendEnv(folder=tmp_path / name)) for name in "ab"
    )
    assert list(first.check()) == []
    (problem,) = second.check()
    assert "another own_twin_bot is loaded already, from" in problem.what
    by_path = PythonBackend.Options(target="own_twin_bot.py:answer")
    third = PythonBackend(options=by_path, env=BackendEnv(folder=tmp_path / "b"))
    assert list(third.check()) == []


async def test_send__import_that_comes_too_late(make: Make, tmp_path: Path):
    (tmp_path / "own_late_helper.py").write_text("", encoding="utf-8")
    error = await fail(make("def answer(messages):\n    import own_late_helper"))
    assert error.kind is ErrorKind.CALLABLE
    assert error.hint is not None
    assert error.hint.startswith("import own_late_helper at the top of the file")


def test_reach__the_file_below_a_decorator(make: Make, tmp_path: Path):
    (tmp_path / "own_decorators.py").write_text(
        "from functools import wraps\n"
        "def traced(f):\n    @wraps(f)\n    def inner(*a, **k): return f(*a, **k)\n    return inner\n",
        "utf-8",
    )
    code = "from own_decorators import traced\n@traced\ndef answer(messages): return 'x'"
    backend = make(code)
    reach = backend.reach()
    assert os.fspath(tmp_path) not in json.dumps(reach)
    other = make(code + "\n# other", target="bot.py:answer")
    assert other.reach() != reach
    assert make(code).limiter_key() == other.limiter_key()
    assert not backend.capabilities.cacheable
