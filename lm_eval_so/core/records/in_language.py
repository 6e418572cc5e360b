"""Reports and comparisons with the sentences that they hold in another language than the one they were made in.

A record holds each sentence in the language of its config, and beside it, under a name that ends in `_in`, in
every language. Whoever shows a record takes it in the language of what it is shown in. Records of old releases
hold one language and stay as they are, and so does what a judge or a plugin wrote.
"""

from collections.abc import Mapping
from dataclasses import replace

from lm_eval_so.core.records.changes import ChangedCase
from lm_eval_so.core.records.comparison import BrokenCase, BrokenCases, Comparison
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.measured_with import MeasuredWith
from lm_eval_so.core.records.report import Case, EvaluationReport
from lm_eval_so.core.records.score import JudgeVote, Score


def report_in(report: EvaluationReport, language: Language) -> EvaluationReport:
    """Return a report with its reasons in a language, as far as it has them."""
    return replace(report, errors=tuple(_case(case, language) for case in report.errors))


def comparison_in(comparison: Comparison, language: Language) -> Comparison:
    """Return a comparison with its sentences and reasons in a language, as far as it has them."""
    broken, rules = comparison.broken, comparison.rules
    return replace(
        comparison,
        sentence=_told(comparison.sentence, comparison.sentence_in, language),
        metrics={
            key: replace(each, sentence=_told(each.sentence, each.sentence_in, language))
            for key, each in comparison.metrics.items()
        },
        changed=tuple(_changed(case, language) for case in comparison.changed),
        broken=broken and _broken(broken, language),
        rules=rules and _rules(rules, language),
    )


def _told(text: str, every: Mapping[str, str], language: Language) -> str:
    return every.get(language, text)


def _case(case: Case, language: Language) -> Case:
    scores = tuple(_score(score, language) for score in case.scores)
    return replace(case, reason=_told(case.reason, case.reason_in, language), scores=scores)


def _score(score: Score, language: Language) -> Score:
    votes = tuple(_vote(vote, language) for vote in score.judge)
    return replace(score, reason=score.reason_in.get(language, score.reason), judge=votes)


def _vote(vote: JudgeVote, language: Language) -> JudgeVote:
    return replace(vote, reason=vote.reason_in.get(language, vote.reason))


def _changed(case: ChangedCase, language: Language) -> ChangedCase:
    return replace(case, reason=case.reason_in.get(language, case.reason))


def _broken(broken: BrokenCases, language: Language) -> BrokenCases:
    cases = tuple(_broken_case(case, language) for case in broken.cases)
    return replace(broken, mean=_told(broken.mean, broken.mean_in, language), cases=cases)


def _broken_case(case: BrokenCase, language: Language) -> BrokenCase:
    return replace(case, reason=case.reason_in.get(language, case.reason))


def _rules(rules: MeasuredWith, language: Language) -> MeasuredWith:
    own = rules.own
    told = own and replace(own, sentence=_told(own.sentence, own.sentence_in, language))
    return replace(rules, own=told)
