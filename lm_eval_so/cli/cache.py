"""The commands `cache info`, `clear`, `export` and `import`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.terminal.options import ConfigFile, Json, Overrides, Verbose

if TYPE_CHECKING:
    from lm_eval_so.core.asking.cache.file import CacheInfo

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
cache_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
app.add_typer(cache_app, name="cache")

OutFile = Annotated[
    Path | None, typer.Option("-o", "--out", metavar="FILE", help="File; default: stdout.")
]
InFile = Annotated[Path, typer.Argument(metavar="FILE", help="What `cache export` wrote.")]


@cache_app.callback()
def cache() -> None:
    """Look after the answers that are kept. The same request is not paid for twice."""


@cache_app.command()
def info(
    config: ConfigFile = CONFIG_FILE,
    overrides: Overrides = None,
    as_json: Json = False,
    verbose: Verbose = False,  # noqa: ARG001 - read by the entry
) -> None:
    """Say where the cache is and what is in it.

    Example: lm-eval-so cache info
    """
    from lm_eval_so.core.asking.cache.file import look_into

    _tell(look_into(_path(config, overrides)), as_json=as_json)


@cache_app.command()
def clear(
    config: ConfigFile = CONFIG_FILE,
    overrides: Overrides = None,
    as_json: Json = False,
    verbose: Verbose = False,  # noqa: ARG001 - read by the entry
) -> None:
    """Empty the cache, and say what was removed.

    Example: lm-eval-so cache clear
    """
    from lm_eval_so.core.asking.cache.file import clear as empty

    path = _path(config, overrides)
    removed = empty(path)
    if as_json:
        _tell(removed, as_json=True)
    else:
        typer.echo(f"removed {removed.entries:,} entries from {path}")


@cache_app.command()
def export(
    config: ConfigFile = CONFIG_FILE,
    out: OutFile = None,
    overrides: Overrides = None,
    verbose: Verbose = False,  # noqa: ARG001 - read by the entry
) -> None:
    """Write the cache as JSON lines, to take it to another machine.

    Example: lm-eval-so cache export -o answers.jsonl
    """
    from lm_eval_so.core.asking.cache.export import export_lines
    from lm_eval_so.core.files import replacing
    from lm_eval_so.terminal.emit import emit

    lines = export_lines(_path(config, overrides))
    if out is None:
        sys.stdout.writelines(f"{line}\n" for line in lines)
        return
    with replacing(out) as file:
        file.writelines(f"{line}\n".encode() for line in lines)
    emit(sys.stdout, paths=[out])


@cache_app.command(name="import")
def import_(
    file: InFile,
    config: ConfigFile = CONFIG_FILE,
    overrides: Overrides = None,
    as_json: Json = False,
    verbose: Verbose = False,  # noqa: ARG001 - read by the entry
) -> None:
    """Put exported answers into the cache, all or none. Newer ones that are there stay.

    Example: lm-eval-so cache import answers.jsonl
    """
    from lm_eval_so.core.asking.cache.export import import_lines
    from lm_eval_so.core.files import read_lines
    from lm_eval_so.terminal.emit import emit

    path = _path(config, overrides)
    count = import_lines(path, read_lines(file), file=str(file))
    if as_json:
        emit(sys.stdout, result={"path": str(path), "imported": count}, as_json=True)
    else:
        typer.echo(f"put {count:,} entries into {path}")


def _path(file: Path, overrides: list[str] | None) -> Path:
    import os

    from lm_eval_so.core.config.load import load_config
    from lm_eval_so.errors import ConfigError

    config = load_config(file, overrides=overrides or (), environ=os.environ)
    if config.run.cache is False:
        where = config.where("run", "cache")
        raise ConfigError("the cache is off", where=where, hint="name a file by run.cache")
    return config.resolve(config.run.cache)


def _tell(found: "CacheInfo", *, as_json: bool) -> None:
    from dataclasses import asdict

    from lm_eval_so.terminal.emit import emit

    values = asdict(found)
    if as_json:
        emit(sys.stdout, result=values, as_json=True)
    else:
        shown = {**values, "entries": f"{found.entries:,}", "bytes": f"{found.bytes:,}"}
        typer.echo("\n".join(f"{name}  {value or 'none'}" for name, value in shown.items()))
