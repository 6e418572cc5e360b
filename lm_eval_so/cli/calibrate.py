"""The command `calibrate`: judges held against people."""

from pathlib import Path
from typing import Annotated

import typer

from lm_eval_so.core.config.defaults import CONFIG_FILE
from lm_eval_so.terminal.options import (
    Color,
    ConfigFile,
    Json,
    Overrides,
    Plugins,
    Quiet,
    Runs,
    Verbose,
)

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

Labels = Annotated[
    Path,
    typer.Argument(
        metavar="LABELS", help="CSV or JSON lines with labels by people, as --export-labels begins."
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        metavar="FILE",
        help="File of the one metric in LABELS; default: its judge.calibration, else "
        "calibration/METRIC.json beside the config, one per metric.",
    ),
]
Report = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="report.json of the run whose answers are labelled; default: that of report.out.",
    ),
]
Positive = Annotated[
    list[str] | None,
    typer.Option(
        "--positive",
        metavar="LABEL",
        help="Label of a good answer; repeatable; default: those worth at least 0.5.",
    ),
]


@app.command()
def calibrate(
    labels: Labels,
    config: ConfigFile = CONFIG_FILE,
    runs: Runs = None,
    report: Report = None,
    out: Out = None,
    positive: Positive = None,
    overrides: Overrides = None,
    plugins: Plugins = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,  # noqa: ARG001 - read by the entry
    color: Color = "auto",
) -> int:
    """Measure how far a judge agrees with people. Evaluate and compare then use it.

    Example: lm-eval-so calibrate reports/labels_todo.csv -c lm-eval-so.yaml
    """
    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.core.report_file import read_report
    from lm_eval_so.errors import ExitCode
    from lm_eval_so.evaluator import calibrate as stage
    from lm_eval_so.evaluator.binding.checks import check_metrics
    from lm_eval_so.evaluator.calibration.files import write_calibrations
    from lm_eval_so.runner.run import run_folder
    from lm_eval_so.terminal.emit import emit
    from lm_eval_so.terminal.session import open_session

    session = open_session(
        config, overrides=overrides, plugins=plugins, quiet=quiet, color=color, check=check_metrics
    )
    folders = runs or [run_folder(session.config)]
    kept = report or session.config.resolve(session.config.report.out) / "report.json"
    found = session.run(
        lambda r: stage.calibrate(
            session.config,
            r,
            stage.CalibrationInputs(
                labels=labels,
                runs=folders,
                report=read_report(kept) if report or kept.exists() else None,
                positive=positive or (),
                out=out,
            ),
        )
    )
    files = write_calibrations(session.config, session.resources(), found, out=out)
    result = {metric_id: to_json(each) for metric_id, each in found.items()}
    emit(session.stdout, paths=files, result=result, as_json=as_json)
    return ExitCode.DONE
