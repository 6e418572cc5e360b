"""Events of a verdict: exceptions, each metric, the verdict itself, and the way to a baseline."""

import shlex
from collections.abc import Iterator

from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.core.config.gate import GateSection
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Ended, Listener, Noticed, Warned
from lm_eval_so.core.records.comparison import BrokenCases, Comparison, Lost
from lm_eval_so.core.records.enums import Language, Policy, Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.core.templates.safe import cut
from lm_eval_so.core.words import say
from lm_eval_so.core.words.broken_cases import (
    case_name,
    case_sentence,
    named_cases,
    slips_sentence,
    warning_sentences,
)
from lm_eval_so.core.words.formats import count
from lm_eval_so.core.words.headline import headline_line, headline_of
from lm_eval_so.core.words.phrases import exemption_warning, lost_headline, lost_names, lost_reasons
from lm_eval_so.pipeline.measure.plan import Plan, how_to_name_one

STAGE = "compare"
_LONGEST_NAME, _LONGEST_SENTENCE = 60, 400
_MOST_CASES, _MOST_NAMES = 5, 10


def tell_verdict(
    comparison: Comparison,
    report: EvaluationReport,
    config: Config,
    tell: Listener,
    *,
    redactor: Redactor,
) -> None:
    """Tell the findings of a comparison, and warn of a change that goes in without being proven good."""
    language = config.language
    for exemption in (*comparison.quarantine, *comparison.accept):
        if text := exemption_warning(exemption, language):
            tell(Warned(stage=STAGE, text=text))
    for text in warning_sentences(comparison.broken, language):
        tell(Warned(stage=STAGE, text=redactor.redact(text)))
    for text in _cases(comparison.broken, language, redactor):
        tell(Noticed(stage=STAGE, text=text))
    for metric in comparison.metrics.values():
        tell(Noticed(stage=STAGE, text=metric.sentence))
    if comparison.lost is not None:
        tell(Noticed(stage=STAGE, text=_lost(comparison.lost, language, redactor)))
    line = headline_line(headline_of(comparison, report, language), comparison.suite)
    is_warning = _is_warning(comparison, config.gate)
    tell((Warned if is_warning else Ended)(stage=STAGE, text=cut(line, _LONGEST_SENTENCE)))
    if comparison.rerun is not None:
        steps = " && ".join(comparison.rerun.splitlines())
        text = say("comment.rerun_steps", config.language, {"steps": steps})
        tell(Noticed(stage=STAGE, text=text))


def tell_how_to_begin(report: EvaluationReport, config: Config, plan: Plan, tell: Listener) -> None:
    """Tell what makes a first baseline.

    Args:
        report: The measured report; only an eligible one is taken as a baseline.
        config: The config.
        plan: The plan that was measured.
        tell: Listener.
    """
    tell(Noticed(stage=STAGE, text=f"no baseline yet: {_how_to_begin(report, config, plan)}"))


def _how_to_begin(report: EvaluationReport, config: Config, plan: Plan) -> str:
    if config.baseline.path is None:
        return how_to_name_one(config)
    if not plan.may_be_baseline:
        kept = config.resolve(config.baseline.path)
        return f"keep {plan.reports / 'report.json'} as {kept} to compare with it"
    if not report.experiment.eligible:
        return "a report can become one if its run is complete and the gate lets it through"
    file = config.located.file or CONFIG_FILE.name
    words = ["lm-eval-so", "baseline", "update", str(plan.reports), "-c", file, "--reason", "TEXT"]
    return f"{shlex.join(words)} takes this report as one"


def _lost(lost: Lost, language: Language, redactor: Redactor) -> str:
    names = [cut(redactor.redact(name), _LONGEST_NAME) for name in lost_names(lost)]
    named = ", ".join(names) + (", …" if lost.n > len(names) else "")
    return f"{lost_headline(lost, language)} ({lost_reasons(lost, language)}): {named}"


def _cases(broken: BrokenCases | None, language: Language, redactor: Redactor) -> Iterator[str]:
    """Yield the cases that stayed wrong, and how many slipped once."""
    if broken is None:
        return
    named = named_cases(broken)
    for case in named[:_MOST_CASES]:
        yield cut(redactor.redact(case_sentence(case, broken, language)), _LONGEST_SENTENCE)
    if rest := named[_MOST_CASES:]:
        names = ", ".join(map(case_name, rest[:_MOST_NAMES]))
        told = {"x": count(len(rest)), "ids": cut(redactor.redact(names), _LONGEST_SENTENCE)}
        yield say("broken.more", language, told)
    if slips := slips_sentence(broken, language):
        yield cut(redactor.redact(slips), _LONGEST_SENTENCE)


def _is_warning(comparison: Comparison, gate: GateSection) -> bool:
    """Return whether the verdict lets the change in, but not in silence."""
    if comparison.exit_code:
        return False
    warned = comparison.broken.warnings if comparison.broken else ()
    if comparison.lost is not None or any(each.code == "broken_cases" for each in warned):
        return True
    if comparison.verdict is Verdict.INCONCLUSIVE:
        return gate.on_inconclusive is Policy.WARN
    if comparison.verdict is not Verdict.INCOMPARABLE:
        return False
    is_first = comparison.baseline.source == "none"
    return (gate.on_missing_baseline if is_first else gate.on_incomparable) is Policy.WARN
