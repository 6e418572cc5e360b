"""Enumerations used by records."""

from enum import StrEnum


class RunStatus(StrEnum):
    """Outcome of a row of a run."""

    OK = "ok"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    FILTERED = "filtered"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    ERROR = "error"

    @property
    def is_answer(self) -> bool:
        """Return whether the chatbot answered, so that metrics can score the row."""
        return self in _ANSWERS

    @property
    def is_final(self) -> bool:
        """Return whether the row is not asked again when the run is resumed."""
        return self in _ANSWERS or self is RunStatus.FILTERED


_ANSWERS = frozenset({RunStatus.OK, RunStatus.REFUSED, RunStatus.TRUNCATED, RunStatus.EMPTY})


class Behavior(StrEnum):
    """Expected behavior of the chatbot for a sample."""

    ANSWER = "answer"
    ABSTAIN = "abstain"
    REFUSE = "refuse"
    CLARIFY = "clarify"
    HANDOFF = "handoff"


class ScoreStatus(StrEnum):
    """State of a metric's score for a row."""

    SCORED = "scored"
    UNSCORED = "unscored"
    NOT_APPLICABLE = "not_applicable"


class MetricKind(StrEnum):
    """Kind of a metric's values; decides the method of comparison."""

    BINARY = "binary"
    BOUNDED = "bounded"
    UNBOUNDED = "unbounded"
    RATIO = "ratio"


class Direction(StrEnum):
    """Better direction of a metric."""

    HIGHER = "higher"
    LOWER = "lower"


class Verdict(StrEnum):
    """Verdict of a comparison, for one metric or for the run."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    IMPROVED = "improved"
    REGRESSION = "regression"
    INCONCLUSIVE = "inconclusive"
    INCOMPARABLE = "incomparable"
    ERROR = "error"
    SKIPPED = "skipped"
    REPORTED = "reported"


class Claim(StrEnum):
    """Questions that a verdict is about."""

    LIKE_THESE = "like_these"
    """All questions that users might ask, of which those of the dataset are examples."""
    THESE = "these"
    """The questions of the dataset."""


ABOUT_THESE = frozenset({"these_binary", "these_scores"})
"""Methods by which a verdict is about the samples of the dataset alone."""


class Policy(StrEnum):
    """Action of a gate on a verdict that is neither good nor bad."""

    PASS = "pass"  # noqa: S105 - a policy, no password
    WARN = "warn"
    FAIL = "fail"


class ReportFormat(StrEnum):
    """File format of a report."""

    JSON = "json"
    MD = "md"
    HTML = "html"
    JUNIT = "junit"
    CSV = "csv"

    def file_name(self, stem: str) -> str:
        """Return the name of a file: report.md, or comparison.md; some are called alike everywhere."""
        fixed = {ReportFormat.JUNIT: "junit.xml", ReportFormat.CSV: "scores.csv"}
        return fixed.get(self, f"{stem}.{self.value}")


class ReportCases(StrEnum):
    """Cases that an HTML report holds."""

    CHANGED = "changed"
    ALL = "all"


class Language(StrEnum):
    """Languages of reports and comments."""

    EN = "en"
    KO = "ko"
