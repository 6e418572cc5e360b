import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.asking.proof import prove
from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.records.chat import ChatResponse
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.run import ErrorInfo
from lm_eval_so.errors import BackendError, ConfigError, ErrorKind, Where

FINE = Answer(status=RunStatus.OK, response=ChatResponse(text="3일"))


def failed(kind: ErrorKind, message: str = "told", **fields: object) -> Answer:
    error = ErrorInfo(kind=kind, message=message, **fields)
    return Answer(status=RunStatus.ERROR, error=error)


def asks(*answers: Answer) -> Callable[[], Awaitable[Answer]]:
    left = list(answers)

    async def ask() -> Answer:
        return left.pop(0)

    return ask


class Adaptable(ChatBackend):
    """Turns off what an error names, once each."""

    def __init__(self, *known: str, near: str | Exception | None = None) -> None:
        super().__init__()
        self.known = set(known)
        self.near = near

    def adapt(self, error: BackendError) -> str | None:
        for name in sorted(self.known):
            if name in error.message:
                self.known.discard(name)
                return f"{name} is no longer sent"
        return None

    async def nearest_model(self) -> str | None:
        if isinstance(self.near, Exception):
            raise self.near
        return self.near


async def told_by(backend: ChatBackend, *answers: Answer) -> tuple[Answer, list[str]]:
    told: list[str] = []
    found = await prove(backend, asks(*answers), tell=told.append, where=lambda k: Where(key=k))
    return found, told


async def test_prove__an_answer():
    assert await told_by(ChatBackend(), FINE) == (FINE, [])


async def test_prove__what_is_refused_is_changed_and_told_once():
    answer, told = await told_by(
        Adaptable("seed", "temperature"),
        failed(ErrorKind.INVALID_REQUEST, "unknown parameter seed"),
        failed(ErrorKind.INVALID_REQUEST, "unsupported value: temperature"),
        FINE,
    )
    assert answer is FINE
    assert told == ["seed is no longer sent", "temperature is no longer sent"]


async def test_prove__what_cannot_be_changed_is_a_row():
    refused = failed(ErrorKind.INVALID_REQUEST, "unknown parameter seed")
    answer, told = await told_by(Adaptable("seed"), refused, refused)
    assert answer is refused
    assert told == ["seed is no longer sent"]
    assert await told_by(ChatBackend(), refused) == (refused, [])


async def test_prove__adapting_has_an_end():
    class Stubborn(ChatBackend):
        def adapt(self, error: BackendError) -> str | None:
            return "again"

    refused = failed(ErrorKind.INVALID_REQUEST)
    answer, told = await told_by(Stubborn(), *([refused] * 20))
    assert answer is refused
    assert len(told) < 10


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (None, "nothing else was sent"),
        ("is the server running?", "is the server running? Nothing else was sent."),
        ("set api_key_env", "set api_key_env; nothing else was sent"),
    ],
)
async def test_prove__says_that_nothing_else_was_sent(hint: str | None, expected: str):
    with pytest.raises(BackendError) as error:
        await told_by(ChatBackend(), failed(ErrorKind.AUTH, hint=hint, http_status=401))
    assert (error.value.exit_code, error.value.kind) == (4, ErrorKind.AUTH)
    assert error.value.problems[0].hint == expected


@pytest.mark.parametrize(
    ("near", "expected"),
    [
        ("gpt-4.1-mini", 'did you mean "gpt-4.1-mini"? Nothing else was sent.'),
        (None, "nothing else was sent"),
        (RuntimeError("no /models"), "nothing else was sent"),
    ],
)
async def test_prove__suggests_the_nearest_model(near: str | Exception | None, expected: str):
    with pytest.raises(BackendError) as error:
        await told_by(Adaptable(near=near), failed(ErrorKind.NOT_FOUND))
    assert error.value.problems[0].hint == expected


async def test_prove__an_endpoint_that_has_moved_is_a_mistake_of_the_config():
    moved = failed(
        ErrorKind.INVALID_REQUEST,
        "redirects are not followed, set url to https://new.example",
        hint="set url to https://new.example, if you trust it with the key",
        http_status=301,
        details={"option": "options.url"},
    )
    with pytest.raises(ConfigError) as error:
        await told_by(ChatBackend(), moved)
    assert error.value.exit_code == 2
    problem = error.value.problems[0]
    assert problem.what == "redirects are not followed, set url to https://new.example"
    assert problem.where == Where(key="options.url")
    assert problem.hint == "set url to https://new.example, if you trust it with the key"


@pytest.mark.parametrize("kind", [ErrorKind.UNSUPPORTED, ErrorKind.INVALID_REQUEST])
async def test_prove__what_cannot_be_sent_is_a_mistake_of_the_config(kind: ErrorKind):
    unsent = failed(kind, "no template sends the system prompt", details={"option": "options.body"})
    with pytest.raises(ConfigError) as error:
        await told_by(ChatBackend(), unsent)
    assert error.value.problems[0].where == Where(key="options.body")


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (
            ErrorKind.INVALID_REQUEST,
            {"http_status": 202, "details": {"option": "options.ok_status"}},
        ),
        (ErrorKind.BAD_RESPONSE, {"details": {"option": "options.response.text"}}),
        (ErrorKind.AUTH, {"http_status": 403}),
        (ErrorKind.AUTH, {"code": "permission_error", "http_status": 200}),
    ],
)
async def test_prove__what_may_be_about_the_row_is_a_row(kind: ErrorKind, fields: dict[str, Any]):
    answer = failed(kind, **fields)
    assert (await told_by(ChatBackend(), answer))[0] is answer


@pytest.mark.parametrize("kind", [ErrorKind.SERVER, ErrorKind.BAD_RESPONSE, ErrorKind.TIMEOUT])
async def test_prove__other_failures_are_rows(kind: ErrorKind):
    answer = failed(kind)
    assert (await told_by(ChatBackend(), answer))[0] is answer


async def test_prove__a_list_of_models_that_hangs_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
):
    class Hanging(ChatBackend):
        async def nearest_model(self) -> str | None:
            await asyncio.sleep(60)
            return "m"

    monkeypatch.setattr("lm_eval_so.core.asking.proof._HINT_S", 0.01)
    with pytest.raises(BackendError):
        await asyncio.wait_for(told_by(Hanging(), failed(ErrorKind.NOT_FOUND)), 2)
