"""The proof that an endpoint answers: its first request, and failures until its first answer."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace

from lm_eval_so.core.asking.answer.redact import error_of
from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.asking.retry import SILENCE
from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.backends.faults import is_forbidden
from lm_eval_so.core.records.run import ErrorInfo
from lm_eval_so.core.words import counted
from lm_eval_so.errors import (
    BackendError,
    CannotMeasure,
    ConfigError,
    ErrorKind,
    LMEvalError,
    Where,
)

_FEW, _MANY = 2, 20
"""Samples that must fail in one way: if the endpoint or the config is likely to blame, and else."""
_WATCHED_ELSEWHERE = SILENCE | {ErrorKind.RATE_LIMIT, ErrorKind.QUOTA, ErrorKind.BUDGET}
"""Kinds for which breaker, refusals and budget end a stage."""
_NOT_REACHED = frozenset({ErrorKind.AUTH, ErrorKind.NOT_FOUND, ErrorKind.TLS})
_MEND = "mend that, then run again to go on"

_Likeness = tuple[object, ...]
"""Common mark of failures that have one cause."""
_FATAL = frozenset({ErrorKind.AUTH, ErrorKind.NOT_FOUND, ErrorKind.CONNECTION, ErrorKind.TLS})
_MOST_ADAPTATIONS = 8
_HINT_S = 5.0
"""Seconds to look for a nearer name of the model."""


class Proof:
    """Counts the samples that failed in one way until the first answer, which proves the endpoint.

    A failure may be about the sample, so a single sample never ends a stage: a second one is asked
    alone, too. Mistakes that are certain from the first are up to `prove`.

    Args:
        label: Name of the endpoint for people.
        where: Function from a key of the backend's section to its place in the config.
        is_given: Whether there is nothing to prove, since no endpoint is asked.
    """

    def __init__(
        self, label: str, *, where: Callable[[str], Where], is_given: bool = False
    ) -> None:
        self.goes_alone = not is_given
        """Whether the next request is sent alone."""
        self._label = label
        self._where = where
        self.is_over = is_given
        """Whether the endpoint has answered."""
        self._has_answered_before = False
        self._many = _MANY
        self._samples: dict[_Likeness, set[str]] = {}
        self._blamed: ConfigError | None = None

    @property
    def blamed(self) -> ConfigError | None:
        """The mistake of the config that the only sample shows, if nothing else was asked."""
        return self._blamed if self.goes_alone else None

    def goes_on(self, rows: int) -> None:
        """Take note that an earlier pass over so many rows had answers.

        Rows that fail now may be those that failed then, so only failures of more than a fifth of
        the rows count: with them nothing is measured anyway.
        """
        self._has_answered_before = True
        self._many = max(_MANY, rows // 5 + 1)

    def answered(self) -> None:
        """Take note of an answer."""
        self.is_over, self.goes_alone = True, False
        self._samples.clear()

    def failed(self, error: ErrorInfo, sample_id: str) -> LMEvalError | None:
        """Take note of a failed request, and return what must end the stage, if it must end."""
        if self.is_over:
            return None
        if error.kind is ErrorKind.FILTERED:  # whoever looks at what it is asked is there
            self.answered()
            return None
        self.goes_alone = False
        for likeness, most in self._likenesses(error):
            samples = self._samples.setdefault(likeness, set())
            samples.add(sample_id)
            if len(samples) >= most:
                return self._end(error, len(samples))
            self.goes_alone = self.goes_alone or most == _FEW == len(samples) + 1
        return None

    def _likenesses(self, error: ErrorInfo) -> Iterator[tuple[_Likeness, int]]:
        """Yield the marks that a failure may share with others, and the number that ends the stage."""
        if error.kind in _WATCHED_ELSEWHERE:
            return
        option = _option(error)
        if not self._has_answered_before:
            if option:
                self._blamed = self._config_error(error, option)
                yield ("option", option), _FEW
            elif is_forbidden(error) or error.kind is ErrorKind.BAD_RESPONSE:
                yield (error.kind, error.http_status), _FEW
            elif error.kind is ErrorKind.INVALID_REQUEST:
                yield (error.kind, error.http_status, error.message), _FEW
        if error.kind is not ErrorKind.AUTH:
            yield (error.kind,), self._many

    def _end(self, error: ErrorInfo, samples: int) -> LMEvalError:
        option = _option(error)
        if option:
            return self._config_error(error, option)
        what = (
            f"{self._label} answers none of the first {counted(samples, 'sample')}: {error.message}"
        )
        if error.kind in _NOT_REACHED:
            return error_of(replace(error, message=what))
        end = CannotMeasure(what, hint=error.hint or _MEND)
        end.__cause__ = error_of(error)
        return end

    def _config_error(self, error: ErrorInfo, option: str) -> ConfigError:
        hint = error.hint or "lm-eval-so doctor --ask shows what comes back"
        return ConfigError(error.message, where=self._where(option), hint=hint)


def _option(error: ErrorInfo) -> str:
    """Return the key of the backend's section that an error blames; "" if it blames none."""
    option = error.details.get("option")
    return option if isinstance(option, str) else ""


async def prove(
    backend: ChatBackend,
    ask: Callable[[], Awaitable[Answer]],
    *,
    tell: Callable[[str], None],
    where: Callable[[str], Where],
) -> Answer:
    """Ask the first request, and leave out refused parts of it for the whole run.

    Args:
        backend: Open backend.
        ask: Function that asks it.
        tell: Function that is told once of each change.
        where: Function from a key of the backend's section to its place in the config.

    Raises:
        BackendError: If the endpoint cannot be reached, refuses the credentials or does not know
            the model.
        ConfigError: If the config is to blame for the request, or for its address.
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
    """Return whether an answer did not fit, which another question may get, not the request."""
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
