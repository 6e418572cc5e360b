"""The options that mean the same in every command."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from lm_eval_so.core.records.enums import Language, ReportFormat

ConfigFile = Annotated[
    Path, typer.Option("-c", "--config", metavar="FILE", help="Config file.", show_default=True)
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY.PATH=VALUE", help="A config value, over the file; repeatable."
    ),
]
Plugins = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        metavar="FILE.py",
        help="Python file with your backends and metrics; repeatable.",
    ),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Warnings and errors only.")]
Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", help="Details, and the traceback of a bug.")
]
Json = Annotated[
    bool, typer.Option("--json", help="Result as one JSON object on stdout instead of paths.")
]
Color = Annotated[
    Literal["auto", "always", "never"],
    typer.Option("--color", help="Colour; auto looks at the terminal and NO_COLOR."),
]
ReportLanguage = Annotated[
    Language | None,
    typer.Option("--language", help="Language of reports: en or ko; default: that of the config."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done; send and write nothing.")
]
Runs = Annotated[
    list[Path] | None,
    typer.Option(
        "--run", metavar="RUN", help="Folder of a run; repeatable; default: that of the config."
    ),
]
BaselineFile = Annotated[
    Path | None,
    typer.Option("--baseline", metavar="FILE", help="report.json to compare with."),
]
Reports = Annotated[
    Path | None,
    typer.Option("-o", "--out", metavar="REPORTS", help="Folder; default: report.out."),
]
Formats = Annotated[
    list[ReportFormat] | None,
    typer.Option("--format", help="Repeatable; default: report.formats; json is always written."),
]
