"""The command `merge`: shards of a run become one run."""

from pathlib import Path
from typing import Annotated

import typer

from lm_eval_so.terminal.options import Color, Json, Quiet, Verbose

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

Runs = Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders of the parts.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        metavar="RUN",
        help="Folder of the whole run; default: beside the first part, named by the backend's label.",
    ),
]
AllowPartial = Annotated[
    bool, typer.Option("--allow-partial", help="Write what is there although rows are missing.")
]


@app.command()
def merge(
    runs: Runs,
    out: Out = None,
    allow_partial: AllowPartial = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,  # noqa: ARG001 - read by the entry
    color: Color = "auto",
) -> int:
    """Put shards of a run together. Refuses answers that disagree, names what is missing.

    Example: lm-eval-so merge runs/bot-1of2 runs/bot-2of2
    """
    import os
    import sys

    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.errors import ExitCode
    from lm_eval_so.runner.merge import merge as stage
    from lm_eval_so.runner.store.run_dir import INFO_FILE, RESULTS_FILE
    from lm_eval_so.terminal.emit import emit
    from lm_eval_so.terminal.progress import open_progress

    progress = open_progress(sys.stderr, os.environ, quiet=quiet, color=color)
    try:
        folder = out or stage.merged_folder(runs)
        info = stage.merge(runs, out=folder, allow_partial=allow_partial, listener=progress.listen)
    finally:
        progress.close()
    files = [folder / RESULTS_FILE, folder / INFO_FILE]
    emit(sys.stdout, paths=files, result=to_json(info), as_json=as_json)
    return ExitCode.DONE
