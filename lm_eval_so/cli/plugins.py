"""The command `plugins`."""

from pathlib import Path
from typing import Annotated

import typer

from lm_eval_so.terminal.options import Json

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

Files = Annotated[
    list[Path] | None,
    typer.Option("--plugin", metavar="FILE.py", help="List what this file adds, too; repeatable."),
]


@app.command()
def plugins(files: Files = None, as_json: Json = False) -> None:
    """List backends and metrics: built in, installed, and of plugin files.

    Example: lm-eval-so plugins --plugin my_plugin.py
    """
    import sys

    from lm_eval_so.core.backends.base import backends
    from lm_eval_so.core.plugins import load_plugins
    from lm_eval_so.evaluator.metrics.base import metrics
    from lm_eval_so.terminal.emit import emit

    load_plugins(files or [])
    found = {"backends": list(backends.names()), "metrics": list(metrics.names())}
    emit(sys.stdout, result=found, as_json=True) if as_json else typer.echo(
        "\n".join(f"{kind[:-1]}  {name}" for kind, names in found.items() for name in names)
    )
