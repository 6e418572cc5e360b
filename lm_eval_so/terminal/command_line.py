"""The decorator of commands: the options that all share, their session and their output."""

import inspect
import json
import os
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.core.files import write_atomic
from lm_eval_so.core.records.enums import Language, ReportFormat
from lm_eval_so.core.text import width
from lm_eval_so.terminal.lines import visible

if TYPE_CHECKING:
    from lm_eval_so.terminal.progress import Progress
    from lm_eval_so.terminal.session import Check, Session

Body = TypeVar("Body", bound=Callable[..., int | None])

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done; send and write nothing.")
]
MaxRequests = Annotated[
    int | None,
    typer.Option(
        "--max-requests", metavar="N", min=1, help="Most requests; default: run.max_requests."
    ),
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
BaselineRef = Annotated[
    str | None,
    typer.Option("--baseline-ref", metavar="REF", help="Git revision to read baseline.path from."),
]
Reports = Annotated[
    Path | None,
    typer.Option("-o", "--out", metavar="REPORTS", help="Folder; default: report.out."),
]
Formats = Annotated[
    list[ReportFormat] | None,
    typer.Option("--format", help="Repeatable; default: report.formats; json is always written."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    """Values of the shared options: each field is an option of every command that wants it."""

    config: Annotated[
        Path,
        typer.Option("-c", "--config", metavar="FILE", help="Config file.", show_default=True),
    ] = CONFIG_FILE
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY.PATH=VALUE", help="A config value, over the file; repeatable."
        ),
    ] = None
    plugins: Annotated[
        list[Path] | None,
        typer.Option(
            "--plugin",
            metavar="FILE.py",
            help="Python file with your backends and metrics; repeatable.",
        ),
    ] = None
    as_json: Annotated[
        bool, typer.Option("--json", help="Result as one JSON object on stdout instead of paths.")
    ] = False
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Warnings and errors only.")] = False
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Details, and the traceback of a bug.")
    ] = False
    """Read by the entry, which alone tells of bugs."""
    color: Annotated[
        Literal["auto", "always", "never"],
        typer.Option("--color", help="Colour; auto looks at the terminal and NO_COLOR."),
    ] = "auto"
    language: Annotated[
        Language | None,
        typer.Option(
            "--language", help="Language of reports: en or ko; default: that of the config."
        ),
    ] = None

    @property
    def config_overrides(self) -> tuple[str, ...]:
        """All that the options put over the config file, as `--set` texts."""
        language = [f"language={self.language.value}"] if self.language else []
        return (*(self.overrides or ()), *language)

    def again(self, command: str, options: Mapping[str, object]) -> str:
        """Return the command line that does the same, for people to paste.

        Args:
            command: Name of the command.
            options: The command's own options and their values.
        """
        from lm_eval_so.core.text.pasted import command_line

        return command_line(
            command,
            self.config,
            options=options,
            overrides=self.overrides or (),
            plugins=self.plugins or (),
        )

    def open_session(self, check: "Check | None" = None, *, needs_config: bool = True) -> "Session":
        """Read the config, load its plugins and check it.

        Args:
            check: Finds problems of the valid part of the config.
            needs_config: Whether there must be a config file; else its defaults count without one.

        Raises:
            ConfigError: With every problem of the file and its plugins, and all that `check` finds.
        """
        from lm_eval_so.terminal.session import open_session

        instead = None if needs_config else _NOTHING_SET
        return open_session(self, instead=instead).with_plugins(check)

    def load_plugins(self) -> None:
        """Run the plugin files of the config, if there is one, and of `--plugin`.

        Other mistakes of the config do not matter.

        Raises:
            ConfigError: If nothing of the config can be read, or with every plugin file that fails.
        """
        from lm_eval_so.terminal.session import open_session

        open_session(self, instead=_NOTHING_SET).load_plugins()

    def open_progress(self, environ: Mapping[str, str]) -> "Progress":
        """Open the display of progress that the options ask for."""
        from lm_eval_so.terminal.progress import open_progress

        return open_progress(sys.stderr, environ, quiet=self.quiet, color=self.color)

    def emit(self, *, paths: Iterable[Path] = (), result: Mapping[str, Any] | None = None) -> None:
        """Write the result of a command: the paths, a line each, or with `--json` one object.

        Args:
            paths: Files that were written.
            result: The object of `--json`.
        """
        if self.as_json:
            self.emit_text(json.dumps(result or {}, ensure_ascii=False, allow_nan=False) + "\n")
        else:
            self.emit_text("".join(f"{path}\n" for path in paths))

    def emit_facts(self, facts: Mapping[str, Any]) -> None:
        """Write the facts that a command found: a line each, nested values below their name.

        Args:
            facts: The facts by name; None if not known. With `--json` they are one object.
        """
        if self.as_json:
            self.emit(result=facts)
            return
        names = {name: name.replace("_", " ") for name in facts}
        broad = max((width(name) for name in names.values()), default=0)
        lines = (_fact(names[name], broad, value) for name, value in facts.items())
        self.emit_text("".join(f"{line}\n" for line in lines))

    def emit_document(self, text: str, out: Path | None) -> None:
        """Write a document as the result of a command, to a file or as it is to stdout.

        Args:
            text: The document.
            out: File to write. With `--json` the object names it; without a file it has the text.
        """
        if out is not None:
            write_atomic(out, text)
            self.emit(paths=[out], result={"path": str(out)})
        elif self.as_json:
            self.emit(result={"text": text})
        else:
            self.emit_text(text)

    def emit_text(self, text: str) -> None:
        """Write a text as the result of a command; a reader that has gone is no error."""
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


