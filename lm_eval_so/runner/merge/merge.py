"""The merge of a run: its parts read and compared, their rows chosen, and one folder written."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import JsonValue

from lm_eval_so.core.dataset import SAMPLES_FILE, Dataset
from lm_eval_so.core.events import Ended, Listener, Noticed, Warned, ignore
from lm_eval_so.core.hashing import sample_hash
from lm_eval_so.core.records.run import DatasetRef, RunInfo, RunResult
from lm_eval_so.core.words import counted
from lm_eval_so.errors import CannotMeasure, Problem, RecordError, UsageError, Where
from lm_eval_so.runner.merge.parts import (
    Part,
    add_workers_rows,
    read_parts,
    rows_of,
    unlike,
    wrong_totals,
)
from lm_eval_so.runner.merge.row_index import (
    Chosen,
    Found,
    RowIndex,
    answer_digest,
    choose,
    disagreeing,
)
from lm_eval_so.runner.plan.selection import Shard
from lm_eval_so.runner.store.fingerprint import differences
from lm_eval_so.runner.store.run_dir import RESULTS_FILE, RunDir, read_info, read_rows
from lm_eval_so.runner.store.totals import Tally

__all__ = ["Part", "merge", "merged_folder", "read_parts", "unlike"]

_LABEL = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
STAGE = "merge"
_MOST_PROBLEMS = 50
_MOST_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Missing rows of a shard."""

    shard: Shard
    there: int
    planned: int | None
    """Rows that it should have; None if the part itself is missing."""
    names: tuple[str, ...]
    """Names of the missing rows, as far as they are known."""

    def __str__(self) -> str:
        what = f"shard {self.shard}" if self.shard.count > 1 else "the run"
        text = f"{what} has {self.there:,} of {counted(self.planned or 0, 'row')}"
        if self.planned is None:
            return f"{what} is missing"
        return f"{text} (without {shortened(self.names)})" if self.names else text


def find_dataset(parts: Sequence[Part]) -> Dataset | None:
    """Return the dataset that was asked, if it is there and has not changed.

    Its path is that of the config, so it is looked for from here, then from the folders above the
    first part; the digest decides.
    """
    ref = parts[0].info.dataset
    if ref.path is None:
        return None
    for base in (Path(), *parts[0].folder.resolve().parents):
        path = base / ref.path
        file = path / SAMPLES_FILE if path.is_dir() else path
        if _has_digest(file, ref):
            return Dataset(file=file, ref=ref)
    return None


def missing_parts(
    parts: Sequence[Part], there: Mapping[int, int], absent: Mapping[int, Sequence[str]] | None
) -> list[Missing]:
    """Say which shards lack rows.

    Args:
        parts: The parts.
        there: Rows that were found, by number of the shard.
        absent: Names of the dataset's rows that were not found, likewise; None without a dataset.
            A backend may have left them out on purpose; then a shard has all rows that it planned.
    """
    found = []
    for number, rows in there.items():
        plans = [part.info.planned for part in parts if part.shard.number == number]
        planned = max(plans, default=None)
        names = absent[number] if absent is not None else ()
        is_empty = absent is not None and not names  # a shard to which no sample belongs
        if is_empty if planned is None else rows >= planned:
            continue
        is_sure = planned is not None and len(names) == planned - rows
        found.append(
            Missing(
                shard=Shard(number=number, count=parts[0].shard.count),
                there=rows,
                planned=planned,
                names=tuple(names) if is_sure else (),
            )
        )
    return found


