"""Small datasets and configs to run."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.load import make_config
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Event
from lm_eval_so.core.secrets import make_redactor

KEY = "sk-test-1234567890abcdef"
ENVIRON = {"OPENAI_API_KEY": KEY}


def write_dataset(folder: Path, samples: int | Sequence[Mapping[str, Any]]) -> None:
    """Write test.jsonl with these samples, or so many Korean ones."""
    if isinstance(samples, int):
        samples = [{"id": f"q{i:04}", "input": f"환불은 며칠? #{i}"} for i in range(samples)]
    lines = [json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "test.jsonl").write_text("".join(lines), encoding="utf-8")


def make(folder: Path, backend: Mapping[str, Any], **sections: Any) -> Config:
    """Make a config whose dataset lies beside it; without a cache, unless a test is about it."""
    values = {"version": 1, "suite": "test", "dataset": {"path": "."}, "backend": dict(backend)}
    run = {"cache": False, **sections.pop("run", {})}
    return make_config({**values, **sections, "run": run}, folder=folder)


def endpoint(url: str, **params: Any) -> dict[str, Any]:
    """Return the section of an OpenAI-compatible endpoint, for `make`."""
    section = {"name": "openai", "label": "bot", "params": {"model": "test-model", **params}}
    return {**section, "options": {"base_url": url}}


def resources(
    events: list[Event] | None = None, environ: Mapping[str, str] = ENVIRON, **more: Any
) -> Resources:
    """Make what a stage gets from outside; events are collected."""
    listener = events.append if events is not None else (lambda _: None)
    redactor = make_redactor(environ)
    return Resources(environ=environ, listener=listener, redactor=redactor, **more)


def rows(folder: Path) -> list[dict[str, Any]]:
    """Read the rows of a run's folder."""
    text = (folder / "run_results.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds; fails after ten seconds."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - it happens in another thread
            await asyncio.sleep(0.01)
