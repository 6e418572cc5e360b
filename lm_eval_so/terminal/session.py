"""The session of a command: its config, its environment and its progress."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.config_secrets import config_redactor
from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.core.config.load import read_config, require_valid, take_config
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.validate import Validated
from lm_eval_so.core.events import Began, Concluded, Ended, Event, Moved, Noticed, Warned
from lm_eval_so.core.registry import plugin_problems
from lm_eval_so.core.secrets import Redactor, clean_exception
from lm_eval_so.errors import Interrupted, Problem, refuse
from lm_eval_so.terminal.progress import Progress, in_language

if TYPE_CHECKING:
    from lm_eval_so.terminal.command_line import CommandLine

T = TypeVar("T")
Check = Callable[[Config, Mapping[str, str]], Iterable[Problem]]
"""Finds problems of the valid part of a config, in an environment."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_ECHO_S = 0.2
"""Time in which a second signal counts as the first: `timeout` and other wrappers send it to the
process and to its group."""
_PATIENCE_ON_GITHUB_S = 2.0
"""Time for answers that are under way when a job is cancelled: GitHub's runner kills after 10 seconds, and
the comment is still to be written."""
_GO_ON = "the same command goes on with what came back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One command line at work."""

    line: "CommandLine"
    config: Config
    """The valid part of the config, until it is checked."""
    read: Validated[Config]
    """The config with the problems of its unsound part."""
    environ: Mapping[str, str]
    progress: Progress
    redactor: Redactor

    def with_plugins(self, check: Check | None = None) -> "Session":
        """Run the plugin files of the config and of `--plugin`, then check the config.

        The secrets of the plugins are known from then on.

        Args:
            check: Finds problems of the valid part of the config.

        Raises:
            ConfigError: With every problem of the file and its plugins, and all that `check` finds.
        """
        failed = self._run_plugins()
        found = check(self.config, self.environ) if check else ()
        config = require_valid(self.read, found, failed=failed)
        redactor = config_redactor(config, self.environ, runs_code=True)
        _mask(self.environ, redactor)
        return replace(self, config=config, redactor=redactor)

    def load_plugins(self) -> None:
        """Run the plugin files alone, whatever else is wrong in the config.

        Raises:
            ConfigError: With every file that is missing or fails.
        """
        refuse(self._run_plugins())

    def _run_plugins(self) -> list[Problem]:
        files = [*self.config.plugin_files(), *((file, None) for file in self.line.plugins or ())]
        return plugin_problems(files)

    def under(self, config: Config) -> "Session":
        """Return this session with another config, as by other rules; the secrets of both are known."""
        redactor = config_redactor(config, self.environ, runs_code=True)
        _mask(self.environ, redactor)
        return replace(self, config=config, redactor=self.redactor.joined(redactor))

    def refuse(self, found: Sequence[Problem] = ()) -> None:
        """Raise an error if the config has problems, or if some are given.

        Raises:
            ConfigError: With all of them.
        """
        require_valid(self.read, found)

    def resources(self, stop: asyncio.Event | None = None) -> Resources:
        """Make the bundle that stages get."""
        return Resources(
            environ=self.environ,
            listener=self._listen,
            stop=stop or asyncio.Event(),
            redactor=self.redactor,
        )

    def run(self, work: Callable[[Resources], Coroutine[Any, Any, T]]) -> T:
        """Run a stage; the first Ctrl-C or SIGTERM sets `stop`, the second cancels it.

        On GitHub it is cancelled soon after the first.

        Raises:
            Interrupted: If it was cancelled.
        """
        try:
            is_on_github = self.environ.get("GITHUB_ACTIONS") == "true"
            return asyncio.run(
                _until_stopped(
                    lambda stop: work(self.resources(stop)),
                    patience_s=_PATIENCE_ON_GITHUB_S if is_on_github else None,
                )
            )
        except KeyboardInterrupt:
            raise Interrupted("interrupted", hint=_GO_ON) from None
        except Exception as error:
            clean_exception(error, self.redactor)
            raise
        finally:
            self.progress.close()

    def _listen(self, event: Event) -> None:
        is_on_github = self.environ.get("GITHUB_ACTIONS") == "true"  # annotations stay in English
        told = event if is_on_github else in_language(event, self.config.language)
        self.progress.listen(_without_secrets(told, self.redactor))


def open_session(
    line: "CommandLine",
    *,
    rewritten: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    instead: Mapping[str, Any] | None = None,
) -> Session:
    """Read the config; its plugins are not loaded and nothing is checked yet.

    Args:
        line: Values of the shared options.
        rewritten: Values to put over the config, as `read_config` takes them.
        environ: The environment; default: that of the process.
        instead: Values in the place of a config file, if none is named and there is none.

    Raises:
        ConfigError: If nothing of the file can be used; lists every problem.
    """
    environ = environ if environ is not None else dict(os.environ)
    overrides = line.config_overrides
    if instead is not None and line.config == CONFIG_FILE and not line.config.exists():
        read = take_config(instead, overrides=overrides, environ=environ)
    else:
        read = read_config(line.config, overrides=overrides, rewritten=rewritten, environ=environ)
    config = read.value or require_valid(read)
    redactor = config_redactor(config, environ, runs_code=False)
    _mask(environ, redactor)
    return Session(
        line=line,
        config=config,
        read=read,
        environ=environ,
        progress=line.open_progress(environ),
        redactor=redactor,
    )


def _mask(environ: Mapping[str, str], redactor: Redactor) -> None:
    """Have GitHub's runner hide the secrets that the config names, before anything of it is printed."""
    if environ.get("GITHUB_ACTIONS") == "true":
        from lm_eval_so.terminal.github_log import mask  # noqa: PLC0415 - on GitHub only

        mask(sys.stdout, environ, redactor.values)


def _without_secrets(event: Event, redactor: Redactor) -> Event:
    match event:
        case Began() | Noticed() | Ended():
            return replace(event, text=redactor.redact(event.text))
        case Warned():
            hint = event.hint and redactor.redact(event.hint)
            return replace(event, text=redactor.redact(event.text), hint=hint)
        case Concluded():
            lines = tuple(map(redactor.redact, event.lines))
            return replace(event, headline=redactor.redact(event.headline), lines=lines)
        case Moved():
            return event


async def _until_stopped(
    work: Callable[[asyncio.Event], Coroutine[Any, Any, T]], *, patience_s: float | None
) -> T:
    stop, asked_at = asyncio.Event(), 0.0
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in a task

    def give_up() -> None:
        task.cancel()

    def on_signal(number: int, frame: object) -> None:  # noqa: ARG001 - as `signal` calls it
        nonlocal asked_at
        if not asked_at:
            asked_at = time.monotonic()
            loop.call_soon_threadsafe(stop.set)
            if patience_s is not None:
                loop.call_soon_threadsafe(loop.call_later, patience_s, give_up)
        elif time.monotonic() - asked_at < _ECHO_S:
            return
        elif stop.is_set():
            loop.call_soon_threadsafe(task.cancel)
        else:  # the loop has not seen the first one: something blocks it
            raise KeyboardInterrupt

    # not the loop's own handlers, which wait for whatever blocks the loop
    before = {number: signal.signal(number, on_signal) for number in _SIGNALS}
    try:
        return await work(stop)
    except (asyncio.CancelledError, KeyboardInterrupt):
        raise Interrupted("interrupted", hint=_GO_ON) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
