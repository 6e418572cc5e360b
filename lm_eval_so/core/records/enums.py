"""The closed lists of words that records use."""

from enum import StrEnum


class RunStatus(StrEnum):
    """How a row of a run ended."""

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
    """What is right for the chatbot to do with a sample."""

    ANSWER = "answer"
    ABSTAIN = "abstain"
    REFUSE = "refuse"
    CLARIFY = "clarify"
    HANDOFF = "handoff"


class ScoreStatus(StrEnum):
    """Whether a metric has a value for a row."""

    SCORED = "scored"
    UNSCORED = "unscored"
    NOT_APPLICABLE = "not_applicable"


class MetricKind(StrEnum):
    """What values a metric takes, which decides how two runs are compared."""

    BINARY = "binary"
    BOUNDED = "bounded"
    UNBOUNDED = "unbounded"
    RATIO = "ratio"


class Direction(StrEnum):
    """Which end of a metric is good."""

    HIGHER = "higher"
    LOWER = "lower"


class Verdict(StrEnum):
    """What a comparison says, of one metric or of the whole."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    IMPROVED = "improved"
    REGRESSION = "regression"
    INCONCLUSIVE = "inconclusive"
    INCOMPARABLE = "incomparable"
    ERROR = "error"
    SKIPPED = "skipped"
    REPORTED = "reported"


class Policy(StrEnum):
    """What a gate does with a verdict that is neither good nor bad."""

    PASS = "pass"  # noqa: S105 - a policy, no password
    WARN = "warn"
    FAIL = "fail"


class ReportFormat(StrEnum):
    """What a report is written as."""

    JSON = "json"
    MD = "md"
    HTML = "html"


class Language(StrEnum):
    """Languages of reports and comments."""

    EN = "en"
    KO = "ko"
