"""Batches: many requests in one file, answered within a day at a lower price."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lm_eval_so.core.records.chat import ChatRequest, ChatResponse

_OVER = frozenset({"completed", "expired", "cancelled", "failed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchState:
    """A batch as its service sees it."""

    id: str
    status: str
    """validating, in_progress, finalizing, completed, expired, cancelling, cancelled or failed."""
    completed: int = 0
    """Requests that were answered."""
    created_at: int = 0
    """Seconds since 1970."""
    ended_at: int | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    problems: tuple[tuple[int | None, str], ...] = ()
    """Reasons of a failure: line of the input file from 1, if known, and a text."""

    @property
    def is_over(self) -> bool:
        """Return whether nothing more will come."""
        return self.status in _OVER


class Batches(Protocol):
    """The batch service of an endpoint; every method that asks it raises `BackendError`."""

    path: str
    """Path that each line of an input file names."""

    def body(self, request: ChatRequest) -> dict[str, Any]:
        """Return the body of a request."""
        ...

    def read(self, status: int, headers: Mapping[str, str], body: bytes) -> ChatResponse:
        """Read the answer to one request; raises `BackendError` if it is none."""
        ...

    async def upload(self, file: Path, name: str) -> str:
        """Upload an input file and return its id."""
        ...

    async def create(self, file_id: str, metadata: Mapping[str, str]) -> BatchState:
        """Begin a batch."""
        ...

    async def find(self, metadata: Mapping[str, str], *, since: int) -> BatchState | None:
        """Return the batch with this metadata, if one was begun since then; newest first."""
        ...

    async def look(self, batch_id: str) -> BatchState:
        """Return a batch as it is now."""
        ...

    async def download(self, file_id: str, to: Path) -> None:
        """Write an output file to a path."""
        ...

    async def cancel(self, batch_id: str) -> BatchState:
        """Ask for the end of a batch; answers until then are kept."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
