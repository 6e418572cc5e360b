"""The command `import`: results of another tool to a report."""

from pathlib import Path
from typing import Annotated

import typer

from lm_eval_so.terminal.command_line import (
    DEFAULT_SUITE,
    CommandLine,
    Formats,
    Reports,
    command,
)

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

File = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="Results of promptfoo, DeepEval, Inspect or Ragas."),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="TOOL",
        help="promptfoo, deepeval, inspect or ragas; default: told by what the file holds.",
    ),
]
Candidate = Annotated[
    str | None,
    typer.Option(
        "--candidate",
        metavar="NAME",
        help="Provider, prompt or both of a promptfoo file with several.",
    ),
]


@command(app, name="import")
def import_results(
    file: File,
    line: CommandLine,
    tool: From = None,
    candidate: Candidate = None,
    out: Reports = None,
    formats: Formats = None,
) -> None:
    """Make a report of another tool's results, for compare.

    It needs no config; with one, its suite, gate and settings of reports count.

    Example: lm-eval-so import results.json -o reports
    """
    from lm_eval_so.evaluator import import_results as stage
    from lm_eval_so.pipeline.reports import Results, report_values, write_reports
    from lm_eval_so.reporter.import_screen import tell_import

    session = line.open_session(needs_config=False)
    config = session.config
    names_suite = not config.located.file and config.suite == DEFAULT_SUITE
    given = stage.ForeignFile(file=file, tool=tool, candidate=candidate, names_suite=names_suite)
    report = session.run(lambda r: stage.import_results(given, config, r))
    folder = out or config.resolve(config.report.out)
    results = Results(report=report)
    files = write_reports(results, folder, config, session.redactor, formats=formats)
    tell_import(report, config.language, session.resources().listener, folder=folder)
    session.progress.close()
    line.emit(paths=files, result=report_values(report, folder) if line.as_json else None)
