"""Markdown: the report, and the body of a comment."""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.templates.safe import Safe, prose
from lm_eval_so.core.templates.sandbox import fill_markdown
from lm_eval_so.core.words.headline import UNMEASURED, Headline, unmeasured_headline
from lm_eval_so.core.words.phrases import answers_text, problem_sentence
from lm_eval_so.core.words.verdict_names import lead_metric
from lm_eval_so.errors import Problem
from lm_eval_so.reporter.content import Content, Style
from lm_eval_so.reporter.views.comparison import accept_entries, view_comparison
from lm_eval_so.reporter.views.report import view_for_comment, view_report
from lm_eval_so.reporter.views.view import words_of

_PACKAGE = "lm_eval_so.reporter"
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_COMMIT_DIGITS = 7
_WHOLE = (40, 64)
"""Digits of a commit that is not shortened."""
_LEAST = 4
_MOST_IDS = 100
_MOST_SLICES = 15
_MOST_PROBLEMS = 20
_REPORT_GRAPHEMES = 600
_COMMENT_GRAPHEMES = 1200
_UNCUT = 1_000_000
"""Length of a text that is not shortened; GitHub takes no page as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """Level of detail of the changed samples."""

    cases: int
    """Most samples with their texts."""
    graphemes: int
    """Longest length of a text."""
    ids: int
    """Most samples that are named at all."""
    slices: int = 0
    """Most slices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Origin of a comment: links, the way to do the same at home, and the comment before it."""

    run_url: str | None = None
    """Address of the workflow run."""
    commit: str | None = None
    """Commit to check out; default: the report's."""
    config: str | None = None
    """Config file; None is the default one."""
    accept: str | None = None
    """Accept file; None: nothing is said of it."""
    before: str = ""
    """Text of the comment about an earlier commit, if this commit was not measured."""
    is_foreign: bool = False
    """Whether the records are made by code from a fork: the comment says so, shows their sentences as
    quotations, and no commands."""


def markdown_report(content: Content) -> str:
    """Return the Markdown report, the comparison first."""
    report, comparison, style = content.report, content.comparison, content.style
    lead = lead_metric(comparison) if comparison else None
    values = {
        "comparison": view_comparison(comparison, report, language=style.language)
        if comparison
        else None,
        "report": view_report(
            report,
            lead=lead,
            language=style.language,
            examples=style.examples,
            is_compared=comparison is not None,
        )
        if report
        else None,
        "detail": Detail(
            cases=style.examples,
            graphemes=_REPORT_GRAPHEMES if style.shortens else _UNCUT,
            ids=_MOST_IDS,
            slices=_MOST_SLICES,
        ),
        "run_url": None,
        "is_foreign": False,
    }
    return _fill("report.md.j2", values, style)


def comment_body(
    comparison: Comparison,
    report: EvaluationReport | None,
    *,
    level: int,
    origin: Origin,
    style: Style,
) -> str:
    """Return the body of the pull request's comment.

    Args:
        comparison: Verdict.
        report: Candidate's report.
        level: 0 shows all, 4 the verdict, the gate's tables and links only, 5 the verdict and its
            sentence, in under 2,500 UTF-16 units.
        origin: Links, commands, and the comment before this one.
        style: Language, number of examples, and secrets.
    """
    made = Content(report=report, comparison=comparison, style=style).in_its_language()
    comparison, report = made.comparison or comparison, made.report
    if origin.is_foreign:
        # the cause stands in the headline as words of ours, and in the sentence, which is quoted
        reasons = tuple(
            replace(each, figures={}) if each.code == UNMEASURED else each
            for each in comparison.reasons
        )
        comparison = replace(comparison, rerun=None, reasons=reasons)
    view = view_comparison(comparison, report, language=style.language)
    if level > _LEAST:
        brief = _head(view.verdict.headline, view.suite, origin)
        told = {"sentence": comparison.sentence, "run_text": "run", "is_cut": True}
        accepted = view.verdict.accepted
        return _fill("brief.md.j2", {**brief, **told, "accepted": accepted, "commit": ""}, style)
    values = {
        "comparison": view,
        "before": origin.before,
        "is_foreign": origin.is_foreign,
        "detail": _detail(level, style),
        "is_least": level >= _LEAST,
        "is_cut": level > 0,
        "answers": answers_text(report, style.language) if report else None,
        "scored": view_for_comment(report, style.language) if report else None,
        "commands": _commands(comparison, report, origin),
        "accept": origin.accept,
        "entries": accept_entries(comparison) if origin.accept else "",
        "run_url": origin.run_url,
    }
    return _fill("comment.md.j2", values, style)


