"""A measurement that failed, told on GitHub: by the outputs, the summary and the comment.

Without it an old comment would still say pass, although the new commit was not measured.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from lm_eval_so.action.inputs import CommentMode, read_usable_inputs
from lm_eval_so.action.marker import State
from lm_eval_so.action.outputs import Outputs
from lm_eval_so.core import git
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.events import Listener, Warned
from lm_eval_so.core.records.enums import Verdict
from lm_eval_so.errors import BudgetSpent, Interrupted, Problem, UsageError, problems_of
from lm_eval_so.pipeline.github.posting import STAGE, About, Job, before_text, comment_on
from lm_eval_so.pipeline.github.publish import summarise
from lm_eval_so.pipeline.github.step_outputs import write_last
from lm_eval_so.pipeline.github.unloaded_config import ConfigSource, known_of
from lm_eval_so.reporter.content import Style
from lm_eval_so.reporter.markdown import Origin, unmeasured_body


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """Part of the command line of `ci` that telling needs."""

    environ: Mapping[str, str] = field(repr=False)
    config: Path
    overrides: Sequence[str]
    """`--set` texts, over the inputs and the file."""
    listener: Listener


@contextmanager
def told_if_unmeasured(given: Invocation) -> Iterator[Event]:
    """Tell GitHub of an error on its way out, and let the error go on in any case.

    Args:
        given: The command line.

    Yields:
        Event to set once there is a result: a stop that comes later is not told.
    """
    has_result = Event()
    try:
        yield has_result
    except (Exception, KeyboardInterrupt) as error:
        is_stop = isinstance(error, KeyboardInterrupt | Interrupted)
        if not (is_stop and has_result.is_set()):
            _tell_safely(error, given)
        raise


def _tell_safely(error: BaseException, given: Invocation) -> None:
    # a budget that ended before the first answer decides as little as one that ended after it
    verdict = Verdict.INCONCLUSIVE if isinstance(error, BudgetSpent) else Verdict.ERROR
    try:
        _tell(problems_of(error), Outputs(verdict=verdict), given)
    except (Exception, KeyboardInterrupt) as another:  # noqa: BLE001 - the first is on its way out, and decides
        text = f"GitHub could not be told: {type(another).__name__}"
        given.listener(Warned(stage=STAGE, text=text))


def _tell(problems: Sequence[Problem], outputs: Outputs, given: Invocation) -> None:
    environ = given.environ
    workspace = Path(environ.get("GITHUB_WORKSPACE") or Path.cwd())
    inputs, activity = read_usable_inputs(environ, workspace=workspace), _activity(environ)
    source = ConfigSource(
        file=inputs.config_or(given.config),
        environ=environ,
        overrides=[*inputs.overrides, *given.overrides],
    )
    known = known_of(source)
    job = Job(
        activity=activity,
        inputs=inputs,
        workspace=workspace,
        head=git.head(inputs.folder) or activity.commit,
    )
    resources = Resources(environ=environ, listener=given.listener, redactor=known.redactor)
    shown = [_inside(problem, workspace) for problem in problems]
    origin = Origin(run_url=activity.run_url, commit=activity.head)
    style = Style(language=known.language, redactor=known.redactor)
    bodies = unmeasured_bodies(shown, known.suite, origin, style)
    summarise((bodies(level) for level in range(LEVELS)), resources, job)
    is_wanted = inputs.publishing.comment is not CommentMode.NEVER and not activity.skip
    is_wanted &= inputs.matrix.shard is None  # the job that puts the shards together tells
    published = Published()
    if is_wanted and job.has_place:
        suite_id = inputs.suite_id or (activity.suite_id(known.suite) if known.suite else None)
        about = About(
            suite_id=plain_suite_id(suite_id) if suite_id else None,
            verdict=None,
            language=known.language,
        )
        published = comment_on(bodies, resources, job, about)
    write_last(resources, replace(outputs, comment_url=published.url))


def _activity(environ: Mapping[str, str]) -> Activity:
    try:
        return find_activity(environ, read_event(environ))
    except UsageError as error:  # an event on which no comment is written
        return Activity(event="local", base=Base(rule=BaseRule.HEAD), skip=str(error))


def unmeasured_bodies(
    problems: Sequence[Problem], suite: str | None, origin: Origin, style: Style
) -> Bodies:
    """Return the text of a comment that says what went wrong, by level of detail."""

    @cache
    def body(level: int, before: State | None = None) -> str:
        return unmeasured_body(
            problems,
            level=level,
            suite=suite,
            origin=replace(origin, before=before_text(before, style.language)),
            style=style,
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
