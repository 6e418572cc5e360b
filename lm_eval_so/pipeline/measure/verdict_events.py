"""A verdict told to a listener: warnings, and then its first screen."""

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Concluded, Listener, Noticed, Warned
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Policy, Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.core.words import say
from lm_eval_so.core.words.broken_cases import warning_sentences
from lm_eval_so.core.words.phrases import anchor_warnings, exemption_warning
from lm_eval_so.reporter.first_screen import first_screen

STAGE = "compare"


def tell_verdict(
    comparison: Comparison,
    report: EvaluationReport,
    config: Config,
    tell: Listener,
    *,
    redactor: Redactor,
) -> None:
    """Tell the first screen of a comparison, and warn of a change that goes in without being good."""
    language = config.language
    for exemption in (*comparison.quarantine, *comparison.accept):
        if text := exemption_warning(exemption, language):
            tell(Warned(stage=STAGE, text=text))
    for text in (
        *anchor_warnings(comparison.anchor, language),
        *warning_sentences(comparison.broken, language),
    ):
        tell(Warned(stage=STAGE, text=redactor.redact(text)))
    found = first_screen(comparison, report, language, redactor)
    is_warning = found.tone != "pass" and _is_warning(comparison, config)
    tell(Concluded(stage=STAGE, headline=found.headline, lines=found.lines, is_warning=is_warning))
    if comparison.rerun is not None:
        steps = " && ".join(comparison.rerun.splitlines())
        text = say("comment.rerun_steps", config.language, {"steps": steps})
        tell(Noticed(stage=STAGE, text=text))


def _is_warning(comparison: Comparison, config: Config) -> bool:
    """Return whether the verdict lets the change in, but not in silence."""
    gate = config.gate
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
