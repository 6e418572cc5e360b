"""Jobs of a matrix that measure together: which shard a job asks, and where the shards of others are."""

from collections.abc import Iterator
from dataclasses import replace

from lm_eval_so.action.inputs import Inputs
from lm_eval_so.action.outputs import Outputs
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Noticed
from lm_eval_so.core.files import leads_out
from lm_eval_so.core.records.enums import RunStatus, Verdict
from lm_eval_so.core.words import counted
from lm_eval_so.errors import Problem, UsageError, Where
from lm_eval_so.pipeline.github.baseline_place import is_brought
from lm_eval_so.pipeline.github.step_outputs import write_last
from lm_eval_so.pipeline.github.surroundings import Surroundings
from lm_eval_so.pipeline.measure.answers import ask_shard
from lm_eval_so.pipeline.measure.plan import AskedPart, Plan
from lm_eval_so.runner.run import Shard, share_problems
from lm_eval_so.runner.store.run_dir import INFO_FILE, RESULTS_FILE


def asked_part(inputs: Inputs | None) -> AskedPart:
    """Return the part of the answers that a step asks itself.

    Args:
        inputs: Inputs of the step; None outside GitHub.

    Raises:
        UsageError: If the pattern of the shards is none.
    """
    matrix = inputs.matrix if inputs else None
    if matrix is None or (matrix.shard is None and matrix.glob is None):
        return AskedPart()
    if matrix.shard is not None:
        return AskedPart(shard=Shard.parse(matrix.shard))
    try:
        found = [
            path for path in matrix.root.glob(matrix.glob or "") if (path / INFO_FILE).is_file()
        ]
    except ValueError as error:
        hint = "write it as shards/*/run"
        raise UsageError(f'input merge_glob: "{matrix.glob}": {error}', hint=hint) from None
    return AskedPart(folders=tuple(sorted(found)))


def matrix_problems(config: Config, around: Surroundings) -> Iterator[Problem]:
    """Find what keeps a step from asking a shard, or from taking those of other jobs.

    Args:
        config: The config.
        around: The surroundings.
    """
    part = asked_part(around.inputs)
    yield from stop_problems(config, part)
    for folder in part.folders or ():
        files = [folder / name for name in (INFO_FILE, RESULTS_FILE)]
        where = Where(file=str(folder))
        if any(leads_out(file, around.workspace) for file in files):
            hint = "remove the link"
            yield Problem(what=f"{folder} leads out of the workspace", where=where, hint=hint)
        elif is_brought(files[0], around.activity, cwd=config.folder):
            what = f"{folder} is a file of the commit, and no shard that a job of this run asked"
            hint = "take it out of the commit, or choose another merge_glob"
            yield Problem(what=what, where=where, hint=hint)


def stop_problems(config: Config, part: AskedPart) -> Iterator[Problem]:
    """Find what jobs that know nothing of each other cannot: ask in rounds, or share too small a limit.

    Args:
        config: The config, by whose gate it is decided.
        part: Part of the answers that the step asks itself.
    """
    if config.gate.stop != "never" and (part.shard is not None or part.folders is not None):
        what = "gate.stop asks in rounds, and the jobs of shards know nothing of each other"
        hint = "write stop: never, or ask without shards"
        yield Problem(what=what, where=config.where("gate", "stop"), hint=hint)
    yield from share_problems(config, part.shard)


async def ask_and_tell(config: Config, resources: Resources, plan: Plan) -> None:
    """Ask the shard of a plan, and write the outputs: the verdict is made where the shards are merged.

    Args:
        config: The config.
        resources: Environment, listener and stop.
        plan: The plan.

    Raises:
        LMEvalError: As `ask_shard`.
    """
    info = await ask_shard(config, resources, plan)
    lost = sum(n for status, n in info.counts.items() if not RunStatus(status).is_final)
    text = f"shard {info.shard}: {counted(sum(info.counts.values()), 'row')}; command: merge makes"
    resources.listener(Noticed(stage="ci", text=f"{text} the verdict"))
    outputs = Outputs(verdict=Verdict.SKIPPED, passed=True, error_count=lost)
    write_last(resources, replace(outputs, cost_usd=info.cost_usd))
