"""The HTML report: one file that asks nothing of the network."""

import json

from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.templates.sandbox import asset, content_policy, fill_html, json_in_page
from lm_eval_so.core.words.verdict_names import lead_metric
from lm_eval_so.errors import NothingToDo
from lm_eval_so.reporter.content import Content
from lm_eval_so.reporter.html.cases import case_data, first_cases
from lm_eval_so.reporter.html.drawings import (
    WIDTH,
    changed_slices,
    slice_drawings,
)
from lm_eval_so.reporter.html.forest import change_drawings, mean_drawing
from lm_eval_so.reporter.html.head import head_of
from lm_eval_so.reporter.views.comparison import view_comparison
from lm_eval_so.reporter.views.report import view_report
from lm_eval_so.reporter.views.view import Words, words_of

_PACKAGE = "lm_eval_so.reporter"
_ICONS = {"pass": "✓", "bad": "✕", "open": "≈", "none": "○"}
_MOST_WARNINGS = 40
_MOST_METRICS = 8
"""Most metrics side by side in the table of slices."""
IN_DATASET_ORDER = "(dataset)"
"""Value of the dataset's order in the sort control; other values are names of metrics."""
_IN_SCRIPT = (
    *("view_all", "view_failed", "view_unscored", "view_worse", "view_better"),
    *("any_tag", "any_language", "any_status", "any_label", "more_rows", "nothing_found"),
    *("input", "expected", "answer", "error", "why", "evidence", "panel", "tags_word"),
    *("baseline_answer", "candidate_answer", "scores_word"),
    "change_word",
)


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
    shown = [key for key, m in report.metrics.items() if m.kind is not MetricKind.RATIO]
    shown = shown[:_MOST_METRICS]
    css, script = asset(_PACKAGE, "report.css"), asset(_PACKAGE, "report.js")
    cases, cases_note = first_cases(report, compared, most=examples, words=words)
    values = {
        "language": language.value,
        "report": view,
        "comparison": compared,
        "icons": _ICONS,
        "head": head_of(report, comparison, compared, style),
        "warnings": [*(compared.warnings if compared else ()), *view.warnings][:_MOST_WARNINGS],
        "tone": compared.verdict.headline.tone if compared else "none",
        "means": [mean_drawing(row, report) for row in view.metrics],
        "changes": change_drawings(comparison, compared) if comparison and compared else [],
        "slice_metrics": shown,
        "slices": list(slice_drawings(report, comparison, shown, words)),
        "changed": list(changed_slices(comparison, compared, report))
        if comparison and compared
        else [],
        "cases": cases,
        "cases_note": cases_note,
        "in_dataset_order": IN_DATASET_ORDER,
        "settings": {
            "settings_run": _pretty(report.experiment.run_config),
            "settings_evaluation": _pretty(report.experiment.evaluator_config),
        },
        "width": WIDTH,
        "csp": content_policy(css, script),
        "t": words,
        "c": words_of("comment", language),
        "k": words_of("cases", language),
        "p": words_of("page", language),
    }
    trusted = {
        "style": css,
        "script": script,
        "data": case_data(
            report,
            comparison,
            worse=compared.cases.worse if compared else (),
            words=words,
            redact=redactor.redact,
        ),
        "texts": json_in_page({key: words(key) for key in _IN_SCRIPT} | _patterns(words)),
    }
    return fill_html(_PACKAGE, "report.html.j2", values, trusted=trusted, redact=redactor.redact)


def _patterns(words: Words) -> dict[str, str]:
    return {"shown_of": words("shown_of", shown="{shown}", total="{total}")}


def _pretty(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)
