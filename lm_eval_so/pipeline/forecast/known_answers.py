"""Answers at hand for a forecast: those of one chatbot to the dataset as it is, each asked anew."""

import math
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.dataset import Dataset, load_dataset
from lm_eval_so.core.events import Noticed, Warned, ignore
from lm_eval_so.core.hashing import revision
from lm_eval_so.core.records.report import Columns, EvaluationReport
from lm_eval_so.core.report_file import read_report
from lm_eval_so.core.stats.trials import ENOUGH, Rows, Sides
from lm_eval_so.errors import CannotMeasure, InputError, UsageError
from lm_eval_so.evaluator.binding.bind import bind_metrics, gating_ids, unasked_judges
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.pipeline.measure.further import is_alone, score_run
from lm_eval_so.pipeline.measure.plan import read_baseline
from lm_eval_so.runner.dry_run import head_of
from lm_eval_so.runner.run import run_folder
from lm_eval_so.runner.store.run_dir import RESULTS_FILE, read_info

STAGE = "forecast"
REPORT_FILE = "report.json"
FOLDER = Path(".lm-eval-so/forecast")
"""Folder of further answers, relative to that of the config."""
FORECAST_FILE = FOLDER / "forecast.json"
_NEVER_ASKED = "missing"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Subject of a forecast: samples, and the metrics that decide about them."""

    config: Config
    dataset: Dataset
    metrics: tuple[BoundMetric, ...]
    """Deciding metrics that score an answer by itself."""
    left_out: tuple[str, ...]
    """Deciding metrics that hold an answer against others, so that answers cannot be shuffled."""
    chatbot: str
    """Fingerprint of the chatbot as it is now."""

    @cached_property
    def revs(self) -> Mapping[str, str]:
        """Revision of each sample."""
        return {sample.id: sample.rev or revision(sample) for sample in self.dataset}

    @cached_property
    def groups(self) -> int | None:
        """Number of groups of samples; None if all stand alone."""
        labels = [sample.group_id for sample in self.dataset]
        named = [label for label in labels if label is not None]
        found = len(set(named))
        return found + len(labels) - len(named) if found < len(named) else None

    @property
    def sides(self) -> Sides:
        """Answers to a sample on each side of a comparison."""
        return Sides(baseline=self.config.baseline_repeats, candidate=self.config.run.repeats)

    @property
    def has_judges(self) -> bool:
        """Whether scores take a judge."""
        return any(each.section.judges for each in self.metrics)

    def is_scored(self, report: EvaluationReport) -> bool:
        """Return whether a report is of this suite, and has the metrics as they are."""
        found = report.metrics
        return report.experiment.suite == self.config.suite and all(
            each.id in found and found[each.id].fingerprint == each.fingerprint
            for each in self.metrics
        )

    @property
    def folder(self) -> Path:
        """Folder of runs that were asked for a forecast."""
        return self.config.resolve(FOLDER) / run_folder(self.config).name


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


def subject_of(config: Config, resources: Resources) -> Subject:
    """Return the subject of a forecast, of a config without problems.

    Raises:
        InputError: If the dataset cannot be used.
    """
    told = config.dataset
    dataset = load_dataset(
        config.resolve(told.path), name=told.name, version=told.version, shown_as=told.path
    )
    bound = bind_metrics(config, unasked_judges(config))
    gating = gating_ids(config, bound)
    deciding = [each for each in bound if each.id in gating]
    return Subject(
        config=config,
        dataset=dataset,
        metrics=tuple(each for each in deciding if is_alone(each)),
        left_out=tuple(each.id for each in deciding if not is_alone(each)),
        chatbot=head_of(config, resources).fingerprint,
    )


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
    if only_now:
        return known[0]
    return max(known, key=lambda each: each.reached)  # of equals the first, as it is now


def _pool(subject: Subject, chatbot: str, reports: Iterable[_Found]) -> Known:
    """Put the answers of reports together; an answer that stands in two of them counts once."""
    ordered = sorted(reports, key=lambda each: (each.report.experiment.started_at or "", each.run))
    used = [each.report for each in ordered]
    order = {name: at for at, name in enumerate(subject.revs)}
    seen: set[tuple[str, str, int]] = set()
    found: list[tuple[int, int, int]] = []
    for place, report in enumerate(used):
        if not subject.is_scored(report):
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
        scores={key: tuple(columns.scores[key][row] for columns, row in of) for key in keys},
        not_applicable={
            key: tuple(at for at, (_, place, row) in enumerate(found) if row in out[place][key])
            for key in keys
        },
    )


async def _given(subject: Subject, resources: Resources, path: Path) -> _Found:
    if _is_run(path):
        if subject.has_judges:
            hint = f"make its report with lm-eval-so evaluate --run {path}, and name that"
            raise UsageError(f"{path} is not scored yet, which takes a judge", hint=hint)
        return _found(subject, await score(subject, resources, path), path)
    return _found(subject, read_report(path), path)


def _found(subject: Subject, report: EvaluationReport, path: Path | None) -> _Found:
    folder = path.parent if path and path.name == REPORT_FILE else path
    return _Found(report=report, run=_identity(subject, folder, report.experiment.started_at))


def _identity(subject: Subject, folder: Path | None, started_at: str | None) -> str:
    """Return the identity of a run: its folder if it was asked here, else the time of its start."""
    if folder is not None and folder.resolve().parent == subject.folder.resolve():
        return f"asked {folder.name}"
    return started_at or ""


async def _at_hand(subject: Subject, resources: Resources) -> AsyncIterator[_Found]:
    """Yield the reports at hand, and the runs without one, scored; what cannot be read is told."""
    tell, known = resources.listener, set[tuple[str, str | None]]()
    for path in _places_of_reports(subject):
        try:
            report = read_report(path) if path else read_baseline(subject.config).report
        except InputError as error:
            tell(Warned(stage=STAGE, text=f"not counted: {error}"))
            continue
        if report is not None and subject.is_scored(report):
            found = _found(subject, report, path)
            known.add((found.run, report.experiment.finished_at))
            yield found
    for folder in _runs(subject):
        try:
            info = read_info(folder)
            if info is None or info.fingerprint != subject.chatbot:
                continue
            if (_identity(subject, folder, info.started_at), info.finished_at) in known:
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


def _places_of_reports(subject: Subject) -> Iterator[Path | None]:
    """Yield the files of reports; None stands for the baseline, which may stand in git."""
    yield None
    last = subject.config.resolve(subject.config.report.out)
    for folder in (last, *asked_folders(subject)):
        if (folder / REPORT_FILE).is_file():
            yield folder / REPORT_FILE


def _runs(subject: Subject) -> Iterator[Path]:
    """Yield the last run, those before it, and those that were asked for a forecast."""
    last = run_folder(subject.config)
    yield last
    yield from numbered(last.parent, f"{last.name}.")
    yield from asked_folders(subject)


def asked_folders(subject: Subject) -> list[Path]:
    """Return the folders of runs that were asked for a forecast, in their order."""
    return numbered(subject.folder)


def numbered(folder: Path, prefix: str = "") -> list[Path]:
    """Return the folders in a folder whose names are a prefix and a number, by number."""
    if not folder.is_dir():
        return []
    names = {path.name.removeprefix(prefix): path for path in folder.glob(f"{prefix}*")}
    numbers = sorted(int(name) for name in names if name.isdecimal() and name.isascii())
    return [names[str(number)] for number in numbers if str(number) in names]


def _is_run(path: Path) -> bool:
    """Return whether a path is a run that has no report."""
    return (path / RESULTS_FILE).is_file() and not (path / REPORT_FILE).is_file()


def _day(report: EvaluationReport) -> str:
    return (report.experiment.started_at or "")[:10]
