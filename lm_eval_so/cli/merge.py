"""The command `merge`: shards of a run become one run."""

from pathlib import Path
from typing import Annotated

import typer

from lm_eval_so.terminal.command_line import CommandLine, command

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
    bool,
    typer.Option(
        "--allow-partial", help="Write the rows that there are, even if some are missing."
    ),
]
Recount = Annotated[
    bool,
    typer.Option(
        "--recount",
        help="Count the rows of each part again; refuse one whose run.json has other totals.",
    ),
]


@command(app, shared=("as_json", "quiet", "verbose", "color"))
def merge(
    line: CommandLine,
    runs: Runs,
    out: Out = None,
    allow_partial: AllowPartial = False,
    recount: Recount = False,
) -> None:
    """Put shards of a run together. Refuses answers that disagree, names what is missing.

    Example: lm-eval-so merge runs/bot-1of2 runs/bot-2of2
    """
    import os
    from contextlib import closing

    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.runner.merge import merge as stage
    from lm_eval_so.runner.store.run_dir import INFO_FILE, RESULTS_FILE

    with closing(line.open_progress(os.environ)) as progress:
        folder = out or stage.merged_folder(runs)
        info = stage.merge(
            runs,
            out=folder,
            allow_partial=allow_partial,
            recount=recount,
            listener=progress.listen,
        )
    line.emit(paths=[folder / RESULTS_FILE, folder / INFO_FILE], result=to_json(info))
