"""The command `generate`."""

from pathlib import Path
from typing import Annotated

import typer

from lm_eval_so.terminal.command_line import CommandLine, DryRun, command

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

Out = Annotated[
    Path | None,
    typer.Option(
        "-o", "--out", metavar="DIR", help="Folder of the dataset; default: dataset.path."
    ),
]
Check = Annotated[
    bool, typer.Option("--check", help="Is the dataset still what the sources give? Exit 1 if not.")
]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Replace samples that were edited by hand; the edited file is kept."
    ),
]


@command(app)
def generate(
    line: CommandLine,
    out: Out = None,
    check: Check = False,
    force: Force = False,
    dry_run: DryRun = False,
) -> int | None:
    """Make the dataset from the sources of the config.

    Example: lm-eval-so generate -c lm-eval-so.yaml
    """
    from functools import partial

    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.errors import ExitCode
    from lm_eval_so.generator import generate as stage
    from lm_eval_so.pipeline.check import check as find_problems

    session = line.open_session(partial(find_problems, needs={"generate"}))
    resources = session.resources()
    if check:
        stale = stage.stale(session.config, resources, out=out)
        line.emit(result={"stale": list(stale)})
        for each in stale:
            typer.echo(f"stale: {each}", err=True)
        return ExitCode.FAILED_CHECK if stale else None
    if dry_run:
        line.emit_facts(to_json(stage.preview(session.config, resources, out=out, force=force)))
        return None
    made = stage.generate(session.config, resources, out=out, force=force)
    session.progress.close()
    line.emit(paths=made.files, result=to_json(made.info))
    return None
