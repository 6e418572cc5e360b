"""The command `comment`."""

from pathlib import Path
from typing import Annotated

import typer

from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.terminal.options import (
    Color,
    ConfigFile,
    DryRun,
    Json,
    Overrides,
    Quiet,
    ReportLanguage,
    Verbose,
)

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

ComparisonFile = Annotated[Path, typer.Argument(metavar="COMPARISON", help="comparison.json.")]
ReportFile = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE", help="Default: report.json beside the comparison."),
]
Repository = Annotated[str, typer.Option("--repo", metavar="OWNER/NAME", help="Repository.")]
PullNumber = Annotated[int, typer.Option("--pr", metavar="N", min=1, help="Pull request.")]


@app.command()
def comment(
    comparison: ComparisonFile,
    repository: Repository,
    number: PullNumber,
    report: ReportFile = None,
    config: ConfigFile = CONFIG_FILE,
    dry_run: DryRun = False,
    overrides: Overrides = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,  # noqa: ARG001 - read by the entry
    color: Color = "auto",
    language: ReportLanguage = None,
) -> int:
    """Create or update the suite's comment on a pull request. The token comes from GITHUB_TOKEN.

    Example: lm-eval-so comment reports/comparison.json --repo octo/shop --pr 7 --dry-run
    """
    from lm_eval_so.action.event import find_activity, read_event
    from lm_eval_so.pipeline.github.comment import read_results, send_comment
    from lm_eval_so.terminal.emit import emit, emit_text
    from lm_eval_so.terminal.session import open_session

    session = open_session(config, overrides=overrides, language=language, quiet=quiet, color=color)
    results = read_results(comparison, report)
    if dry_run:
        from lm_eval_so.pipeline.github.publish import make_bodies
        from lm_eval_so.reporter.markdown import Origin

        body = make_bodies(
            session.config, session.resources(), results.comparison, results.report, Origin()
        )
        if as_json:
            emit(session.stdout, result={"body": body(0)}, as_json=True)
        else:
            emit_text(session.stdout, body(0))
        return 0
    published = send_comment(
        session.config,
        session.resources(),
        results,
        activity=find_activity(session.environ, read_event(session.environ)),
        repository=repository,
        number=number,
    )
    result = {"url": published.url, "written": published.written}
    emit(session.stdout, paths=[], result=result, as_json=as_json)
    if published.url and not as_json:
        emit_text(session.stdout, f"{published.url}\n")
    return 0
