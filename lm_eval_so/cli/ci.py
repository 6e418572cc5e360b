"""The command `ci`: what the Action runs; works outside GitHub too."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lm_eval_so.core.config.defaults import CONFIG_FILE
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

if TYPE_CHECKING:
    from lm_eval_so.pipeline.ci import Done
    from lm_eval_so.terminal.session import Session

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

Baseline = Annotated[
    Path | None,
    typer.Option("--baseline", metavar="FILE", help="report.json to compare with."),
]
Out = Annotated[
    Path | None,
    typer.Option("-o", "--out", metavar="REPORTS", help="Folder of reports; default: report.out."),
]


@app.command()
def ci(
    config: ConfigFile = CONFIG_FILE,
    baseline: Baseline = None,
    out: Out = None,
    dry_run: DryRun = False,
    overrides: Overrides = None,
    plugins: Plugins = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,  # noqa: ARG001 - read by the entry
    color: Color = "auto",
    language: ReportLanguage = None,
) -> int:
    """Do it all: generate if need be, run, evaluate, compare, report; on GitHub comment, too.

    Example: lm-eval-so ci -c lm-eval-so.yaml
    """
    import os

    from lm_eval_so.action.event import find_activity, read_event
    from lm_eval_so.action.inputs import read_inputs
    from lm_eval_so.pipeline import ci as stage
    from lm_eval_so.pipeline.measure import check
    from lm_eval_so.runner.run import plan_run, run_folder
    from lm_eval_so.terminal.emit import emit
    from lm_eval_so.terminal.session import open_session, refuse

    environ = dict(os.environ)
    on_github = environ.get("GITHUB_ACTIONS") == "true"
    if on_github:
        stage.begin(environ)
    workspace = Path(environ.get("GITHUB_WORKSPACE") or Path.cwd())
    inputs = read_inputs(environ, workspace=workspace) if on_github else None
    if inputs and inputs.openai_api_key and not environ.get("OPENAI_API_KEY"):
        environ["OPENAI_API_KEY"] = inputs.openai_api_key
    file = config
    if inputs and config == CONFIG_FILE:
        file = inputs.config or inputs.folder / CONFIG_FILE
    session = open_session(
        file,
        overrides=[*(inputs.overrides if inputs else ()), *(overrides or ())],
        plugins=plugins,
        language=language,
        quiet=quiet,
        color=color,
        environ=environ,
    )
    found = session.config
    activity = find_activity(environ, read_event(environ))
    if inputs and (reason := stage.skip_reason(found, environ, activity=activity, inputs=inputs)):
        return _end(session, stage.tell_skipped(session.resources(), reason), as_json=as_json)
    if inputs:
        plan = stage.action_plan(found, activity=activity, inputs=inputs, baseline=baseline)
    else:
        plan = stage.local_plan(
            found, run=run_folder(found), reports=out, baseline=baseline, activity=activity
        )
    refuse(check(found, environ, makes_dataset=plan.make_dataset))
    if dry_run:
        from lm_eval_so.core.records.codec import to_json

        planned = session.run(lambda r: plan_run(found, r, out=plan.run))
        emit(session.stdout, result=to_json(planned), as_json=True)
        return 0
    if inputs is None:
        done = session.run(lambda r: stage.measure_locally(found, r, plan))
    else:
        done = session.run(
            lambda r: stage.measure_and_tell(
                found, r, plan, activity=activity, inputs=inputs, workspace=workspace
            )
        )
    return _end(session, done, as_json=as_json)


def _end(session: "Session", done: "Done", *, as_json: bool) -> int:
    import sys

    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.terminal.emit import emit

    session.progress.close()
    if done.told:
        sys.stderr.writelines(f"{line}\n" for line in done.told.annotations)
    measured = done.measured
    emit(
        session.stdout,
        paths=measured.files if measured else (),
        result=to_json(measured.comparison) if measured else {"verdict": "skipped"},
        as_json=as_json,
    )
    return done.exit_code
