"""What a command gets to work with: its config, its environment, and where to write."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO, TypeVar

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.keys import key_variables
from lm_eval_so.core.config.load import load_config
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.plugins import load_plugins
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.secrets import Redactor, make_redactor
from lm_eval_so.errors import ConfigError, Problem
from lm_eval_so.terminal.progress import Progress, open_progress

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One command line at work."""

    config: Config
    environ: Mapping[str, str]
    stdout: TextIO
    progress: Progress
    redactor: Redactor

    def resources(self, stop: asyncio.Event | None = None) -> Resources:
        """Make the bundle that stages get."""
        return Resources(
            environ=self.environ,
            listener=self.progress.listen,
            stop=stop or asyncio.Event(),
            redactor=self.redactor,
        )

    def run(self, work: Callable[[Resources], Coroutine[Any, Any, T]]) -> T:
        """Run a stage; the first Ctrl-C or SIGTERM sets `stop`, the second cancels it.

        Raises:
            KeyboardInterrupt: If it was cancelled.
        """
        try:
            return asyncio.run(_until_stopped(lambda stop: work(self.resources(stop))))
        finally:
            self.progress.close()


def open_session(
    file: Path,
    *,
    overrides: Sequence[str] | None = None,
    plugins: Sequence[Path] | None = None,
    language: Language | None = None,
    quiet: bool = False,
    color: Literal["auto", "always", "never"] = "auto",
    environ: Mapping[str, str] | None = None,
) -> Session:
    """Read the config and load its plugins.

    Args:
        file: The config file.
        overrides: `--set` texts, over the file.
        plugins: `--plugin` files.
        language: Language of reports, over the file.
        quiet: Warnings and errors only.
        color: As the option says.
        environ: The environment; default: that of the process.

    Raises:
        ConfigError: With every problem of the file.
    """
    environ = environ if environ is not None else dict(os.environ)
    given = [*(overrides or ()), *([f"language={language.value}"] if language else [])]
    config = load_config(file, overrides=given, environ=environ)
    load_plugins([*(config.resolve(path) for path in config.plugins), *(plugins or ())])
    return Session(
        config=config,
        environ=environ,
        stdout=sys.stdout,
        progress=open_progress(sys.stderr, environ, quiet=quiet, color=color),
        redactor=make_redactor(environ, key_variables(config)),
    )


def refuse(problems: Sequence[Problem]) -> None:
    """Stop here if a check found problems.

    Raises:
        ConfigError: That lists them all.
    """
    if problems:
        raise ConfigError.of(problems)


async def _until_stopped(work: Callable[[asyncio.Event], Coroutine[Any, Any, T]]) -> T:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work(stop))

    def on_signal() -> None:
        if stop.is_set():
            task.cancel()
        stop.set()

    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C cancels at once
            loop.add_signal_handler(number, on_signal)
    try:
        return await task
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        for number in signals:
            with contextlib.suppress(NotImplementedError):
                loop.remove_signal_handler(number)