def merged_info(parts: Sequence[Part], tally: Tally, missing: Sequence[Missing]) -> RunInfo:
    """Return the run.json of the whole; what cannot be said of several machines is left out."""
    infos = [part.info for part in parts]
    first = infos[0]
    planned = sum({part.shard: part.info.planned for part in parts}.values())
    if any(each.planned is None for each in missing):
        planned = first.dataset.n * first.repeats
    stopped: dict[str, JsonValue] = {
        "by": "allow_partial",
        "missing": shortened(missing, "; "),
    }
    return replace(
        first,
        state="stopped" if missing else "complete",
        backend=replace(first.backend, models_answered=tuple(sorted(tally.models))),
        planned=planned,
        counts=tally.counts,
        requests=sum(info.requests for info in infos),
        usage=tally.usage,
        cost_usd=tally.cost_usd,
        unpriced=tally.unpriced,
        adaptations=tuple(dict.fromkeys(text for info in infos for text in info.adaptations)),
        notes=tuple(dict.fromkeys(text for info in infos for text in info.notes)),
        limits=(),
        shard=None,
        share={},
        stopped=stopped if missing else None,
        versions=_versions(infos),
        started_at=min(info.started_at for info in infos),
        resumed_at=None,
        finished_at=max((i.finished_at for i in infos if i.finished_at), default=None),
        checkout=None,
        judged_at=None,
        broken=None,
        put_aside_at=None,
    )


def shortened(items: Sequence[object], between: str = ", ") -> str:
    """Return the first ten in words, and how many more there are."""
    more = len(items) - _MOST_NAMED
    text = between.join(map(str, items[:_MOST_NAMED]))
    return f"{text} and {more:,} more" if more > 0 else text


def _has_digest(file: Path, ref: DatasetRef) -> bool:
    with suppress(OSError), file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest() == ref.digest
    return False


def _versions(infos: Sequence[RunInfo]) -> dict[str, str]:
    names = sorted({name for info in infos for name in info.versions})
    texts = {
        name: sorted({info.versions[name] for info in infos if name in info.versions})
        for name in names
    }
    return {name: ", ".join(found) for name, found in texts.items()}


def merge(
    folders: Sequence[Path],
    *,
    out: Path | None = None,
    allow_partial: bool = False,
    recount: bool = False,
    listener: Listener = ignore,
) -> RunInfo:
    """Put parts of a run together, as if one machine had asked all.

    A row that several parts have counts once: the last one with an answer. Rows stand in the order
    of the dataset if it is found unchanged (from here, or from a folder above the first part);
    else by shard, then as in their files.

    Args:
        folders: Folders of shards of one run, or of several tries of one.
        out: Folder of the whole run; default: `merged_folder`.
        allow_partial: Write the rows that are there although others are missing; `run.json` says so.
        recount: Count the rows of each part again, too, and refuse one whose `run.json` tells otherwise.
        listener: Gets notices and warnings.

    Raises:
        InputError: If the folders are no parts of one run, hold different answers to one question,
            or, with `recount`, other rows than they say; or if `out` cannot be written to.
        CannotMeasure: If rows are missing; names them.
    """
    for text in add_workers_rows(folders):
        listener(Noticed(stage=STAGE, text=text))
    parts = read_parts(folders)
    out = out or merged_folder(folders)
    if len(parts) > 1 and any(out.resolve() == part.folder.resolve() for part in parts):
        hint = "choose another folder with -o"
        raise UsageError(f"{out} is one of the parts that are to be merged", hint=hint)
    dataset = find_dataset(parts)
    if dataset is None:
        text = f"the dataset ({parts[0].info.dataset.path}) is not here or has changed"
        text += "; rows stand by shard, not in its order"
        listener(Noticed(stage=STAGE, text=text))
    with RowIndex.open() as index:
        for number, part in enumerate(parts):
            index.add(number, ((at, row) for _, at, row in rows_of(part)))
        index.ready()
        if recount:
            _recount(parts, index)
        chosen, missing = _choose(index, parts, dataset)
        if chosen.problems:
            raise RecordError.of(chosen.problems)
        if missing and not allow_partial:
            raise _incomplete(missing)
        with closing(RunDir.open(out)) as run_dir:
            _make_room(run_dir, parts[0].info, index, listener)
            run_dir.write_info(replace(merged_info(parts, Tally(), missing), state="running"))
            tally = chosen.write(out / RESULTS_FILE, [part.folder for part in parts])
            info = merged_info(parts, tally, missing)
            run_dir.write_info(info)
    for lack in missing:
        listener(Warned(stage=STAGE, text=f"not whole: {lack}"))
    text = f"{counted(tally.rows, 'row')} from {counted(len(parts), 'folder')}: {tally.text()}"
    listener(Ended(stage=STAGE, text=text))
    return info