DEFAULT_SUITE = "default"
"""Suite without a config."""
_NOTHING_SET: Mapping[str, Any] = {
    "version": 1,
    "suite": DEFAULT_SUITE,
    "dataset": {"path": "dataset"},
}
"""The smallest config, for commands that need none."""
SHARED = frozenset(each.name for each in fields(CommandLine))
"""Names of the shared options."""


def command(
    app: typer.Typer, *, name: str | None = None, shared: Collection[str] = SHARED
) -> Callable[[Body], Body]:
    """Register a function as a command with the shared options besides its own.

    The function gets the values of the shared options as `line`. The help lists the config file
    where `line` stands among the function's parameters, and the other shared options at the end.
    The function returns the exit code; None stands for 0.

    Args:
        app: App that gets the command.
        name: Name of the command; default: that of the function.
        shared: Shared options that the command has; default: all.
    """
    given = {
        each.name: inspect.Parameter(
            each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=each.type
        )
        for each in fields(CommandLine)
        if each.name in shared
    }

    def register(body: Body) -> Body:
        options: list[inspect.Parameter] = []
        for own in inspect.signature(body).parameters.values():
            if own.name != "line":
                options.append(own.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            elif "config" in given:
                options.append(given["config"])
        options += (each for key, each in given.items() if key != "config")

        @wraps(body)
        def call(**values: Any) -> int | None:
            line = CommandLine(**{key: values.pop(key) for key in given})
            return body(line=line, **values)

        # typer reads both
        call.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
        call.__annotations__ = {each.name: each.annotation for each in options}
        app.command(name)(call)
        return body

    return register


def _fact(name: str, broad: int, value: Any) -> str:
    if isinstance(value, Mapping | list | tuple) and value:
        parts = json.dumps(value, ensure_ascii=False, indent=2).split("\n")
        return "\n".join([name, *(f"  {visible(part)}" for part in parts)])
    shown = value if isinstance(value, str) else _plain(value)
    return f"{name}{' ' * (broad - width(name))}  {visible(shown)}"


def _plain(value: Any) -> str:
    if value is None or value in ([], {}, ()):
        return "–"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:,}" if is_number else json.dumps(value, ensure_ascii=False)
