"""Record of main's configuration today, once the verdict is known, and its sentences."""

from dataclasses import replace

from lm_eval_so.comparator.broken.judge import Whole
from lm_eval_so.comparator.broken.rounds import Further
from lm_eval_so.comparator.pairing import Reports
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.comparator.terms import Terms
from lm_eval_so.core.clock import parse_time
from lm_eval_so.core.records.comparison import Control
from lm_eval_so.core.records.enums import Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.templates.safe import cut
from lm_eval_so.core.words.control import control_sentences

_LONGEST_NAME = 60
_ASKED_FROM = 3
"""Wrong answers from which on a case would have been asked of main's configuration."""
_BLAMED = frozenset({Verdict.REGRESSION.value, Code.BROKEN_CASES.value})
"""Reasons that blame the pull request for a change."""


def conclude(
    terms: Terms, whole: Whole, reports: Reports, further: Further
) -> tuple[Control | None, Whole]:
    """Return the record of main's configuration, if it played a part, and the verdict that tells it.

    Args:
        terms: Terms of the comparison.
        whole: Verdict of the run.
        reports: Candidate and baseline.
        further: Further answers, those of main's configuration among them.
    """
    control, baseline = terms.control, reports.baseline
    if control is None or baseline is None or not _plays_a_part(control, whole, further):
        return None, whole
    control = replace(
        control,
        requests=further.asked_of_main,
        stale=_is_other_run(reports.candidate, baseline),
        served=_served(baseline, reports.candidate, terms),
    )
    if control.state == "asked":  # the models that answered are those of the pull request
        control = replace(control, stale=False, served=None)
        if further.main_ended is not None:
            control = replace(control, state="not_possible", why=further.main_ended)
    at = parse_time(baseline.experiment.evaluated_at)
    served, told = control_sentences(
        control, whole.reasons, terms.language, day=f"{at:%Y-%m-%d}" if at else None
    )
    if not (served or told):
        return control, whole

    def around(text: str) -> str:
        return " ".join(filter(None, (served, text, told)))

    broken = whole.broken and replace(whole.broken, mean=around(whole.broken.mean))
    return control, replace(whole, sentence=around(whole.sentence), broken=broken)


def _is_other_run(one: EvaluationReport, other: EvaluationReport) -> bool:
    """Return whether two reports are of different configurations, as far as they tell."""
    runs = [report.experiment.fingerprints.get("run") for report in (one, other)]
    return None not in runs and runs[0] != runs[1]


def _plays_a_part(control: Control, whole: Whole, further: Further) -> bool:
    codes = {reason.code for reason in whole.reasons}
    match control.state:
        case "asked":
            return further.asked_of_main > 0 or further.main_ended is not None
        case "nothing_differs":
            return Code.NOTHING_DIFFERS.value in codes
        case "not_possible":
            cases = whole.broken.cases if whole.broken else ()
            stayed = (case for case in cases if case.state in {"proven", "unproven"})
            return bool(codes & _BLAMED) or any(case.now[0] >= _ASKED_FROM for case in stayed)
        case _:
            return True


def _served(
    baseline: EvaluationReport, candidate: EvaluationReport, terms: Terms
) -> tuple[str, str] | None:
    """Return the models that answered by their own names, if they differ."""
    before, now = (report.experiment.backend.models_answered for report in (baseline, candidate))
    if not before or not now or set(before) == set(now):
        return None

    def shown(names: tuple[str, ...]) -> str:
        return " ".join(cut(terms.redact(", ".join(names)), _LONGEST_NAME).split())

    return shown(before), shown(now)
