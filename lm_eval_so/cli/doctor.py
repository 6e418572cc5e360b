"""The command `doctor`."""

import json
from typing import Annotated

import typer

from lm_eval_so.terminal.command_line import SHARED, CommandLine, command

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

Ask = Annotated[
    bool,
    typer.Option(
        "--ask", help="Ask the chatbot the first sample, and show the response and what is read."
    ),
]


@command(app, shared=SHARED - {"language"})
def doctor(line: CommandLine, ask: Ask = False) -> int | None:
    """Check the set-up: config, dataset, keys, files and packages. Asks nothing without --ask.

    Example: lm-eval-so doctor --ask
    """
    from functools import partial

    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.core.words.plan_lines import plan_fact
    from lm_eval_so.errors import ExitCode
    from lm_eval_so.pipeline import doctor as looking
    from lm_eval_so.pipeline.check import check, tell_gate, watching_hints
    from lm_eval_so.pipeline.control import control_hint
    from lm_eval_so.pipeline.look_ahead import plan_gate

    session = line.open_session(
        partial(check, needs={"run", "evaluate"}, folders=looking.written_to)
    )
    hints = (*watching_hints(session.config), *control_hint(session.config, session.environ))
    for told in (*tell_gate(session.config), *hints):
        session.progress.listen(told)
    found = looking.facts(session.config, session.environ)
    gate = plan_gate(session.config, session.resources().listener)
    asked = session.run(lambda r: looking.ask_once(session.config, r)) if ask else None
    if line.as_json:
        answer = to_json(asked) if asked else None
        line.emit(result={"facts": found, "asked": answer, **plan_fact(gate, as_json=True)})
    else:
        line.emit_facts(session.redactor.redact_json({**found, **plan_fact(gate, as_json=False)}))
        if asked is not None:
            text = json.dumps(to_json(asked), ensure_ascii=False, indent=2)
            line.emit_text(session.redactor.redact(text) + "\n")
    is_answered = asked is None or asked.error is None
    return None if is_answered else ExitCode.CANNOT_MEASURE
