"""The files that a configuration of promptfoo names: read inside of its folder only, never run."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from lm_eval_so.core.config.sources import SourceSection
from lm_eval_so.generator.sources.base import (
    BadFileError,
    RawItem,
    Reason,
    Reject,
    SourceFile,
    numbered,
    place,
)
from lm_eval_so.generator.sources.csv_file import read_csv
from lm_eval_so.generator.sources.encoding import HEAD_BYTES, detect_encoding
from lm_eval_so.generator.sources.json_file import parse_json_file, read_jsonl, records_of
from lm_eval_so.generator.sources.json_values import EVERY, Tree, kind_of, walk
from lm_eval_so.generator.sources.yaml_file import parse_yaml_file

_MARK: Final = "file://"
_TABLES: Final = {".csv": read_csv, ".jsonl": read_jsonl}
_TREES: Final = {".yaml": parse_yaml_file, ".yml": parse_yaml_file, ".json": parse_json_file}
_TEXTS: Final = frozenset({".txt", ".md", ".html", ".csv"})
_CODE: Final = re.compile(r"\.(?:[cm]?js|ts|py|rb)(?::|$)", re.IGNORECASE)
_LARGEST_TEXT: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Files:
    """The files inside of a configuration's folder."""

    file: SourceFile
    """The configuration."""
    options: SourceSection
    _known: dict[Path, JsonValue] = field(default_factory=dict)
    """Contents of files that were read."""

    def loaded(self, value: JsonValue) -> JsonValue:
        """Return a value, or what the file holds that it names by `file://`.

        Raises:
            BadFileError: If the file is code, is outside of the folder or cannot be read.
        """
        if not isinstance(value, str) or not value.startswith(_MARK):
            return value
        path, *others = self._inside(value)
        if others:
            raise BadFileError(Reason.UNREADABLE, f"{value[:80]} names several files", "name one")
        if path not in self._known:
            self._known[path] = self._content(path)
        return self._known[path]

    def tests(self, value: JsonValue, tree: Tree) -> Iterator[RawItem | Reject]:
        """Yield the tests under a key: written there, or in the files that are named there.

        Args:
            value: A test, the path of a file, or a list of these.
            tree: Value of the file in which they stand, for their places.
        """
        steps = ("tests", EVERY) if isinstance(value, list) else ("tests",)
        several = walk({"tests": value}, steps) if value is not None else ()
        yield from numbered(
            item for path, each in several for item in self._test(each, tree.at(path))
        )

    def _test(self, value: JsonValue, at: dict[str, JsonValue]) -> Iterator[RawItem | Reject]:
        if isinstance(value, dict):
            yield RawItem(file=self.file, at=at, payload=value)
            return
        try:
            if not isinstance(value, str):
                what = f"found {kind_of(value)}, not a test"
                raise BadFileError(Reason.NOT_OBJECT, what)  # noqa: TRY301 - the same end
            for path in self._inside(value):
                yield from self._tests_of(path)
        except BadFileError as error:
            yield error.reject(self.file, at)

    def _tests_of(self, path: Path) -> Iterator[RawItem | Reject]:
        inner, ending = self._opened(path), path.suffix.lower()
        if ending in _TABLES:
            found = iter(_TABLES[ending](inner, self.options))
        elif ending in _TREES:
            tree = _TREES[ending](inner)
            if not isinstance(tree.value, list):
                tree = replace(tree, value=[tree.value])
            found = records_of(inner, tree)
        else:
            hint = "save its tests as CSV, JSON or YAML"
            raise BadFileError(
                Reason.UNKNOWN_FORMAT, f"{inner.name}: no format of tests that is read", hint
            )
        for item in found:
            if isinstance(item, RawItem | Reject):
                yield replace(item, file=self.file, at={"path": place(inner.name, item.at)})

    def _inside(self, value: str) -> list[Path]:
        """Return the files of a path or pattern, sorted."""
        name = value.removeprefix(_MARK)
        if "://" in name or name.startswith(("huggingface:", "az:")):
            what = f"{name[:80]} is not on this machine; nothing is fetched"
            hint = "save its tests in a file beside the configuration"
            raise BadFileError(Reason.UNREADABLE, what, hint)
        if _CODE.search(name):
            what = f"{name[:80]} is code, which is not run"
            hint = (
                "let promptfoo or a script of yours write its tests into a CSV, JSON or YAML file"
            )
            raise BadFileError(Reason.UNSUPPORTED_CONTENT, what, hint)
        folder = self.file.path.parent.resolve()
        try:
            plain = (folder / name).resolve()
            found = [plain] if plain.is_file() else sorted(folder.glob(name.removeprefix("./")))
            inside = [path.resolve() for path in found if path.is_file()]
        except (ValueError, OSError, NotImplementedError, RecursionError):
            inside = []
        if not all(path.is_relative_to(folder) for path in inside):
            what = f"{name[:80]} is outside of the configuration's folder"
            raise BadFileError(Reason.UNREADABLE, what, "put it into that folder")
        if not inside:
            raise BadFileError(Reason.UNREADABLE, f"there is no file {name[:80]}")
        return inside

    def _opened(self, path: Path) -> SourceFile:
        with path.open("rb") as data:
            head = data.read(HEAD_BYTES)
        name = path.relative_to(self.file.path.parent.resolve()).as_posix()
        encoding = detect_encoding(head)
        return replace(self.file, name=name, path=path, size=path.stat().st_size, encoding=encoding)

    def _content(self, path: Path) -> JsonValue:
        inner = self._opened(path)
        if path.suffix.lower() in _TREES:
            return _TREES[path.suffix.lower()](inner).value
        if path.suffix.lower() not in _TEXTS or inner.encoding is None:
            raise BadFileError(Reason.UNSUPPORTED_CONTENT, f"{inner.name} is no text")
        if inner.size > _LARGEST_TEXT:
            what = f"{inner.name} is larger than {_LARGEST_TEXT:,} bytes"
            raise BadFileError(Reason.TOO_LARGE, what)
        return path.read_bytes().decode(inner.encoding, "replace")
