"""The command `run`."""

from pathlib import Path
from typing import Annotated

import typer

from lm_eval_so.core.config.defaults import CONFIG_FILE
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
        "-o", "--out", metavar="RUN", help="Folder of the run; default: <run.out>/<backend.label>."
    ),
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Put an earlier run in that folder aside and ask all again.")
]
KeepErrors = Annotated[
    bool, typer.Option("--keep-errors", help="Do not ask again what failed in an earlier run.")
]


@app.command()
def run(
    config: ConfigFile = CONFIG_FILE,
    out: Out = None,
    fresh: Fresh = False,
    keep_errors: KeepErrors = False,
    dry_run: DryRun = False,
    overrides: Overrides = None,
    plugins: Plugins = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,  # noqa: ARG001 - read by the entry
    color: Color = "auto",
    language: ReportLanguage = None,
) -> int:
    """Ask the chatbot every sample; goes on with what was begun.

    Example: lm-eval-so run -c lm-eval-so.yaml --set run.concurrency=8
    """
    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.errors import ExitCode, refuse
    from lm_eval_so.runner import run as stage
    from lm_eval_so.terminal.emit import emit
    from lm_eval_so.terminal.session import open_session

    session = open_session(
        config, overrides=overrides, plugins=plugins, language=language, quiet=quiet, color=color
    )
    refuse(stage.check(session.config, session.environ))
    if dry_run:
        planned = session.run(
            lambda r: stage.plan_run(
                session.config, r, out=out, fresh=fresh, keep_errors=keep_errors
            )
        )
        emit(session.stdout, result=to_json(planned), as_json=True)
        return ExitCode.DONE
    info = session.run(
        lambda r: stage.run(session.config, r, out=out, fresh=fresh, keep_errors=keep_errors)
    )
    folder = out or stage.run_folder(session.config)
    files = [folder / stage.RESULTS_FILE, folder / stage.INFO_FILE]
    emit(session.stdout, paths=files, result=to_json(info), as_json=as_json)
    return ExitCode.DONE


def main() -> None:
    """Run the stage's own command line and exit."""
    run_app(app)
