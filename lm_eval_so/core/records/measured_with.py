"""Rules by which a pull request was judged, where it brings other ones than its base."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from pydantic import JsonValue

from lm_eval_so.core.records.enums import Verdict
from lm_eval_so.core.records.record import record


@record
class RuleChange:
    """A rule that a pull request brings another one for."""

    kind: Literal[
        "setting",
        "file",
        "metric_added",
        "metric_dropped",
        "metric_unmeasured",
        "quarantined",
        "released",
        "deleted",
        "edited",
        "gone",
        "added",
        "not_required",
        "not_meant",
        "regrouped",
    ]
    """setting: a key of the config; file: what a file of a metric says; metric_unmeasured: a metric of the base
    that cannot be measured here; quarantined, released: entries of the quarantine file; the rest are cases:
    edited ones are not compared, gone ones of the baseline are not asked, not_required lost the tag of `gate.must`, not_meant a tag that a metric
    is for, regrouped have another group."""
    effect: Literal["looser", "other", "tighter"]
    """looser: more passes by it; other: it depends."""
    key: str
    """Key of the setting, file, or metric; of cases what they are."""
    metric: str | None = None
    """Metric whose limit the setting is."""
    base: str | None = None
    """Value in the base; null without one."""
    head: str | None = None
    """Value in the pull request; null without one."""
    n: int = 1
    """Number of cases or entries."""
    cases: tuple[str, ...] = ()
    """Ids of the cases, the first 100."""


@record
class OwnVerdict:
    """Verdict by the rules that the pull request brings; it does not decide."""

    verdict: Verdict
    exit_code: int
    sentence: str
    sentence_in: Mapping[str, str] = field(default_factory=dict)
    """The sentence in every language, by its code."""
    not_asked: tuple[str, ...] = ()
    """Metrics that it defines anew: they were measured as the base defines them."""


@record
class MeasuredWith:
    """Rules that the verdict follows, and how those of the pull request differ."""

    by: Literal["base", "strict", "head"]
    """base: those of the base commit; strict: the same, without accept entries of the pull request; head: those
    that the pull request brings, since the base could not be read."""
    commit: str | None = None
    """The base commit; null if it is not known."""
    why: str | None = None
    """Code of the reason why the base could not be read; null if it was."""
    figures: Mapping[str, JsonValue] = field(default_factory=dict)
    """Figures of that reason."""
    changes: tuple[RuleChange, ...] = ()
    """Differences, the looser ones first."""
    own: OwnVerdict | None = None
    """Verdict by the pull request's own rules; null if no case was measured."""
