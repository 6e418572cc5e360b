"""Acceptance of a report as the baseline, as `baseline update` writes it into the report."""

from collections.abc import Mapping

from lm_eval_so.core.records.record import record


@record
class ReplacedBaseline:
    """The baseline that was replaced."""

    digest: str
    """Digest of the settings and figures of its report."""
    commit: str | None
    """Commit that was measured."""
    means: Mapping[str, float | None]
    """Mean by metric id."""


@record
class Acceptance:
    """Acceptance of a report as the baseline by a person."""

    reason: str
    """Reason, in one line."""
    at: str
    """Time of acceptance, RFC 3339 in UTC."""
    by: str | None = None
    """Name of the person, from git's user.name; never an e-mail address."""
    forced: tuple[str, ...] = ()
    """Codes of the objections that were overridden."""
    previous: ReplacedBaseline | None = None
    """The baseline before; null if there was none, or if it could not be read."""
