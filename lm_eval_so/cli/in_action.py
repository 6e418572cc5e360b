"""A step of the Action: its input `command` says what it does, since the container always runs `ci`."""

import os
from collections.abc import Callable, Mapping
from threading import Event
from typing import assert_never

from lm_eval_so.action.inputs import Command, read_command
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.pipeline.github.tell_run import tell_run
from lm_eval_so.pipeline.github.unmeasured import Invocation, told_if_unmeasured
from lm_eval_so.terminal.command_line import CommandLine


def do_step(line: CommandLine, measure: Callable[[Event], int]) -> int:
    """Do what the step's input `command` says, and return the exit code.

    Args:
        line: Values of the shared options.
        measure: Function that does all stages, and sets the event once there is a result.
    """
    environ = dict(os.environ)
    match read_command(environ):
        case Command.COMMENT:
            return _tell_run(line, environ)
        case Command.CI | Command.MERGE:
            given = Invocation(
                environ=environ,
                config=line.config,
                overrides=line.config_overrides,
                listener=line.open_progress(environ).listen,
            )
            with told_if_unmeasured(given) as has_result:
                return measure(has_result)
        case unknown:
            assert_never(unknown)


def _tell_run(line: CommandLine, environ: Mapping[str, str]) -> int:
    progress, redactor = line.open_progress(environ), make_redactor(environ)
    try:
        published = tell_run(
            Resources(environ=environ, listener=progress.listen, redactor=redactor)
        )
    finally:
        progress.close()
    line.emit(result={"url": published.url, "written": published.written})
    if published.url and not line.as_json:
        line.emit_text(f"{published.url}\n")
    return 0
