"""The group of commands `dataset`."""

from pathlib import Path
from typing import Annotated, Literal

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
Wanted = Annotated[
    str | None, typer.Argument(metavar="[ID]", help="Id of one test, ours or your own.")
]
To = Annotated[Literal["promptfoo", "csv"], typer.Option("--to", help="Format: promptfoo or csv.")]
OutFile = Annotated[
    Path | None, typer.Option("-o", "--out", metavar="FILE", help="File; default: stdout.")
]
Older = Annotated[Path, typer.Argument(metavar="A", help="Folder of the older dataset.")]
Newer = Annotated[Path, typer.Argument(metavar="B", help="Folder of the newer one.")]
_SHARED = ("as_json", "verbose")


@dataset_app.callback()
def dataset() -> None:
    """Look into a dataset, check it, compare and convert it."""


@command(dataset_app, shared=_SHARED)
def show(line: CommandLine, folder: Folder, wanted: Wanted = None, language: Spoken = None) -> None:
    """Count what is in a dataset, or show one test.

    Example: lm-eval-so dataset show dataset/docs
    """
    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.generator.dataset_tools.show import show_test, summarise, summary_text

    if wanted is None:
        summary, spoken = summarise(folder)
        result, text = to_json(summary), summary_text(summary, language or spoken)
    else:
        test, text = show_test(folder, wanted, language)
        result = to_json(test)
    if line.as_json:
        line.emit(result=result)
    else:
        line.emit_text(text)


@command(dataset_app, shared=_SHARED)
def validate(line: CommandLine, folder: Folder, language: Spoken = None) -> None:
    """Check that a dataset is whole; list everything that is damaged.

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


@command(dataset_app, shared=_SHARED)
def diff(line: CommandLine, old: Older, new: Newer, language: Spoken = None) -> None:
    """Compare two versions of a dataset, field by field.

    Example: lm-eval-so dataset diff before/dataset dataset
    """
    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.generator.dataset_tools.diff import diff as stage
    from lm_eval_so.generator.dataset_tools.diff import diff_text

    found = stage(old, new)
    if line.as_json:
        line.emit(result=to_json(found))
    else:
        line.emit_text(diff_text(found, language or found.language))


@command(dataset_app, shared=_SHARED)
def convert(
    line: CommandLine, folder: Folder, to: To, out: OutFile = None, language: Spoken = None
) -> None:
    """Write a dataset for promptfoo, or as a table for a spreadsheet.

    What has no place there is left out and told.

    Example: lm-eval-so dataset convert dataset/docs --to csv -o tests.csv
    """
    from lm_eval_so.generator.dataset_tools.convert import convert as stage
    from lm_eval_so.generator.dataset_tools.convert import notes

    made = stage(folder, to)
    for note in notes(made, language or made.language):
        typer.echo(note, err=True)
    line.emit_document(made.text, out)
