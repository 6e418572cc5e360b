"""The parts of a run: read and compared, their missing rows, and the common run.json."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import JsonValue

from lm_eval_so.core.dataset import SAMPLES_FILE, Dataset
from lm_eval_so.core.records.run import DatasetRef, RunInfo
from lm_eval_so.errors import Problem, RecordError, Where
from lm_eval_so.runner.plan.selection import Shard
from lm_eval_so.runner.store.fingerprint import differences
from lm_eval_so.runner.store.run_dir import INFO_FILE, read_info
from lm_eval_so.runner.store.totals import Tally

_MOST_NAMED = 10
_WHOLE = "1/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One folder that goes into a whole run."""

    folder: Path
    info: RunInfo
    shard: Shard


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Missing rows of a shard."""

    shard: Shard
    there: int
    planned: int | None
    """Rows that it should have; None if there is no such part at all."""
    names: tuple[str, ...]
    """Names of the missing rows, as far as they are known."""

    def __str__(self) -> str:
        what = f"shard {self.shard}" if self.shard.count > 1 else "the run"
        text = f"{what} has {self.there:,} of {self.planned or 0:,} rows"
        if self.planned is None:
            return f"{what} is missing"
        return f"{text} (without {shortened(self.names)})" if self.names else text


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
        limits=(),
        shard=None,
        stopped=stopped if missing else None,
        versions=_versions(infos),
        started_at=min(info.started_at for info in infos),
        resumed_at=None,
        finished_at=max((i.finished_at for i in infos if i.finished_at), default=None),
        checkout=None,
        judged_at=None,
        put_aside_at=None,
    )


def shortened(items: Sequence[object], between: str = ", ") -> str:
    """Return the first ten in words, and how many more there are."""
    more = len(items) - _MOST_NAMED
    text = between.join(map(str, items[:_MOST_NAMED]))
    return f"{text} and {more:,} more" if more > 0 else text


def _unlike(first: Part, other: Part) -> Iterator[Problem]:
    """Say why two folders cannot be parts of one run."""
    one, two = first.info, other.info
    found = list(differences(one, replace(two, shard=one.shard)))
    if one.dataset.digest != two.dataset.digest:
        found.append(f"another dataset: digest {one.dataset.digest[:8]} → {two.dataset.digest[:8]}")
    if one.repeats != two.repeats:
        found.append(f"repeats {one.repeats} → {two.repeats}")
    if first.shard.count != other.shard.count:
        found.append(f"shards of {first.shard.count} → of {other.shard.count}")
    if found:
        what = f"{other.folder} is no part of the same run as {first.folder} ({', '.join(found)})"
        hint = "merge shards that were asked with one config and one dataset"
        yield Problem(what=what, where=Where(file=str(other.folder / INFO_FILE)), hint=hint)


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
