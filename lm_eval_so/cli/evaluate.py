"""The command `evaluate`: scores, and the report in the formats asked for."""

from typing import Annotated

import typer

from lm_eval_so.terminal.command_line import CommandLine, DryRun, Formats, Reports, Runs, command

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

ExportLabels = Annotated[
    int | None,
    typer.Option(
        "--export-labels",
        metavar="N",
        min=1,
        help="Also write labels_todo.csv: N answers per judge for people to label, see calibrate.",
    ),
]

CancelBatch = Annotated[
    bool,
    typer.Option(
        "--cancel-batch",
        help="Stop the batches of the judges; the next evaluation reads their answers.",
    ),
]


@command(app)
def evaluate(
    line: CommandLine,
    runs: Runs = None,
    out: Reports = None,
    formats: Formats = None,
    export_labels: ExportLabels = None,
    cancels_batch: CancelBatch = False,
    dry_run: DryRun = False,
) -> None:
    """Score the answers of a run and write the report.

    Example: lm-eval-so evaluate -c lm-eval-so.yaml --format md
    """
    from dataclasses import asdict, replace
    from functools import partial

    from lm_eval_so.core.git import head
    from lm_eval_so.evaluator import evaluate as stage
    from lm_eval_so.evaluator.binding.batch_judges import cancel_judges
    from lm_eval_so.evaluator.calibration.calibration_files import open_export, write_export
    from lm_eval_so.evaluator.evaluation_plan import plan_evaluation
    from lm_eval_so.pipeline.check import check
    from lm_eval_so.pipeline.measure.plan import wanted_baseline
    from lm_eval_so.pipeline.reports import Results, report_values, write_reports
    from lm_eval_so.runner.run import run_folder

    session = line.open_session(
        partial(
            check,
            needs={"evaluate"},
            folders=lambda c: () if dry_run else (out or c.resolve(c.report.out),),
        )
    )
    config, resources = session.config, session.resources()
    if cancels_batch:
        states = session.run(lambda r: cancel_judges(config, r))
        line.emit(result={"batches": [asdict(state) for state in states]})
        return
    folder = out or config.resolve(config.report.out)
    folders = runs or [run_folder(config)]
    baseline = wanted_baseline(config)
    if dry_run:
        line.emit_facts(plan_evaluation(config, runs=folders, baseline=baseline))
        return
    wanted = [each.value for each in formats or ()]
    options = {"--run": [*(runs or ())], "-o": out, "--format": wanted}
    again = line.again("evaluate", options | {"--export-labels": export_labels})
    labels = open_export(config, folder, most=export_labels) if export_labels else None
    report = session.run(
        lambda r: stage.evaluate(
            config,
            replace(r, again=again),
            stage.EvaluationInputs(
                runs=folders,
                baseline=baseline,
                origin=stage.Origin(commit=head(config.folder)),
            ),
            labels=labels,
        )
    )
    files = write_reports(
        Results(report=report), folder, config, resources.redactor, formats=formats
    )
    if labels is not None:
        files += write_export(labels, folder, config, resources)
    line.emit(paths=files, result=report_values(report, folder) if line.as_json else None)
