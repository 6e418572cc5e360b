"""Server-sent events (WHATWG HTML §9.2.6) and lines, read from a stream of bytes."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class Event:
    """One event with data or a type, mostly both."""

    event: str
    """Type; "message" if the stream names none."""
    data: str
    """Data, lines joined by line feeds; "" if there is none."""


async def read_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """Yield the events of a stream, without comments, ids and retry times.

    Events without data, which browsers drop, are included, since they may mark the end. So is an
    event cut off by the end of the stream: only the reader knows whether the stream may end there.
    """
    kind, data = "", list[str]()
    async for line in read_lines(chunks):
        if not line:
            if data or kind:
                yield Event(kind or "message", "\n".join(data))
            kind, data = "", []
            continue
        name, _, value = line.partition(":")
        if name == "data":
            data.append(value.removeprefix(" "))
        elif name == "event":
            kind = value.removeprefix(" ")
        elif name == "error":  # of llama-server, instead of an event of this type
            kind = name
            data.append(value.removeprefix(" "))
    if data or kind:
        yield Event(kind or "message", "\n".join(data))


async def read_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    r"""Yield the lines of a UTF-8 stream without their ends (\n, \r\n, \r), empty ones, too.

    Characters and line ends may be split between chunks; bytes that are no UTF-8 become U+FFFD.
    """
    rest: list[bytes] = []  # of a line whose end has not come
    is_first = True
    async for chunk in chunks:
        if not chunk:
            continue
        rest.append(chunk)
        if not (b"\n" in chunk or b"\r" in chunk or rest[0].endswith(b"\r")):
            continue
        lines = b"".join(rest).splitlines(keepends=True)
        # a \r at the end may be half of \r\n
        rest = [] if lines[-1].endswith(b"\n") else [lines.pop()]
        for line in lines:
            yield _text(line, is_first=is_first)
            is_first = False
    if rest:
        yield _text(b"".join(rest), is_first=is_first)


def _text(line: bytes, *, is_first: bool) -> str:
    text = line.rstrip(b"\r\n").decode("utf-8", "replace")
    return text.removeprefix(_BOM) if is_first else text
