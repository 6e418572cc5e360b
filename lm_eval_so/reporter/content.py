"""Input of every renderer: the records, and the manner in which they are written."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self

from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Language, ReportCases
from lm_eval_so.core.records.in_language import comparison_in, report_in
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.secrets import Redactor


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """Manner in which records are written."""

    language: Language = Language.EN
    """Language of fixed texts."""
    examples: int = 20
    """Cases shown in full, at most."""
    shortens: bool = True
    """Whether Markdown shortens long texts of cases."""
    cases: ReportCases = ReportCases.CHANGED
    """Cases that an HTML page holds: all that changed, failed or have no score and a sample of the rest, so
    that the file stays under 5 MB; or all."""
    redactor: Redactor = field(default_factory=Redactor)
    """Takes secrets out of every text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A report, a comparison, or both."""

    report: EvaluationReport | None
    """Scores."""
    comparison: Comparison | None
    """Verdict."""
    style: Style

    def in_its_language(self) -> Self:
        """Return the records with their own sentences in the language of the style, too."""
        language = self.style.language
        return replace(
            self,
            report=self.report and report_in(self.report, language),
            comparison=self.comparison and comparison_in(self.comparison, language),
        )


Renderer = Callable[[Content], str]
