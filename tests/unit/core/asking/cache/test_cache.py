import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
import timeit
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.asking.cache.cache import AnswerCache, RequestKeys, is_cacheable, open_cache
from lm_eval_so.core.asking.cache.file import look_into
from lm_eval_so.core.backends.base import Capabilities, ChatBackend
from lm_eval_so.core.backends.scripted import ScriptedBackend
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Message, ToolCall, Usage
from lm_eval_so.core.records.enums import RunStatus

KOREAN = "환불은 며칠 걸리나요?"
KEYS = [f"{number:064x}" for number in range(300)]
ANSWER = Answer(
    status=RunStatus.OK,
    response=ChatResponse(
        text=unicodedata.normalize("NFD", "3일 걸립니다\u2028끝"),
        tool_calls=(ToolCall(id="1", name="찾기", arguments='{"번호": 1}'),),
        usage=Usage(input_tokens=10, output_tokens=5),
        model="gpt-4o",
        ttft_ms=12.5,
        logprobs=[{"token": "가", "logprob": -0.5}],
    ),
    latency_ms=812.5,
    cost_usd=0.0035,
)

Open = Callable[..., AnswerCache]


def a_request(**values) -> ChatRequest:
    given = {"messages": (Message(role="user", content=KOREAN),), "seed": 1, **values}
    return ChatRequest(**given)


def key_of(request: ChatRequest, *, fingerprint: str = "f", reach: str = "r") -> str:
    return RequestKeys(fingerprint=fingerprint, reach=reach)(request)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".lm-eval-so" / "cache.sqlite"


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def opened(path: Path, warnings: list[str]) -> Iterator[Open]:
    caches: list[AnswerCache] = []

    def make(file: Path = path, **options) -> AnswerCache:
        caches.append(open_cache(file, warnings.append, **options))
        return caches[-1]

    yield make
    for cache in caches:
        cache.close()


@pytest.mark.parametrize(
    "changed",
    [
        {"messages": (Message(role="user", content="다른 질문"),)},
        {"messages": (Message(role="user", content=unicodedata.normalize("NFD", KOREAN)),)},
        {"messages": (Message(role="user", content=KOREAN, name="kim"),)},
        {"system": "be kind"},
        {"params": {"temperature": 0.7}},
        {"tools": ({"name": "find"},)},
        {"tool_choice": "required"},
        {"response_format": {"json_schema": {}}},
        {"seed": 2},
        {"repeat": 1},
        {"turn": 1},
    ],
)
def test_request_key__changes_with_what_decides_an_answer(changed: dict):
    assert key_of(a_request(**changed)) != key_of(a_request())


def test_request_key__does_not_change_with_the_rest():
    rest = {"deadline": 5.0, "session": "s9", "attempt": 3, "idempotency_key": "k"}
    assert key_of(a_request(**rest, metadata={"tags": ["a"]})) == key_of(a_request())
    assert key_of(a_request(), fingerprint="g") != key_of(a_request())
    assert key_of(a_request(), reach="s") != key_of(a_request())
    assert len(key_of(a_request())) == 64


def test_get__gives_what_was_put(opened: Open, path: Path, warnings: list[str]):
    cache = opened()
    assert cache.get(KEYS[0]) is None
    cache.put(KEYS[0], ANSWER)
    for found in (cache.get(KEYS[0]), (cache.close(), opened().get(KEYS[0]))[1]):
        assert found is not None
        assert found.response == ANSWER.response
        assert (found.status, found.latency_ms, found.cost_usd) == ("ok", 812.5, 0.0035)
    assert warnings == []
    assert (path.parent / ".gitignore").read_text() == "/cache.sqlite*\n"


def test_get__says_when_the_answer_was_given(opened: Open, path: Path):
    cache = opened()
    given = "2026-02-11T09:00:00.000Z"
    cache.put(KEYS[0], replace(ANSWER, started_at=given))
    cache.put(KEYS[1], ANSWER)  # as entries of earlier versions, which do not tell
    cache.close()
    with closing(sqlite3.connect(path)) as file:
        file.execute("UPDATE answers SET made_at = 1770800400")
        file.commit()
    again = opened()
    found = [again.get(key) for key in KEYS[:2]]
    assert [each.answered_at for each in found if each] == [given, "2026-02-11T09:00:00Z"]


