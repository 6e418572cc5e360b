"""The command `run`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lm_eval_so.terminal.command_line import CommandLine, DryRun, command
from lm_eval_so.terminal.entry import run_app

if TYPE_CHECKING:
    from lm_eval_so.runner.engine.ray_engine import RayEngine

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

Out = Annotated[
    Path | None,
    typer.Option(
        "-o", "--out", metavar="RUN", help="Folder of the run; default: <run.out>/<backend.label>."
    ),
]
Fresh = Annotated[
    bool,
    typer.Option(
        "--fresh",
        help="Put an earlier run in that folder aside, and ask everything again, not the cache.",
    ),
]
KeepErrors = Annotated[
    bool, typer.Option("--keep-errors", help="Do not ask again what failed in an earlier run.")
]

ShardText = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Ask only part I of N, within an N-th of rates and budget; merge puts the parts together.",
    ),
]

CancelBatch = Annotated[
    bool,
    typer.Option(
        "--cancel-batch", help="Stop the batches of this run; the next run reads their answers."
    ),
]


class EngineName(StrEnum):
    """Process, or processes, that ask."""

    LOCAL = "local"
    RAY = "ray"


Engine = Annotated[
    EngineName,
    typer.Option("--engine", help="ray lets workers of a Ray cluster ask; needs the extra ray."),
]
RayAddress = Annotated[
    str,
    typer.Option(
        "--ray-address",
        metavar="CLUSTER",
        help="Of --engine ray: HOST:PORT, auto (this machine's) or local (a new one on it).",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        help="Of --engine ray; default: the processors of the cluster.",
    ),
]
ChunkSize = Annotated[
    int | None,
    typer.Option(
        "--chunk-size",
        metavar="N",
        min=1,
        help="Samples that a worker of --engine ray claims at once; default: up to 5,000.",
    ),
]
TakeOver = Annotated[
    bool,
    typer.Option(
        "--take-over",
        help="Of --engine ray: go on with a run that another machine leads, and stop that one.",
    ),
]


class CacheUse(StrEnum):
    """Use of the answers that are kept."""

    USE = "use"
    REFRESH = "refresh"


Cache = Annotated[
    CacheUse,
    typer.Option(
        "--cache", help="refresh also asks what the cache knows, and keeps the new answers."
    ),
]


@command(app)
def run(
    context: typer.Context,
    line: CommandLine,
    out: Out = None,
    fresh: Fresh = False,
    keep_errors: KeepErrors = False,
    shard: ShardText = None,
    cache: Cache = CacheUse.USE,
    cancels_batch: CancelBatch = False,
    engine: Engine = EngineName.LOCAL,
    ray_address: RayAddress = "local",
    workers: Workers = None,
    chunk_size: ChunkSize = None,
    takes_over: TakeOver = False,
    dry_run: DryRun = False,
) -> None:
    """Ask the chatbot every sample, or resume an interrupted run.

    Example: lm-eval-so run -c lm-eval-so.yaml --set run.concurrency=8
    """
    from dataclasses import asdict, replace
    from functools import partial

    from lm_eval_so.core.asking.resources import Resources
    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.runner import run as stage
    from lm_eval_so.runner.batch.executor import cancel_batch
    from lm_eval_so.runner.dry_run import plan_run
    from lm_eval_so.runner.run_problems import check as find_problems
    from lm_eval_so.runner.store.run_dir import INFO_FILE, RESULTS_FILE

    asked = stage.RunOptions(
        out=out,
        fresh=fresh,
        keep_errors=keep_errors,
        shard=stage.Shard.parse(shard) if shard is not None else None,
    )
    if engine is EngineName.LOCAL:
        _refuse_of_ray(ray_address != "local", workers, chunk_size, takes_over)
    elif not dry_run:
        asks = _ray_engine(line, address=ray_address, workers=workers, size=chunk_size)
        asked = replace(asked, engine=replace(asks, takes_over=takes_over))
    check = partial(context.obj.check, needs={"run"}) if context.obj else find_problems
    session = line.open_session(
        lambda config, environ: [
            *check(config, environ),
            *stage.share_problems(config, asked.shard),
        ]
    )
    if cancels_batch:
        states = session.run(lambda r: cancel_batch(session.config, r, asked))
        line.emit(result={"batches": [asdict(state) for state in states]})
        return
    refreshes = cache is CacheUse.REFRESH
    options: dict[str, object] = {"-o": out, "--shard": shard, "--keep-errors": keep_errors}
    if engine is EngineName.RAY:
        options |= {"--engine": "ray", "--ray-address": ray_address, "--workers": workers}
        options["--chunk-size"] = chunk_size
    # what is left of a fresh run is asked past the cache, too
    options["--cache"] = CacheUse.REFRESH.value if refreshes or fresh else None
    again = line.again("run", options)

    def told(given: Resources) -> Resources:
        return replace(given, refreshes_cache=refreshes, again=again)

    if dry_run:
        planned = session.run(lambda r: plan_run(session.config, told(r), asked)).facts()
        if context.obj:
            listener = session.resources().listener
            planned |= context.obj.plan(session.config, listener, as_json=line.as_json)
        line.emit_facts(planned)
        return
    found = session.run(lambda r: stage.run(session.config, told(r), asked))
    folder = asked.folder(session.config)
    line.emit(paths=[folder / RESULTS_FILE, folder / INFO_FILE], result=to_json(found))


def _refuse_of_ray(*given: object) -> None:
    """Refuse options of the engine `ray` where they would do nothing.

    Raises:
        UsageError: If one is given.
    """
    from lm_eval_so.errors import UsageError

    names = ("--ray-address", "--workers", "--chunk-size", "--take-over")
    if found := [name for name, value in zip(names, given, strict=True) if value]:
        hint = "add --engine ray, or leave them out"
        raise UsageError(f"only --engine ray takes {', '.join(found)}", hint=hint)


def _ray_engine(
    line: CommandLine, *, address: str, workers: int | None, size: int | None
) -> "RayEngine":
    """Make the engine `ray`, which alone loads Ray.

    Raises:
        UsageError: If Ray is not installed.
    """
    from lm_eval_so.errors import UsageError
    from lm_eval_so.runner.engine.assignment import Origin

    try:
        from lm_eval_so.runner.engine.ray_engine import RayEngine
    except ImportError:
        hint = 'pip install "LM-Eval-SO[ray]", on all machines'
        raise UsageError("--engine ray needs Ray", hint=hint) from None
    origin = Origin(
        config=line.config.absolute(),
        overrides=line.config_overrides,
        plugins=tuple(file.absolute() for file in line.plugins or ()),
    )
    return RayEngine(origin=origin, address=address, workers=workers, chunk_size=size)


def main() -> None:
    """Run the stage's own command line and exit."""
    run_app(app)
