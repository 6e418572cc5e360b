"""The verdict on a report: compared with the baseline under the gate of a config."""

from collections.abc import Mapping
from dataclasses import replace

from lm_eval_so.comparator import compare as comparing
from lm_eval_so.comparator.gate.confirm import Answers
from lm_eval_so.comparator.terms import Terms, read_terms
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.clock import now_text
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.words.phrases import unmeasured_sentence
from lm_eval_so.errors import ExitCode, Problem
from lm_eval_so.pipeline.measure.plan import Baseline


def compare_reports(
    config: Config,
    resources: Resources,
    candidate: EvaluationReport,
    baseline: Baseline,
    *,
    again: Mapping[str, Answers] | None = None,
) -> Comparison:
    """Compare a report with a baseline under the config's gate.

    Args:
        config: The config.
        resources: Environment and redactor.
        candidate: The report under test.
        baseline: The baseline and its source.
        again: Scores of further answers to samples that changed, by metric.

    Raises:
        InputError: If the quarantine or accept file cannot be used.
    """
    terms = _terms(config, resources)
    return comparing.compare(
        candidate, baseline.report, terms, baseline_ref=baseline.ref, again=again
    )


def compare_by_default(
    candidate: EvaluationReport, baseline: Baseline, resources: Resources, *, language: Language
) -> Comparison:
    """Compare a report with a baseline under the default gate, without exceptions.

    Args:
        candidate: The report under test.
        baseline: The baseline and its source.
        resources: Environment.
        language: Language of the sentences.
    """
    terms = Terms(compared_at=now_text(resources.environ), language=language)
    return comparing.compare(candidate, baseline.report, terms, baseline_ref=baseline.ref)


def changed_samples(
    config: Config,
    resources: Resources,
    candidate: EvaluationReport,
    baseline: EvaluationReport,
) -> dict[str, tuple[str, ...]]:
    """Return the samples to ask again before a regression counts, by metric."""
    return comparing.changed_samples(candidate, baseline, _terms(config, resources))


def unmeasured(comparison: Comparison, failure: Problem, language: Language) -> Comparison:
    """Return a comparison that says first that it could not be measured.

    Args:
        comparison: Comparison of the few answers that came back.
        failure: Reason why they are too few for a verdict.
        language: Language of the sentence.
    """
    told = unmeasured_sentence(failure, language)
    is_told = comparison.verdict is Verdict.ERROR  # that rows have no score
    return replace(
        comparison,
        verdict=Verdict.ERROR,
        passed=False,
        exit_code=ExitCode.CANNOT_MEASURE.value,
        sentence=told if is_told else f"{told} {comparison.sentence}",
    )


def _terms(config: Config, resources: Resources) -> Terms:
    now = now_text(resources.environ)
    return read_terms(config, now=now, redact=resources.redactor.redact)
