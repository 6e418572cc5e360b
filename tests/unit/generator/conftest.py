"""A folder with sources, and what `generate` makes of them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.load import make_config
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.sources import SourceSection
from lm_eval_so.core.events import Ended, Event, Noticed, Warned
from lm_eval_so.core.hashing import digest_bytes
from lm_eval_so.generator.dataset.make import Generated
from lm_eval_so.generator.generate import generate
from lm_eval_so.generator.sources.base import BadFileError, Item, SourceFile
from lm_eval_so.generator.sources.encoding import detect_encoding

QUICKSTART = Path(__file__).parents[3] / "example" / "quickstart" / "sources"


@dataclass
class Workshop:
    """Writes sources and runs the stage on them."""

    folder: Path
    events: list[Event] = field(default_factory=list)

    def write(self, name: str, data: str | bytes, encoding: str = "utf-8") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode(encoding))
        return path

    def copy(self, name: str) -> Path:
        return self.write(name, (QUICKSTART / name).read_bytes())

    def config(self, *sources: dict[str, Any], **dataset: Any) -> Config:
        values = {
            "version": 1,
            "suite": "shop",
            "dataset": {"path": "made", **dataset},
            "generator": {"sources": [{"id": f"s{i}", **s} for i, s in enumerate(sources)]},
        }
        return make_config(values, folder=self.folder)

    def resources(self) -> Resources:
        return Resources(listener=self.events.append)

    def generate(self, *sources: dict[str, Any]) -> Generated:
        return generate(self.config(*sources), self.resources())

    def samples(self, folder: str = "made") -> list[dict[str, Any]]:
        return self.lines(f"{folder}/test.jsonl")

    def rejects(self, folder: str = "made") -> list[dict[str, Any]]:
        return self.lines(f"{folder}/rejected.jsonl")

    def lines(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / name).read_text("utf-8").splitlines()]

    def warnings(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Warned)]

    def notices(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Noticed)]

    def ended(self) -> str:
        return next(event.text for event in self.events if isinstance(event, Ended))

    def open(self, name: str, **options: Any) -> tuple[SourceFile, SourceSection]:
        """Return what a reader takes, for a file that was written."""
        path = self.folder / name
        data = path.read_bytes()
        encoding = options.get("encoding") or detect_encoding(data)
        file = SourceFile(
            source="s",
            name=name,
            path=path,
            sha256=digest_bytes(data),
            size=len(data),
            encoding=encoding,
        )
        return file, SourceSection(id="s", path=name, **options)

    def read(self, reader: Callable[..., Iterator[Item]], name: str, **options: Any) -> list[Any]:
        """Return what a reader finds in a file that was written, and a problem of the whole file as its error."""
        file, source = self.open(name, **options)
        try:
            return list(reader(file, source))
        except BadFileError as error:
            return [error.of(file)]


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)
