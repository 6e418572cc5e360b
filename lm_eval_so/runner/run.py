"""The stage `run`: asks the chatbot every sample, and goes on with what was begun."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import JsonValue

from lm_eval_so.core.asking.open import open_asker, section_path
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.backends.build import build_backend, sent_params
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.dataset import Dataset, load_dataset
from lm_eval_so.core.events import Ended, Listener, Warned
from lm_eval_so.core.records.codec import to_json
from lm_eval_so.core.records.record import record
from lm_eval_so.core.records.run import RunInfo
from lm_eval_so.errors import (
    BackendError,
    InputError,
    Interrupted,
    LMEvalError,
    NothingToDo,
    Problem,
    TooManyErrors,
)
from lm_eval_so.runner.asking import Questioning
from lm_eval_so.runner.identity import backend_section, differences, head
from lm_eval_so.runner.places import Places
from lm_eval_so.runner.plan import LEFT_OUT, Asking, jobs, plan_rows
from lm_eval_so.runner.recorder import STAGE, Recorder
from lm_eval_so.runner.store import (
    INFO_FILE,
    RESULTS_FILE,
    RunDir,
    read_info,
    read_rows,
)
from lm_eval_so.runner.tally import Tally

__all__ = ["INFO_FILE", "RESULTS_FILE", "RunPlan", "check", "plan_run", "run", "run_folder"]

_MOST_FAILURES = 0.20


@record
class RunPlan:
    """What a run would do."""

    folder: str
    """Where its files would be."""
    planned: int
    """Rows that the run should have."""
    done: int
    """Rows that are there from an earlier run."""
    to_ask: int
    first_request: Mapping[str, JsonValue] | None
    """The first request that would be sent, without secrets; null if there is none."""


async def run(
    config: Config,
    resources: Resources,
    *,
    out: Path | None = None,
    fresh: bool = False,
    keep_errors: bool = False,
) -> RunInfo:
    """Ask every sample that has no answer yet.

    Args:
        config: The config.
        resources: Environment, listener, stop event, redactor.
        out: Folder of the run; default: that of the config.
        fresh: Put an earlier run in that folder aside.
        keep_errors: Do not ask again what failed in an earlier run.

    Raises:
        InputError: If config, dataset or folder cannot be used.
        BackendError: If the chatbot cannot be reached or refuses the credentials.
        CannotMeasure: If the quota is used up, or over a fifth of the rows has no answer; all
            rows are written by then.
        Interrupted: If `resources.stop` was set; what came back is written.
    """
    section = backend_section(config)
    dataset = _dataset(config)
    folder = out or run_folder(config)
    async with open_asker(section, config=config, resources=resources) as asker:
        backend = asker.backend
        keys = plan_rows(dataset, repeats=config.run.repeats, skips=backend.skips)
        planned = _count(keys)
        start = head(config, backend, dataset.ref, planned=planned, resources=resources)
        run_dir = open_run(folder, start, fresh=fresh, listener=resources.listener)
        try:
            done, tally = _find_done(folder, start.fingerprint, keys, keep_errors=keep_errors)
            begun = read_info(folder) or start  # what goes on keeps the time at which it began
            start = replace(start, started_at=begun.started_at)
            recorder = Recorder(run_dir, start, tally, done, asker=asker, resources=resources)
            recorder.begin()
            asking = Questioning(
                asker, recorder, workers=config.run.concurrency, drain_s=config.run.drain_s
            )
            todo = jobs(dataset, keys, done, _asking(config, backend))
            failure = await asking.ask_all(todo, resources.stop)
            if tally.rows == planned:
                run_dir.rewrite(_in_order(keys, done))
            return _end(recorder, failure, planned=planned, folder=folder, config=config)
        finally:
            run_dir.close()


def check(config: Config, environ: Mapping[str, str]) -> list[Problem]:
    """Find what would keep `run` from starting; nothing is opened or sent."""
    problems: list[Problem] = []
    try:
        section = backend_section(config)
        at = section_path(section, config)
        build_backend(section, config=config, where_path=at, environ=environ)
    except InputError as error:
        problems += error.problems
    path = config.resolve(config.dataset.path)
    if config.generator is None and not path.exists():
        try:
            load_dataset(path)
        except InputError as error:
            problems += error.problems
    return problems


async def plan_run(
    config: Config,
    resources: Resources,
    *,
    out: Path | None = None,
    fresh: bool = False,
    keep_errors: bool = False,
) -> RunPlan:
    """Tell what `run` would do; nothing is sent or written. Arguments and errors as there."""
    section = backend_section(config)
    dataset = _dataset(config)
    folder = out or run_folder(config)
    at = section_path(section, config)
    backend = build_backend(section, config=config, where_path=at, environ=resources.environ)
    keys = plan_rows(dataset, repeats=config.run.repeats, skips=backend.skips)
    planned = _count(keys)
    start = head(config, backend, dataset.ref, planned=planned, resources=resources)
    earlier = None if fresh else read_info(folder)
    done, tally = Places(()), Tally()
    if earlier is not None and not differences(earlier, start):
        done, tally = _find_done(folder, start.fingerprint, keys, keep_errors=keep_errors)
    first = next(jobs(dataset, keys, done, _asking(config, backend)), None)
    request = None
    if first is not None:
        sent = to_json(first.request)
        shown = {key: sent[key] for key in ("system", "messages", "params", "seed")}
        request = resources.redactor.redact_json(shown)
    return RunPlan(
        folder=folder.as_posix(),
        planned=planned,
        done=tally.rows,
        to_ask=planned - tally.rows,
        first_request=request,
    )


def run_folder(config: Config) -> Path:
    """Give the folder of the config's run: `<run.out>/<backend.label>`."""
    return config.resolve(config.run.out) / backend_section(config).run_label


