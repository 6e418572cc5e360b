"""Writing of a dataset: same samples, same bytes; the folder changes only once everything is made."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, Self

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.variables import as_written
from lm_eval_so.core.dataset import METADATA_FILE, SAMPLES_FILE
from lm_eval_so.core.files import cannot_write, copy_atomic
from lm_eval_so.core.hashing import canon, digest
from lm_eval_so.core.records.codec import dump_document, dump_line, dumps, to_json
from lm_eval_so.core.records.dataset import DatasetInfo, FileInfo, GeneratorInfo
from lm_eval_so.generator.dataset.hand_edits import samples_digest
from lm_eval_so.generator.dataset.stored import (
    METRICS_FILE,
    NOTHING,
    PUBLISHED,
    REJECTED_FILE,
    SOURCES_FILE,
    FromDocuments,
)
from lm_eval_so.generator.outcomes import Kept, Outcome, Tally
from lm_eval_so.generator.sources.base import FileError, ProposedMetrics, Reject, Step

_ONLY_IF_USED = ("imported_sha256", "plan", "tries", "flags", "llm", "twins", "new_documents")
"""Fields of metadata.json that are absent where no test is written from documents."""


def write_outcomes(
    outcomes: Iterable[Outcome], tally: Tally, folder: Path, added: FromDocuments = NOTHING
) -> dict[str, FileInfo]:
    """Write samples and rejects into a folder, and count them.

    Returns:
        Rows, size and digest of each file.

    Raises:
        InputError: If the folder cannot be written to.
    """
    try:
        return _write(outcomes, tally, folder, added)
    except OSError as error:
        raise cannot_write(folder, error) from None


def _write(
    outcomes: Iterable[Outcome], tally: Tally, folder: Path, added: FromDocuments
) -> dict[str, FileInfo]:
    proposed: list[str] = []
    with _Lines(folder / SAMPLES_FILE) as samples, _Lines(folder / REJECTED_FILE) as rejects:
        for outcome in outcomes:
            tally.add(outcome)
            if isinstance(outcome, ProposedMetrics):
                proposed.append(outcome.yaml)
            elif isinstance(outcome, Kept):
                samples.add(dumps(outcome.sample))
            elif isinstance(outcome, Reject | FileError):
                rejects.add(dump_line(_reject_line(outcome)))
        for sample in (*added.samples, *added.twins):
            tally.count_sample(sample)
            samples.add(dumps(sample))
        for line in added.tries:
            rejects.add(dump_line(line))
    if proposed:
        text = f"metrics:\n{''.join(proposed)}"
        (folder / METRICS_FILE).write_text(text, encoding="utf-8", newline="\n")
    files = {SAMPLES_FILE: samples.info(), REJECTED_FILE: rejects.info()}
    if added.documents:
        with _Lines(folder / SOURCES_FILE) as lines:
            for document in added.documents:
                lines.add(dumps(document))
        files[SOURCES_FILE] = lines.info()
    return files


def _reject_line(reject: Reject | FileError) -> dict[str, Any]:
    record = reject if isinstance(reject, Reject) else None
    line = {
        "stage": record.step if record else Step.COLLECT,
        "reason": reject.reason,
        "source": reject.file.source,
        "file": reject.file.name,
        "at": dict(reject.at),
        "what": reject.what,
        "hint": reject.hint,
        "excerpt": record.excerpt if record else None,
    }
    return {name: value for name, value in line.items() if value not in (None, "", {})}


class _Lines:
    """A file of lines with a running digest."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("wb")
        self._digest = hashlib.sha256()
        self._rows = self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, line: str) -> None:
        data = line.encode() + b"\n"
        self._file.write(data)
        self._digest.update(data)
        self._rows += 1
        self._size += len(data)

    def info(self) -> FileInfo:
        return FileInfo(rows=self._rows, bytes=self._size, sha256=self._digest.hexdigest())


def describe(
    config: Config, tally: Tally, files: dict[str, FileInfo], added: FromDocuments = NOTHING
) -> DatasetInfo:
    """Return the dataset's metadata, without clock, host and absolute paths."""
    section = config.dataset
    written = config.located.written_below
    return DatasetInfo(
        name=section.name or section.path.name or config.suite,
        version=section.version,
        description=as_written(section.description, written("dataset", "description")),
        license=as_written(section.license, written("dataset", "license")),
        generator=GeneratorInfo(
            version=version("LM-Eval-SO"),
            config_sha256=_config_digest(config),
            seed=config.generator.seed if config.generator else 0,
        ),
        files=files,
        dataset_sha256=digest_of(files),
        sources=tally.sources(),
        rejected=dict(tally.rejected),
        review=dict(tally.review),
        splits=dict(tally.splits),
        languages=dict(tally.languages),
        plan=added.plan,
        tries=counted(line["reason"] for line in added.tries if "file" not in line)
        if added.plan or added.samples
        else None,
        flags=counted(flag for s in added.samples for flag in s.flags)
        if added.plan or added.samples
        else None,
        llm=added.llm,
        twins=added.kinds or None,
        new_documents=tuple(added.new_documents) or None,
    )


def digest_of(files: Mapping[str, FileInfo]) -> str:
    """Return the digest of a dataset by those of its files."""
    return digest({name: to_json(info) for name, info in files.items()})


def counted(codes: Iterable[str]) -> dict[str, int]:
    """Count codes; what stands behind a colon is the place that it is about."""
    return dict(sorted(Counter(code.partition(":")[0] for code in codes).items()))


def write_metadata(info: DatasetInfo, folder: Path) -> DatasetInfo:
    """Write metadata.json beside the samples, keys sorted, and return it with the digest of imported lines."""
    imported = samples_digest(folder / SAMPLES_FILE, only_imported=True)
    if info.plan is not None or imported != info.files[SAMPLES_FILE].sha256:
        info = replace(info, imported_sha256=imported)
    values = to_json(info)
    values["sources"] = [
        {k: v for k, v in each.items() if v is not None or k != "pii"} for each in values["sources"]
    ]
    kept = {k: v for k, v in values.items() if v is not None or k not in _ONLY_IF_USED}
    text = dump_document(json.loads(canon(kept)))
    (folder / METADATA_FILE).write_text(text, encoding="utf-8", newline="\n")
    return info


def publish(made: Path, folder: Path, *, stays: Collection[str] = ()) -> tuple[Path, ...]:
    """Copy the new files into the dataset's folder; other files stay, but for one of ours that is no more.

    Args:
        made: Folder of the new files.
        folder: The dataset's folder.
        stays: Files that stay though they were not made anew.

    Raises:
        InputError: If the folder cannot be written to.
    """
    names = [name for name in PUBLISHED if (made / name).exists()]
    for name in names:
        copy_atomic(made / name, folder / name)
    for name in {SOURCES_FILE, METRICS_FILE}.difference(names, stays):
        (folder / name).unlink(missing_ok=True)
    return tuple(folder / name for name in names)


def _config_digest(config: Config) -> str:
    """Return the digest of the settings that decide the dataset; defaults count whether written or not."""
    dataset = config.dataset.model_dump(mode="json", exclude={"path"}, exclude_defaults=True)
    generator = (
        config.generator.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        if config.generator
        else {}
    )
    for source in generator.get("sources", ()):
        if source.get("as") == "samples":  # once the default: digests that are stored stay the same
            del source["as"]
    return digest({"dataset": dataset, "generator": generator})
