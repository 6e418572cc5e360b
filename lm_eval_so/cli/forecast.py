"""The command `forecast`."""

from pathlib import Path
from typing import Annotated

import typer

from lm_eval_so.terminal.command_line import CommandLine, MaxRequests, command

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

Given = Annotated[
    list[Path] | None,
    typer.Option(
        "--run",
        metavar="PATH",
        help="Report or run whose answers count; repeatable; default: all at hand.",
    ),
]
Ask = Annotated[bool, typer.Option("--ask", help="Ask for the missing answers, not the cache.")]
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
    """Say how often this gate would pass and fail.

    Tried with nothing changed, and with some answers broken.

    Example: lm-eval-so forecast --ask
    """
    from functools import partial

    from lm_eval_so.core.events import Noticed
    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.core.words.forecast_text import forecast_lines
    from lm_eval_so.pipeline.check import Stage, check
    from lm_eval_so.pipeline.forecast import known_answers as answers
    from lm_eval_so.pipeline.forecast.foresee import foresee, told_of
    from lm_eval_so.pipeline.forecast.kept import keep_forecast
    from lm_eval_so.terminal.lines import visible

    needs: set[Stage] = {"run", "evaluate"} if ask else set()
    session = line.open_session(partial(check, needs=needs))
    options = answers.Options(
        runs=tuple(runs or ()), ask=ask, most_requests=max_requests, margin=margin
    )
    known = session.run(lambda r: answers.get_answers(session.config, r, options))
    made = foresee(known, session.resources())
    if made.scenarios:
        file = keep_forecast(made, session.config, session.redactor)
        session.resources().listener(Noticed(stage="forecast", text=f"kept as {file}"))
    if line.as_json:
        line.emit(result=session.redactor.redact_json(to_json(made)))
        return
    lines = map(session.redactor.redact, forecast_lines(made, told_of(made, known)))
    line.emit_text("".join(f"{visible(each)}\n" for each in lines))
