"""The answers that people labelled: found in the runs, and put to the judge."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.clock import now_text
from lm_eval_so.core.events import Began, Moved
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.workers import drain, finish
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.calibration.label_cells import HumanLabel, LabelFile, labels_about
from lm_eval_so.evaluator.judging.vote_tallies import is_judged, was_asked
from lm_eval_so.evaluator.rows.join import JoinedRows
from lm_eval_so.evaluator.scoring.score_sample import score_row

STAGE = "calibrate"

_Place = tuple[str, int]
"""Metric id and repeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """One answer with its labels by people and the score by the judge."""

    people: tuple[HumanLabel, ...]
    """Labels by people, at least one."""
    score: Score
    """Score by the judge."""

    @property
    def human(self) -> str | None:
        """The label by most people; None if they are divided."""
        (label, most), *others = Counter(each.label for each in self.people).most_common()
        return None if others and others[0][1] == most else label

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes of the people who gave the label by most of them, each once."""
        said = (each.note for each in self.people if each.label == self.human)
        return tuple(dict.fromkeys(filter(None, said)))

    @property
    def judge(self) -> str | None:
        """The judge's label; None if it gave none."""
        return self.score.label if self.score.value is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A labelled answer after the judge was asked about it."""

    sample: TestSample
    run: RunResult
    rated: Rated


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """A labelled answer that the judge is to be asked about."""

    bound: BoundMetric
    sample: TestSample
    run: RunResult
    people: tuple[HumanLabel, ...]


@dataclass(slots=True)
class Labelled:
    """Labelled answers, on their way to the judge and back."""

    file: LabelFile
    jobs: list[_Job] = field(default_factory=list)
    rated: dict[int, Rated] = field(default_factory=dict)
    """By number of the job."""
    skipped: dict[str, Counter[str]] = field(default_factory=dict)
    """Lines of the file that do not count, by metric id and reason."""
    first_skipped: dict[str, str] = field(default_factory=dict)
    """First of the labelled answers that do not count, by metric id."""
    judged_at: str = ""

    @property
    def metrics(self) -> tuple[BoundMetric, ...]:
        """The metrics whose answers were judged."""
        return tuple({job.bound.id: job.bound for job in self.jobs}.values())

    def rated_of(self, bound: BoundMetric) -> list[Rated]:
        """Return the answers of a metric, in dataset order."""
        return [self.rated[i] for i in self._own(bound)]

    def judged_of(self, bound: BoundMetric) -> Iterator[Judged]:
        """Yield the same with their questions."""
        for i in self._own(bound):
            job = self.jobs[i]
            yield Judged(sample=job.sample, run=job.run, rated=self.rated[i])

    def asked_of(self, bound: BoundMetric) -> list[RunResult]:
        """Return the answers of a metric about which a judge was called."""
        return [self.jobs[i].run for i in self._own(bound) if was_asked(self.rated[i].score)]

    def _own(self, bound: BoundMetric) -> list[int]:
        return [i for i, job in enumerate(self.jobs) if job.bound is bound and i in self.rated]

    def skip(self, metric_id: str, why: str, sample_id: str) -> None:
        """Leave out a labelled answer."""
        self.skipped.setdefault(metric_id, Counter())[why] += 1
        self.first_skipped.setdefault(metric_id, f"{sample_id} ({why})")


def find_labelled(
    file: LabelFile,
    bound: Sequence[BoundMetric],
    rows: JoinedRows,
    resources: Resources,
) -> Labelled:
    """Find the answers that people labelled, as far as the runs still have them.

    Args:
        file: The labels by people.
        bound: The labelled metrics.
        rows: The samples and the answers of the runs.
        resources: Redactor of the notes by people.
    """
    metrics = {each.id: each for each in bound}
    people = _by_sample(file)
    work = Labelled(file=file, skipped={key: Counter(empty=n) for key, n in file.empty.items()})
    for sample in rows.dataset:
        for (metric_id, repeat), labels in people.pop(sample.id, {}).items():
            run = rows.answers.find_answer(sample, repeat)
            if run is None:
                work.skip(metric_id, "missing", sample.id)
                continue
            each = metrics[metric_id]
            if each.metric.knows(sample, run):
                work.skip(metric_id, "example", sample.id)
                continue
            same, why = labels_about(labels, each.metric, sample, run, file)
            if same:
                noted = (replace(x, note=resources.redactor.redact(x.note)) for x in same)
                work.jobs.append(_Job(bound=each, sample=sample, run=run, people=tuple(noted)))
            else:
                work.skip(metric_id, why, sample.id)
    for sample_id, places in people.items():
        for metric_id, _ in places:
            work.skip(metric_id, "missing", sample_id)
    return work


async def judge_labelled(work: Labelled, resources: Resources, *, workers: int) -> None:
    """Ask the judges about the labelled answers, and keep their scores.

    Raises:
        Interrupted: If the user stopped it.
    """
    resources.listener(Began(stage=STAGE, total=len(work.jobs)))
    done = 0

    async def score(numbered: tuple[int, _Job]) -> None:
        nonlocal done
        number, job = numbered
        (found,) = await score_row([job.bound], job.sample, job.run, repeat=job.run.repeat)
        if is_judged(found):
            work.rated[number] = Rated(people=job.people, score=found)
        else:
            work.skip(job.bound.id, "missing", job.sample.id)
        done += 1
        resources.listener(Moved(stage=STAGE, done=done))

    jobs = _until(iter(enumerate(work.jobs)), resources)
    what = "interrupted while judging; no calibration is written from half the answers"
    await finish(drain(jobs, score, workers=workers), resources.stop, what=what)
    work.judged_at = now_text(resources.environ)


def _by_sample(file: LabelFile) -> dict[str, dict[_Place, list[HumanLabel]]]:
    people: dict[str, dict[_Place, list[HumanLabel]]] = {}
    for said in file.labels:
        place = (said.metric, said.repeat)
        people.setdefault(said.sample_id, {}).setdefault(place, []).append(said)
    return people


def _until(jobs: Iterator[tuple[int, _Job]], resources: Resources) -> Iterator[tuple[int, _Job]]:
    for job in jobs:
        if resources.stop.is_set():
            return
        yield job
