"""The command `forecast`."""

from pathlib import Path
from typing import Annotated

import typer

from lm_eval_so.terminal.command_line import CommandLine, command

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

Given = Annotated[
    list[Path] | None,
    typer.Option(
        "--run",
        metavar="PATH",
        help="Report or run whose answers count; repeatable; default: all at hand.",
    ),
]
Ask = Annotated[
    bool, typer.Option("--ask", help="Ask the answers that are missing, past the cache.")
]
MaxRequests = Annotated[
    int | None,
    typer.Option(
        "--max-requests", metavar="N", min=1, help="Most requests; default: run.max_requests."
    ),
]
Margin = Annotated[
    float | None,
    typer.Option("--margin", metavar="X", help="Margin to try, in score units, over the config's."),
]


@command(app)
def forecast(
    line: CommandLine,
    runs: Given = None,
    ask: Ask = False,
    max_requests: MaxRequests = None,
    margin: Margin = None,
) -> None:
    """Say how often this gate passes or fails if nothing changed or some answers break.

    Example: lm-eval-so forecast --ask
    """
    from functools import partial

    from lm_eval_so.core.events import Noticed
    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.pipeline.check import Stage, check
    from lm_eval_so.pipeline.forecast import forecast as stage
    from lm_eval_so.terminal.lines import visible

    needs: set[Stage] = {"run", "evaluate"} if ask else set()
    session = line.open_session(partial(check, needs=needs))
    options = stage.Options(
        runs=tuple(runs or ()), ask=ask, most_requests=max_requests, margin=margin
    )
    found = session.run(lambda r: stage.forecast(session.config, r, options))
    if line.as_json:
        line.emit(result=session.redactor.redact_json(to_json(found.forecast)))
        return
    text = "".join(f"{visible(each)}\n" for each in stage.tell(found, session.config.language))
    line.emit_text(session.redactor.redact(text))
    if found.file is not None:
        session.progress.listen(Noticed(stage="forecast", text=f"kept as {found.file}"))
