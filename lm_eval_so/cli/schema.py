"""The command `schema`."""

from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Of a record, or config.")]


@app.command()
def schema(name: Name = None) -> None:
    """Print the JSON Schema of a record or of the config. Without a name, the names.

    Example: lm-eval-so schema sample
    """
    from lm_eval_so.core.config.load import config_schema
    from lm_eval_so.core.records.codec import RECORDS, dump_document, json_schema
    from lm_eval_so.errors import UnknownName

    names = ["config", *RECORDS]
    if name is None:
        typer.echo("\n".join(names))
    elif name in names:
        found = config_schema() if name == "config" else json_schema(name)
        typer.echo(dump_document(found), nl=False)
    else:
        raise UnknownName("schema", name, names)
