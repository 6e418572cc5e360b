"""Known answers for a forecast: those at hand of one chatbot, and those that are asked for it."""

import math
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Noticed, Warned, ignore
from lm_eval_so.core.files import keep_out_of_git
from lm_eval_so.core.records.report import Columns, EvaluationReport
from lm_eval_so.core.report_file import read_report
from lm_eval_so.core.stats.trials import ENOUGH, Rows
from lm_eval_so.core.words import counted
from lm_eval_so.errors import BudgetSpent, CannotMeasure, InputError, UsageError
from lm_eval_so.pipeline.forecast.at_hand import (
    REPORT_FILE,
    asked_folders,
    identity_of,
    info_of,
    is_run,
    next_folder,
    places_of_reports,
    runs_at_hand,
    runs_of_others,
)
from lm_eval_so.pipeline.forecast.subject import (
    FOLDER,
    Subject,
    subject_of,
    with_margins,
)
from lm_eval_so.pipeline.measure.further import score_run
from lm_eval_so.pipeline.measure.plan import read_baseline
from lm_eval_so.pipeline.reports import write_report
from lm_eval_so.runner import run as running

STAGE = "forecast"
_NEVER_ASKED = "missing"


@dataclass(frozen=True, kw_only=True)
class Known:
    """Answers of one chatbot."""

    subject: Subject
    chatbot: str
    """Fingerprint of the chatbot that gave them."""
    reports: tuple[EvaluationReport, ...] = ()
    """Reports that they are from, oldest first."""
    columns: Columns | None = None
    """All answers, in dataset order; None if there are none."""
    places: Sequence[int] = ()
    """Number of the report of each answer."""
    reached_now: int = 0
    """Answers of the chatbot as it is now that at least 80 % of the samples have."""

    @cached_property
    def rows(self) -> Sequence[Rows]:
        """Answers to each sample of the dataset."""
        found: dict[str, list[int]] = {name: [] for name in self.subject.revs}
        for row, name in enumerate(self.columns.ids if self.columns else ()):
            found[name].append(row)
        return [tuple(own) for own in found.values()]

    @cached_property
    def counts(self) -> Sequence[int]:
        """Number of answers to each sample."""
        return list(map(len, self.rows))

    @property
    def reached(self) -> int:
        """Answers that at least 80 % of the samples have."""
        if not self.counts:
            return 0
        return sorted(self.counts, reverse=True)[math.ceil(ENOUGH * len(self.counts)) - 1]

    @cached_property
    def days(self) -> tuple[str, ...]:
        """Days on which they were asked, UTC."""
        return tuple(sorted({_day(report) for report in self.reports} - {""}))

    @cached_property
    def rows_by_day(self) -> Sequence[Sequence[Rows]]:
        """Answers to each sample, by day."""
        days = [_day(self.reports[place]) for place in self.places]
        return [
            [tuple(row for row in own if days[row] == day) for own in self.rows]
            for day in self.days
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A report that was found."""

    report: EvaluationReport
    run: str
    """Identity of its run: the same run may stand in several reports."""

    @property
    def chatbot(self) -> str:
        """Fingerprint of the chatbot that was asked."""
        return self.report.experiment.fingerprints.get("run", "")


async def find_answers(
    subject: Subject, resources: Resources, given: Sequence[Path], *, only_now: bool = False
) -> Known:
    """Find the answers at hand; nothing is asked.

    Args:
        subject: Samples and metrics.
        resources: Environment and listener.
        given: Reports and runs; if there are none, the baseline, the last report and run, the runs
            that were put aside, and those that were asked for a forecast. Further answers to cases
            that went wrong are never among them: they were asked because the first was wrong.
        only_now: Whether answers of the chatbot before the change do not count.

    Raises:
        InputError: If a given report or run cannot be used.
    """
    if given:
        found = [await _given(subject, resources, path) for path in given]
        if len({each.chatbot for each in found}) > 1:
            names = " and ".join(map(str, given))
            raise UsageError(f"{names} are answers of different chatbots", hint="name those of one")
    else:
        found = [each async for each in _at_hand(subject, resources)]
    by_chatbot: dict[str, list[_Found]] = {subject.chatbot: []}
    for each in found:
        by_chatbot.setdefault(each.chatbot, []).append(each)
    known = [_pool(subject, chatbot, own) for chatbot, own in by_chatbot.items()]
    best = known[0] if only_now else max(known, key=lambda each: each.reached)
    return replace(best, reached_now=known[0].reached)  # of equals the first is best, as it is now


def _pool(subject: Subject, chatbot: str, reports: Iterable[_Found]) -> Known:
    """Put the answers of reports together; an answer that stands in two of them counts once."""
    ordered = sorted(reports, key=lambda each: (each.report.experiment.started_at or "", each.run))
    used = [each.report for each in ordered]
    order = {name: at for at, name in enumerate(subject.revs)}
    seen: set[tuple[str, str, int]] = set()
    found: list[tuple[int, int, int]] = []
    for place, report in enumerate(used):
        if not _is_scored(subject, report):
            continue
        columns = report.samples
        cached, run = frozenset(columns.cached), ordered[place].run
        for row, name in enumerate(columns.ids):
            key = (run, name, columns.repeats[row])
            is_asked = row not in cached and columns.statuses[row] != _NEVER_ASKED
            if is_asked and subject.revs.get(name) == columns.revs[row] and key not in seen:
                seen.add(key)
                found.append((order[name], place, row))
    found.sort()
    if not found:
        return Known(subject=subject, chatbot=chatbot)
    numbers = {place: at for at, place in enumerate(sorted({place for _, place, _ in found}))}
    return Known(
        subject=subject,
        chatbot=chatbot,
        reports=tuple(used[place] for place in numbers),
        columns=_columns(subject, used, found),
        places=[numbers[place] for _, place, _ in found],
    )


def _columns(
    subject: Subject, reports: Sequence[EvaluationReport], found: Sequence[tuple[int, int, int]]
) -> Columns:
    """Return the columns of all answers; numbers of repeats are counted anew."""
    of = [(reports[place].samples, row) for _, place, row in found]
    counts: dict[str, int] = {}
    repeats = []
    for columns, row in of:
        name = columns.ids[row]
        repeats.append(counts.get(name, 0))
        counts[name] = repeats[-1] + 1
    keys = [each.id for each in subject.metrics]
    out = [
        {key: frozenset(report.samples.not_applicable.get(key, ())) for key in keys}
        for report in reports
    ]
    return Columns(
        ids=tuple(columns.ids[row] for columns, row in of),
        sample_hashes=tuple(columns.sample_hashes[row] for columns, row in of),
        revs=tuple(columns.revs[row] for columns, row in of),
        groups=tuple(columns.groups[row] for columns, row in of),
        repeats=tuple(repeats),
        statuses=tuple(columns.statuses[row] for columns, row in of),
        refs=tuple(columns.refs[row] if columns.refs else None for columns, row in of),
        scores={key: tuple(columns.scores[key][row] for columns, row in of) for key in keys},
        not_applicable={
            key: tuple(at for at, (_, place, row) in enumerate(found) if row in out[place][key])
            for key in keys
        },
    )


async def _given(subject: Subject, resources: Resources, path: Path) -> _Found:
    if is_run(path):
        if subject.has_judges:
            hint = f"make its report with lm-eval-so evaluate --run {path}, and name that"
            raise UsageError(f"{path} is not scored yet, which takes a judge", hint=hint)
        return _found(subject, await score(subject, resources, path), path)
    return _found(subject, read_report(path), path)


def _found(subject: Subject, report: EvaluationReport, path: Path | None) -> _Found:
    folder = path.parent if path and path.name == REPORT_FILE else path
    return _Found(report=report, run=identity_of(subject, folder, report.experiment.started_at))


def _is_scored(subject: Subject, report: EvaluationReport) -> bool:
    """Return whether a report is of this suite, and has the metrics as they are."""
    found, own = report.metrics, subject.metrics
    return report.experiment.suite == subject.config.suite and all(
        each.id in found and found[each.id].fingerprint == each.fingerprint for each in own
    )


async def _at_hand(subject: Subject, resources: Resources) -> AsyncIterator[_Found]:
    """Yield the reports at hand, and the runs without one, scored; what cannot be read is told."""
    tell, known = resources.listener, set[tuple[str, str | None]]()
    others = dict(runs_of_others(subject))
    for folder in others.values():
        text = f"not counted: {folder}: cases broke in it, so another chatbot answered"
        tell(Noticed(stage=STAGE, text=text))
    for path in places_of_reports(subject):
        try:
            report = read_report(path) if path else read_baseline(subject.config).report
        except InputError as error:
            tell(Warned(stage=STAGE, text=f"not counted: {error}"))
            continue
        if report is not None and _is_scored(subject, report):
            found = _found(subject, report, path)
            if path is not None and found.run in others:
                continue
            known.add((found.run, report.experiment.finished_at))
            yield found
    for folder in runs_at_hand(subject):
        try:
            info = info_of(subject, folder)
            if info is None:
                continue
            run = identity_of(subject, folder, info.started_at)
            if run in others or (run, info.finished_at) in known:
                continue
            if subject.has_judges:
                text = f"not counted: {folder} has no report, which takes a judge"
                tell(Noticed(stage=STAGE, text=text))
                continue
            yield _found(subject, await score(subject, resources, folder), folder)
        except (InputError, CannotMeasure) as error:
            tell(Warned(stage=STAGE, text=f"not counted: {folder}: {error}"))


async def score(subject: Subject, resources: Resources, folder: Path) -> EvaluationReport:
    """Score a run by the deciding metrics; errors as of the stage `evaluate`."""
    metrics = {each.id for each in subject.metrics}
    quiet = replace(resources, listener=ignore)
    return await score_run(subject.config, quiet, folder, metrics)


def _day(report: EvaluationReport) -> str:
    return (report.experiment.started_at or "")[:10]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options that `forecast` alone has."""

    runs: tuple[Path, ...] = ()
    """Reports and runs to count; none: those at hand."""
    ask: bool = False
    """Whether to ask the answers that are missing."""
    most_requests: int | None = None
    margin: float | None = None
    """Margin over that of the config."""


async def get_answers(config: Config, resources: Resources, options: Options) -> Known:
    """Return the answers that a forecast of a config rests on.

    Args:
        config: A config without problems.
        resources: Environment, listener, stop event.
        options: Answers to count, and whether to ask more.

    Raises:
        InputError: If dataset, margin or a given report cannot be used.
        LMEvalError: If answers were to be asked and did not come; as of the stage `run`.
    """
    subject = subject_of(config, resources)
    if options.margin is not None:
        subject = with_margins(subject, options.margin, resources)
    if not options.ask:
        return await find_answers(subject, resources, options.runs)
    return await ask_missing(subject, resources, options)


async def ask_missing(subject: Subject, resources: Resources, options: Options) -> Known:
    """Ask the answers that are missing, and return all that are known then.

    Each run asks what a run of `ci` would, in a folder of its own, with the same seeds: so its answers
    stand to those of another as candidate and baseline do. What was begun is gone on with.
    """
    given = options.runs
    known = await find_answers(subject, resources, given, only_now=True)
    missing = subject.wanted - known.reached
    if missing <= 0:
        return known
    if subject.is_recorded:
        what = "the chatbot is a record: asked again, it gives the same answers"
        raise CannotMeasure(what, hint="name runs of the chatbot itself with --run")
    n = len(subject.revs)
    text = f"asking {counted(n, 'question')} {missing}× more: {counted(n * missing, 'request')}"
    judged = " and those of the judge" if subject.has_judges else ""
    resources.listener(Noticed(stage=STAGE, text=f"{text}{judged}"))
    keep_out_of_git(subject.config.resolve(FOLDER))
    while missing > 0:
        repeats = min(subject.sides.candidate, missing)
        await _ask_run(subject, resources, repeats, options.most_requests)
        own = [folder / REPORT_FILE for folder in asked_folders(subject)] if given else []
        before = known
        known = await find_answers(subject, resources, [*given, *own], only_now=True)
        missing = subject.wanted - known.reached
        if known.reached <= before.reached:
            raise CannotMeasure("the further answers cannot be counted", hint="see the warnings")
    return known


async def _ask_run(subject: Subject, resources: Resources, repeats: int, most: int | None) -> None:
    """Ask one run, or the rest of one that was begun, and write its report."""
    folder, begun = next_folder(subject)
    update: dict[str, object] = {"repeats": begun.repeats if begun else repeats}
    if most is not None:
        update["max_requests"] = most
    run = subject.config.run.model_copy(update=update)
    config = subject.config.model_copy(update={"run": run})
    asking = replace(resources, refreshes_cache=True)
    info = await running.run(config, asking, running.RunOptions(out=folder))
    if info.state != "complete":
        raise BudgetSpent(
            f"the budget was spent before all were asked: {folder}",
            hint="the same command goes on; give it more with --max-requests",
        )
    report = await score(subject, resources, folder)
    write_report(folder / REPORT_FILE, report, resources.redactor)
