"""Past reports of a suite, one after another: figures, and what was changed in between."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lm_eval_so.comparator.settings import differing_settings
from lm_eval_so.core import git
from lm_eval_so.core.config.load import load_config
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Listener, Warned
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.history import History, HistoryEntry, MetricFigure, MetricTrace
from lm_eval_so.core.records.report import EvaluationReport, MetricSummary
from lm_eval_so.core.report_file import parse_report, read_report, rows_among
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.errors import LMEvalError, NothingToDo, UsageError

_STAGE = "history"
_DIGITS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A past report."""

    source: str
    """File, or commit that stored it."""
    report: EvaluationReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Choice of the reports that a history is made of."""

    files: Sequence[Path]
    """Reports, or folders with one; none: the versions of the baseline that git holds."""
    most: int
    """Most reports, the newest."""
    config: Path
    overrides: Sequence[str] = ()
    environ: Mapping[str, str] = field(repr=False)


def gather_history(request: Request, listener: Listener) -> tuple[History, Language]:
    """Return the history of a suite, and the language of its config.

    Args:
        request: The choice of reports.
        listener: Called with a warning for each version of the baseline that cannot be read.

    Raises:
        NothingToDo: If there is no report at all.
        UsageError: If no file is given and the config names no baseline, or if there are several suites.
        InputError: If a named file cannot be read.
    """
    config = None
    if not request.files or request.config.is_file():
        config = load_config(request.config, overrides=request.overrides, environ=request.environ)
    redactor = make_redactor(request.environ)
    past = _named(request) if request.files else _stored(config, request.most, listener)
    made = make_history(past, redact=redactor.redact)
    if not made.entries:
        hint = "store one with lm-eval-so baseline update, and commit it; or name report.json files"
        raise NothingToDo("there is no past report", hint=hint)
    return made, config.language if config else Language.EN


def _named(request: Request) -> Iterator[Past]:
    """Yield the named reports by the time of their evaluation."""
    # read twice: a report may be large, and only two are held at a time
    times = {file: read_report(file).experiment.evaluated_at for file in request.files}
    for file in sorted(times, key=lambda each: times[each])[-request.most :]:
        yield Past(source=str(file), report=read_report(file))


def _stored(config: Config | None, most: int, listener: Listener) -> Iterator[Past]:
    """Yield the versions of the baseline, the oldest first."""
    if config is None or config.baseline.path is None:
        where = config.where("baseline", "path") if config else None
        hint = "name reports: lm-eval-so history A/report.json B/report.json"
        raise UsageError("the config names no baseline.path", where=where, hint=hint)
    file = config.resolve(config.baseline.path)
    for commit in git.commits_of(file, most):
        source = commit[:_DIGITS]
        try:
            data = git.show_named(commit, file)
            if data is not None:
                read = partial(_shown_beside, commit, file)
                report = parse_report(
                    data, shown_as=f"{source}:{file.name}", find_rows=rows_among(read)
                )
                yield Past(source=source, report=report)
        except LMEvalError as error:
            listener(Warned(stage=_STAGE, text=f"{source} is left out: {error}"))


def _shown_beside(commit: str, file: Path, name: str) -> bytes | None:
    return git.show_named(commit, file.with_name(name))


def make_history(past: Iterable[Past], *, redact: Callable[[str], str]) -> History:
    """Return the figures of reports, and the changes from each to the next.

    Args:
        past: Reports of one suite, the oldest first; two of them are held at a time.
        redact: Function that takes secrets out of a text.

    Raises:
        UsageError: If the reports are of several suites.
    """
    entries: list[HistoryEntry] = []
    suites: dict[str, str] = {}
    known: dict[str, MetricSummary] = {}
    before: EvaluationReport | None = None
    for each in past:
        now = each.report
        suites.setdefault(now.experiment.suite, each.source)
        entries.append(_entry(each, before, known, redact))
        known |= now.metrics
        before = now
    if len(suites) > 1:
        told = ", ".join(f"{suite} ({source})" for suite, source in suites.items())
        raise UsageError(f"reports of several suites: {told}", hint="name those of one")
    newest = [*(before.metrics if before else ()), *known]
    return History(
        suite=next(iter(suites), ""),
        metrics={
            name: MetricTrace(
                kind=metric.kind, direction=metric.direction, range=metric.range, unit=metric.unit
            )
            for name in dict.fromkeys(newest)
            for metric in [known[name]]
        },
        entries=tuple(entries),
    )


def _entry(
    past: Past,
    before: EvaluationReport | None,
    known: dict[str, MetricSummary],
    redact: Callable[[str], str],
) -> HistoryEntry:
    report, experiment = past.report, past.report.experiment
    changes = differing_settings(before, report, redact=redact) if before else ()
    return HistoryEntry(
        at=experiment.evaluated_at,
        source=redact(past.source),
        commit=experiment.commit,
        model=experiment.backend.model and redact(experiment.backend.model),
        samples=report.sample_count,
        complete=experiment.complete,
        metrics=dict(_figures(report, known)),
        changes=changes,
    )


def _figures(
    report: EvaluationReport, known: dict[str, MetricSummary]
) -> Iterator[tuple[str, MetricFigure]]:
    for name, metric in report.metrics.items():
        last = known.get(name)
        yield (
            name,
            MetricFigure(
                mean=metric.mean,
                ci95=metric.ci95,
                n=metric.sample_count,
                measured_anew=last is not None and last.fingerprint != metric.fingerprint,
            ),
        )
