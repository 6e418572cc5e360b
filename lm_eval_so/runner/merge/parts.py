"""The parts of a run: folders that belong together, their rows, and whether their totals are right."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lm_eval_so.core.files import cannot_read
from lm_eval_so.core.records.run import RunInfo, RunResult
from lm_eval_so.core.words import counted
from lm_eval_so.errors import Problem, RecordError, Where
from lm_eval_so.runner.merge.row_index import read_line
from lm_eval_so.runner.plan.selection import Shard
from lm_eval_so.runner.store.fingerprint import differences
from lm_eval_so.runner.store.run_dir import INFO_FILE, RESULTS_FILE, read_info, read_rows
from lm_eval_so.runner.store.totals import Tally
from lm_eval_so.runner.store.worker_rows import add_left_parts

_WHOLE = "1/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One folder that goes into a whole run."""

    folder: Path
    info: RunInfo
    shard: Shard


def add_workers_rows(folders: Sequence[Path]) -> Iterator[str]:
    """Yield what was added to runs whose leaders were killed, for people; errors as of `add_left_parts`."""
    for folder in folders:
        if added := add_left_parts(folder):
            yield f"{counted(added, 'row')} of workers that have ended are added to {folder}"


def read_parts(folders: Sequence[Path]) -> list[Part]:
    """Read the heads of the parts, each folder once, by shard, then by when they began.

    Raises:
        InputError: If folders hold no run, or another one; lists them all.
    """
    parts, problems = list[Part](), list[Problem]()
    for folder in {folder.resolve(): folder for folder in folders}.values():
        try:
            info = read_info(folder)
        except RecordError as error:
            problems += error.problems
            continue
        if info is None:
            where, hint = Where(file=str(folder / INFO_FILE)), "give folders that run has written"
            problems.append(Problem(what=f"no run at {folder}", where=where, hint=hint))
            continue
        parts.append(Part(folder=folder, info=info, shard=Shard.parse(info.shard or _WHOLE)))
    problems += (problem for part in parts[1:] for problem in _unlike(parts[0], part))
    if problems:
        raise RecordError.of(problems)
    return sorted(parts, key=lambda part: (part.shard.number, part.info.started_at))


def unlike(one: RunInfo, two: RunInfo) -> list[str]:
    """Return what keeps two runs from being parts of one, in words."""
    found = list(differences(one, replace(two, shard=one.shard)))
    if one.dataset.digest != two.dataset.digest:
        found.append(f"another dataset: digest {one.dataset.digest[:8]} → {two.dataset.digest[:8]}")
    if one.repeats != two.repeats:
        found.append(f"repeats {one.repeats} → {two.repeats}")
    return found


def _unlike(first: Part, other: Part) -> Iterator[Problem]:
    """Say why two folders cannot be parts of one run."""
    found = unlike(first.info, other.info)
    if first.shard.count != other.shard.count:
        found.append(f"shards of {first.shard.count} → of {other.shard.count}")
    if found:
        what = f"{other.folder} is no part of the same run as {first.folder} ({', '.join(found)})"
        hint = "merge shards that were asked with one config, one dataset and one N of --shard I/N"
        yield Problem(what=what, where=Where(file=str(other.folder / INFO_FILE)), hint=hint)


def rows_of(part: Part) -> Iterator[tuple[int, int, RunResult]]:
    """Yield key, byte offset and row of every row of a part; errors as of `read_rows`."""
    shard = f" --shard {part.info.shard}" if part.info.shard else ""
    return read_rows(part.folder, part.info.fingerprint, again=f"lm-eval-so run{shard}")


def wrong_totals(part: Part, offsets: Iterable[int]) -> Iterator[Problem]:
    """Count the rows of a part again, and find totals of its `run.json` that they do not add up to.

    Args:
        part: The part. One that is not complete has no totals yet, so nothing is found.
        offsets: Byte offsets of the rows that count, in any order.

    Raises:
        InputError: If its rows cannot be read.
    """
    info, file, tally = part.info, part.folder / RESULTS_FILE, Tally()
    if info.state != "complete":
        return
    try:
        with file.open("rb") as lines:
            for offset in offsets:
                tally.add(read_line(lines, offset)[0])
    except OSError as error:
        raise cannot_read(file, error) from None
    told = {
        "counts": (dict(info.counts), tally.counts),
        "usage": (info.usage, tally.usage),
        "cost_usd": (info.cost_usd, tally.cost_usd),
        "unpriced": (info.unpriced, tally.unpriced),
        "planned": (info.planned, tally.rows),
    }
    if wrong := [name for name, (said, found) in told.items() if said != found]:
        what = f"{part.folder}: {', '.join(wrong)} of {INFO_FILE} are not those of its rows"
        hint = (
            "its rows were changed after it ended: run that shard again, or merge without --recount"
        )
        yield Problem(what=what, where=Where(file=str(part.folder / INFO_FILE)), hint=hint)
