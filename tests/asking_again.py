"""Reports in which cases broke, and scripted further answers to them."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from comparing import NOW
from factories import make_report

from lm_eval_so.comparator.broken.judge import Asked, watch_cases
from lm_eval_so.comparator.broken.rounds import Answer, Further, next_round
from lm_eval_so.comparator.broken.watch import Outcome, Watch
from lm_eval_so.comparator.compare import compare
from lm_eval_so.comparator.exemptions.files import Exceptions
from lm_eval_so.comparator.terms import Terms
from lm_eval_so.core.config.gate import GateSection
from lm_eval_so.core.records.comparison import BaselineRef, Comparison
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.report import EvaluationReport

RIGHT, WRONG, UNSCORED, LOST = Outcome
Said = Outcome | dict[str, Outcome]
"""What an answer says of a case, by all metrics or by each."""
Script = Callable[[str, int], Said]
"""What a case says when it is asked the nth further time, counted from 0."""


def both(n: int, right: dict[int, int], *, k: int, wrong: set[int], repeats: int = 1, **made):
    """Return a baseline and a candidate of n cases.

    Args:
        n: Number of cases.
        right: Right answers of some cases in the baseline; the others are always right.
        k: Answers of the baseline.
        wrong: Cases that are wrong in the candidate.
        repeats: Answers of the candidate.
        made: More of both reports.
    """
    before = [[1] * right.get(i, k) + [0] * (k - right.get(i, k)) for i in range(n)]
    now = [[int(i not in wrong)] * repeats for i in range(n)]
    metrics = made.pop("metrics", ("exact_match",))
    given = {"kinds": dict.fromkeys(metrics, "binary"), **made}
    return tuple(make_report(dict.fromkeys(metrics, each), **given) for each in (before, now))


def with_failures(report: EvaluationReport, rows: dict[int, str]) -> EvaluationReport:
    """Return a report in which some rows got no answer, each for a reason."""
    columns = report.samples
    scores = {
        key: tuple(None if row in rows else value for row, value in enumerate(column))
        for key, column in columns.scores.items()
    }
    statuses = tuple("error" if row in rows else s for row, s in enumerate(columns.statuses))
    failures = {why: tuple(r for r, w in rows.items() if w == why) for why in rows.values()}
    samples = replace(columns, scores=scores, statuses=statuses, failures=failures)
    return replace(report, samples=samples)


def terms(language: Language = Language.EN, exceptions: Exceptions | None = None, **gate) -> Terms:
    """Return the terms of a comparison in which a score of 1 is right."""
    return Terms(
        compared_at=NOW,
        gate=GateSection.model_validate(gate),
        language=language,
        exceptions=exceptions or Exceptions(),
        right_or_wrong={key: lambda score: score == 1 for key in ("exact_match", "helpful")},
    )


def rounds(watch: Watch, script: Script, further: Further | None = None) -> Iterator[Further]:
    """Yield the answers after each round, until nobody has to be asked any more."""
    further = further or Further()
    while ids := next_round(watch, further):
        answers = {key: list(each) for key, each in further.answers.items()}
        for name in ids:
            said = script(name, len(answers.get(name, ())))
            by_metric = said if isinstance(said, dict) else dict_of(said)
            told = answers.setdefault(name, [])
            told.append(Answer(outcomes=by_metric, text=f"{name}, no {len(told) + 1}"))
        further = replace(further, answers=answers)
        yield further


def dict_of(said: Outcome) -> dict[str, Outcome]:
    """Return the same by every metric."""
    return dict.fromkeys(("exact_match", "helpful"), said)


def play(reports, script: Script, given: Terms, further: Further | None = None) -> Comparison:
    """Ask as long as it takes, and compare."""
    baseline, candidate = reports
    watch = watch_cases(candidate, baseline, given)
    asked = [further or Further()]
    asked += rounds(watch, script, asked[0]) if watch else ()
    ref = BaselineRef(source="file" if baseline else "none")
    return compare(candidate, baseline, given, baseline_ref=ref, asked=Asked(cases=asked[-1]))


def always(said: Said) -> Script:
    """Return a script in which every further answer says the same."""
    return lambda _, __: said


def then(*said: Said) -> Script:
    """Return a script of further answers in their order; the last one goes on."""
    return lambda _, n: said[min(n, len(said) - 1)]
