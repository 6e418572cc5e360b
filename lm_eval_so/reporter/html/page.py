"""The HTML report: one file that asks nothing of the network."""

import json
from typing import Any

from lm_eval_so.core.templates.sandbox import asset, content_policy, fill_html
from lm_eval_so.core.words.verdict_names import lead_metric
from lm_eval_so.errors import NothingToDo
from lm_eval_so.reporter.content import Content
from lm_eval_so.reporter.html.conditions import conditions_of
from lm_eval_so.reporter.html.forest import forest_of_changes, forest_of_means
from lm_eval_so.reporter.html.head import head_of
from lm_eval_so.reporter.html.listing.list_cases import case_list
from lm_eval_so.reporter.html.where import changed_slices, slice_means
from lm_eval_so.reporter.views.comparison import view_comparison
from lm_eval_so.reporter.views.report import view_report
from lm_eval_so.reporter.views.view import ComparisonView, ReportView, words_of

_PACKAGE = "lm_eval_so.reporter"
_MOST_WARNINGS = 40


def html_report(content: Content) -> str:
    """Return the HTML report, the comparison first.

    Raises:
        NothingToDo: If there are no scores.
    """
    report, comparison, style = content.report, content.comparison, content.style
    if report is None:
        hint = "give the candidate's report.json, and the comparison beside it"
        raise NothingToDo("an HTML report needs the scores", hint=hint)
    language, examples, redactor = style.language, style.examples, style.redactor
    words = words_of("report", language)
    lead = lead_metric(comparison) if comparison else None
    compared = view_comparison(comparison, report, language=language) if comparison else None
    view = view_report(
        report, lead=lead, language=language, examples=examples, is_compared=compared is not None
    )
    css = asset(_PACKAGE, "report.css") + asset(_PACKAGE, "cases.css")
    script = asset(_PACKAGE, "report.js")
    cases = case_list(report, comparison, style)
    values = {
        "language": language.value,
        "report": view,
        "comparison": compared,
        "head": head_of(report, comparison, compared, style),
        "warnings": [*(compared.warnings if compared else ()), *view.warnings][:_MOST_WARNINGS],
        "tone": compared.verdict.headline.tone if compared else "none",
        **_figures(content, view, compared),
        "cases": cases,
        "settings": {
            "settings_run": _pretty(report.experiment.run_config),
            "settings_evaluation": _pretty(report.experiment.evaluator_config),
        },
        "csp": content_policy(css, script),
        "t": words,
        "c": words_of("comment", language),
        "k": words_of("cases", language),
        "l": words_of("case_list", language),
        "p": words_of("page", language),
    }
    trusted = {
        "style": css,
        "script": script,
        "data": cases.data,
        "texts": cases.texts,
    }
    return fill_html(_PACKAGE, "report.html.j2", values, trusted=trusted, redact=redactor.redact)


def _figures(content: Content, view: ReportView, compared: ComparisonView | None) -> dict[str, Any]:
    """Return figures, slices and conditions: changes where there is something to compare with, else means."""
    report, comparison, language = content.report, content.comparison, content.style.language
    if report is None:
        return {}
    rows = (*compared.scores, *compared.ratios) if compared else ()
    is_compared = bool(rows) and comparison is not None and comparison.baseline.source != "none"
    rules = compared.verdict.rules if compared else None
    figures: dict[str, Any] = {
        "is_compared": is_compared,
        "changed": None,
        "slices": (),
        "conditions": conditions_of(report, comparison, rules, language),
    }
    if is_compared and comparison is not None and compared is not None:
        figures["forest"] = forest_of_changes(comparison, compared, report, language)
    else:
        words = words_of("page", language)
        figures["forest"] = forest_of_means(report, comparison, view.metrics, words)
    if comparison is not None and compared is not None and comparison.slices:
        figures["changed"] = changed_slices(
            comparison, compared.slices.rows, report, words_of("page", language)
        )
    else:
        names, rows_of_means = slice_means(
            report, words_of("report", language), words_of("page", language)
        )
        figures |= {"slice_metrics": names, "slices": rows_of_means}
    return figures


def _pretty(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)
