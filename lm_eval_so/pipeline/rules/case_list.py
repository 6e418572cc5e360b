"""Test cases of main that a pull request deletes, edits or takes from its rules: asked all the same.

The list of cases is main's, and which of them are required or meant by a metric; the texts are the pull
request's. A case that main has and the pull request lacks is asked as main has it.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.places import ReadFile
from lm_eval_so.core.dataset import METADATA_FILE, SAMPLES_FILE, load_dataset, read_sample
from lm_eval_so.core.files import copy_atomic, keep_out_of_git, read_bytes, read_lines, write_atomic
from lm_eval_so.core.hashing import digest_bytes, revision
from lm_eval_so.core.records.codec import dump_line, parse_json
from lm_eval_so.core.records.measured_with import RuleChange
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.errors import InputError

MOST_NAMED = 100
"""Most cases that a difference names."""
Kind = Literal["deleted", "not_required", "not_meant", "edited", "regrouped", "added"]
_EFFECTS: Mapping[Kind, Literal["looser", "other", "tighter"]] = {
    "deleted": "looser",
    "not_required": "looser",
    "not_meant": "looser",
    "edited": "other",
    "regrouped": "other",
    "added": "tighter",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """Differences between the cases of main and those of a pull request."""

    added: frozenset[str]
    """Ids that main does not have."""
    deleted: frozenset[str]
    """Ids that the pull request does not have; they are asked all the same."""
    own_tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Tags as the pull request has them, by id, where main's count."""
    own_groups: Mapping[str, str | None] = field(default_factory=dict)
    """Groups as the pull request has them, by id, where main's count."""
    changes: tuple[RuleChange, ...] = ()

    @property
    def are_put_back(self) -> bool:
        """Whether something of main is asked that the pull request's dataset does not have."""
        return bool(self.deleted or self.own_tags or self.own_groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """A case of main, as far as it decides."""

    line: bytes
    rev: str
    tags: tuple[str, ...]
    group: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MainCases:
    """Test cases of main, in the base commit; a dataset may be large, so it is not kept."""

    config: Config
    """Main's config."""
    file: Path
    digest: str
    """Digest of the file."""
    read: ReadFile = field(repr=False)
    """Reader of files of the base commit."""


def main_cases(main: Config, read: ReadFile) -> MainCases | None:
    """Return the test cases of main; None if the base commit has no such file.

    Args:
        main: Main's config.
        read: Reader of files of the base commit.
    """
    file = _samples_file(main)
    data = read(file)
    if data is None:
        return None
    return MainCases(config=main, file=file, digest=digest_bytes(data), read=read)


def find_cases(config: Config, main: MainCases) -> tuple[Cases, Sequence[bytes]] | None:
    """Find how the cases of a pull request differ from main's.

    Args:
        config: Config whose dataset is that of the pull request.
        main: The cases of main.

    Returns:
        The differences, and the lines of the dataset with all that main has; None if both are the same, or
        if main's dataset is none.

    Raises:
        DatasetError: If the dataset of the pull request cannot be used.
    """
    file = _samples_file(config)
    if not file.is_file() or main.digest == digest_bytes(read_bytes(file)):
        return None
    load_dataset(file)  # tells all that is wrong with it
    try:
        kept = dict(_read(main.read(main.file) or b""))
    except InputError:
        return None
    return _compare(kept, file, main.config)


def write_cases(lines: Sequence[bytes], config: Config, folder: Path) -> Config:
    """Write a dataset, and return a config that asks it.

    Args:
        lines: Lines of the dataset.
        config: Config whose dataset it stands for.
        folder: Folder of the dataset.
    """
    told, given = config.dataset, config.resolve(config.dataset.path)
    folder.mkdir(parents=True, exist_ok=True)
    keep_out_of_git(folder)
    write_atomic(folder / SAMPLES_FILE, (f"{line.decode()}\n" for line in lines))
    (folder / METADATA_FILE).unlink(missing_ok=True)
    if given.is_dir() and (given / METADATA_FILE).is_file():
        copy_atomic(given / METADATA_FILE, folder / METADATA_FILE)
    path = Path(os.path.relpath(folder, config.folder))
    section = told.model_copy(update={"path": path, "name": told.name or given.stem})
    return config.model_copy(update={"dataset": section})


def _samples_file(config: Config) -> Path:
    """Return the file with the samples of a config's dataset, which need not be there."""
    path = config.resolve(config.dataset.path)
    return path if path.suffix == Path(SAMPLES_FILE).suffix else path / SAMPLES_FILE


def _read(data: bytes) -> Iterator[tuple[str, _Kept]]:
    for line in data.removeprefix(b"\xef\xbb\xbf").splitlines():
        if line.strip():
            sample = read_sample(line)
            yield (
                sample.id,
                _Kept(line=line, rev=revision(sample), tags=sample.tags, group=sample.group_id),
            )


def _compare(kept: Mapping[str, _Kept], file: Path, main: Config) -> tuple[Cases, Sequence[bytes]]:
    listing = _Listing(main)
    lines = [
        listing.line(line, sample, kept.get(sample.id))
        for _, line in read_lines(file)
        for sample in (read_sample(line),)
    ]
    for name in kept.keys() - listing.seen:
        listing.note("deleted", name)
    deleted = [name for name in kept if name not in listing.seen]
    return listing.cases(), [*lines, *(kept[name].line for name in deleted)]


class _Listing:
    """The cases of a pull request, as they are held against main's one by one.

    Args:
        main: Main's config.
    """

    def __init__(self, main: Config) -> None:
        self.seen: set[str] = set()
        self._must = main.gate.must.tag if main.gate.must else None
        self._meant = {metric.id: frozenset(metric.only.tags) for metric in main.metrics}
        self._used = {self._must}.union(*self._meant.values())
        """Tags by which main's rules choose cases."""
        self._found: dict[tuple[Kind, str | None], list[str]] = {}
        self._tags: dict[str, tuple[str, ...]] = {}
        self._groups: dict[str, str | None] = {}

    def note(self, kind: Kind, name: str, metric: str | None = None) -> None:
        """Note a difference of a case."""
        self._found.setdefault((kind, metric), []).append(name)

    def line(self, line: bytes, sample: TestSample, before: _Kept | None) -> bytes:
        """Return the line of a case, with what main's rules choose it by."""
        name = sample.id
        self.seen.add(name)
        if before is None:
            self.note("added", name)
            return line
        back: dict[str, Any] = {}
        lost = [tag for tag in before.tags if tag in self._used and tag not in sample.tags]
        if lost:
            self._tags[name] = sample.tags
            back["tags"] = [*sample.tags, *lost]
            if self._must in lost:
                self.note("not_required", name)
            for metric, tags in self._meant.items():
                if tags.isdisjoint(sample.tags) and not tags.isdisjoint(lost):
                    self.note("not_meant", name, metric)
        if before.rev != revision(sample):
            self.note("edited", name)
        elif before.group != sample.group_id:
            self._groups[name] = sample.group_id
            back["group_id"] = before.group
            self.note("regrouped", name)
        return dump_line({**parse_json(line), **back}).encode() if back else line

    def cases(self) -> Cases:
        """Return all that was noted."""
        found = sorted(self._found.items(), key=lambda item: [*_EFFECTS].index(item[0][0]))
        changes = (
            RuleChange(
                kind=kind,
                effect=_EFFECTS[kind],
                key=kind,
                metric=metric,
                n=len(names),
                cases=tuple(sorted(names)[:MOST_NAMED]),
            )
            for (kind, metric), names in found
        )
        return Cases(
            added=frozenset(self._found.get(("added", None), ())),
            deleted=frozenset(self._found.get(("deleted", None), ())),
            own_tags=self._tags,
            own_groups=self._groups,
            changes=tuple(changes),
        )
