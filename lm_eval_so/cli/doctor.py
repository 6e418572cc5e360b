"""The command `doctor`."""

import json
from typing import Annotated

import typer

from lm_eval_so.core.config import CONFIG_FILE
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
    from collections.abc import Iterator, Mapping

    from lm_eval_so.core.config.model import Config
    from lm_eval_so.core.files import folder_problems
    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.errors import ExitCode, Problem
    from lm_eval_so.pipeline import doctor as looking
    from lm_eval_so.pipeline.check import check, tell_gate
    from lm_eval_so.terminal.emit import emit, emit_facts, emit_text
    from lm_eval_so.terminal.session import open_session

    def find(config: Config, environ: Mapping[str, str]) -> Iterator[Problem]:
        yield from check(config, environ, needs={"run", "evaluate"})
        yield from folder_problems(looking.written_to(config))

    session = open_session(
        config, overrides=overrides, plugins=plugins, quiet=quiet, color=color, check=find
    )
    for told in tell_gate(session.config):
        session.progress.listen(told)
    found = looking.facts(session.config, session.environ)
    asked = session.run(lambda r: looking.ask_once(session.config, r)) if ask else None
    if as_json:
        result = {"facts": found, "asked": to_json(asked) if asked else None}
        emit(session.stdout, result=result, as_json=True)
    else:
        emit_facts(session.stdout, session.redactor.redact_json(found), as_json=False)
        if asked is not None:
            text = json.dumps(to_json(asked), ensure_ascii=False, indent=2)
            emit_text(session.stdout, session.redactor.redact(text) + "\n")
    is_answered = asked is None or asked.error is None
    return ExitCode.DONE if is_answered else ExitCode.CANNOT_MEASURE
