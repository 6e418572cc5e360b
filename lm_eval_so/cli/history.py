"""The command `history`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from lm_eval_so.terminal.command_line import CommandLine, command

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

Reports = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="REPORT",
        help="Past reports, in any order; default: what git holds of baseline.path.",
        show_default=False,
    ),
]
Most = Annotated[int, typer.Option("--last", metavar="N", min=1, help="Newest reports, at most.")]
Format = Annotated[Literal["text", "md", "html"], typer.Option("--format", help="What to render.")]
Out = Annotated[
    Path | None, typer.Option("-o", "--out", metavar="FILE", help="File; default: to stdout.")
]


@command(app, shared=("config", "overrides", "as_json", "quiet", "verbose", "color", "language"))
def history(
    line: CommandLine,
    reports: Reports = None,
    most: Most = 20,
    format: Format = "text",  # noqa: A002 - the option's name
    out: Out = None,
) -> None:
    """Show past reports: each metric over time, with its interval.

    Changes of model, dataset and measure in between are marked.

    Example: lm-eval-so history --format md
    """
    import os

    from lm_eval_so.comparator.past_reports import Request, gather_history
    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.core.secrets import make_redactor
    from lm_eval_so.reporter import over_time

    request = Request(
        files=reports or (),
        most=most,
        config=line.config,
        overrides=line.config_overrides,
        environ=os.environ,
    )
    made, language = gather_history(request, line.open_progress(os.environ).listen)
    if line.as_json and out is None:
        line.emit(result=to_json(made))
        return
    render = {
        "text": over_time.history_text,
        "md": over_time.history_markdown,
        "html": over_time.history_page,
    }[format]
    redact = make_redactor(os.environ).redact
    line.emit_document(render(made, line.language or language, redact), out)
