"""Calls from Python: a coroutine run to its end wherever the caller is, progress, arguments."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.errors import UsageError
from lm_eval_so.pipeline.check import Stage
from lm_eval_so.pipeline.prepare import Source, prepare
from lm_eval_so.terminal.progress import open_progress

AnyPath = str | Path
AnyConfig = AnyPath | Mapping[str, Any]
"""A config file, or a mapping with the same keys."""
T = TypeVar("T")


def run_to_end(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end, in a thread with a loop of its own where one runs here already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    outcome: list[T | BaseException] = []
    started: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []
    ended = threading.Event()

    async def noted() -> T:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        started.append((asyncio.get_running_loop(), task))
        return await work()

    def target() -> None:
        try:
            outcome.append(asyncio.run(noted()))
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            outcome.append(error)
        finally:
            ended.set()

    thread = threading.Thread(target=copy_context().run, args=(target,), name="lm-eval-so")
    thread.start()
    try:
        ended.wait()  # a `join` that is interrupted takes the thread for ended (Python 3.11)
    except KeyboardInterrupt:  # as the stop button of a notebook: what came back is kept
        for loop, task in started:
            loop.call_soon_threadsafe(task.cancel)
        ended.wait()
        raise
    finally:
        thread.join()
    [found] = outcome
    if isinstance(found, BaseException):
        raise found
    return found


def prepared(
    config: AnyConfig, overrides: Sequence[str], plugins: Sequence[AnyPath], *, needs: Stage
) -> tuple[Config, Resources]:
    """Read a config for a stage, as a caller names it; errors as of `prepare`."""
    return prepare(
        source_of(config),
        os.environ,
        overrides=overrides,
        plugins=paths_of(plugins),
        needs={needs},
    )


@contextmanager
def showing(resources: Resources, progress: bool | None) -> Iterator[Resources]:
    """Yield the resources with a listener that shows progress, if that is wanted."""
    is_interactive = hasattr(sys, "ps1")
    if not (is_interactive if progress is None else progress):
        yield resources
        return
    shown = open_progress(sys.stderr, os.environ, quiet=False, color="auto")
    try:
        yield replace(resources, listener=shown.listen)
    finally:
        shown.close()


def values_over(
    dataset: AnyPath | None, metrics: Sequence[str | Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the arguments that stand over the config, by section."""
    named = {"dataset": {"path": str(Path(dataset).absolute())}} if dataset is not None else {}
    chosen = [each if isinstance(each, str) else dict(each) for each in metrics]
    return {**named, **({"metrics": chosen} if chosen else {})}


def source_of(config: AnyConfig) -> Source:
    """Return a config as the stages take it.

    Raises:
        UsageError: If it is neither a file nor a mapping.
    """
    if isinstance(config, Mapping):
        return config
    if not isinstance(config, str | Path):
        what = f"a config is a file or a mapping, not {type(config).__name__}"
        raise UsageError(
            what, hint='write "lm-eval-so.yaml", or {"version": 1, "suite": "shop", …}'
        )
    return Path(config)


def paths_of(paths: Sequence[AnyPath]) -> list[Path]:
    """Return paths that may be texts."""
    return [Path(path) for path in paths]


def path_of(path: AnyPath | None) -> Path | None:
    """Return a path that may be a text, or none."""
    return Path(path) if path is not None else None
