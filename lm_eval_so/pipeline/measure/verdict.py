"""The verdict on a report: compared with the baseline under the gate of a config."""

from dataclasses import dataclass, replace
from typing import Literal

from lm_eval_so.comparator import compare as comparing
from lm_eval_so.comparator.broken.judge import NOTHING_ASKED, Asked, watch_cases
from lm_eval_so.comparator.broken.watch import Watch
from lm_eval_so.comparator.terms import Terms, read_terms
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.clock import now_text
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.asked_rounds import Rounds
from lm_eval_so.core.records.comparison import Comparison, Reason
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.words.headline import UNMEASURED
from lm_eval_so.core.words.phrases import unmeasured_sentence
from lm_eval_so.errors import ExitCode, Problem
from lm_eval_so.pipeline.measure.plan import Baseline
from lm_eval_so.pipeline.measure.right_or_wrong import right_or_wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class More:
    """Facts about the answers that the report does not hold."""

    asked: Asked = NOTHING_ASKED
    """Further answers to samples that changed or may have broken."""
    rounds: Rounds | None = None
    """Rounds in which the answers of the report were asked."""


_NOTHING_MORE = More()


def compare_reports(
    config: Config,
    resources: Resources,
    candidate: EvaluationReport,
    baseline: Baseline,
    more: More = _NOTHING_MORE,
) -> Comparison:
    """Compare a report with a baseline under the config's gate.

    Args:
        config: The config.
        resources: Environment and redactor.
        candidate: The report under test.
        baseline: The baseline and its source, and main's configuration today.
        more: Further answers, and rounds.

    Raises:
        InputError: If the quarantine or accept file cannot be used.
    """
    candidate = baseline.seen(candidate)
    terms = replace(_terms(config, resources, candidate, baseline), rounds=more.rounds)
    return comparing.compare(
        candidate, baseline.report, terms, baseline_ref=baseline.ref, asked=more.asked
    )


def proven_early(
    config: Config,
    resources: Resources,
    candidate: EvaluationReport,
    baseline: Baseline,
    look: Rounds,
) -> Literal["passed", "failed"] | None:
    """Return what a look before the last round proves, so that nothing more need be asked.

    Args:
        config: The config.
        resources: Environment and redactor.
        candidate: Report of the rounds that were asked.
        baseline: The baseline; without one nothing is proven.
        look: Rounds as if they ended here.

    Raises:
        InputError: If the quarantine or accept file cannot be used.
    """
    if baseline.report is None:
        return None
    candidate = baseline.seen(candidate)
    terms = replace(_terms(config, resources, candidate, baseline), rounds=look)
    return comparing.end_of_rounds(candidate, baseline.report, terms)


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
    baseline: Baseline,
) -> dict[str, tuple[str, ...]]:
    """Return the samples to ask again before a regression counts, by metric; none without a baseline."""
    if baseline.report is None:
        return {}
    candidate = baseline.seen(candidate)
    terms = _terms(config, resources, candidate, baseline)
    return comparing.changed_samples(candidate, baseline.report, terms)


def watched_cases(
    config: Config, resources: Resources, candidate: EvaluationReport, baseline: Baseline
) -> Watch | None:
    """Return the suspects and required cases of a report; None if nothing is looked at."""
    candidate = baseline.seen(candidate)
    terms = _terms(config, resources, candidate, baseline)
    return watch_cases(candidate, baseline.report, terms)


def unmeasured(comparison: Comparison, failure: Problem, language: Language) -> Comparison:
    """Return a comparison that says first that it could not be measured.

    Args:
        comparison: Comparison of the few answers that came back.
        failure: Reason why they are too few for a verdict.
        language: Language of the sentence.
    """
    is_told = comparison.verdict is Verdict.ERROR  # that rows have no score
    told = {each.value: unmeasured_sentence(failure, each) for each in Language}
    if not is_told:
        before = comparison.sentence_in
        told = {k: f"{text} {before.get(k, comparison.sentence)}" for k, text in told.items()}
    return replace(
        comparison,
        verdict=Verdict.ERROR,
        passed=False,
        exit_code=ExitCode.CANNOT_MEASURE.value,
        sentence=told[language],
        sentence_in=told,
        reasons=(Reason(code=UNMEASURED, figures={"what": failure.what}), *comparison.reasons),
    )


def _terms(
    config: Config, resources: Resources, candidate: EvaluationReport, baseline: Baseline
) -> Terms:
    now = now_text(resources.environ)
    redact = resources.redactor.redact
    terms = read_terms(config, now=now, accepted=baseline.accepted, redact=redact)
    terms = replace(terms, anchor=baseline.anchor, gate=baseline.gate(terms.gate))
    if baseline.main is not None:
        terms = replace(terms, control=baseline.main.control)
    if config.gate.broken == "off":
        return terms
    return replace(terms, right_or_wrong=right_or_wrong(config, candidate))
