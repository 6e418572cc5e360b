"""Wall time as records carry it."""

from collections.abc import Mapping
from datetime import UTC, datetime


def now_text(environ: Mapping[str, str]) -> str:
    """Give the time as RFC 3339 in UTC with milliseconds; SOURCE_DATE_EPOCH fixes it.

    Source: https://reproducible-builds.org/specs/source-date-epoch/
    """
    fixed = environ.get("SOURCE_DATE_EPOCH", "")
    now = datetime.fromtimestamp(int(fixed), UTC) if fixed.isdigit() else datetime.now(UTC)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
