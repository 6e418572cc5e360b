"""Shards that jobs of a matrix asked for one verdict, put together in the place of asking."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.build import make_backend, section_path
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.run import RunInfo
from lm_eval_so.errors import CannotMeasure, Problem, RecordError, TooManyErrors, Where
from lm_eval_so.runner.finish import MOST_FAILURES
from lm_eval_so.runner.merge.merge import Part, merge, read_parts, unlike
from lm_eval_so.runner.plan.selection import Shard, backend_section, select
from lm_eval_so.runner.store.fingerprint import new_run
from lm_eval_so.runner.store.for_verdict import (
    ForVerdict,
    begun_late,
    is_recent,
    why_other_checkout,
)
from lm_eval_so.runner.store.run_dir import INFO_FILE, RunDir, read_rows
from lm_eval_so.runner.store.totals import Tally

_SAME = "give the jobs of the shards and this one the same commit, config and inputs"
_ALL_AGAIN = "run all jobs of the workflow again: what answers may have changed since"


def take_shards(
    config: Config,
    resources: Resources,
    folders: Sequence[Path],
    *,
    out: Path,
    verdict: ForVerdict,
) -> RunInfo:
    """Make one run of shards, as if it had been asked here for a verdict.

    Args:
        config: The config as it would be asked here; the chatbot's key is not needed.
        resources: Environment and listener.
        folders: Folders of the shards' runs.
        out: Folder of the whole run.
        verdict: Purpose of the answers.

    Returns:
        `run.json` of the whole; rows are missing only where a shard's budget ended.

    Raises:
        InputError: If shards were asked with another config, dataset or commit, not by `ci`, or
            disagree.
        CannotMeasure: If a shard or its rows are missing, if all answers are older than an hour, or
            lie over an hour apart, or if over a fifth of the rows has no answer.
    """
    if not folders:
        hint = "let a step before it download the artifacts of the shards"
        raise CannotMeasure("no shard is there", hint=hint)
    parts, start = read_parts(folders), _start(config, resources)
    if strangers := [each for part in parts for each in _strangers(part, start, verdict)]:
        raise RecordError.of(strangers)
    if late := begun_late([part.info for part in parts]):
        what = f"shard {late.shard} was asked over an hour after the others"
        raise CannotMeasure(what, hint=_ALL_AGAIN)
    try:
        info = merge(
            folders, out=out, allow_partial=_may_lack_rows(parts), listener=resources.listener
        )
    except CannotMeasure as error:
        hint = "look at the job of that shard, and run all jobs of the workflow again"
        raise CannotMeasure(error.problems[0].what, hint=hint) from None
    stops = (part.info.stopped for part in parts if part.info.spent)
    stopped = next(stops, None) if info.stopped else None
    info = replace(info, checkout=verdict.checkout, stopped=stopped)
    with closing(RunDir.open(out)) as run_dir:
        run_dir.write_info(info)
    tally = Tally()
    for _, _, row in read_rows(out, info.fingerprint):
        tally.add(row)
    # as if all had been asked here: judges may spend what is left
    resources.budget.add(tally.spent_usd, requests=tally.attempts, by=str(out.absolute()))
    _refuse_failures(tally)
    if not is_recent(out, start):
        raise CannotMeasure("the shards have no answer of the last hour", hint=_ALL_AGAIN)
    return info


def _start(config: Config, resources: Resources) -> RunInfo:
    """Return `run.json` as the whole run would begin here."""
    section = backend_section(config)
    at = section_path(section, config)
    backend = make_backend(section, config=config, where_path=at, environ=resources.environ)
    return new_run(config, backend, select(config), resources).head


def _strangers(part: Part, start: RunInfo, verdict: ForVerdict) -> Iterator[Problem]:
    """Say why a shard was not asked for this verdict."""
    found = [*unlike(part.info, start), *why_other_checkout(part.info, verdict.checkout)]
    if found:
        what = f"{part.folder} is no shard of this run: {'; '.join(found)}"
        yield Problem(what=what, where=Where(file=str(part.folder / INFO_FILE)), hint=_SAME)


def _may_lack_rows(parts: Sequence[Part]) -> bool:
    """Return whether rows may be missing: where each shard is there, whole or ended by its budget."""
    count = parts[0].shard.count
    for number in range(1, count + 1):
        own = [part for part in parts if part.shard == Shard(number=number, count=count)]
        if not any(part.info.spent or part.info.state == "complete" for part in own):
            return False
    return any(part.info.spent for part in parts)


def _refuse_failures(tally: Tally) -> None:
    if tally.failures > MOST_FAILURES * tally.rows:
        hint = "the logs of the shards' jobs say why"
        raise TooManyErrors(f"could not measure: {tally.failures_text()}", hint=hint)
