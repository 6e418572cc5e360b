"""What is told of a verdict while it is made: exceptions, each metric, and how to begin."""

import shlex
from dataclasses import replace
from pathlib import Path

from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.core.config.model import Config, GateSection
from lm_eval_so.core.events import Ended, Listener, Noticed, Warned
from lm_eval_so.core.records.comparison import Comparison, Lost
from lm_eval_so.core.records.enums import Language, Policy, Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.core.templates.safe import cut
from lm_eval_so.core.words import say
from lm_eval_so.core.words.phrases import (
    exemption_warning,
    lost_headline,
    lost_names,
    lost_reasons,
    unmeasured_sentence,
)
from lm_eval_so.core.words.verdicts import deciding_metrics, verdict_name
from lm_eval_so.errors import ExitCode, Problem

STAGE = "compare"
_LONGEST_NAME = 60


def tell_verdict(
    comparison: Comparison, config: Config, tell: Listener, *, redactor: Redactor
) -> None:
    """Tell what a comparison found, and warn of what lets a change in that is not proven good."""
    for exemption in (*comparison.quarantine, *comparison.accept):
        if text := exemption_warning(exemption, config.language):
            tell(Warned(stage=STAGE, text=text))
    for metric in comparison.metrics.values():
        tell(Noticed(stage=STAGE, text=metric.sentence))
    decisive = deciding_metrics(comparison)
    is_first = comparison.baseline.source == "none" and comparison.verdict is Verdict.INCOMPARABLE
    names = f" ({', '.join(decisive)})"
    why = names if decisive and not is_first else f": {comparison.sentence}"
    text = f"{verdict_name(comparison.verdict, config.language)}{why}"
    if comparison.lost is not None:
        text = f"{text}; {_lost(comparison.lost, config.language, redactor)}"
    is_warning = _is_warning(comparison, config.gate)
    tell((Warned if is_warning else Ended)(stage=STAGE, text=text))
    if comparison.rerun is not None:
        steps = " && ".join(comparison.rerun.splitlines())
        text = say("comment.rerun_steps", config.language, {"steps": steps})
        tell(Noticed(stage=STAGE, text=text))


def unmeasured(comparison: Comparison, failure: Problem, language: Language) -> Comparison:
    """Let a comparison of what little came back say first that it could not be measured."""
    told = unmeasured_sentence(failure, language)
    is_told = comparison.verdict is Verdict.ERROR  # that rows have no score
    return replace(
        comparison,
        verdict=Verdict.ERROR,
        passed=False,
        exit_code=ExitCode.CANNOT_MEASURE.value,
        sentence=told if is_told else f"{told} {comparison.sentence}",
    )


def how_to_begin(
    report: EvaluationReport, config: Config, *, folder: Path, may_be_baseline: bool
) -> str:
    """Say what makes a first baseline.

    Args:
        report: What was measured; only an eligible one is taken as a baseline.
        config: The config.
        folder: Where the report is written.
        may_be_baseline: Whether what was measured is what others are to be compared with.
    """
    if config.baseline.path is None:
        return how_to_name_one(config)
    if not may_be_baseline:
        kept = config.resolve(config.baseline.path)
        return f"keep {folder / 'report.json'} as {kept} to compare with it"
    if not report.experiment.eligible:
        return "a report can become one if its run is complete and the gate lets it through"
    file = config.located.file or CONFIG_FILE.name
    words = ["lm-eval-so", "baseline", "update", str(folder), "-c", file, "--reason", "TEXT"]
    return f"{shlex.join(words)} takes this report as one"


def how_to_name_one(config: Config) -> str:
    """Say how a config names its baseline."""
    return f"name a file of the repository, as baseline: {{path: baselines/{config.suite}.json}}"


def _lost(lost: Lost, language: Language, redactor: Redactor) -> str:
    names = [cut(redactor.redact(name), _LONGEST_NAME) for name in lost_names(lost)]
    named = ", ".join(names) + (", …" if lost.n > len(names) else "")
    return f"{lost_headline(lost, language)} ({lost_reasons(lost, language)}): {named}"


def _is_warning(comparison: Comparison, gate: GateSection) -> bool:
    """Return whether the verdict lets the change in, but not in silence."""
    if comparison.exit_code:
        return False
    if comparison.lost is not None:
        return True
    if comparison.verdict is Verdict.INCONCLUSIVE:
        return gate.on_inconclusive is Policy.WARN
    if comparison.verdict is not Verdict.INCOMPARABLE:
        return False
    is_first = comparison.baseline.source == "none"
    return (gate.on_missing_baseline if is_first else gate.on_incomparable) is Policy.WARN
