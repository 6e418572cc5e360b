"""The Markdown report and the comment's body."""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.core.templates.safe import Safe, prose
from lm_eval_so.core.templates.sandbox import fill_markdown
from lm_eval_so.core.words.phrases import answers_text, problem_sentence, unmeasured_sentence
from lm_eval_so.errors import Problem
from lm_eval_so.reporter.views.comparison import ICONS, lead_metric, verdict_word, view_comparison
from lm_eval_so.reporter.views.cost import cost_lines
from lm_eval_so.reporter.views.judges import judge_row
from lm_eval_so.reporter.views.report import view_report
from lm_eval_so.reporter.views.view import words_of

_PACKAGE = "lm_eval_so.reporter"
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_LEAST = 4
_MOST_IDS = 100
_MOST_SLICES = 15
_MOST_PROBLEMS = 20
_REPORT_GRAPHEMES = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """How much of the changed samples is shown."""

    cases: int
    """Samples with their texts."""
    graphemes: int
    """Length of each text."""
    ids: int
    """Samples that are named at all."""
    slices: int = 0
    """Slices that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a comment comes from: links, and how to do the same at home."""

    run_url: str | None = None
    """Address of the workflow run."""
    commit: str | None = None
    """Commit to check out; default: the report's."""
    config: str | None = None
    """Config file as typed; None is the default one."""


def markdown_report(
    report: EvaluationReport | None,
    comparison: Comparison | None,
    *,
    language: Language,
    examples: int,
    redactor: Redactor,
) -> str:
    """Return the Markdown report; what was compared comes first.

    Args:
        report: The scores.
        comparison: The verdict.
        language: Language of the texts.
        examples: Cases at most.
        redactor: Takes secrets out.
    """
    lead = lead_metric(comparison) if comparison else None
    values = {
        "comparison": view_comparison(comparison, report, language=language)
        if comparison
        else None,
        "report": view_report(report, lead=lead, language=language, examples=examples)
        if report
        else None,
        "detail": Detail(
            cases=examples, graphemes=_REPORT_GRAPHEMES, ids=_MOST_IDS, slices=_MOST_SLICES
        ),
        "run_url": None,
    }
    return _fill("report.md.j2", values, language, redactor)


def comment_body(
    comparison: Comparison,
    report: EvaluationReport | None,
    *,
    level: int,
    language: Language,
    origin: Origin,
    examples: int = 20,
    before: str = "",
    redactor: Redactor | None = None,
) -> str:
    """Return the body of the pull request's comment.

    Args:
        comparison: The verdict.
        report: The candidate's report.
        level: 0 shows all, 4 the verdict, the gate's tables and links only, 5 the verdict and its
            sentence, in under 1,500 UTF-16 units.
        language: Language of the texts.
        origin: Where it comes from.
        examples: Samples that got worse, at most.
        before: What the comment said of an earlier commit, where this one was not measured.
        redactor: Takes secrets out.
    """
    report_words = words_of("report", language)
    view = view_comparison(comparison, report, language=language)
    if level > _LEAST:
        brief = _headed(comparison.verdict, view.suite, view.sentence, language, origin, before)
        lost = view.lost.headline if view.lost else ""
        brief |= {"icon": view.icon, "lost": lost, "run_text": "run", "is_cut": True}
        return _fill("brief.md.j2", brief, language, redactor or Redactor())
    values = {
        "comparison": view,
        "before": before,
        "detail": _detail(level, examples),
        "is_least": level >= _LEAST,
        "is_cut": level > 0,
        "answers": answers_text(report, language) if report else None,
        "costs": tuple(cost_lines(report, report_words)) if report else (),
        "judges": tuple(judge_row(key, j, report_words) for key, j in report.judges.items())
        if report
        else (),
        "commands": _commands(comparison, report, origin),
        "run_url": origin.run_url,
    }
    return _fill("comment.md.j2", values, language, redactor or Redactor())


def unmeasured_body(
    problems: Sequence[Problem],
    *,
    level: int,
    suite: str | None,
    language: Language,
    origin: Origin,
    before: str = "",
    redactor: Redactor,
) -> str:
    """Return the comment where there is no report: what went wrong, where, and what to do.

    Args:
        problems: What went wrong; at least one.
        level: 0 shows several problems, any other the first in under 1,500 UTF-16 units.
        suite: The suite, if it is known.
        language: Language of the texts.
        origin: Where it comes from.
        before: What the comment said until now.
        redactor: Takes secrets out.
    """
    sentence = unmeasured_sentence(problems[0], language)
    values = _headed(Verdict.ERROR, suite, sentence, language, origin, before)
    values |= {"run_text": "run_only"}
    if level > 0:
        brief = {**values, "is_cut": len(problems) > 1}
        return _fill("brief.md.j2", brief, language, redactor)
    others = [problem_sentence(problem, language) for problem in problems[1:_MOST_PROBLEMS]]
    given = {**values, "others": others, "more": max(0, len(problems) - _MOST_PROBLEMS)}
    return _fill("unmeasured.md.j2", given, language, redactor)


def _headed(
    verdict: Verdict,
    suite: str | None,
    sentence: str,
    language: Language,
    origin: Origin,
    before: str,
) -> dict[str, object]:
    return {
        "icon": ICONS[verdict],
        "word": verdict_word(verdict, language),
        "suite": suite or "",
        "lost": "",
        "sentence": sentence,
        "run_url": origin.run_url,
        "before": before,
    }


def _detail(level: int, examples: int) -> Detail:
    details = (
        Detail(cases=examples, graphemes=1200, ids=_MOST_IDS, slices=5),
        Detail(cases=examples, graphemes=600, ids=_MOST_IDS, slices=5),
        Detail(cases=min(examples, 10), graphemes=300, ids=_MOST_IDS, slices=3),
        Detail(cases=0, graphemes=0, ids=_MOST_IDS),
        Detail(cases=0, graphemes=0, ids=0),
    )
    return details[min(level, len(details) - 1)]


def _commands(
    comparison: Comparison, report: EvaluationReport | None, origin: Origin
) -> str | None:
    commit = origin.commit or (report.experiment.commit if report else None)
    if not commit or not _COMMIT.fullmatch(commit):
        return None
    parts = ["lm-eval-so", "ci", *(["-c", origin.config] if origin.config else [])]
    base = comparison.baseline.ref or ""
    if _COMMIT.fullmatch(base):
        parts += ["--set", f"baseline.ref={base[:12]}"]
    return f"git checkout {commit[:12]}\n{shlex.join(parts)}"


def _fill(
    template: str, values: Mapping[str, object], language: Language, redactor: Redactor
) -> str:
    def texts(topic: str) -> Callable[..., Safe]:
        words = words_of(topic, language)
        return lambda key, **figures: prose(redactor.redact(words(key, **figures)))

    given = {**values, "t": texts("report"), "c": texts("comment")}
    return fill_markdown(_PACKAGE, template, given, redact=redactor.redact)