@pytest.mark.parametrize(
    ("answer", "is_kept"),
    [
        (ANSWER, True),
        (replace(ANSWER, status=RunStatus.REFUSED), True),
        (replace(ANSWER, status=RunStatus.TRUNCATED), True),
        (replace(ANSWER, status=RunStatus.FILTERED), False),
        (replace(ANSWER, status=RunStatus.EMPTY), False),
        (Answer(status=RunStatus.ERROR), False),
        (Answer(status=RunStatus.TIMEOUT), False),
        (Answer(status=RunStatus.RATE_LIMITED), False),
        (replace(ANSWER, cached=True), False),
    ],
)
def test_put__keeps_answers_only(opened: Open, answer: Answer, is_kept: bool):
    cache = opened()
    cache.put(KEYS[0], answer)
    assert (cache.get(KEYS[0]) is not None) is is_kept


def test_put__what_json_cannot_hold_is_no_trouble(opened: Open, warnings: list[str]):
    cache = opened()
    cache.put(KEYS[0], replace(ANSWER, response=ChatResponse(text="half \ud800")))
    cache.put(KEYS[1], ANSWER)
    assert cache.get(KEYS[0]) is None
    assert cache.get(KEYS[1]) is not None
    assert warnings == []


def test_put__is_written_once_a_second_and_every_200(opened: Open, path: Path):
    now = 0.0
    cache = opened(clock=lambda: now)
    for key in KEYS[:199]:
        cache.put(key, ANSWER)
    assert look_into(path).entries == 0
    cache.put(KEYS[199], ANSWER)
    assert look_into(path).entries == 200
    now = 1.0
    cache.put(KEYS[200], ANSWER)
    assert look_into(path).entries == 201
    cache.put(KEYS[201], ANSWER)
    cache.close()
    cache.close()
    assert look_into(path).entries == 202
    cache.put(KEYS[202], ANSWER)
    assert cache.get(KEYS[0]) is None


def test_open_cache__refresh_asks_anyway_and_writes_over(opened: Open):
    first = opened()
    first.put(KEYS[0], ANSWER)
    first.close()
    again = opened(refresh=True)
    assert again.get(KEYS[0]) is None
    again.put(KEYS[0], replace(ANSWER, cost_usd=0.5))
    assert again.get(KEYS[0]) is None
    again.close()
    found = opened().get(KEYS[0])
    assert found is not None
    assert found.cost_usd == 0.5


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"\x00" * 5000])
def test_open_cache__damaged_file_is_put_aside(
    opened: Open, path: Path, warnings: list[str], content: bytes
):
    path.parent.mkdir()
    path.write_bytes(content)
    cache = opened()
    cache.put(KEYS[0], ANSWER)
    cache.close()
    assert opened().get(KEYS[0]) is not None
    assert path.with_name("cache.sqlite.damaged").read_bytes() == content
    assert len(warnings) == 1
    assert "cache.sqlite is damaged (file is not a database)" in warnings[0]
    assert "cache.sqlite.damaged" in warnings[0]


def test_get__damage_that_shows_late(opened: Open, path: Path, warnings: list[str]):
    cache = opened()
    for key in KEYS:
        cache.put(key, ANSWER)
    cache.close()
    data = bytearray(path.read_bytes())
    data[8192:] = os.urandom(len(data) - 8192)  # the schema stays, the answers do not
    path.write_bytes(data)
    cache = opened()
    assert [cache.get(key) for key in KEYS] == [None] * len(KEYS)
    cache.put(KEYS[0], ANSWER)
    assert cache.get(KEYS[0]) is not None
    cache.close()
    assert look_into(path).entries == 1
    assert len(warnings) == 1


def test_get__value_that_is_no_answer_is_asked_again(opened: Open, path: Path):
    cache = opened()
    cache.put(KEYS[0], ANSWER)
    cache.close()
    with sqlite3.connect(path) as other:
        other.execute("UPDATE answers SET value = ?", (b'{"status": "no", "response": 5}',))
    other.close()
    cache = opened()
    assert cache.get(KEYS[0]) is None
    cache.put(KEYS[0], ANSWER)
    assert cache.get(KEYS[0]) is not None


def test_open_cache__folder_that_cannot_be_made(opened: Open, tmp_path: Path, warnings: list[str]):
    (tmp_path / "file").write_text("")
    cache = opened(tmp_path / "file" / "cache.sqlite")
    cache.put(KEYS[0], ANSWER)
    assert cache.get(KEYS[0]) is None
    assert len(warnings) == 1
    assert "cannot be used" in warnings[0]