def open_run(folder: Path, start: RunInfo, *, fresh: bool, listener: Listener) -> RunDir:
    """Hold a run's folder; put an earlier run aside that is not the same, or not wanted.

    Raises:
        InputError: If another process writes there, or it cannot be written to.
    """
    run_dir = RunDir.open(folder)
    try:
        if fresh:
            if any((folder / name).is_file() for name in (INFO_FILE, RESULTS_FILE)):
                run_dir.move_aside()
            return run_dir
        earlier = read_info(folder)
        unlike = differences(earlier, start) if earlier else ()
        why = None
        if unlike:
            why = f"was made with another configuration ({', '.join(unlike)})"
        elif earlier is None and (folder / RESULTS_FILE).is_file():
            why = f"has answers but no {INFO_FILE}"
        if why:
            text = f"{folder} {why}; it is kept as {run_dir.move_aside()}"
            listener(Warned(stage=STAGE, text=text))
    except BaseException:
        run_dir.close()
        raise
    return run_dir


def _end(
    recorder: Recorder, failure: LMEvalError | None, *, planned: int, folder: Path, config: Config
) -> RunInfo:
    """Write how the run ended, tell it, and raise what must be raised."""
    tally = recorder.tally
    again = f"lm-eval-so run -c {config.located.file or 'lm-eval-so.yaml'}"
    if tally.rows < planned:
        so_far = f"{tally.rows:,} of {planned:,} rows are in {folder}"
        if failure is None or isinstance(failure, Interrupted):
            recorder.end(recorder.info("interrupted"))
            raise Interrupted(f"interrupted: {so_far}", hint=f"go on with {again}")
        by = failure.kind if isinstance(failure, BackendError) else type(failure).__name__
        recorder.end(recorder.info("stopped", stopped={"by": str(by)}))
        recorder.tell(Ended(stage=STAGE, text=f"stopped: {so_far}"))
        raise failure
    info = recorder.end(recorder.info("complete"))
    recorder.tell(Ended(stage=STAGE, text=f"{tally.rows:,} rows: {tally.text()}"))
    what = f"{tally.failures:,} of {tally.rows:,} rows have no answer"
    if tally.failures > _MOST_FAILURES * tally.rows:
        hint = f"see error in {folder / RESULTS_FILE}; {again} asks only those again"
        raise TooManyErrors(f"could not measure: {what} ({tally.failures_text()})", hint=hint)
    if tally.failures:
        recorder.tell(
            Warned(
                stage=STAGE,
                text=f"{what} ({tally.failures_text()})",
                hint=f"{again} asks only those again",
            )
        )
    return info


def _dataset(config: Config) -> Dataset:
    told = config.dataset
    return load_dataset(
        config.resolve(told.path), name=told.name, version=told.version, shown_as=told.path
    )


def _asking(config: Config, backend: ChatBackend) -> Asking:
    return Asking(
        params=sent_params(backend),
        system=config.system,
        seed=config.run.seed,
        repeats=config.run.repeats,
    )


def _count(keys: Sequence[int]) -> int:
    planned = sum(key != LEFT_OUT for key in keys)
    if planned == 0:
        hint = "look at backend.options"
        raise NothingToDo("no sample of the dataset has a recorded answer", hint=hint)
    return planned


def _find_done(
    folder: Path, fingerprint: str, keys: Sequence[int], *, keep_errors: bool
) -> tuple[Places, Tally]:
    """Give the places of rows that need not be asked again, and their sums; the last row counts."""
    done, tally = Places(key for key in keys if key != LEFT_OUT), Tally()
    for key, offset, _ in read_rows(folder, fingerprint):
        done.put(key, offset)
    for key, offset, row in read_rows(folder, fingerprint):
        if done.get(key) != offset:
            continue
        if row.status.is_final or keep_errors:
            tally.add(row)
        else:
            done.drop(key)
    return done, tally


def _in_order(keys: Sequence[int], places: Places) -> Iterator[int]:
    offsets = (places.get(key) for key in keys if key != LEFT_OUT)
    return (offset for offset in offsets if offset is not None)
