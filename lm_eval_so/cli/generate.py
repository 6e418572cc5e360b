"""The command `generate`."""

from pathlib import Path
from typing import Annotated

import typer

from lm_eval_so.terminal.command_line import CommandLine, DryRun, MaxRequests, command

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

Out = Annotated[
    Path | None,
    typer.Option(
        "-o", "--out", metavar="DIR", help="Folder of the dataset; default: dataset.path."
    ),
]
Check = Annotated[
    bool, typer.Option("--check", help="Which tests no longer fit their sources? Exit 1 if any.")
]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Replace samples that were edited by hand; the edited file is kept."
    ),
]
Keep = Annotated[
    bool,
    typer.Option(
        "--keep-edits", help="Keep manual edits of imported samples, as a review in review.jsonl."
    ),
]
Try = Annotated[
    int | None,
    typer.Option(
        "--try", min=1, metavar="N", help="Show N tests written by the model and the price of all."
    ),
]
Update = Annotated[
    bool,
    typer.Option(
        "--update",
        help="Renew the tests whose documents changed, by the model; without one they are listed.",
    ),
]
Offline = Annotated[
    bool, typer.Option("--offline", help="Use only the cache; exit 3 if it lacks an answer.")
]
MaxCost = Annotated[
    float | None,
    typer.Option(
        "--max-cost-usd", metavar="X", min=0, help="Most US dollars; default: run.max_cost_usd."
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Exit 3 if fewer tests were written than wanted; with --check, what is around a quote counts, too.",
    ),
]


@command(app)
def generate(
    line: CommandLine,
    out: Out = None,
    check: Check = False,
    force: Force = False,
    keep_edits: Keep = False,
    tests: Try = None,
    update: Update = False,
    offline: Offline = False,
    max_requests: MaxRequests = None,
    max_cost_usd: MaxCost = None,
    strict: Strict = False,
    dry_run: DryRun = False,
) -> int | None:
    """Make the dataset from the sources of the config.

    Tests that the config wants from documents are written if they are missing.

    Example: lm-eval-so generate -c lm-eval-so.yaml
    """
    from functools import partial

    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.errors import ExitCode
    from lm_eval_so.generator import generate as stage
    from lm_eval_so.generator.dataset.tried import show
    from lm_eval_so.generator.staleness.find_stale import find_stale
    from lm_eval_so.generator.staleness.screen import screen
    from lm_eval_so.generator.staleness.update_tests import update_tests
    from lm_eval_so.pipeline.check import check as find_problems

    session = _within(line, max_requests=max_requests, max_cost_usd=max_cost_usd).open_session(
        partial(find_problems, needs={"generate"})
    )
    config = session.config
    _refuse_several(tests is not None, check, update)
    edits = stage.Edits.asked(force=force, keep=keep_edits)
    if tests is not None:
        tried = session.run(
            lambda resources: stage.try_out(config, resources, tests, offline=offline)
        )
        if line.as_json:
            line.emit(result=to_json(tried))
        else:
            line.emit_text(show(tried, config.language))
        return None
    is_listed = update and (dry_run or not stage.has_model(config))
    if check or is_listed:
        found = find_stale(config, session.resources().listener, out=out)
        session.progress.close()
        if line.as_json:
            line.emit(result=session.redactor.redact_json(to_json(found)))
        else:
            line.emit_text(
                session.redactor.redact(
                    screen(found, config.language, has_model=stage.has_model(config))
                )
            )
        return ExitCode.FAILED_CHECK if check and found.fails(strict=strict) else None
    if update:
        updated = session.run(
            lambda resources: update_tests(config, resources, out=out, edits=edits, offline=offline)
        )
        line.emit(
            paths=updated.generated.files,
            result={**to_json(updated.generated.info), "renewed": dict(updated.counts)},
        )
        return None
    if dry_run:
        info = stage.preview(config, session.resources(), out=out, edits=edits)
        line.emit_facts(to_json(info))
        return None
    if stage.has_model(config):
        made = session.run(
            lambda resources: stage.generate_with_model(
                config, resources, out=out, edits=edits, offline=offline
            )
        )
    else:
        made = stage.generate(config, session.resources(), out=out, edits=edits)
        session.progress.close()
    line.emit(paths=made.files, result=to_json(made.info))
    return ExitCode.CANNOT_MEASURE if strict and made.is_short else None


def _within(line: CommandLine, **budget: float | None) -> CommandLine:
    """Return the options with a budget over that of the config."""
    from dataclasses import replace

    limits = [f"run.{key}={most}" for key, most in budget.items() if most is not None]
    return replace(line, overrides=[*(line.overrides or ()), *limits])


def _refuse_several(*asked: bool) -> None:
    from lm_eval_so.errors import UsageError

    if sum(asked) > 1:
        raise UsageError("--try, --check and --update do different things: give one")
