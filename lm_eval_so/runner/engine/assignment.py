"""The set-up of a worker: what it is told, and what is read on its own machine."""

import asyncio
import os
import socket
import sys
import time
from array import array
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lm_eval_so.core.asking.cost.budget import Spent
from lm_eval_so.core.backends.config_secrets import config_redactor
from lm_eval_so.core.config.load import read_config, require_valid
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.run import RunInfo
from lm_eval_so.core.registry import plugin_problems
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.errors import LMEvalError, UsageError, Where
from lm_eval_so.runner.store.sign_of_life import is_led_by

Call = Callable[..., Awaitable[Any]]
"""Calls a method elsewhere: its name and arguments → its result."""
Failure = tuple[LMEvalError, Spent | None]
"""Error that ends the run, and the limit of the budget that was reached."""
_UNTIL_SEEN_S = 3.0
"""Time that a shared file system may take to show a file that another machine has written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The command line that began the run, from which each machine reads the config by itself.

    So keys never leave the machine: each one reads them from its own environment.
    """

    config: Path
    overrides: Sequence[str] = ()
    plugins: Sequence[Path] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """All that a worker is told; nothing of it is secret."""

    origin: Origin
    folder: Path
    """Folder of the run, which all machines see."""
    leader: str
    """Name that the leader has written there."""
    cwd: Path
    head: RunInfo
    """`run.json` as the leader would begin it; the worker must come to the same."""
    dataset: Path
    refreshes_cache: bool
    concurrency: int = 1
    """Requests that may be under way at this worker."""
    has_answers: bool = False
    """Whether the run has answers, so that the endpoint is known to be there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Rows to ask, of some samples that stand one after another in the dataset."""

    number: int
    """Place among the chunks of the dataset, from 0."""
    at: int
    """Byte offset of its first sample."""
    samples: int
    """Most samples of it."""
    keys: "array[int]" = field(default_factory=lambda: array("Q"))
    """Keys of its rows that are to be asked, once that is known."""
    is_suspect: bool = False
    """Whether a worker was lost while it asked it."""
    worker: str = ""
    """Name of the worker that has claimed it."""
    part: str = ""
    """Name of the folder of its rows, likewise."""


async def open_config(assignment: Assignment) -> tuple[Config, Redactor]:
    """Read the config on this machine, run its plugins, and look whether the folder is shared.

    Raises:
        InputError: If a file is not there or cannot be used, or the run's folder is another one.
    """
    end = time.monotonic() + _UNTIL_SEEN_S
    while not is_led_by(assignment.folder, assignment.leader):
        if time.monotonic() > end:
            what = f"{assignment.folder} is not the folder that the run began in"
            hint = "put it on a file system that all machines mount at the same place"
            raise UsageError(what, where=Where(file=str(assignment.folder)), hint=hint)
        await asyncio.sleep(0.1)
    if assignment.cwd.is_dir():  # what the config names may be relative to it
        os.chdir(assignment.cwd)
        sys.path.insert(0, str(assignment.cwd))
    origin, environ = assignment.origin, dict(os.environ)
    read = read_config(origin.config, overrides=origin.overrides, environ=environ)
    config = require_valid(read)
    plugins = [*config.plugin_files(), *((file, None) for file in origin.plugins)]
    config = require_valid(read, failed=plugin_problems(plugins))
    # the leader alone looks at the time
    run = config.run.model_copy(update={"concurrency": assignment.concurrency, "max_time_s": None})
    redactor = config_redactor(config, environ, runs_code=True)
    return config.model_copy(update={"run": run}), redactor


def here(error: LMEvalError) -> LMEvalError:
    """Return an error that names this machine."""
    on = f"on {socket.gethostname()}: "
    error.problems = tuple(replace(each, what=on + each.what) for each in error.problems)
    return error
