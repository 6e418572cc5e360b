"""Files as they are in a commit, wherever its objects are: the one door to what a base commit holds."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lm_eval_so.errors import InputError


class NotServed(InputError):  # noqa: N818 - says what happened, as `RequestFailed` does
    """Nobody knows whether a commit has a file: its objects are not here, and GitHub did not serve it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitFiles:
    """Files of a commit: from the checkout's own objects, or from GitHub where these are not here."""

    commit: str
    """Id of the commit."""
    read: Callable[[Path], bytes | None] = field(repr=False)
    """Takes a file by its path in the checkout, where it need not be, and returns its content as the
    commit has it; None if the commit has no such file. Only the very name counts: links of the checkout
    lead nowhere else, and links of the commit are followed inside it.

    Raises `NotServed`, and `UsageError` if the file is a link that leads out of the commit."""
