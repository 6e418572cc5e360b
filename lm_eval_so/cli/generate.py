"""The command `generate`."""

from pathlib import Path
from typing import Annotated

import typer

from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.terminal.entry import run_app
from lm_eval_so.terminal.options import (
    Color,
    ConfigFile,
    DryRun,
    Json,
    Overrides,
    Plugins,
    Quiet,
    ReportLanguage,
    Verbose,
)

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


@app.command()
def generate(
    context: typer.Context,
    config: ConfigFile = CONFIG_FILE,
    out: Out = None,
    check: Check = False,
    dry_run: DryRun = False,
    overrides: Overrides = None,
    plugins: Plugins = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,  # noqa: ARG001 - read by the entry
    color: Color = "auto",
    language: ReportLanguage = None,
) -> int:
    """Make the dataset from the sources of the config.

    Example: lm-eval-so generate -c lm-eval-so.yaml
    """
    from functools import partial

    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.errors import ExitCode
    from lm_eval_so.generator import generate as stage
    from lm_eval_so.terminal.emit import emit, emit_facts
    from lm_eval_so.terminal.session import open_session

    session = open_session(
        config,
        overrides=overrides,
        plugins=plugins,
        language=language,
        quiet=quiet,
        color=color,
        check=partial(context.obj, needs={"generate"})
        if context.obj
        else lambda found, _: stage.check(found),
    )
    resources = session.resources()
    if check:
        stale = stage.stale(session.config, resources, out=out)
        emit(session.stdout, result={"stale": list(stale)}, as_json=as_json)
        for line in stale:
            typer.echo(f"stale: {line}", err=True)
        return ExitCode.FAILED_CHECK if stale else ExitCode.DONE
    if dry_run:
        found = stage.preview(session.config, resources)
        emit_facts(session.stdout, to_json(found), as_json=as_json)
        return ExitCode.DONE
    made = stage.generate(session.config, resources, out=out)
    session.progress.close()
    emit(session.stdout, paths=made.files, result=to_json(made.info), as_json=as_json)
    return ExitCode.DONE


def main() -> None:
    """Run the stage's own command line and exit."""
    run_app(app)
