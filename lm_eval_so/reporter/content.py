"""Input of every renderer: the records, and the manner in which they are written."""

from collections.abc import Callable
from dataclasses import dataclass, field

from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Language, ReportCases
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


Renderer = Callable[[Content], str]
