"""The command `comment`."""

from pathlib import Path
from typing import Annotated

import typer

from lm_eval_so.terminal.command_line import SHARED, CommandLine, DryRun, command

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

ComparisonFile = Annotated[Path, typer.Argument(metavar="COMPARISON", help="comparison.json.")]
ReportFile = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE", help="Default: report.json beside the comparison."),
]
Repository = Annotated[str, typer.Option("--repo", metavar="OWNER/NAME", help="Repository.")]
PullNumber = Annotated[int, typer.Option("--pr", metavar="N", min=1, help="Pull request.")]


@command(app, shared=SHARED - {"plugins"})
def comment(
    *,
    comparison: ComparisonFile,
    repository: Repository,
    number: PullNumber,
    report: ReportFile = None,
    line: CommandLine,
    dry_run: DryRun = False,
) -> None:
    """Create or update the suite's comment on a pull request. The token comes from GITHUB_TOKEN.

    Example: lm-eval-so comment reports/comparison.json --repo octo/shop --pr 7 --dry-run
    """
    from lm_eval_so.action.event import find_activity, read_event
    from lm_eval_so.pipeline.github.send_comment import PullRequest, read_results, send_comment

    session = line.open_session()
    results = read_results(comparison, report)
    if dry_run:
        from lm_eval_so.pipeline.github.publish import make_bodies, style_of
        from lm_eval_so.reporter.markdown import Origin

        style = style_of(session.config, session.resources())
        body = make_bodies(results.comparison, results.report, Origin(), style)
        if line.as_json:
            line.emit(result={"body": body(0)})
        else:
            line.emit_text(body(0))
        return
    published = send_comment(
        session.config,
        session.resources(),
        results,
        PullRequest(repository=repository, number=number),
        find_activity(session.environ, read_event(session.environ)),
    )
    line.emit(result={"url": published.url, "written": published.written})
    if published.url and not line.as_json:
        line.emit_text(f"{published.url}\n")