def unmeasured_body(
    problems: Sequence[Problem], *, level: int, suite: str | None, origin: Origin, style: Style
) -> str:
    """Return the comment if there is no report: what went wrong, where, and what to do.

    Args:
        problems: Problems, at least one.
        level: 0 shows several problems, any other the first in under 1,500 UTF-16 units.
        suite: Suite, if it is known.
        origin: Links, and the comment before this one.
        style: Language and secrets.
    """
    language = style.language
    values = {
        **_head(unmeasured_headline(problems[0], language), suite or "", origin),
        "run_text": "run_only",
        "accepted": (),
        "commit": (origin.commit or "")[:_COMMIT_DIGITS],
    }
    if level > 0:
        return _fill("brief.md.j2", {**values, "is_cut": len(problems) > 1}, style)
    others = [problem_sentence(problem, language) for problem in problems[1:_MOST_PROBLEMS]]
    given = {**values, "others": others, "more": max(0, len(problems) - _MOST_PROBLEMS)}
    return _fill("unmeasured.md.j2", given, style)


def _head(headline: Headline, suite: str, origin: Origin) -> dict[str, object]:
    return {
        "headline": headline,
        "sentence": headline.remark,
        "suite": suite,
        "run_url": origin.run_url,
        "before": origin.before,
        "is_foreign": origin.is_foreign,
    }


def _detail(level: int, style: Style) -> Detail:
    examples, most = style.examples, _COMMENT_GRAPHEMES if style.shortens else _UNCUT
    details = (
        Detail(cases=examples, graphemes=most, ids=_MOST_IDS, slices=5),
        Detail(cases=examples, graphemes=600, ids=_MOST_IDS, slices=5),
        Detail(cases=min(examples, 10), graphemes=300, ids=_MOST_IDS, slices=3),
        Detail(cases=0, graphemes=0, ids=_MOST_IDS),
        Detail(cases=0, graphemes=0, ids=0),
    )
    return details[min(level, len(details) - 1)]


def _commands(
    comparison: Comparison, report: EvaluationReport | None, origin: Origin
) -> str | None:
    if origin.is_foreign:
        return None
    commit = origin.commit or (report.experiment.commit if report else None)
    if not commit or not _COMMIT.fullmatch(commit):
        return None
    parts = ["lm-eval-so", "ci", *(["-c", origin.config] if origin.config else [])]
    base = comparison.baseline.ref or ""
    if _COMMIT.fullmatch(base):
        parts += ["--set", f"baseline.ref={base[:12]}"]
    # GitHub's merge of a pull request is on no branch that a clone has
    fetch = f"git fetch origin {commit}\n" if len(commit) in _WHOLE else ""
    return f"{fetch}git checkout {commit[:12]}\n{shlex.join(parts)}"


def _fill(template: str, values: Mapping[str, object], style: Style) -> str:
    redact = style.redactor.redact

    def texts(topic: str) -> Callable[..., Safe]:
        words = words_of(topic, style.language)
        return lambda key, **figures: prose(redact(words(key, **figures)))

    given = {**values, "t": texts("report"), "c": texts("comment"), "k": texts("cases")}
    return fill_markdown(_PACKAGE, template, given, redact=redact)
