"""Answers of a baseline, for metrics that compare two answers."""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path

from lm_eval_so.core.config.model import Config, MetricSection
from lm_eval_so.core.hashing import sample_hash
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.errors import InputError, Problem, refuse
from lm_eval_so.evaluator.metrics.base import metrics
from lm_eval_so.evaluator.metrics.env import BaselineAnswers
from lm_eval_so.evaluator.rows.join import Answers

_DIGEST = re.compile(r"[0-9a-f]{64}")
_HINT = "set report.answers: full where the baseline is made, or params.baseline_run"


def needs_baseline(config: Config) -> bool:
    """Return whether a metric compares with the answers of the baseline report."""
    return any(_wants_report(section) for section in config.metrics)


def baseline_problems(config: Config, baseline: EvaluationReport | None) -> Iterator[Problem]:
    """Find a baseline report that lacks answers a metric needs, and runs that do not exist.

    Args:
        config: The config, whose metrics are known.
        baseline: The baseline report; None if none exists.
    """
    for position, section in enumerate(config.metrics):
        run = _run_of(section)
        if run is not None and not config.resolve(run).exists():
            where = config.where("metrics", position, "params", "baseline_run")
            yield Problem(what=f"no run at {run}", where=where, hint="make it with lm-eval-so run")
        elif baseline is not None and _wants_report(section) and not _has_answers(baseline):
            what = f"the baseline keeps no answers, which the metric {section.id} needs"
            yield Problem(what=what, where=config.where("metrics", position), hint=_HINT)


@contextmanager
def open_baselines(
    config: Config, baseline: EvaluationReport | None
) -> Iterator[Mapping[str, BaselineAnswers]]:
    """Yield the baseline's answers by id of the metrics that compare with them.

    A run is read row by row. A metric without a baseline, now or later, is left out.

    Raises:
        InputError: If the baseline report lacks answers, or a run is missing or cannot be read.
    """
    refuse(list(baseline_problems(config, baseline)))
    with ExitStack() as stack:
        found: dict[str, BaselineAnswers] = {}
        for section in config.metrics:
            run = _run_of(section)
            if run is not None:
                answers = stack.enter_context(Answers([config.resolve(run)]))
                found[section.id] = _of_run(answers)
            elif _wants_report(section) and baseline is not None:
                found[section.id] = _of_report(baseline)
            elif _wants_report(section) and config.baseline.path is not None:
                found[section.id] = BaselineAnswers()  # the first report will be the baseline
        yield found


def _wants_report(section: MetricSection) -> bool:
    return _compares(section) and _run_of(section) is None


def _run_of(section: MetricSection) -> Path | None:
    run = section.params.get("baseline_run") if _compares(section) else None
    return Path(run) if isinstance(run, str) else None


def _compares(section: MetricSection) -> bool:
    try:
        return "baseline" in metrics.resolve(section.name).requires
    except InputError:  # `find_problems` tells
        return False


def _has_answers(report: EvaluationReport) -> bool:
    """Return whether a report holds the answers themselves, not their digests."""
    answers = report.samples.answers
    if answers is None:
        return False
    given = filter(None, answers)
    first = next(given, None)
    return first is None or not all(map(_DIGEST.fullmatch, chain([first], given)))


def _of_run(answers: Answers) -> BaselineAnswers:
    def find(sample: TestSample, repeat: int) -> str | None:
        run = answers.find_answer(sample, repeat)
        return run.text if run is not None and run.status.is_answer else None

    fingerprint = answers.infos[0].fingerprint if answers.infos else None
    return BaselineAnswers(find=find, fingerprint=fingerprint)


def _of_report(report: EvaluationReport) -> BaselineAnswers:
    samples = report.samples
    keys = zip(samples.ids, samples.repeats, samples.sample_hashes, strict=True)
    known = dict(zip(keys, samples.answers or (), strict=False))

    def find(sample: TestSample, repeat: int) -> str | None:
        return known.get((sample.id, repeat, sample_hash(sample)))

    return BaselineAnswers(find=find, fingerprint=report.experiment.fingerprints.get("run"))
