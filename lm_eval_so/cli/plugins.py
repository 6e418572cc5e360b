"""The commands `plugins` and `schema`: what there is, and what files look like."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from lm_eval_so.terminal.command_line import CommandLine, command

if TYPE_CHECKING:
    from lm_eval_so.pipeline.plugins import Parameter, Plugin

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

Name = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="Tell all of this one.", show_default=False)
]
Record = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Of a record, or config.")]


@command(app, shared=("config", "overrides", "plugins", "as_json"))
def plugins(line: CommandLine, name: Name = None) -> None:
    """List backends and metrics with their parameters. Built in, installed, or from plugin files, those of the config too.

    Example: lm-eval-so plugins keyword_coverage
    """
    from dataclasses import asdict

    from lm_eval_so.pipeline.plugins import find_plugins

    line.load_plugins()
    found = find_plugins(name)
    if line.as_json:
        of_kind = {
            f"{kind}s": [asdict(each) for each in found if each.kind == kind]
            for kind in ("backend", "metric")
        }
        line.emit(result=of_kind)
        return
    lines = _whole(found) if name is not None else _listed(found)
    line.emit_text("".join(f"{each}\n" for each in lines))


@command(app, shared=("as_json",))
def schema(line: CommandLine, name: Record = None) -> None:
    """Print the JSON Schema of a record or of the config. Without a name, the names.

    Example: lm-eval-so schema sample
    """
    from lm_eval_so.core.config.load import config_schema
    from lm_eval_so.core.records.codec import RECORDS, dump_document, json_schema
    from lm_eval_so.errors import UnknownName

    names = ["config", *RECORDS]
    if name is None and line.as_json:
        line.emit(result={"names": names})
    elif name is None:
        line.emit_text("".join(f"{each}\n" for each in names))
    elif name in names:
        found = config_schema() if name == "config" else json_schema(name)
        line.emit_text(dump_document(found))
    else:
        raise UnknownName("schema", name, names)


def _listed(found: "tuple[Plugin, ...]") -> Iterator[str]:
    longest = max((len(each.name) for each in found), default=0)
    for each in found:
        yield f"{each.kind:<7}  {each.name:<{longest}}  {each.summary}"
        names = ", ".join(parameter.name for parameter in each.params)
        if names:
            yield f"{'':<{longest + 11}}{names}"


def _whole(found: "tuple[Plugin, ...]") -> Iterator[str]:
    for each in found:
        yield f"{each.kind} {each.name}: {each.summary}"
        if each.problem is not None:
            yield each.problem
        for word, text in each.facts.items():
            yield f"\n{word}: {text}"
        for title, parameters in (("Parameters", each.params), ("Options", each.options)):
            if parameters:
                yield f"\n{title}:"
                yield from _table(parameters)


def _table(parameters: "tuple[Parameter, ...]") -> Iterator[str]:
    longest = max(len(parameter.name) for parameter in parameters)
    for parameter in parameters:
        default = f" (default {parameter.default})" if parameter.default is not None else ""
        told = f": {parameter.help}" if parameter.help else ""
        yield f"  {parameter.name:<{longest}}  {parameter.type}{default}{told}"
