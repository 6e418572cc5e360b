"""The command `evaluate`: scores, and the report in the formats asked for."""

from typing import Annotated

import typer

from lm_eval_so.core.config.defaults import CONFIG_FILE
from lm_eval_so.terminal.options import (
    Color,
    ConfigFile,
    DryRun,
    Formats,
    Json,
    Overrides,
    Plugins,
    Quiet,
    ReportLanguage,
    Reports,
    Runs,
    Verbose,
)

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


@app.command()
def evaluate(
    config: ConfigFile = CONFIG_FILE,
    runs: Runs = None,
    out: Reports = None,
    formats: Formats = None,
    export_labels: ExportLabels = None,
    dry_run: DryRun = False,
    overrides: Overrides = None,
    plugins: Plugins = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,  # noqa: ARG001 - read by the entry
    color: Color = "auto",
    language: ReportLanguage = None,
) -> int:
    """Score the answers of a run and write the report.

    Example: lm-eval-so evaluate -c lm-eval-so.yaml --format md
    """
    from collections.abc import Iterator, Mapping

    from lm_eval_so.core.config.model import Config
    from lm_eval_so.core.files import folder_problems
    from lm_eval_so.core.git import head
    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.errors import ExitCode, Problem
    from lm_eval_so.evaluator import evaluate as stage
    from lm_eval_so.evaluator.calibration.export import open_export, write_export
    from lm_eval_so.evaluator.plan import plan_evaluation
    from lm_eval_so.pipeline.check import check
    from lm_eval_so.pipeline.measure import wanted_baseline, write_report
    from lm_eval_so.runner.run import run_folder
    from lm_eval_so.terminal.emit import emit, emit_facts
    from lm_eval_so.terminal.session import open_session

    def find(config: Config, environ: Mapping[str, str]) -> Iterator[Problem]:
        yield from check(config, environ, needs={"evaluate"})
        if not dry_run:
            yield from folder_problems([out or config.resolve(config.report.out)])

    session = open_session(
        config,
        overrides=overrides,
        plugins=plugins,
        language=language,
        quiet=quiet,
        color=color,
        check=find,
    )
    folder = out or session.config.resolve(session.config.report.out)
    folders = runs or [run_folder(session.config)]
    baseline = wanted_baseline(session.config)
    if dry_run:
        planned = plan_evaluation(session.config, runs=folders, baseline=baseline)
        emit_facts(session.stdout, planned, as_json=as_json)
        return ExitCode.DONE
    labels = open_export(session.config, folder, most=export_labels) if export_labels else None
    report = session.run(
        lambda r: stage.evaluate(
            session.config,
            r,
            stage.EvaluationInputs(
                runs=folders,
                baseline=baseline,
                origin=stage.Origin(commit=head(session.config.folder)),
            ),
            labels=labels,
        )
    )
    files = write_report(
        session.config, session.resources(), report, None, folder=folder, formats=formats
    )
    if labels is not None:
        files += write_export(labels, folder, session.config, session.resources())
    emit(session.stdout, paths=files, result=to_json(report) if as_json else None, as_json=as_json)
    return ExitCode.DONE