def merged_folder(folders: Sequence[Path]) -> Path:
    """Return the folder of the whole run: beside the first part, named by the backend's label.

    Raises:
        InputError: If the first is no folder of a run, or its label is no name of a folder.
    """
    part = read_parts(folders[:1])[0]
    label = part.info.backend.label
    if not _LABEL.fullmatch(label):  # run.json may be anyone's
        what = f"{part.folder}: the label {label!r} is no name of a folder"
        raise UsageError(what, hint="choose the folder of the whole run with -o")
    return part.folder.parent / label


def _recount(parts: Sequence[Part], index: RowIndex) -> None:
    wrong = [
        problem
        for number, part in enumerate(parts)
        for problem in wrong_totals(part, index.last_rows(number))
    ]
    if wrong:
        raise RecordError.of(wrong)


def _choose(
    index: RowIndex, parts: Sequence[Part], dataset: Dataset | None
) -> tuple[Chosen, list[Missing]]:
    """Choose the rows of the dataset's samples; without a dataset, of all samples that were found."""
    chosen, info = Chosen(), parts[0].info
    count = parts[0].shard.count
    there = dict.fromkeys(range(1, count + 1), 0)
    absent: dict[int, list[str]] = {number: [] for number in there}
    given = {part.shard.number for part in parts}
    for sample_id, repeat, asked in _wanted(index, dataset, info.repeats):
        shard = Shard.of(sample_id, count)
        rows = index.find(sample_id, repeat, asked)
        row = choose(rows)
        if row is None:
            names = absent[shard.number]
            if shard.number in given or not names:  # of a part that is not there one says enough
                name = f"{sample_id}, repeat {repeat}" if info.repeats > 1 else sample_id
                names.append(name)
            continue
        there[shard.number] += 1
        chosen.add(sample_id, repeat, row)
        if len(chosen.problems) < _MOST_PROBLEMS and (clash := disagreeing(rows)):
            chosen.problems.append(_two_answers(sample_id, repeat, clash, parts))
    return chosen, missing_parts(parts, there, absent if dataset is not None else None)


def _wanted(
    index: RowIndex, dataset: Dataset | None, repeats: int
) -> Iterator[tuple[str, int, str | None]]:
    if dataset is None:
        for sample_id, repeat in index.questions():
            yield sample_id, repeat, None
        return
    for sample in dataset:
        given = sample_hash(sample)
        for repeat in range(repeats):
            yield sample.id, repeat, given


def _two_answers(
    sample_id: str, repeat: int, rows: tuple[Found, Found], parts: Sequence[Part]
) -> Problem:
    first, second = (parts[row.part].folder for row in rows)
    return Problem(
        what=f'sample "{sample_id}", repeat {repeat}: {first} and {second} have different answers',
        where=Where(file=str(second / RESULTS_FILE)),
        hint="leave one of the two out, or run that shard again",
    )


def _incomplete(missing: Sequence[Missing]) -> CannotMeasure:
    what = f"the run is not whole: {shortened(missing, '; ')}"
    shard = missing[0].shard
    again = "lm-eval-so run" + (f" --shard {shard}" if shard.count > 1 else "")
    hint = f"ask it with {again}, or write what is there with --allow-partial"
    return CannotMeasure(what, hint=hint)


def _make_room(run_dir: RunDir, info: RunInfo, index: RowIndex, listener: Listener) -> None:
    """Move an earlier run aside, unless all its rows are among the merged ones."""
    earlier = read_info(run_dir.path)
    if earlier is None:
        if not (run_dir.path / RESULTS_FILE).is_file():
            return
    elif not differences(earlier, replace(info, shard=None)):
        rows = (row for _, _, row in read_rows(run_dir.path, info.fingerprint))
        if all(_is_among(row, index) for row in rows):
            return
    text = f"{run_dir.path} has answers of its own; it is kept as {run_dir.move_aside()}"
    listener(Warned(stage=STAGE, text=text))


def _is_among(row: RunResult, index: RowIndex) -> bool:
    found = index.find(row.sample_id, row.repeat, row.sample_hash)
    if not row.status.is_final:
        return bool(found)
    return any(each.answer == answer_digest(row) for each in found)
