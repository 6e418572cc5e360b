"""The command `merge`: parts of a run that were asked apart become one run.

Memory does not grow with the rows: their places are kept in a file, and of those that count, 18
bytes each.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from lm_eval_so.core.dataset import Dataset
from lm_eval_so.core.events import Ended, Listener, Noticed, Warned, ignore
from lm_eval_so.core.hashing import sample_hash
from lm_eval_so.core.records.run import RunInfo, RunResult
from lm_eval_so.core.words import counted
from lm_eval_so.errors import CannotMeasure, Problem, RecordError, UsageError, Where
from lm_eval_so.runner.merge.parts import (
    Missing,
    Part,
    find_dataset,
    merged_info,
    missing_parts,
    read_parts,
    shortened,
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

STAGE = "merge"

_MOST_PROBLEMS = 50


def merge(
    folders: Sequence[Path],
    *,
    out: Path | None = None,
    allow_partial: bool = False,
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
        listener: Gets notices and warnings.

    Raises:
        InputError: If the folders are no parts of one run, or hold different answers to one
            question, or `out` cannot be written to.
        CannotMeasure: If rows are missing; names them.
    """
    parts = read_parts(folders)
    out = out or merged_folder(folders)
    if any(out.resolve() == part.folder.resolve() for part in parts):
        hint = "choose another folder with -o"
        raise UsageError(f"{out} is one of the parts that are to be merged", hint=hint)
    dataset = find_dataset(parts)
    if dataset is None:
        text = f"the dataset ({parts[0].info.dataset.path}) is not here or has changed"
        text += "; rows stand by shard, not in its order"
        listener(Noticed(stage=STAGE, text=text))
    with RowIndex.open() as index:
        for number, part in enumerate(parts):
            index.add(number, ((at, row) for _, at, row in _rows(part)))
        index.ready()
        chosen, missing = _choose(index, parts, dataset)
        if chosen.problems:
            raise RecordError.of(chosen.problems[:_MOST_PROBLEMS])
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
        InputError: If the first is no folder of a run.
    """
    part = read_parts(folders[:1])[0]
    return part.folder.parent / part.info.backend.label


def _rows(part: Part) -> Iterator[tuple[int, int, RunResult]]:
    shard = f" --shard {part.info.shard}" if part.info.shard else ""
    return read_rows(part.folder, part.info.fingerprint, again=f"lm-eval-so run{shard}")


def _choose(
    index: RowIndex, parts: Sequence[Part], dataset: Dataset | None
) -> tuple[Chosen, list[Missing]]:
    """Choose the rows of the dataset's samples; without a dataset, of all samples that were found."""
    chosen, info = Chosen(), parts[0].info
    count = parts[0].shard.count
    there = dict.fromkeys(range(1, count + 1), 0)
    absent: dict[int, list[str]] = {number: [] for number in there}
    for sample_id, repeat, given in _wanted(index, dataset, info.repeats):
        shard = Shard.of(sample_id, count)
        rows = index.find(sample_id, repeat, given)
        row = choose(rows)
        if row is None:
            name = f"{sample_id}, repeat {repeat}" if info.repeats > 1 else sample_id
            absent[shard.number].append(name)
            continue
        there[shard.number] += 1
        chosen.add(sample_id, repeat, row)
        if clash := disagreeing(rows):
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
    """Put an earlier run aside, unless every row of it is among those that are merged."""
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
