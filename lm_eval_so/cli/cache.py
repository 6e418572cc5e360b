"""The commands `cache info`, `clear`, `export` and `import`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lm_eval_so.terminal.command_line import CommandLine, command

if TYPE_CHECKING:
    from lm_eval_so.core.asking.cache.file import CacheInfo

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
cache_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
app.add_typer(cache_app, name="cache")

OutFile = Annotated[
    Path | None, typer.Option("-o", "--out", metavar="FILE", help="File; default: stdout.")
]
_OF_CONFIG = ("config", "overrides", "verbose")
"""Shared options that all of these commands have."""

InFile = Annotated[Path, typer.Argument(metavar="FILE", help="What `cache export` wrote.")]


@cache_app.callback()
def cache() -> None:
    """Look after the cache of answers. The same request is not paid for twice."""


@command(cache_app, shared=(*_OF_CONFIG, "as_json"))
def info(line: CommandLine) -> None:
    """Say where the cache is and what is in it.

    Example: lm-eval-so cache info
    """
    from lm_eval_so.core.asking.cache.file import look_into

    _tell(look_into(_path(line)), line)


@command(cache_app, shared=(*_OF_CONFIG, "as_json"))
def clear(line: CommandLine) -> None:
    """Empty the cache, and say what was removed.

    Example: lm-eval-so cache clear
    """
    from lm_eval_so.core.asking.cache.file import clear as empty

    path = _path(line)
    removed = empty(path)
    if line.as_json:
        _tell(removed, line)
    else:
        typer.echo(f"removed {removed.entries:,} entries from {path}")


@command(cache_app, shared=(*_OF_CONFIG, "as_json"))
def export(line: CommandLine, out: OutFile = None) -> None:
    """Write the cache as JSON lines, to take it to another machine.

    Example: lm-eval-so cache export -o answers.jsonl
    """
    from lm_eval_so.core.asking.cache.export import export_lines
    from lm_eval_so.core.files import replacing
    from lm_eval_so.errors import UsageError

    if line.as_json and out is None:
        raise UsageError("--json needs a file to name", hint="name one by -o")
    lines = export_lines(_path(line))
    if out is None:
        sys.stdout.writelines(f"{each}\n" for each in lines)
        return
    with replacing(out) as file:
        file.writelines(f"{each}\n".encode() for each in lines)
    line.emit(paths=[out], result={"path": str(out)})


@command(cache_app, name="import", shared=(*_OF_CONFIG, "as_json"))
def import_(file: InFile, line: CommandLine) -> None:
    """Put exported answers into the cache, all or none. Newer ones that are there stay.

    Example: lm-eval-so cache import answers.jsonl
    """
    from lm_eval_so.core.asking.cache.export import import_lines
    from lm_eval_so.core.files import read_lines

    path = _path(line)
    count = import_lines(path, read_lines(file), file=str(file))
    if line.as_json:
        line.emit(result={"path": str(path), "imported": count})
    else:
        typer.echo(f"put {count:,} entries into {path}")


def _path(line: CommandLine) -> Path:
    import os

    from lm_eval_so.core.config.load import load_config
    from lm_eval_so.errors import ConfigError

    config = load_config(line.config, overrides=line.config_overrides, environ=os.environ)
    if config.run.cache is False:
        where = config.where("run", "cache")
        raise ConfigError("the cache is off", where=where, hint="name a file by run.cache")
    return config.resolve(config.run.cache)


def _tell(found: "CacheInfo", line: CommandLine) -> None:
    from dataclasses import asdict

    values = asdict(found)
    if line.as_json:
        line.emit(result=values)
    else:
        shown = {**values, "entries": f"{found.entries:,}", "bytes": f"{found.bytes:,}"}
        typer.echo("\n".join(f"{name}  {value or 'none'}" for name, value in shown.items()))
