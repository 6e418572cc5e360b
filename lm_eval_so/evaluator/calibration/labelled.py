"""The answers that people labelled: found in the runs, and put to the judge."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.events import Began, Moved
from lm_eval_so.core.hashing import sample_hash
from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.core.workers import drain, finish
from lm_eval_so.evaluator.calibration.label_file import HumanLabel, LabelFile
from lm_eval_so.evaluator.calibration.labels import is_same_answer
from lm_eval_so.evaluator.calibration.rated import Rated
from lm_eval_so.evaluator.calibration.telling import STAGE
from lm_eval_so.evaluator.join import Answers
from lm_eval_so.evaluator.score import BoundMetric, score_row
from lm_eval_so.evaluator.votes import was_asked

_Place = tuple[str, int]
"""Metric id and repeat."""


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

    jobs: list[_Job] = field(default_factory=list)
    rated: dict[int, Rated] = field(default_factory=dict)
    """By number of the job."""
    skipped: dict[str, Counter[str]] = field(default_factory=dict)
    """Lines of the file that do not count, by metric id and why."""
    first_skipped: dict[str, str] = field(default_factory=dict)
    """A labelled answer among them, by metric id."""

    def rated_of(self, bound: BoundMetric) -> list[Rated]:
        """Return the answers of a metric, in dataset order."""
        return [self.rated[i] for i in self._own(bound)]

    def asked_of(self, bound: BoundMetric) -> list[RunResult]:
        """Return the answers of a metric about which it took a call to judge them."""
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
    dataset: Iterable[TestSample],
    answers: Answers,
    redactor: Redactor,
) -> Labelled:
    """Find the answers that people labelled, as far as the runs still have them.

    Args:
        file: What people said.
        bound: The metrics of which there are labels.
        dataset: The samples.
        answers: The runs.
        redactor: Takes secrets out of what people noted.
    """
    metrics = {each.id: each for each in bound}
    people = _by_sample(file)
    work = Labelled(skipped={key: Counter(empty=n) for key, n in file.empty.items()})
    for sample in dataset:
        for (metric_id, repeat), labels in people.pop(sample.id, {}).items():
            run = answers.find(sample.id, repeat, sample_hash(sample))
            if run is None:
                work.skip(metric_id, "missing", sample.id)
                continue
            same = tuple(
                replace(said, note=redactor.redact(said.note))
                for said in labels
                if _is_about(said, run, file)
            )
            if same:
                job = _Job(bound=metrics[metric_id], sample=sample, run=run, people=same)
                work.jobs.append(job)
            else:
                work.skip(metric_id, "changed", sample.id)
    for sample_id, places in people.items():
        for metric_id, _ in places:
            work.skip(metric_id, "missing", sample_id)
    return work


async def judge_labelled(work: Labelled, resources: Resources, *, workers: int) -> None:
    """Ask the judges about the labelled answers, and keep what they say with them.

    Raises:
        Interrupted: If the user stopped it.
    """
    resources.listener(Began(stage=STAGE, total=len(work.jobs)))
    done = 0

    async def score(numbered: tuple[int, _Job]) -> None:
        nonlocal done
        number, job = numbered
        (found,) = await score_row([job.bound], job.sample, job.run, repeat=job.run.repeat)
        if _is_judged(found):
            work.rated[number] = Rated(people=job.people, score=found)
        else:
            work.skip(job.bound.id, "missing", job.sample.id)
        done += 1
        resources.listener(Moved(stage=STAGE, done=done))

    jobs = _until(iter(enumerate(work.jobs)), resources)
    what = "interrupted while judging; no calibration is written from half the answers"
    await finish(drain(jobs, score, workers=workers), resources.stop, what=what)


def _by_sample(file: LabelFile) -> dict[str, dict[_Place, list[HumanLabel]]]:
    people: dict[str, dict[_Place, list[HumanLabel]]] = {}
    for said in file.labels:
        place = (said.metric, said.repeat)
        people.setdefault(said.sample_id, {}).setdefault(place, []).append(said)
    return people


def _is_about(said: HumanLabel, run: RunResult, file: LabelFile) -> bool:
    return said.answer is None or is_same_answer(said.answer, run.text, is_lossy=file.is_lossy)


def _until(jobs: Iterator[tuple[int, _Job]], resources: Resources) -> Iterator[tuple[int, _Job]]:
    for job in jobs:
        if resources.stop.is_set():
            return
        yield job


def _is_judged(score: Score) -> bool:
    """Return whether the judge had a say: there is an answer, and the metric is about it."""
    is_row_lost = (score.code or "").startswith("run_")
    return score.status is not ScoreStatus.NOT_APPLICABLE and not is_row_lost
