"""The commands `dataset review import` and `dataset review export`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from lm_eval_so.core.records.enums import Language
from lm_eval_so.terminal.command_line import CommandLine, command

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the dataset.")]
Decisions = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="Decisions as the page saves them, or the table in CSV."),
]
Partial = Annotated[
    bool, typer.Option("--partial", help="Take those that fit, and list the others.")
]
Format = Annotated[
    Literal["html", "csv"],
    typer.Option("--format", help="The review page, or a table for a spreadsheet."),
]
All = Annotated[bool, typer.Option("--all", help="Tests that were reviewed or are your own, too.")]
Spoken = Annotated[
    Language | None,
    typer.Option("--language", help="Language of the text: en or ko; default: that of the tests."),
]
_SHARED = ("as_json", "verbose")


@app.callback()
def review() -> None:
    """Take tests out to people, and their decisions back."""


@command(app, name="import", shared=_SHARED)
def take(
    line: CommandLine,
    folder: Folder,
    decisions: Decisions,
    partial: Partial = False,
    language: Spoken = None,
) -> None:
    """Take decisions over into a dataset. All of them, or none and exit 2.

    Example: lm-eval-so dataset review import dataset/docs decisions-docs.jsonl
    """
    from lm_eval_so.core.words import say
    from lm_eval_so.generator.take_review import take_review
    from lm_eval_so.terminal.entry import problem_text

    taken = take_review(folder, decisions, partial=partial, language=language)
    for problem in taken.problems:
        text = problem_text(problem).removeprefix("error: ")
        typer.echo(f"left out: {text}", err=True, nl=False)
    figures = {
        name: getattr(taken, name) for name in ("n", "accepted", "edited", "rejected", "open")
    }
    typer.echo(
        say("review.taken_open" if taken.open else "review.taken", taken.language, figures),
        err=True,
    )
    line.emit(paths=taken.files, result=figures | {"left_out": len(taken.problems)})


@command(app, shared=_SHARED)
def export(
    line: CommandLine,
    folder: Folder,
    form: Format = "html",
    everything: All = False,
    language: Spoken = None,
) -> None:
    """Write the tests that nobody has reviewed as a page or a table, into the dataset's folder.

    Example: lm-eval-so dataset review export dataset/docs --format csv
    """
    from lm_eval_so.generator.take_review import export_review

    files = export_review(folder, language, table=form == "csv", everything=everything)
    line.emit(paths=files, result={"files": [str(file) for file in files]})
