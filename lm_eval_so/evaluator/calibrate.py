"""The stage `calibrate`: labels by people, and the judge's labels of the same answers."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from lm_eval_so.core.asking.clock import now_text
from lm_eval_so.core.asking.drain import drain, until_stopped
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.dataset import Dataset, sample_hash
from lm_eval_so.core.events import Began, Moved
from lm_eval_so.core.records.calibration import Calibration
from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.errors import (
    CannotMeasure,
    ConfigError,
    Interrupted,
    Problem,
    UsageError,
    refuse,
)
from lm_eval_so.evaluator.bind import bind_metrics, find_problems
from lm_eval_so.evaluator.drawn import drawn_from
from lm_eval_so.evaluator.join import Answers
from lm_eval_so.evaluator.judges import OpenJudge, judge_problems, open_judge, open_judges
from lm_eval_so.evaluator.label_file import HumanLabel, LabelFile, read_labels
from lm_eval_so.evaluator.label_words import listed, positive_labels, refuse_strangers, words_of
from lm_eval_so.evaluator.labels import is_same_answer
from lm_eval_so.evaluator.prepare import load_samples, prepare
from lm_eval_so.evaluator.rated import Origin, Rated, make_calibration
from lm_eval_so.evaluator.score import BoundMetric, score_row
from lm_eval_so.evaluator.telling import STAGE, tell_calibration

__all__ = ["calibrate", "check"]

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
class _Work:
    """Labelled answers, on their way to the judge and back."""

    jobs: list[_Job] = field(default_factory=list)
    rated: dict[int, Rated] = field(default_factory=dict)
    """By number of the job."""
    skipped: dict[str, Counter[str]] = field(default_factory=dict)
    """Answers that do not count, by metric id and why."""
    first_skipped: dict[str, str] = field(default_factory=dict)
    """One of them, by metric id."""

    def rated_of(self, bound: BoundMetric) -> list[Rated]:
        """Give the answers of a metric, in dataset order."""
        return [self.rated[i] for i in self._own(bound)]

    def asked_of(self, bound: BoundMetric) -> list[RunResult]:
        """Give the answers of a metric about which it took a call to judge them."""
        return [self.jobs[i].run for i in self._own(bound) if self.rated[i].was_asked]

    def _own(self, bound: BoundMetric) -> list[int]:
        return [i for i, job in enumerate(self.jobs) if job.bound is bound and i in self.rated]

    def skip(self, metric_id: str, why: str, sample_id: str) -> None:
        self.skipped.setdefault(metric_id, Counter())[why] += 1
        self.first_skipped.setdefault(metric_id, f"{sample_id} ({why})")


def check(config: Config, environ: Mapping[str, str]) -> list[Problem]:
    """Find what is wrong with metrics and judges; a calibration that is there is made anew."""
    return [*find_problems(config), *judge_problems(config, environ)]


async def calibrate(
    config: Config,
    resources: Resources,
    *,
    labels: Path,
    runs: Sequence[Path],
    report: EvaluationReport | None = None,
    positive: Sequence[str] = (),
    is_single: bool = False,
    opens: OpenJudge = open_judge,
) -> dict[str, Calibration]:
    """Hold the judges against people.

    Args:
        config: The config.
        resources: Environment, listener, stop event, redactor.
        labels: The file with the labels by people.
        runs: Folders of the runs whose answers they labelled.
        report: Report of these runs, by which labelled answers are weighted if it fits.
        positive: Labels of a good answer; default: those worth at least 0.5.
        is_single: Refuse labels of several metrics.
        opens: Opens the judge of a metric.

    Returns:
        By metric id, those with at least one answer that people and the judge labelled.

    Raises:
        InputError: With every problem of config, dataset, runs or labels.
        CannotMeasure: If there is no such answer.
        BackendError: If a judge cannot be reached or refuses the credentials.
        Interrupted: If the user stopped it.
    """
    refuse(find_problems(config))
    judged = _judged(config)
    file, good = _read(labels, judged, positive, is_single=is_single)
    config = config.model_copy(update={"metrics": [judged[key].section for key in good]})
    dataset = load_samples(config)
    with Answers(runs) as answers:
        async with open_judges(config, resources, opens) as judges:
            bound = bind_metrics(config, judges)
            prepare(bound, dataset)
            work = _find(file, bound, dataset, answers, resources.redactor)
            await _score(work, config, resources)
    now = now_text(resources.environ)
    drawn = {each.id: drawn_from(report, each, work.asked_of(each)) for each in bound}
    made = [
        make_calibration(
            work.rated_of(each),
            Origin(
                bound=each,
                positive=good[each.id],
                skipped=_skipped(work, file, each.id),
                drawn=drawn[each.id],
                labels_file=labels.name,
                labels_digest=file.digest,
                calibrated_at=now,
            ),
        )
        for each in bound
    ]
    for calibration in made:
        key = calibration.metric
        for event in tell_calibration(calibration, drawn[key], work.first_skipped.get(key)):
            resources.listener(event)
    found = {each.metric: each for each in made if each.n}
    if not found:
        what = "no answer has a label by people and by the judge"
        hint = "label answers of this run: lm-eval-so evaluate --export-labels 100"
        raise CannotMeasure(what, hint=hint)
    return found


def _judged(config: Config) -> dict[str, BoundMetric]:
    """Give the metrics that judge by labels, by id.

    Raises:
        ConfigError: If there is none.
    """
    found = {each.id: each for each in bind_metrics(config, {}) if each.metric.labels}
    if not found:
        what, hint = "no metric here judges by labels", "llm_judge and llm_scale do"
        raise ConfigError(what, where=config.where("metrics"), hint=hint)
    return found


def _read(
    path: Path, judged: Mapping[str, BoundMetric], positive: Sequence[str], *, is_single: bool
) -> tuple[LabelFile, dict[str, tuple[str, ...]]]:
    """Read the labels, and give with them those of a good answer, by id of the labelled metrics."""
    known = {metric_id: words_of(each.metric) for metric_id, each in judged.items()}
    refuse_strangers(positive, known)
    file = read_labels(path, known)
    if not file.labels:
        hint = f"fill in the column label, by one of {listed(known)}"
        raise CannotMeasure(f"no line of {path} has a label", hint=hint)
    needed = {said.metric for said in file.labels}
    if is_single and len(needed) > 1:
        what = f"{path} holds labels of {', '.join(sorted(needed))}, -o names one file"
        raise UsageError(what, hint="leave -o out: each metric has a file of its own")
    metrics = {key: each.metric for key, each in judged.items() if key in needed}
    return file, {key: positive_labels(metric, positive) for key, metric in metrics.items()}


def _find(
    file: LabelFile,
    bound: Sequence[BoundMetric],
    dataset: Dataset,
    answers: Answers,
    redactor: Redactor,
) -> _Work:
    """Find the answers that people labelled, as far as the run still has them."""
    people: dict[str, dict[_Place, list[HumanLabel]]] = {}
    for said in file.labels:
        place = (said.metric, said.repeat)
        people.setdefault(said.sample_id, {}).setdefault(place, []).append(said)
    metrics = {each.id: each for each in bound}
    work = _Work()
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


def _is_about(said: HumanLabel, run: RunResult, file: LabelFile) -> bool:
    return said.answer is None or is_same_answer(said.answer, run.text, is_lossy=file.is_lossy)


async def _score(work: _Work, config: Config, resources: Resources) -> None:
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
    asking = drain(jobs, score, workers=config.run.concurrency)
    with suppress(Interrupted):  # told below, in one way
        await until_stopped(asking, resources.stop, grace_s=0)
    if resources.stop.is_set():
        what = "interrupted while judging; no calibration is written from half the answers"
        raise Interrupted(what, hint="run the same command again")


def _until(jobs: Iterator[tuple[int, _Job]], resources: Resources) -> Iterator[tuple[int, _Job]]:
    for job in jobs:
        if resources.stop.is_set():
            return
        yield job


def _is_judged(score: Score) -> bool:
    """Whether the judge had a say: there is an answer, and the metric is about it."""
    is_row_lost = (score.code or "").startswith("run_")
    return score.status is not ScoreStatus.NOT_APPLICABLE and not is_row_lost


def _skipped(work: _Work, file: LabelFile, metric_id: str) -> dict[str, int]:
    empty = file.empty.get(metric_id, 0)
    return {**work.skipped.get(metric_id, {}), **({"empty": empty} if empty else {})}
