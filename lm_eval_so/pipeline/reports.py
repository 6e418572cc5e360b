"""Reports and comparisons as files: read for another command, written in the formats asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.files import Text, read_text, write_all, write_atomic
from lm_eval_so.core.records.codec import loads, parse_json, to_json
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import ReportFormat
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.report_file import drop_rows_beside, write_beside
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.errors import Where
from lm_eval_so.reporter.content import Style
from lm_eval_so.reporter.json_report import cleaner, json_pieces
from lm_eval_so.reporter.render import NEED_SCORES, RENDERERS, render


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Records to write; at least one of them is there."""

    report: EvaluationReport | None = None
    comparison: Comparison | None = None
    is_report_written: bool = False
    """Whether the report has its own file already, so that only an HTML page shows its scores."""
    shortens: bool = True
    """Whether Markdown shortens long texts of cases."""


def read_comparison(file: Path) -> Comparison:
    """Read a comparison.json.

    Raises:
        InputError: If the file cannot be read, or is no comparison.
    """
    return loads(read_text(file), Comparison, where=Where(file=str(file)))


def write_report(file: Path, report: EvaluationReport, redactor: Redactor) -> tuple[Path, ...]:
    """Write a report.json under any name, and its rows beside it if they stand in a file.

    Returns:
        The paths: the report, then its rows.
    """
    report = write_beside(report, file, cleaner(redactor))
    write_atomic(file, json_pieces(report, redactor))
    drop_rows_beside(report, file)
    rows = report.samples.file
    return (file,) if rows is None else (file, file.with_name(rows.name))


def report_values(report: EvaluationReport, folder: Path) -> dict[str, Any]:
    """Return a report that was written to a folder as JSON values, without rows that stand in a file."""
    if report.samples.file is None:
        return to_json(report)
    file = folder / "report.json"
    values: dict[str, Any] = parse_json(read_text(file), where=Where(file=str(file)))
    return values


def write_reports(
    results: Results,
    folder: Path,
    config: Config,
    redactor: Redactor,
    *,
    formats: Sequence[ReportFormat] | None = None,
) -> tuple[Path, ...]:
    """Write records into a folder, and return the paths.

    Args:
        results: The records.
        folder: Folder of the files.
        config: The config.
        redactor: Takes secrets out.
        formats: Formats; default: those of the config; JSON is always written.
    """
    report = results.report
    rows: tuple[Path, ...] = ()
    if report is not None and not results.is_report_written:
        report = write_beside(report, folder / "report.json", cleaner(redactor))
        rows = (folder / report.samples.file.name,) if report.samples.file else ()
        results = replace(results, report=report)
    texts = _texts(results, {*(formats or config.report.formats)}, config, redactor)
    files = write_all({folder / name: text for name, text in texts.items()})
    if results.report is not None and not results.is_report_written:
        drop_rows_beside(results.report, folder / "report.json")
    return (*files, *rows)


def _texts(
    results: Results, formats: set[ReportFormat], config: Config, redactor: Redactor
) -> dict[str, Text]:
    """Return the text of each file by its name."""
    report = None if results.is_report_written else results.report
    style = Style(
        language=config.language,
        examples=config.report.examples,
        cases=config.report.cases,
        shortens=results.shortens,
        redactor=redactor,
    )
    texts: dict[str, Text] = {}
    if report is not None:
        texts["report.json"] = json_pieces(report, redactor)
    if results.comparison is not None:
        texts["comparison.json"] = json_pieces(results.comparison, redactor)
    name = "report" if report is not None else "comparison"
    for each in (kind for kind in RENDERERS if kind in formats and kind is not ReportFormat.JSON):
        scores = results.report if each in NEED_SCORES else report
        if scores is None and each in NEED_SCORES:
            continue
        text = render(scores, results.comparison, format=each, style=style)
        texts[each.file_name(name)] = text
    return texts
