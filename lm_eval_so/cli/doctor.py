"""The command `doctor`."""

import json
from typing import Annotated

import typer

from lm_eval_so.core.config.defaults import CONFIG_FILE
from lm_eval_so.terminal.options import Color, ConfigFile, Json, Overrides, Plugins, Quiet, Verbose

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

Ask = Annotated[
    bool,
    typer.Option(
        "--ask", help="Ask the chatbot the first sample, and show the response and what is read."
    ),
]


@app.command()
def doctor(
    config: ConfigFile = CONFIG_FILE,
    ask: Ask = False,
    overrides: Overrides = None,
    plugins: Plugins = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,  # noqa: ARG001 - read by the entry
    color: Color = "auto",
) -> int:
    """Check the set-up: config, dataset, keys, files and packages. Asks nothing without --ask.

    Example: lm-eval-so doctor --ask
    """
    from lm_eval_so.core.files import folder_problems
    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.core.text import width
    from lm_eval_so.errors import ExitCode, refuse
    from lm_eval_so.pipeline import doctor as looking
    from lm_eval_so.pipeline.check import check, tell_gate
    from lm_eval_so.terminal.emit import emit, emit_text
    from lm_eval_so.terminal.lines import visible
    from lm_eval_so.terminal.session import open_session

    session = open_session(config, overrides=overrides, plugins=plugins, quiet=quiet, color=color)
    out = looking.written_to(session.config)
    refuse([*check(session.config, session.environ), *folder_problems(out)])
    for told in tell_gate(session.config):
        session.progress.listen(told)
    found = looking.facts(session.config, session.environ)
    asked = session.run(lambda r: looking.ask_once(session.config, r)) if ask else None
    if as_json:
        result = {"facts": found, "asked": to_json(asked) if asked else None}
        emit(session.stdout, result=result, as_json=True)
    else:
        broad = max(width(name) for name in found)
        lines = [f"{name}{' ' * (broad - width(name))}  {visible(t)}" for name, t in found.items()]
        if asked is not None:
            lines.append(json.dumps(to_json(asked), ensure_ascii=False, indent=2))
        emit_text(session.stdout, session.redactor.redact("\n".join(lines)) + "\n")
    is_answered = asked is None or asked.error is None
    return ExitCode.DONE if is_answered else ExitCode.CANNOT_MEASURE
