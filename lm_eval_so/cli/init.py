"""The command `init`."""

from typing import Annotated

import typer

from lm_eval_so.terminal.command_line import SHARED, CommandLine, command

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

Paths = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PATH", help="Files and folders to read; default: docs/, data/ and the like."
    ),
]
Url = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="Address of the chatbot; it is asked one question."),
]
Headers = Annotated[
    list[str] | None,
    typer.Option(
        "--header", metavar="HEADER", help="Header of it, as 'Authorization: Bearer ${TOKEN}'."
    ),
]
Body = Annotated[
    str | None,
    typer.Option("--body", metavar="JSON", help="""Its request, as '{"q": "{{ last_user }}"}'."""),
]
Workflow = Annotated[bool, typer.Option("--workflow", help="Also write the GitHub workflow.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")]


@command(app, shared=SHARED - {"overrides", "plugins"})
def init(
    line: CommandLine,
    paths: Paths = None,
    url: Url = None,
    header: Headers = None,
    body: Body = None,
    workflow: Workflow = False,
    force: Force = False,
) -> int | None:
    """Write a first config from your documents, tests and chatbot.

    Nothing leaves this machine except one question to the chatbot that --url names, with
    OPENAI_API_KEY if that is OpenAI-compatible. A config that is there stays as it is;
    --url adds the chatbot that it lacks.

    Example: lm-eval-so init docs/
    """
    import asyncio
    import os

    from lm_eval_so.core.asking.resources import Resources
    from lm_eval_so.core.secrets import make_redactor
    from lm_eval_so.errors import ExitCode
    from lm_eval_so.pipeline.set_up.set_up import Wish, facts, screen, set_up
    from lm_eval_so.terminal.lines import visible

    environ = dict(os.environ)
    wish = Wish(
        file=line.config,
        paths=tuple(paths or ()),
        url=url,
        headers=tuple(header or ()),
        body=body,
        workflow=workflow,
        force=force,
        language=line.language,
    )
    resources = Resources(environ=environ, redactor=make_redactor(environ))
    made = asyncio.run(set_up(wish, resources))
    if not line.quiet:
        for each in screen(made):
            typer.echo(visible(each), err=True)
    line.emit(paths=made.files, result=facts(made))
    is_asked_in_vain = made.chatbot is not None and made.chatbot.answer is None
    return ExitCode.BACKEND if is_asked_in_vain else None
