"""Main's config, as it is in the base commit, read with today's environment and the options of this run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from lm_eval_so.core.config.load import read_config, require_valid
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.git import CommitFiles, NotServed
from lm_eval_so.core.records.comparison import Reason
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.core.templates.safe import one_line
from lm_eval_so.errors import LMEvalError

_DIGITS = 7
LONGEST_PROBLEM = 200
"""Longest text of a problem in a reason, in characters."""


class Source(Protocol):
    """Everything that a config is read from, beside the commit."""

    @property
    def file(self) -> Path:
        """The config file in the checkout."""
        ...

    @property
    def environ(self) -> Mapping[str, str]:
        """Environment for `${NAME}`."""
        ...

    @property
    def overrides(self) -> Sequence[str]:
        """`--set` texts, over the file."""
        ...

    @property
    def rewritten(self) -> Sequence[str]:
        """Texts put over the file that derive from it."""
        ...


class RefusedError(Exception):
    """Refusal to take what cannot be known of main; a run goes on without it.

    Args:
        why: The reason.
    """

    def __init__(self, why: Reason) -> None:
        super().__init__(why.code)
        self.why = why


def read_base_config(source: Source, base: CommitFiles) -> Config:
    """Read the config as it is in the base commit.

    Args:
        source: Everything else that it is read from.
        base: The base commit.

    Raises:
        RefusedError: If the commit has no such file, or a config that cannot be used, or if nobody knows.
    """
    shown = base.commit[:_DIGITS]

    def refused(code: str, **figures: str) -> RefusedError:
        return RefusedError(Reason(code=code, figures=dict(figures)))

    try:
        data = base.read(source.file)
        if data is None:
            raise refused("no_config", file=source.file.name, commit=shown)
        read = read_config(
            source.file,
            overrides=source.overrides,
            rewritten=source.rewritten,
            environ=source.environ,
            content=data.decode("utf-8-sig"),
        )
        return require_valid(read)
    except NotServed as error:
        raise refused("base_refused", problem=str(error)) from None
    except UnicodeDecodeError:
        raise refused("bad_config", commit=shown, problem="it is no UTF-8") from None
    except LMEvalError as error:
        redactor = make_redactor(source.environ)
        problem = error.problems[0].what if error.problems else str(error)
        told = one_line(redactor.redact(problem), LONGEST_PROBLEM)
        raise refused("bad_config", commit=shown, problem=told) from None
