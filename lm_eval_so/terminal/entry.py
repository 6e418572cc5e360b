"""The one place that exits: parse, run, and turn errors into a text and an exit code."""

import io
import os
import re
import signal
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, TextIO

import typer

from lm_eval_so.core.files import RAISE_IT, is_short, own_process
from lm_eval_so.core.secrets import Redactor, make_redactor
from lm_eval_so.core.text import width
from lm_eval_so.errors import ExitCode, InputError, Interrupted, LMEvalError, Problem, problems_of
from lm_eval_so.terminal.lines import visible

_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP = 28, 4
"""Of Linux: prctl(2), capabilities(7)."""
_MOST_SHOWN = 50
_USER_INFO = re.compile(r"(?<=://)[^\s/@\"']+(?=@)")
"""User and password of an address in a line of the config."""


def run_app(app: typer.Typer) -> None:
    """Run a command line and exit with its code; sets limits of the process first: files, memory."""
    signal.signal(signal.SIGTERM, _interrupt)
    own_process()
    _act_as_owner(os.environ)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # JSON is UTF-8 whatever the terminal's encoding; names of files may be no UTF-8 at all
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    if os.environ.get("GITHUB_ACTIONS") == "true":
        _guard_log()
    try:
        code = run_command(app, sys.argv[1:])
    except KeyboardInterrupt:  # a signal while an end was told
        code = ExitCode.INTERRUPTED
    sys.exit(code)


def run_command(app: typer.Typer, arguments: list[str]) -> int:
    """Run a command line and return its exit code; errors are told on stderr."""
    redactor = make_redactor(os.environ)
    try:
        code = app(args=arguments, prog_name="lm-eval-so", standalone_mode=False)
    except LMEvalError as error:
        if isinstance(error, Interrupted):
            _ignore_signals()
        tell(error, sys.stderr, redactor)
        return int(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        _ignore_signals()
        tell(Interrupted("interrupted"), sys.stderr, redactor)
        return ExitCode.INTERRUPTED
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the process's last resort
        # nobody can give the option to the step of a workflow that has ended
        is_on_github = os.environ.get("GITHUB_ACTIONS") == "true"
        is_verbose = is_on_github or not {"-v", "--verbose"}.isdisjoint(arguments)
        return _tell_other(error, redactor, verbose=is_verbose)
    return code if isinstance(code, int) else ExitCode.DONE


def tell(error: LMEvalError, stderr: TextIO, redactor: Redactor) -> None:
    """Write all problems of an error, a block each: what, where, and the fix."""
    problems = error.problems
    stderr.writelines(redactor.redact(problem_text(problem)) for problem in problems[:_MOST_SHOWN])
    if len(problems) > _MOST_SHOWN:
        stderr.write(f"… and {len(problems) - _MOST_SHOWN:,} more\n")
    if len(problems) > 1:
        stderr.write(f"{len(problems):,} problems; nothing was done\n")
    stderr.flush()


def problem_text(problem: Problem) -> str:
    """Return one problem as a block: what, where with the line and a caret, what to do."""
    lines = [f"error: {visible(problem.what)}"]
    where = problem.where
    if where is not None and str(where):
        lines.append(f"  --> {visible(str(where))}")
        if where.text is not None and where.column is not None:
            before = _USER_INFO.sub("[redacted]", where.text[: where.column - 1])
            shown = _USER_INFO.sub("[redacted]", where.text)
            lines.append(f"    {visible(shown.rstrip())}")
            lines.append("    " + " " * width(before) + "^")
    if problem.hint:
        lines.append(f"  fix: {visible(problem.hint)}")
    return "\n".join(lines) + "\n"


def _tell_other(error: BaseException, redactor: Redactor, *, verbose: bool) -> int:
    # typer makes an exit of its own of a pipe whose reader has gone
    if isinstance(error, BrokenPipeError) or isinstance(error.__context__, BrokenPipeError):
        for stream in (sys.stdout, sys.stderr):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return ExitCode.INTERRUPTED
    if isinstance(error, OSError):
        [problem] = problems_of(error)
        hint = RAISE_IT if is_short(error) else None
        tell(InputError(problem.what, hint=hint), sys.stderr, redactor)
        return ExitCode.BAD_INPUT
    # typer ships its own click, whose usage errors can show themselves and know their exit code
    show, code = getattr(error, "show", None), getattr(error, "exit_code", None)
    if callable(show) and isinstance(code, int):
        show(file=sys.stderr)
        if _has_one_argument_more(error):
            sys.stderr.write("  fix: the report to compare with goes by --baseline FILE\n")
        if _may_mean_the_config(error):
            sys.stderr.write("  fix: what stands in the config goes by --set KEY.PATH=VALUE\n")
        return ExitCode.BAD_INPUT
    if isinstance(code, int):
        return code
    text = "".join(traceback.format_exception(error)) if verbose else ""
    [bug] = problems_of(error)
    hint = "" if verbose else f"\n  fix: {bug.hint}"
    sys.stderr.write(redactor.redact(f"{text}error: {bug.what}{hint}\n"))
    return ExitCode.BUG


def _interrupt(number: int, frame: object) -> NoReturn:  # noqa: ARG001 - as `signal` calls it
    """Turn SIGTERM into Ctrl-C while no stage listens, so that the end is told all the same."""
    signal.signal(number, signal.SIG_IGN)  # a wrapper sends it to the process, then to its group
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    """Ignore a signal that a wrapper repeats, so that it cannot change the exit code at the end."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _guard_log() -> None:
    """Keep printed text from being a command of GitHub's runner."""
    from lm_eval_so.terminal.github_log import guard, mask  # noqa: PLC0415 - on GitHub only

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = guard(sys.stdout)
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = guard(sys.stderr)
    mask(sys.stdout, os.environ, make_redactor(os.environ).values)


def _act_as_owner(environ: Mapping[str, str]) -> None:
    """Become the owner of the workspace, where root works in another's, as in a container action.

    Files that are made belong to the owner then, however the process ends: GitHub's runner could not
    delete files of root, and the next checkout would fail. Root's rights stay, for the runner's
    files and for folders that an earlier step made as root; programs that are started have the
    owner's alone.
    """
    is_meant = "LM_EVAL_SO_IN_CONTAINER" in environ or environ.get("GITHUB_ACTIONS") == "true"
    if not is_meant or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return
    with suppress(OSError):  # a container may have been started without such rights
        owner = Path(environ.get("GITHUB_WORKSPACE") or Path.cwd()).stat()
        if owner.st_uid:
            _keep_rights()
            os.setgid(owner.st_gid)
            os.setuid(owner.st_uid)


def _keep_rights() -> None:
    """Keep the rights of root over a change of user, on Linux."""
    import ctypes  # noqa: PLC0415 - needed by root alone

    if sys.platform == "linux":
        bits = ctypes.c_ulong(_SECBIT_NO_SETUID_FIXUP)
        ctypes.CDLL(None).prctl(_PR_SET_SECUREBITS, bits)


def _has_one_argument_more(error: BaseException) -> bool:
    """Return whether a command that takes a baseline got it without its option."""
    command = getattr(getattr(error, "ctx", None), "command", None)
    options = {name for each in getattr(command, "params", ()) for name in each.opts}
    return "unexpected extra argument" in str(error) and "--baseline" in options


def _may_mean_the_config(error: BaseException) -> bool:
    """Return whether an option is unknown to a command that takes values of the config."""
    command = getattr(getattr(error, "ctx", None), "command", None)
    options = {name for each in getattr(command, "params", ()) for name in each.opts}
    return hasattr(error, "possibilities") and "--set" in options
