"""Samples that were edited by hand: refused, replaced, or taken as decisions of people."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from itertools import chain, count, zip_longest
from pathlib import Path

from lm_eval_so.core.dataset import METADATA_FILE, SAMPLES_FILE, read_metadata
from lm_eval_so.core.files import copy_atomic, read_lines
from lm_eval_so.core.hashing import content_id, revision
from lm_eval_so.core.records.codec import loads
from lm_eval_so.core.records.review import Decision, Ruling
from lm_eval_so.core.records.sample import SourceRef, TestSample
from lm_eval_so.errors import DatasetError, InputError, Problem, RecordError, UsageError, Where
from lm_eval_so.generator.dataset.stored import FILES, is_written, sample_in
from lm_eval_so.generator.review.decisions import Decided, apply, key_of
from lm_eval_so.generator.sources.base import place


class Edits(StrEnum):
    """Fate of edits by hand of tests that come from a source."""

    REFUSE = "refuse"
    REPLACE = "replace"
    """The sources count; the edited file is kept beside the new one."""
    KEEP = "keep"
    """Taken as decisions of a review from now on."""

    @classmethod
    def asked(cls, *, force: bool, keep: bool = False) -> "Edits":
        """Return what `--force` and `--keep-edits` ask for.

        Raises:
            UsageError: If both are given.
        """
        if force and keep:
            raise UsageError("--force drops edits by hand and --keep-edits keeps them: give one")
        return cls.REPLACE if force else cls.KEEP if keep else cls.REFUSE


def refuse_folder(folder: Path) -> None:
    """Refuse a dataset folder that is a file, or that holds files not made by `generate`.

    Raises:
        InputError: If the folder is refused.
    """
    where = Where(file=str(folder))
    if folder.suffix == ".jsonl" or (folder.exists() and not folder.is_dir()):
        hint = "give a folder by dataset.path or -o"
        raise InputError(f"{folder} is no folder", where=where, hint=hint)
    if (folder / METADATA_FILE).exists():
        _recorded_digest(folder)
        return
    there = next((folder / name for name in FILES if (folder / name).exists()), None)
    if there is not None:
        what = f"{there} was not made by generate: there is no {METADATA_FILE}"
        raise InputError(what, where=where, hint="choose another folder by -o, or move it away")


def is_edited(made: Path, folder: Path, edits: Edits) -> bool:
    """Return whether a folder has edits by hand that the files made now are to replace.

    Raises:
        DatasetError: If there are some, which are refused.
    """
    problem = None if edits is Edits.KEEP else _edit_problem(made, folder)
    if problem is not None and edits is Edits.REFUSE:
        raise DatasetError.of([problem])
    return problem is not None


def _edit_problem(made: Path, folder: Path) -> Problem | None:
    """Return the problem of samples that were edited after `generate` wrote them; None if there is none.

    An edit is a content that neither metadata.json records nor the sources give now. Line ends and
    blank lines, which git and editors change, are none; edits of tests that were written from documents
    are taken over.

    Raises:
        InputError: If the samples or their metadata cannot be read.
    """
    file = folder / SAMPLES_FILE
    if not file.exists() or is_as_made(folder):
        return None
    if samples_digest(file) == samples_digest(made / SAMPLES_FILE):
        return None
    info = read_metadata(folder)
    if info is not None and info.imported_sha256 is not None:
        given = samples_digest(made / SAMPLES_FILE, only_imported=True)
        if samples_digest(file, only_imported=True) == given:
            return None
    line, origin = _first_edit(made / SAMPLES_FILE, file)
    source = f" ({place(origin.file, origin.at)})" if origin else ""
    return Problem(
        what=f"{file} was edited after generate wrote it, and is not overwritten",
        where=Where(file=str(file), line=line),
        hint=f"edit the source{source}, or generate --keep-edits takes the edits as reviewed; "
        f"generate --force, which keeps the edited file as {_aside(folder).name}, drops them",
    )


def is_as_made(folder: Path) -> bool:
    """Return whether the imported samples of a folder are as `generate` wrote them.

    Raises:
        InputError: If the samples or their metadata cannot be read.
    """
    file = folder / SAMPLES_FILE
    if samples_digest(file) == _recorded_digest(folder):
        return True
    info = read_metadata(folder)
    recorded = info.imported_sha256 if info else None
    return recorded is not None and samples_digest(file, only_imported=True) == recorded


def edits_by_hand(made: Path, folder: Path) -> list[Decided]:
    """Return the edits by hand of imported tests as decisions.

    A changed line is an edit; one that is gone is a rejection. Where a source changed since, lines that
    still fit their own id and `rev` count as its change.

    Args:
        made: Folder with the new files.
        folder: The dataset's folder.

    Raises:
        DatasetError: With every line that no decision can keep: its test is in no source, or it cannot be read.
    """
    file = folder / SAMPLES_FILE
    if not file.exists():
        return []
    problems: list[Problem] = []
    known = {each.id: each for _, each in _imported(made / SAMPLES_FILE, problems)}
    lines = [*_imported(file, problems)]
    sources = [info.sources for info in map(read_metadata, (folder, made)) if info]
    was, now = ({each.file: each.sha256 for each in found} for found in sources)

    def is_unchanged(sample: TestSample) -> bool:
        name = origin.file if (origin := _origin(sample)) else ""
        return was.get(name) == now.get(name)

    decided: list[Decided] = []
    for number, sample in lines:
        before = known.get(sample.id)
        is_own = (sample.id, sample.rev) == (content_id(sample), revision(sample))
        if before is None and not is_own:
            what, hint = f"{sample.id} is in no source", "add it to one, or remove the line"
            problems.append(Problem(what=what, where=Where(file=str(file), line=number), hint=hint))
        elif before is not None and (not is_own or is_unchanged(before)):
            decided += _edit(before, sample)
    if problems:
        raise DatasetError.of(problems)
    gone = known.keys() - {sample.id for _, sample in lines}
    for before in map(known.__getitem__, sorted(gone)):
        if is_unchanged(before):
            decided.append((_decision(before, "reject", before), None))
    return decided


def _imported(file: Path, problems: list[Problem]) -> Iterator[tuple[int, TestSample]]:
    for number, line in read_lines(file):
        try:
            sample = loads(line, TestSample, where=Where(file=str(file), line=number))
        except InputError as error:
            problems += error.problems
            continue
        if not is_written(sample):
            yield number, sample


def _edit(before: TestSample, sample: TestSample) -> Iterator[Decided]:
    """Yield the decision that an edited line stands for, if it has another content or was accepted."""
    is_same = replace(sample, review=before.review, rev=before.rev) == before
    if not is_same:
        decision = _decision(before, "edit", replace(sample, rev=None, review=None))
        yield decision, apply(before, decision)
    elif sample.review != before.review and sample.review and sample.review.status == "accepted":
        yield _decision(before, "accept", None), before


def _decision(sample: TestSample, ruling: Ruling, kept: TestSample | None) -> Decision:
    name, rev = key_of(sample)
    return Decision(id=name, rev=rev, decision=ruling, sample=kept)


def put_aside(folder: Path) -> tuple[Path, Path]:
    """Copy the samples to a file of their own beside them, and return both.

    Raises:
        InputError: If it cannot be written.
    """
    aside = _aside(folder)
    copy_atomic(folder / SAMPLES_FILE, aside)
    return folder / SAMPLES_FILE, aside


def _aside(folder: Path) -> Path:
    names = chain(["test.edited.jsonl"], (f"test.edited.{number}.jsonl" for number in count(2)))
    return next(folder / name for name in names if not (folder / name).exists())


def _recorded_digest(folder: Path) -> str | None:
    try:
        info = read_metadata(folder)
    except RecordError as error:
        what = f"{folder / METADATA_FILE} was not made by generate, or is damaged"
        hint = "mend it, or choose another folder by -o"
        raise RecordError(what, where=error.problems[0].where, hint=hint) from None
    recorded = info.files.get(SAMPLES_FILE) if info else None
    return recorded.sha256 if recorded else None


def samples_digest(file: Path, *, only_imported: bool = False) -> str:
    """Return the digest of a file of samples, as it was written whatever became of its line ends."""
    found = hashlib.sha256()
    for _, line in read_lines(file):
        if not (only_imported and is_written(sample_in(line))):
            found.update(line + b"\n")
    return found.hexdigest()


def _first_edit(made: Path, file: Path) -> tuple[int | None, SourceRef | None]:
    """Return the line of the first edit, and the place in the sources where that sample comes from.

    A sample that does not fit its own id or `rev` was edited for certain. Without one it is the first
    line that differs from what the sources give now, since they may have changed, too.
    """
    for number, line in read_lines(file):
        sample = sample_in(line)
        if sample is None or (sample.id, sample.rev) != (content_id(sample), revision(sample)):
            return number, _origin(sample)
    for new, old in zip_longest(read_lines(made), read_lines(file)):
        if new is None or old is None or new[1] != old[1]:
            return old and old[0], _origin(sample_in(new[1]) if new else None)
    return None, None


def _origin(sample: TestSample | None) -> SourceRef | None:
    return sample.provenance.source if sample and sample.provenance else None
