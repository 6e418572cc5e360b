"""The result told on GitHub, in this order: outputs, job summary, annotations, comment, outputs again.

Measured first, published last: a GitHub that does not answer never loses a measurement.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

from lm_eval_so.action.comment import LEVELS, Bodies, Published
from lm_eval_so.action.event import plain_suite_id
from lm_eval_so.action.marker import State
from lm_eval_so.action.outputs import (
    Outputs,
    add_to_summary,
    annotations,
    outputs_of,
    write_summary,
)
from lm_eval_so.action.target import is_wanted, regressed_in
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.templates.safe import prose
from lm_eval_so.pipeline.github.posting import (
    About,
    Job,
    before_text,
    comment_on,
    to_summary,
)
from lm_eval_so.pipeline.github.step_outputs import tell_dry, tell_skipped, write_last, write_to
from lm_eval_so.pipeline.measure.measure import Measured
from lm_eval_so.reporter.content import Style
from lm_eval_so.reporter.markdown import Origin, comment_body

__all__ = [
    "Job",
    "Told",
    "make_bodies",
    "style_of",
    "tell_dry",
    "tell_github",
    "tell_skipped",
    "write_last",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Result of telling GitHub."""

    outputs: Outputs
    annotations: tuple[str, ...]
    """Workflow commands for the log."""
    comment_failed: bool
    """Whether there was a comment to post and it was not posted."""


def style_of(config: Config, resources: Resources) -> Style:
    """Return the style of a config's comments."""
    return Style(
        language=config.language, examples=config.report.examples, redactor=resources.redactor
    )


def make_bodies(
    comparison: Comparison, report: EvaluationReport | None, origin: Origin, style: Style
) -> Bodies:
    """Return the comment's text by level of detail."""
    is_measured = comparison.verdict is not Verdict.ERROR

    @cache
    def body(level: int, before: State | None = None) -> str:
        text = "" if is_measured else before_text(before, style.language)
        return comment_body(
            comparison,
            report,
            level=level,
            origin=replace(origin, before=text),
            style=style,
        )

    return body


def tell_github(config: Config, resources: Resources, measured: Measured, job: Job) -> Told:
    """Tell GitHub the result of a measurement.

    Args:
        config: The config.
        resources: Environment and listener.
        measured: The result.
        job: The job that measured.
    """
    activity, inputs, workspace = job.activity, job.inputs, job.workspace
    comparison, report = measured.comparison, measured.report
    names = {path.name: path for path in measured.files}
    wanted = is_wanted(inputs.publishing.comment, comparison) and job.has_place
    outputs = replace(
        outputs_of(comparison, report),
        report_json=_relative(names.get("report.json"), workspace),
        report_md=_relative(names.get("report.md"), workspace),
        report_html=_relative(names.get("report.html"), workspace),
        comment_file_written=wanted,
    )
    write_to(resources.environ, outputs)
    named = inputs.to_name(_relative(Path(config.located.file), workspace))
    # under strict rules an entry of the pull request has no effect
    takes_entries = config.gate.rules != "strict"
    accept = _relative(config.resolve(config.gate.accept), workspace) if takes_entries else None
    origin = Origin(run_url=activity.run_url, commit=job.head, config=named, accept=accept)
    style = replace(style_of(config, resources), shortens=inputs.publishing.shortens)
    bodies = make_bodies(comparison, report, origin, style)
    summarise(_summaries(measured, bodies), resources, job)
    published = Published()
    if wanted:
        about = About(
            suite_id=plain_suite_id(inputs.suite_id or activity.suite_id(config.suite)),
            verdict=None if comparison.verdict is Verdict.ERROR else comparison.verdict,
            regressed=regressed_in(comparison),
            language=config.language,
        )
        try:
            published = comment_on(bodies, resources, job, about)
        except KeyboardInterrupt:  # the step ends as stopped, so it did not pass
            write_last(resources, replace(outputs, passed=False))
            raise
    outputs = replace(
        outputs, comment_url=published.url, comment_file_written=wanted and not published.url
    )
    write_last(resources, outputs)
    return Told(
        outputs=outputs,
        annotations=annotations(
            comparison,
            most=inputs.publishing.max_annotations,
            redactor=resources.redactor,
            language=config.language,
        ),
        comment_failed=published.failed,
    )


def summarise(texts: Iterable[str], resources: Resources, job: Job) -> None:
    """Write the job summary, and the warnings of the event.

    Args:
        texts: The same in Markdown, most detailed first.
        resources: Environment, listener and redactor.
        job: The job that measured.
    """
    warnings = job.activity.warnings
    notes = [f"\n⚠ {prose(resources.redactor.redact(text))}\n" for text in warnings]
    to_summary(resources, job.inputs, partial(write_summary, texts=texts))
    if notes:
        to_summary(resources, job.inputs, partial(add_to_summary, text="".join(notes)))


def _summaries(measured: Measured, bodies: Bodies) -> Iterator[str]:
    for path in measured.files:
        if path.name == "report.md":
            yield path.read_text(encoding="utf-8")
    yield from (bodies(level) for level in range(LEVELS))


def _relative(path: Path | None, workspace: Path) -> str:
    if path is None:
        return ""
    full, root = path.resolve(), workspace.resolve()
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else str(path)
