"""The error tree: each error tells problem, place and advice; its class decides the exit code.

LMEvalError                      70 unless a subclass says otherwise
├─ InputError                    2   UsageError, ConfigError, DatasetError, RecordError, UnknownName
├─ CannotMeasure                 3   NothingToDo, TooManyErrors, BudgetSpent, NoBaseline
├─ BackendError                  4
├─ PublishError                  5
└─ Interrupted                   130
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, ClassVar, Literal, Self

__all__ = [
    "BackendError",
    "BudgetSpent",
    "CannotMeasure",
    "ConfigError",
    "DatasetError",
    "ErrorKind",
    "ExitCode",
    "InputError",
    "Interrupted",
    "LMEvalError",
    "NoBaseline",
    "NothingToDo",
    "Problem",
    "PublishError",
    "RecordError",
    "TooManyErrors",
    "UnknownName",
    "UsageError",
    "Where",
    "nearest",
    "problems_of",
    "refuse",
]


class ExitCode(IntEnum):
    """Exit code of the process; only a failed check exits with 1."""

    DONE = 0
    FAILED_CHECK = 1
    BAD_INPUT = 2
    CANNOT_MEASURE = 3
    BACKEND = 4
    PUBLISH = 5
    BUG = 70
    INTERRUPTED = 130


class ErrorKind(StrEnum):
    """Kind of a failed request."""

    TIMEOUT = "timeout"
    RATE_LIMIT = "rate_limit"
    QUOTA = "quota"
    AUTH = "auth"
    NOT_FOUND = "not_found"
    INVALID_REQUEST = "invalid_request"
    CONTEXT_LENGTH = "context_length"
    FILTERED = "filtered"
    TOO_LARGE = "too_large"
    SERVER = "server"
    CONNECTION = "connection"
    TLS = "tls"
    BAD_RESPONSE = "bad_response"
    UNSUPPORTED = "unsupported"
    SUBPROCESS = "subprocess"
    CALLABLE = "callable"
    BUDGET = "budget"
    DEADLINE = "deadline"
    WORKER_KILLED = "worker_killed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """A place in a file written by people; lines and columns count from 1."""

    file: str | None = None
    line: int | None = None
    column: int | None = None
    key: str | None = None
    text: str | None = None
    """The line itself, shown with a caret under `column`."""

    def __str__(self) -> str:
        place = self.file or ""
        if self.line is not None:
            place += f":{self.line}"
            if self.column is not None and self.key is None:
                place += f":{self.column}"
        return f"{place}  {self.key}".strip() if self.key else place


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem of an input."""

    what: str
    where: Where | None = None
    hint: str | None = None
    about: Literal["text", "surroundings", "name"] = "text"
    """Subject of the problem. text: the written text. surroundings: something that a stage needs, such
    as a package or a section of the config; the text itself may be right. name: a name that no
    registry knows, but that a plugin may define."""


class LMEvalError(Exception):
    """Base of all errors shown to users."""

    exit_code: ClassVar[ExitCode] = ExitCode.BUG

    def __init__(self, what: str, *, where: Where | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.problems: tuple[Problem, ...] = (Problem(what=what, where=where, hint=hint),)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how another process makes the same error, with all that it says."""
        cause = self.__cause__ if isinstance(self.__cause__, LMEvalError) else None
        return _same_error, (type(self), self.args, self.__dict__, cause)


def _same_error(
    kind: type[LMEvalError],
    arguments: tuple[Any, ...],
    facts: Mapping[str, Any],
    cause: LMEvalError | None,
) -> LMEvalError:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(facts)
    error.__cause__ = cause
    return error


class InputError(LMEvalError):
    """An input of the user cannot be used: command line, config, source, dataset or record file."""

    exit_code = ExitCode.BAD_INPUT

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> Self:
        """Return one error with all problems of an input; at least one is needed."""
        error = cls(problems[0].what, where=problems[0].where, hint=problems[0].hint)
        error.problems = tuple(problems)
        return error


class UsageError(InputError):
    """An invalid command line."""


class ConfigError(InputError):
    """A config file that cannot be used."""


class DatasetError(InputError):
    """A dataset or source that cannot be used."""


class RecordError(InputError):
    """A file of this program (run, report, comparison) that cannot be read."""


class UnknownName(InputError):  # noqa: N818 - the tree's public name
    """An unknown name; suggests the nearest known one."""

    def __init__(
        self, kind: str, name: str, known: Iterable[str], *, where: Where | None = None
    ) -> None:
        names = sorted(known)
        close = nearest(name, names)
        what = f'unknown {kind} "{name}"' + (f' (did you mean "{close}"?)' if close else "")
        hint = f"known: {', '.join(names)}" if names and not close else None
        super().__init__(what, where=where, hint=hint)


class CannotMeasure(LMEvalError):  # noqa: N818 - the tree's public name
    """Nothing usable could be measured or made."""

    exit_code = ExitCode.CANNOT_MEASURE


class NothingToDo(CannotMeasure):
    """There is nothing to ask, score or make."""


class TooManyErrors(CannotMeasure):
    """Too many rows without an answer for the rest to count."""


class BudgetSpent(CannotMeasure):
    """Cost, requests or time ran out too early."""


class NoBaseline(CannotMeasure):
    """A required baseline is missing."""


class BackendError(LMEvalError):
    """One attempt to get an answer failed.

    Args:
        kind: Kind of failure.
        message: Text for people, without secrets.
        retryable: Whether the same request may succeed later.
        retry_after_s: Wait requested by the server, in seconds.
        http_status: HTTP status code, if there was one.
        code: Error code of the server.
        partial_text: Text received before the failure.
        details: Further facts, such as the categories of a content filter.
        taken_in: Whether the chatbot may have taken the request in; then one that keeps its
            conversations is not sent it again.
    """

    exit_code = ExitCode.BACKEND

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        retryable: bool,
        retry_after_s: float | None = None,
        http_status: int | None = None,
        code: str | None = None,
        partial_text: str | None = None,
        hint: str | None = None,
        details: Mapping[str, Any] | None = None,
        taken_in: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind
        self.message = message
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.http_status = http_status
        self.code = code
        self.partial_text = partial_text
        self.hint = hint
        self.details = details or {}
        self.taken_in = taken_in


class PublishError(LMEvalError):
    """A required publication of a report or update of a baseline failed."""

    exit_code = ExitCode.PUBLISH


class Interrupted(LMEvalError):  # noqa: N818 - the tree's public name
    """The user stopped the command; answers received are kept."""

    exit_code = ExitCode.INTERRUPTED


def problems_of(error: BaseException) -> tuple[Problem, ...]:
    """Return the problems of an exception: those of our errors, or a text for other exceptions."""
    if isinstance(error, LMEvalError):
        return error.problems
    if isinstance(error, KeyboardInterrupt):
        return (Problem(what="interrupted"),)
    if isinstance(error, OSError):  # the machine's doing: a disk, a folder, a permission
        what = f"cannot use {error.filename or 'a file'}: {error.strerror or error}"
        return (Problem(what=what),)
    what = f"a bug in lm-eval-so: {type(error).__name__}: {error}"
    return (
        Problem(
            what=what, hint="report it with the traceback, which the log of the Action and -v show"
        ),
    )


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name nearest to `name`; None if none is near."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.7)
    return close[0] if close else None


def refuse(problems: Sequence[Problem]) -> None:
    """Raise an error if there are problems.

    Raises:
        ConfigError: With all problems.
    """
    if problems:
        raise ConfigError.of(problems)
