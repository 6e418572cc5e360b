"""Results for later steps and readers: GITHUB_OUTPUT, the job summary and annotations."""

import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.core.templates.safe import cut, escape_data, escape_property, normalise
from lm_eval_so.core.words.broken_cases import case_name, case_sentence, named_cases

_LONGEST_ANNOTATION: Final = 1000
_LONGEST_TITLE: Final = 200
_LARGEST_SUMMARY_BYTES: Final = 1_000_000  # GitHub drops a step's summary above 1 MiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """Outputs of the Action; "" if not known."""

    verdict: Verdict = Verdict.ERROR
    passed: bool = False
    regressed_count: int | None = None
    improved_count: int | None = None
    accepted_count: int | None = None
    error_count: int | None = None
    cost_usd: float | None = None
    report_json: str = ""
    report_md: str = ""
    report_html: str = ""
    comment_url: str = ""
    comment_file_written: bool = False
    baseline_source: str = ""


OUTPUT_NAMES: Final = tuple(field.name for field in fields(Outputs))


def outputs_of(comparison: Comparison, report: EvaluationReport | None) -> Outputs:
    """Return the outputs of a comparison; paths and the comment come later."""
    ids = {change: set[str]() for change in ("worse", "better")}
    for case in comparison.changed:
        ids[case.change].add(case.sample_id)
    worse, better = comparison.changed_samples or (len(ids["worse"]), len(ids["better"]))
    costs = (report.cost.bot_usd, report.cost.judges_usd) if report else ()
    known = [cost for cost in costs if cost is not None]
    gating = [key for key, metric in comparison.metrics.items() if metric.gating]
    unscored = (
        [report.metrics[key].unscored for key in gating if key in report.metrics] if report else []
    )
    return Outputs(
        verdict=comparison.verdict,
        passed=comparison.passed,
        regressed_count=worse,
        improved_count=better,
        accepted_count=len(comparison.accepted_here),
        error_count=max(unscored, default=None),
        cost_usd=round(sum(known), 6) if known else None,
        baseline_source=comparison.baseline.source,
    )


def output_text(outputs: Outputs, *, delimiter: str) -> str:
    """Return the outputs as GITHUB_OUTPUT takes them; each value is one line.

    Args:
        outputs: The values.
        delimiter: A text that no value can hold, such as a random one.
    """
    return "".join(
        f"{name}<<{delimiter}\n{_one_line(getattr(outputs, name))}\n{delimiter}\n"
        for name in OUTPUT_NAMES
    )


def write_outputs(file: Path, outputs: Outputs) -> None:
    """Add the outputs to GITHUB_OUTPUT; of values given twice the later one wins."""
    _append(file, output_text(outputs, delimiter=f"lm-eval-so-{secrets.token_hex(16)}"))


def write_summary(file: Path, texts: Iterable[str]) -> bool:
    """Add the first text that GitHub takes to the job summary.

    Args:
        file: GITHUB_STEP_SUMMARY.
        texts: The same in Markdown, most detailed first.

    Returns:
        Whether one was short enough.
    """
    text = first_fit(texts, most=_LARGEST_SUMMARY_BYTES, size=lambda text: len(text.encode()))
    if text is not None:
        _append(file, text)
    return text is not None


def add_to_summary(file: Path, text: str) -> None:
    """Add a short text to the job summary."""
    _append(file, text)


def first_fit(texts: Iterable[str], *, most: int, size: Callable[[str], int]) -> str | None:
    """Return the first text of at most this size, or None."""
    return next((text for text in texts if size(text) <= most), None)


def annotations(
    comparison: Comparison, *, most: int, redactor: Redactor, language: Language = Language.EN
) -> tuple[str, ...]:
    """Return workflow commands for what got worse: broken cases first, then metrics, then samples.

    Args:
        comparison: The comparison.
        most: Most annotations; GitHub shows 10 per step.
        redactor: Takes secrets out.
        language: Language of the sentences on broken cases.
    """
    level = "error" if comparison.verdict is Verdict.REGRESSION else "warning"
    lines = (
        f"::{level} title={escape_property(cut(redactor.redact(title), _LONGEST_TITLE))}"
        f"::{escape_data(cut(redactor.redact(text), _LONGEST_ANNOTATION))}"
        for title, text in _findings(comparison, language)
    )
    return tuple(line for line, _ in zip(lines, range(most), strict=False))


def _findings(comparison: Comparison, language: Language) -> Iterator[tuple[str, str]]:
    broken = comparison.broken
    if broken is not None:
        for each in named_cases(broken):
            title = f"{comparison.suite}: {case_name(each)}"
            yield title, case_sentence(each, broken, language)
    for metric_id, metric in comparison.metrics.items():
        if metric.gating and metric.verdict is Verdict.REGRESSION:
            yield f"{comparison.suite}: {metric_id}", metric.sentence
    for case in comparison.changed:
        if case.change == "worse":
            scores = f"{case.metric} {case.baseline:g} → {case.candidate:g}"
            yield f"{comparison.suite}: got worse", f"{case.ref or case.sample_id}: {scores}"


def _one_line(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return normalise(str(value)).replace("\n", "\\n")


def _append(file: Path, text: str) -> None:
    with file.open("a", encoding="utf-8", newline="\n") as stream:
        stream.write(text)
