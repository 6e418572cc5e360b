"""Where nothing could be measured: the outputs, the summary and the comment say so.

A comment that went on saying pass would speak of a commit that nobody measured.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from threading import Event

from lm_eval_so.action.comment import LEVELS, Bodies, Published
from lm_eval_so.action.event import (
    Activity,
    Base,
    BaseRule,
    find_activity,
    plain_suite_id,
    read_event,
)
from lm_eval_so.action.inputs import CommentMode, Inputs, read_usable_inputs
from lm_eval_so.action.marker import State
from lm_eval_so.action.outputs import Outputs
from lm_eval_so.core import git
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.config_secrets import config_redactor
from lm_eval_so.core.config.load import load_config, make_config, override_value
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.variables import fill_in
from lm_eval_so.core.config.yaml_lines import Located, Path_, read_yaml
from lm_eval_so.core.events import Listener, Warned
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.secrets import Redactor, make_redactor
from lm_eval_so.errors import (
    ConfigError,
    Interrupted,
    LMEvalError,
    Problem,
    UsageError,
    problems_of,
)
from lm_eval_so.pipeline.github.posting import STAGE, before_text, comment_on, has_place
from lm_eval_so.pipeline.github.publish import summarise, write_last
from lm_eval_so.reporter.content import Style
from lm_eval_so.reporter.markdown import Origin, unmeasured_body


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a command line of `ci` asks for, as far as telling needs it."""

    environ: Mapping[str, str] = field(repr=False)
    config: Path
    overrides: Sequence[str]
    """`--set` texts, over the inputs and the file."""
    listener: Listener


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What is known of the config, whether or not it can be used."""

    suite: str | None
    language: Language
    redactor: Redactor


@contextmanager
def told_if_unmeasured(asked: Asked) -> Iterator[Event]:
    """Tell GitHub of an error on its way out; whatever comes of telling, the error goes on.

    Yields:
        What is set once there is a result: a stop that comes later is not told.
    """
    has_result = Event()
    try:
        yield has_result
    except (Exception, KeyboardInterrupt) as error:
        is_stop = isinstance(error, KeyboardInterrupt | Interrupted)
        if not (is_stop and has_result.is_set()):
            _tell_safely(problems_of(error), asked)
        raise


def _tell_safely(problems: Sequence[Problem], asked: Asked) -> None:
    try:
        _tell(problems, asked)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - another error is on its way out, and decides
        text = f"GitHub could not be told: {type(error).__name__}"
        asked.listener(Warned(stage=STAGE, text=text))


def _tell(problems: Sequence[Problem], asked: Asked) -> None:
    environ = asked.environ
    workspace = Path(environ.get("GITHUB_WORKSPACE") or Path.cwd())
    inputs = read_usable_inputs(environ, workspace=workspace)
    activity, known = _activity(environ), _known(asked, inputs)
    resources = Resources(environ=environ, listener=asked.listener, redactor=known.redactor)
    shown = [_inside(problem, workspace) for problem in problems]
    bodies = _bodies(shown, known, Origin(run_url=activity.run_url))
    summarise((bodies(level) for level in range(LEVELS)), resources, activity, inputs)
    is_wanted = inputs.comment is not CommentMode.NEVER and not activity.skip
    published = Published()
    if is_wanted and has_place(activity, inputs):
        suite_id = inputs.suite_id or (activity.suite_id(known.suite) if known.suite else None)
        published = comment_on(
            bodies,
            resources,
            activity,
            inputs,
            head=git.head(inputs.folder) or activity.commit,
            suite_id=plain_suite_id(suite_id) if suite_id else None,
            verdict=None,
            language=known.language,
        )
    write_last(resources, Outputs(comment_url=published.url))


def _activity(environ: Mapping[str, str]) -> Activity:
    try:
        return find_activity(environ, read_event(environ))
    except UsageError as error:  # an event on which no comment is written
        return Activity(event="local", base=Base(rule=BaseRule.HEAD), skip=str(error))


def _known(asked: Asked, inputs: Inputs) -> _Known:
    file, environ = inputs.config_or(asked.config), asked.environ
    overrides = [*inputs.overrides, *asked.overrides]
    try:
        config = load_config(file, overrides=overrides, environ=environ)
    except LMEvalError:
        return _readable(file, overrides, environ)
    redactor = config_redactor(config, environ, runs_code=False)
    return _Known(suite=config.suite, language=config.language, redactor=redactor)


def _readable(file: Path, overrides: Sequence[str], environ: Mapping[str, str]) -> _Known:
    """Read what can be read of a config that cannot be used: its suite, its language."""
    located = Located(values={})
    with suppress(LMEvalError):
        located = read_yaml(file)
    values = located.values if isinstance(located.values, dict) else {}
    given: set[Path_] = set()
    for override in overrides:
        with suppress(LMEvalError):
            values, at = override_value(values, override)
            given.add(at)
    located = Located(values=values, overridden=frozenset(given))
    suite, language = (_valid(key, located, environ) for key in ("suite", "language"))
    return _Known(
        suite=suite.suite if suite else None,
        language=language.language if language else Language.EN,
        redactor=make_redactor(environ),
    )


def _valid(key: str, located: Located, environ: Mapping[str, str]) -> Config | None:
    """Return a config that has this value and else the least, if it may have it."""
    least = {"version": 1, "suite": "x", "dataset": {"path": "x"}}
    problems: list[Problem] = []
    given = {key: located.values.get(key)}
    filled = fill_in(replace(located, values=given), environ, problems)
    try:
        return None if problems else make_config({**least, **filled.values})
    except ConfigError:
        return None


def _bodies(problems: Sequence[Problem], known: _Known, origin: Origin) -> Bodies:
    @cache
    def body(level: int, before: State | None = None) -> str:
        return unmeasured_body(
            problems,
            level=level,
            suite=known.suite,
            origin=replace(origin, before=before_text(before, known.language)),
            style=Style(language=known.language, redactor=known.redactor),
        )

    return body


def _inside(problem: Problem, workspace: Path) -> Problem:
    """Name files as the repository does, not as the container."""

    def short(text: str | None) -> str | None:
        return text.replace(f"{workspace}/", "") if text else text

    where = problem.where
    return replace(
        problem,
        what=short(problem.what) or "",
        where=replace(where, file=short(where.file)) if where else None,
        hint=short(problem.hint),
    )
