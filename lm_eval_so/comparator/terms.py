"""Terms of a comparison: the gate, its exemptions, the day, and the language of the verdict."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from lm_eval_so.comparator.exemptions.files import (
    Exceptions,
    hold_against_base,
    read_accepted,
    read_exceptions,
)
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.comparator.settings import KEY_SHAPES, Redact
from lm_eval_so.core.config.gate import GateSection
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.asked_rounds import Rounds
from lm_eval_so.core.records.comparison import BaselineRef, Control
from lm_eval_so.core.records.enums import Language, Policy
from lm_eval_so.core.records.report import EvaluationReport

_ALPHA_OF_DRIFT = 0.01
Passes = Callable[[float], bool]
"""Test whether a score is that of a right answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A second report, as of the last release, that a run may not fall behind either."""

    report: EvaluationReport | None
    """None if it is not there."""
    ref: BaselineRef
    """Place where it is from, or was looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Everything that a comparison follows, beside the two reports."""

    compared_at: str
    """RFC 3339, UTC; its day decides which exceptions have expired."""
    gate: GateSection = field(default_factory=GateSection)
    exceptions: Exceptions = field(default_factory=Exceptions)
    """Entries of the quarantine and accept files."""
    language: Language = Language.EN
    """Language of the sentences."""
    redact: Redact = KEY_SHAPES
    """Takes secrets out of the settings that are shown."""
    keeps_texts: bool = True
    """Whether questions, answers and reasons may stand in the comparison."""
    rounds: Rounds | None = None
    """Rounds in which the candidate was asked; None if all answers were asked for at once."""
    right_or_wrong: Mapping[str, Passes] = field(default_factory=dict)
    """Metrics that say of a single answer whether it is right, by id."""
    anchor: Anchor | None = None
    """Second report to compare with."""
    control: Control | None = None
    """Whether main's configuration can be asked today, or why it need not be; None: it plays no part."""

    @property
    def asks_main(self) -> bool:
        """Whether main's configuration can be asked about cases that stay wrong."""
        return self.control is not None and self.control.state == "asked"

    @property
    def not_ours(self) -> Code | None:
        """Code of a change for the worse that nobody here made; None where somebody may have."""
        match self.control:
            case Control(state="nothing_differs"):
                return Code.NOTHING_DIFFERS
            case Control(state="unchanged"):
                return Code.PROVIDER_MOVED
            case _:
                return None

    @property
    def fails_for_drift(self) -> bool:
        """Whether such a change fails the run all the same."""
        return self.not_ours is Code.PROVIDER_MOVED and self.gate.on_drift is Policy.FAIL

    @property
    def policies(self) -> GateSection:
        """The gate, by which the verdict gives an exit code: for drift `on_drift` alone decides."""
        if self.not_ours is not Code.PROVIDER_MOVED:
            return self.gate
        return self.gate.model_copy(update={"on_inconclusive": Policy.WARN})

    @property
    def alpha_of_worse(self) -> float:
        """One-sided error rate of "it got worse"; a scheduled comparison is made again and again."""
        if self.not_ours is Code.PROVIDER_MOVED:
            return min(self.gate.alpha, _ALPHA_OF_DRIFT)
        return self.gate.alpha

    @property
    def pass_alpha(self) -> float:
        """One-sided error of a pass: that of the gate, or its share at the look that decides."""
        return self.rounds.pass_alpha if self.rounds else self.gate.alpha

    @property
    def day(self) -> date:
        """Day of the comparison."""
        return _day_of(self.compared_at)


def read_terms(
    config: Config,
    *,
    now: str,
    accepted: bytes | None = None,
    redact: Redact = KEY_SHAPES,
) -> Terms:
    """Read the terms of a config, with its quarantine and accept files.

    Args:
        config: Config with the gate.
        now: Time of the comparison, RFC 3339 in UTC.
        accepted: Accept file of the base commit, empty if there is none; None where nothing is
            proposed.
        redact: Function that takes secrets out of a text.

    Raises:
        InputError: If a file cannot be used; lists every problem of both files.
    """
    exceptions = read_exceptions(config, day=_day_of(now))
    if accepted is not None:
        is_strict = config.gate.rules == "strict"
        exceptions = hold_against_base(exceptions, read_accepted(accepted), is_strict=is_strict)
    return Terms(
        compared_at=now,
        gate=config.gate,
        exceptions=exceptions,
        language=config.language,
        redact=redact,
        keeps_texts=config.report.keeps_texts,
    )


def _day_of(time: str) -> date:
    return datetime.fromisoformat(time).date()
