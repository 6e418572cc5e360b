"""The group of commands `dataset`."""

from pathlib import Path
from typing import Annotated

import typer

from lm_eval_so.cli.dataset_review import app as review_app
from lm_eval_so.core.records.enums import Language
from lm_eval_so.terminal.command_line import CommandLine, command

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
dataset_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
app.add_typer(dataset_app, name="dataset")
dataset_app.add_typer(review_app, name="review")

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the dataset.")]
Spoken = Annotated[
    Language | None,
    typer.Option("--language", help="Language of the text: en or ko; default: that of the tests."),
]
_SHARED = ("as_json", "verbose")


@dataset_app.callback()
def dataset() -> None:
    """Look into a dataset, check it, compare and convert it."""


@command(dataset_app, shared=_SHARED)
def validate(line: CommandLine, folder: Folder, language: Spoken = None) -> None:
    """Hold a dataset against itself; tell all that is damaged.

    Lines, ids, quotes, relations and digests count. All problems are told at once, with file and
    line; exit 2.

    Example: lm-eval-so dataset validate dataset/docs
    """
    from dataclasses import asdict

    from lm_eval_so.core.words import say
    from lm_eval_so.generator.dataset_tools.verify import validate as stage

    found = stage(folder)
    if line.as_json:
        line.emit(result=asdict(found))
    else:
        figures = {"path": folder, **asdict(found)}
        line.emit_text(say("dataset.valid", language or found.language, figures) + "\n")
