"""The command `calibrate`: judges held against people."""

from pathlib import Path
from typing import Annotated

import typer

from lm_eval_so.terminal.command_line import SHARED, CommandLine, Runs, command

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
Page = Annotated[
    bool,
    typer.Option(
        "--page",
        help="Write LABELS as an HTML page to label in beside it, and measure nothing.",
    ),
]


@command(app, shared=SHARED - {"language"})
def calibrate(
    labels: Labels,
    line: CommandLine,
    runs: Runs = None,
    report: Report = None,
    out: Out = None,
    positive: Positive = None,
    page: Page = False,
) -> None:
    """Measure how far a judge agrees with people. Evaluate and compare then use it.

    Example: lm-eval-so calibrate reports/labels_todo.csv -c lm-eval-so.yaml
    """
    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.evaluator import calibrate as stage
    from lm_eval_so.evaluator.binding.metric_problems import check_metrics
    from lm_eval_so.evaluator.calibration.calibration_files import write_calibrations
    from lm_eval_so.evaluator.calibration.label_page import write_label_page
    from lm_eval_so.pipeline.prepare import calibration_inputs

    session = line.open_session(check_metrics)
    config = session.config
    if page:
        pages = write_label_page(config, labels)
        line.emit(paths=pages, result={"pages": [str(path) for path in pages]})
        return
    given = stage.CalibrationInputs(
        labels=labels, runs=runs or (), positive=positive or (), out=out
    )
    inputs = calibration_inputs(config, given, report=report)
    found = session.run(lambda r: stage.calibrate(config, r, inputs))
    files = write_calibrations(config, session.resources(), found, out=out)
    result = {metric_id: to_json(each) for metric_id, each in found.items()}
    line.emit(paths=files, result=result)
