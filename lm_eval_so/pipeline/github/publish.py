"""What is told to GitHub, in this order: outputs, job summary, annotations, comment, outputs again.

Measured first, published last: a GitHub that does not answer never loses a measurement.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

from lm_eval_so.action.comment import LEVELS, Bodies, Published
from lm_eval_so.action.event import Activity, plain_suite_id
from lm_eval_so.action.inputs import Inputs
from lm_eval_so.action.marker import State
from lm_eval_so.action.outputs import (
    Outputs,
    add_to_summary,
    annotations,
    outputs_of,
    write_outputs,
    write_summary,
)
from lm_eval_so.action.target import is_wanted
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Warned
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.templates.safe import prose
from lm_eval_so.pipeline.github.posting import STAGE, before_text, comment_on, has_place, to_summary
from lm_eval_so.pipeline.measure import Measured
from lm_eval_so.reporter.content import Style
from lm_eval_so.reporter.markdown import Origin, comment_body


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How telling GitHub went."""

    outputs: Outputs
    annotations: tuple[str, ...]
    """Workflow commands for the log."""
    comment_failed: bool
    """There was a comment to post, and it was not posted."""


def make_bodies(
    config: Config,
    resources: Resources,
    comparison: Comparison,
    report: EvaluationReport | None,
    origin: Origin,
) -> Bodies:
    """Return the comment's text by level of detail."""
    is_measured = comparison.verdict is not Verdict.ERROR
    style = Style(
        language=config.language, examples=config.report.examples, redactor=resources.redactor
    )

    @cache
    def body(level: int, before: State | None = None) -> str:
        text = "" if is_measured else before_text(before, config.language)
        return comment_body(
            comparison,
            report,
            level=level,
            origin=replace(origin, before=text),
            style=style,
        )

    return body


def tell_github(
    config: Config,
    resources: Resources,
    measured: Measured,
    *,
    activity: Activity,
    inputs: Inputs,
    workspace: Path,
    head: str | None,
) -> Told:
    """Tell GitHub what was found.

    Args:
        config: The config.
        resources: Environment and listener.
        measured: What was found.
        activity: What the event asks for.
        inputs: What the workflow asks for.
        workspace: Root of the checkout; output paths are relative to it.
        head: The commit that was evaluated.
    """
    comparison, report = measured.comparison, measured.report
    names = {path.name: path for path in measured.files}
    wanted = is_wanted(inputs.comment, comparison) and has_place(activity, inputs)
    outputs = replace(
        outputs_of(comparison, report),
        report_json=_relative(names.get("report.json"), workspace),
        report_md=_relative(names.get("report.md"), workspace),
        comment_file_written=wanted,
    )
    write_to(resources.environ, outputs)
    origin = Origin(run_url=activity.run_url, commit=head)
    bodies = make_bodies(config, resources, comparison, report, origin)
    summarise(_summaries(measured, bodies), resources, activity, inputs)
    published = Published()
    if wanted:
        published = comment_on(
            bodies,
            resources,
            activity,
            inputs,
            head=head,
            suite_id=plain_suite_id(inputs.suite_id or activity.suite_id(config.suite)),
            verdict=None if comparison.verdict is Verdict.ERROR else comparison.verdict,
            language=config.language,
        )
    outputs = replace(
        outputs, comment_url=published.url, comment_file_written=wanted and not published.url
    )
    write_last(resources, outputs)
    return Told(
        outputs=outputs,
        annotations=annotations(
            comparison, most=inputs.max_annotations, redactor=resources.redactor
        ),
        comment_failed=published.failed,
    )


def summarise(
    texts: Iterable[str], resources: Resources, activity: Activity, inputs: Inputs
) -> None:
    """Write the job summary, and what the event has to be warned of.

    Args:
        texts: The same in Markdown, most detailed first.
        resources: Environment, listener and redactor.
        activity: What the event asks for.
        inputs: What the workflow asks for.
    """
    notes = [f"\n⚠ {prose(resources.redactor.redact(text))}\n" for text in activity.warnings]
    to_summary(resources, inputs, partial(write_summary, texts=texts))
    if notes:
        to_summary(resources, inputs, partial(add_to_summary, text="".join(notes)))


def _summaries(measured: Measured, bodies: Bodies) -> Iterator[str]:
    for path in measured.files:
        if path.name == "report.md":
            yield path.read_text(encoding="utf-8")
    yield from (bodies(level) for level in range(LEVELS))


def write_to(environ: Mapping[str, str], outputs: Outputs) -> str | None:
    """Write the Action's outputs, where GitHub takes them; return why that fails, or None."""
    if file := environ.get("GITHUB_OUTPUT"):
        try:
            write_outputs(Path(file), outputs)
        except OSError as error:
            return error.strerror or str(error)
    return None


def write_last(resources: Resources, outputs: Outputs) -> None:
    """Write the outputs that stay, and warn if they cannot be: no result is lost by that."""
    if reason := write_to(resources.environ, outputs):
        resources.listener(Warned(stage=STAGE, text=f"no outputs: {reason}"))


def _relative(path: Path | None, workspace: Path) -> str:
    if path is None:
        return ""
    full, root = path.resolve(), workspace.resolve()
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else str(path)
