"""How a report became the baseline: what `baseline update` writes into it."""

from collections.abc import Mapping

from lm_eval_so.core.records.record import record


@record
class ReplacedBaseline:
    """The baseline whose place was taken."""

    digest: str
    """Digest of what it measured and of its figures."""
    commit: str | None
    """Commit that it measured."""
    means: Mapping[str, float | None]
    """Mean by metric id."""


@record
class Acceptance:
    """A report that was taken as the baseline on purpose."""

    reason: str
    """Why, one line."""
    at: str
    """When, RFC 3339 in UTC."""
    by: str | None = None
    """Who, as git's user.name says; never an e-mail address."""
    forced: tuple[str, ...] = ()
    """Codes of what stood against it and was overridden."""
    previous: ReplacedBaseline | None = None
    """Null if there was none, or if it could not be read."""
