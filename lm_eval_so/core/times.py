"""Times as records carry them."""

from datetime import UTC, datetime, timedelta

RECENT = timedelta(hours=1)
"""How long an answer counts as one of now: behind one address a chatbot may change."""


def parse_time(text: str | None) -> datetime | None:
    """Return the time that a text tells, in UTC; None if it tells none."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    if found.tzinfo is UTC:  # as nearly all are, and some files have millions
        return found
    return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)


def time_text(time: datetime) -> str:
    """Return a time in UTC as RFC 3339 with milliseconds."""
    return f"{time.isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"
