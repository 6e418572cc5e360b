"""`scores.csv`: a row for each answer, its scores beside it, for spreadsheets and data frames."""

from collections.abc import Iterator, Mapping

from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.templates.safe import normalise
from lm_eval_so.core.text.spreadsheet import cell_text, csv_table
from lm_eval_so.reporter.content import Content

_COLUMNS = (
    "id",
    "ref",
    "repeat",
    "status",
    "change",
    "question",
    "expected",
    "answer",
    "reason",
    "tags",
)
_NOT_APPLICABLE = "n/a"


def scores_table(content: Content) -> str:
    """Return the scores of a report as CSV with a byte order mark, by which Excel knows UTF-8.

    `change` says worse or better where the comparison names the sample, `reason` why a row failed that the
    report keeps in full. The last columns are the metrics: a number, nothing if there is no score, `n/a` if it does not apply.
    """
    report, comparison = content.report, content.comparison
    if report is None:
        return ""
    columns = {name: name if name not in _COLUMNS else f"{name} (score)" for name in report.metrics}
    redact = content.style.redactor.redact
    rows = (
        {name: cell_text(normalise(redact(value))) for name, value in row.items()}
        for row in _rows(report, comparison, columns)
    )
    return csv_table((*_COLUMNS, *columns.values()), rows)


def _rows(
    report: EvaluationReport, comparison: Comparison | None, columns: Mapping[str, str]
) -> Iterator[dict[str, str]]:
    samples, refs = report.samples, report.samples.own_ids
    change = {each.sample_id: each.change for each in (comparison.changed if comparison else ())}
    reasons = {(each.sample_id, each.repeat): each.reason for each in report.errors}
    not_applicable = {name: {*places} for name, places in samples.not_applicable.items()}
    for at, sample_id in enumerate(samples.ids):
        row = {
            "id": sample_id,
            "ref": refs.get(sample_id, ""),
            "repeat": str(samples.repeats[at]),
            "status": samples.statuses[at],
            "change": change.get(sample_id, ""),
            "reason": reasons.get((sample_id, samples.repeats[at]), ""),
            "tags": ";".join(samples.tags[at]) if samples.tags else "",
        }
        texts = {
            "question": samples.inputs,
            "expected": samples.expected,
            "answer": samples.answers,
        }
        row |= {name: (found[at] or "") if found else "" for name, found in texts.items()}
        for name, column in columns.items():
            value = samples.scores[name][at] if name in samples.scores else None
            is_out = value is None and at in not_applicable.get(name, ())
            row[column] = _NOT_APPLICABLE if is_out else "" if value is None else f"{value:.12g}"
        yield row