def test_put__read_only_file_turns_the_cache_off(opened: Open, path: Path, warnings: list[str]):
    now = 0.0
    cache = opened(clock=lambda: now)
    assert cache._file is not None
    cache._file.execute("PRAGMA query_only = ON")  # as root, no permission is in the way
    for second in (1.0, 2.0, 3.0):
        now = second
        cache.put(KEYS[0], ANSWER)
        assert cache.get(KEYS[0]) is None
    assert not cache.is_on
    assert len(warnings) == 1
    assert "readonly" in warnings[0]


def test_put__full_disk_turns_the_cache_off(opened: Open, path: Path, warnings: list[str]):
    cache = opened()
    assert cache._file is not None
    cache._file.execute("PRAGMA max_page_count = 4")
    for key in KEYS:
        cache.put(key, ANSWER)
    assert not cache.is_on
    assert warnings == [
        f"the cache {path} cannot be used: database or disk is full; asking goes on without it"
    ]


def test_put__waits_for_a_writer_without_standing_still(
    opened: Open, path: Path, warnings: list[str]
):
    now = 0.0
    cache = opened(clock=lambda: now)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    now = 2.0
    assert timeit.timeit(lambda: cache.put(KEYS[0], ANSWER), number=1) < 2
    assert cache.is_on
    assert cache.get(KEYS[0]) is not None
    other.execute("COMMIT")
    other.close()
    cache.close()
    assert look_into(path).entries == 1
    assert warnings == []


def test_open_cache__many_make_the_file_at_once(tmp_path: Path):
    def open_one(path: Path) -> list[str]:
        told: list[str] = []
        begin.wait()
        open_cache(path, told.append).close()
        return told

    begin = threading.Barrier(8)
    with ThreadPoolExecutor(begin.parties) as threads:
        for turn in range(20):
            path = tmp_path / str(turn) / ".lm-eval-so" / "cache.sqlite"
            told = list(threads.map(open_one, [path] * begin.parties))
            assert told == [[]] * begin.parties


PROCESS = """
import sys, pathlib
from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.asking.cache.cache import open_cache
from lm_eval_so.core.records.chat import ChatResponse
from lm_eval_so.core.records.enums import RunStatus
answer = Answer(status=RunStatus.OK, response=ChatResponse(text="3일 걸립니다"))
cache = open_cache(pathlib.Path(sys.argv[1]), lambda text: sys.exit(text))
for number in range(300):
    key = f"{int(sys.argv[2]) * 1000 + number:064x}"
    assert cache.get(key) is None
    cache.put(key, answer)
    assert cache.get(key) is not None
cache.close()
"""


def test_open_cache__processes_at_once_on_one_file(path: Path):
    command = [sys.executable, "-c", PROCESS, str(path)]
    processes = [subprocess.Popen([*command, str(n)], stderr=subprocess.PIPE) for n in range(4)]
    errors = [process.communicate()[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, errors
    assert look_into(path).entries == 1200


def test_put__killed_process_loses_no_more_than_what_waited(path: Path):
    code = PROCESS.replace("cache.close()", "import os; os.kill(os.getpid(), 9)")
    command = [sys.executable, "-c", code, str(path), "0"]
    assert subprocess.run(command, check=False).returncode == -9
    assert 200 <= look_into(path).entries < 300


def test_put_and_get__are_cheap(opened: Open):
    cache = opened()
    request = a_request(params={"temperature": 0})

    def turn() -> None:
        for key in KEYS:
            key_of(request)
            cache.get(key)
            cache.put(key, ANSWER)

    each = min(timeit.repeat(turn, number=1, repeat=3)) / len(KEYS)
    assert each < 1e-3  # measured 40 µs; the limit allows for a busy machine


@pytest.mark.parametrize(
    ("capabilities", "wanted", "is_kept"),
    [
        (Capabilities(), None, True),
        (Capabilities(cacheable=False), None, False),
        (Capabilities(stateful=True), None, False),
        (Capabilities(offline=True), None, False),
        (Capabilities(cacheable=False), True, True),
        (Capabilities(), False, False),
    ],
)
def test_is_cacheable(capabilities: Capabilities, wanted: bool | None, is_kept: bool):
    class Bot(ChatBackend):
        pass

    Bot.capabilities = capabilities
    assert is_cacheable(Bot(options=Bot.Options(cacheable=wanted))) is is_kept


def test_is_cacheable__scripted_answers_are_not():
    assert not is_cacheable(ScriptedBackend())


async def test_put__in_an_event_loop(opened: Open):
    cache = opened()

    async def one(key: str) -> None:
        await asyncio.sleep(0)
        cache.put(key, ANSWER)
        assert cache.get(key) is not None

    await asyncio.gather(*map(one, KEYS))
