"""The first request: alone, and a mistake that it shows for certain ends the stage at once."""

import asyncio
from collections.abc import Awaitable, Callable

from lm_eval_so.core.asking.answer.redact import error_of
from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.backends.faults import is_forbidden
from lm_eval_so.core.records.run import ErrorInfo
from lm_eval_so.errors import BackendError, ConfigError, ErrorKind, Where

_FATAL = frozenset({ErrorKind.AUTH, ErrorKind.NOT_FOUND, ErrorKind.CONNECTION, ErrorKind.TLS})
_MOST_ADAPTATIONS = 8
_HINT_S = 5.0
"""How long a nearer name of the model is looked for."""


async def prove(
    backend: ChatBackend,
    ask: Callable[[], Awaitable[Answer]],
    *,
    tell: Callable[[str], None],
    where: Callable[[str], Where],
) -> Answer:
    """Ask the first request; what the endpoint refuses in it is changed for the whole run.

    Args:
        backend: The backend.
        ask: Asks it.
        tell: Told once of each thing that is changed.
        where: Gives the place in the config of a key of the backend's section.

    Raises:
        BackendError: If the endpoint cannot be reached, refuses the credentials or does not know
            the model.
        ConfigError: If the config is to blame for what was sent, or where to.
        LMEvalError: As `ask`.
    """
    answer = await ask()
    for _ in range(_MOST_ADAPTATIONS):
        if answer.error is None or answer.error.kind is not ErrorKind.INVALID_REQUEST:
            break
        change = _adapted(backend, answer.error)
        if change is None:
            break
        tell(change)
        answer = await ask()
    error = answer.error
    if error is None or is_forbidden(error):
        return answer
    if error.kind in _FATAL:
        raise await _fatal(error, backend)
    option = error.details.get("option")
    if isinstance(option, str) and not _is_of_response(error):
        raise ConfigError(error.message, where=where(option), hint=error.hint)
    return answer


def _is_of_response(error: ErrorInfo) -> bool:
    """Whether an answer did not fit, which another question may get, rather than the request."""
    has_moved = 300 <= (error.http_status or 300) < 400
    return error.kind is ErrorKind.BAD_RESPONSE or not has_moved


def _adapted(backend: ChatBackend, error: ErrorInfo) -> str | None:
    try:
        return backend.adapt(error_of(error))
    except Exception:  # noqa: BLE001 - a plugin's; the row says what the endpoint said
        return None


async def _fatal(error: ErrorInfo, backend: ChatBackend) -> BackendError:
    near = await _nearest_model(backend) if error.kind is ErrorKind.NOT_FOUND else None
    hint = f'did you mean "{near}"?' if near else error.hint
    if hint:
        hint += " Nothing else was sent." if hint[-1] in ".?" else "; nothing else was sent"
    return BackendError(
        error.kind,
        error.message,
        retryable=False,
        http_status=error.http_status,
        code=error.code,
        hint=hint or "nothing else was sent",
        details=error.details,
    )


async def _nearest_model(backend: ChatBackend) -> str | None:
    try:
        async with asyncio.timeout(_HINT_S):
            return await backend.nearest_model()
    except Exception:  # noqa: BLE001 - a hint; the error that is told says more than this one
        return None
