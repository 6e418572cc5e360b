"""A program that is started, spoken to through pipes, and ended with all that it started."""

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process, SubprocessStreamProtocol
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lm_eval_so.core.registry import refuse_own_code
from lm_eval_so.errors import BackendError, ErrorKind

_MOST_OUTPUT = 16 * 1024 * 1024
"""Bytes of an answer; asyncio's own limit of a line is 64 KiB."""
_CHUNK = 64 * 1024
_LAST_BYTES = 8_000
_LAST_WORDS = 2_000
_LAST_WORDS_S = 0.5
_DYING_S = 2.0
_CONTINUATION = bytes(range(0x80, 0xC0))


class _Pipes(SubprocessStreamProtocol):
    """asyncio's pipes, and the end of the process; `wait` may wait for its children, too."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=_MOST_OUTPUT, loop=loop)
        self.has_ended = asyncio.Event()

    def process_exited(self) -> None:
        """Called by asyncio."""
        super().process_exited()
        self.has_ended.set()


class Child:
    """One process, the head of a process group of its own; made by `start_child`."""

    def __init__(self, transport: asyncio.SubprocessTransport, pipes: _Pipes) -> None:
        self._transport = transport
        self._has_ended = pipes.has_ended
        self._process = Process(transport, pipes, asyncio.get_running_loop())
        self._said = b""
        self._listening = asyncio.create_task(self._listen())

    @property
    def is_alive(self) -> bool:
        """Return whether it has not ended yet."""
        return not self._has_ended.is_set()

    @property
    def last_words(self) -> str:
        """The last 2,000 characters of stderr."""
        is_cut = len(self._said) == _LAST_BYTES
        data = self._said.lstrip(_CONTINUATION) if is_cut else self._said
        for encoding in ("utf-8", "cp949"):
            with suppress(UnicodeDecodeError):
                return data.decode(encoding)[-_LAST_WORDS:].strip()
        return data.decode("utf-8", "replace")[-_LAST_WORDS:].strip()

    async def run(self, given: bytes) -> tuple[int, bytes]:
        """Send the input, and wait for the end.

        Returns:
            Exit code (minus the signal that ended it), and the bytes of stdout.

        Raises:
            BackendError: `too_large`, if it writes more than 16 MiB.
        """
        feeding = asyncio.create_task(self._feed(given, is_all=True))
        try:
            written = await self._read()
            return await self.ended(), written
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)

    async def exchange(self, line: bytes) -> bytes:
        """Send a line, and wait for one; b"" if the process has ended.

        Raises:
            BackendError: `too_large`, if the line has more than 16 MiB.
        """
        assert self._process.stdout is not None  # noqa: S101 - it was started with pipes
        await self._feed(line, is_all=False)
        try:
            return await self._process.stdout.readline()
        except ValueError:  # asyncio's way to say that the limit is reached
            raise _too_large() from None

    async def ended(self) -> int:
        """Wait until the process has ended of itself, and return its exit code."""
        await self._has_ended.wait()
        # what it started may hold its stderr for ever
        await asyncio.wait({self._listening}, timeout=_LAST_WORDS_S)
        return self._process.returncode or 0

    async def end(self, *, patience_s: float = 0.0) -> None:
        """End the process and all that it started.

        Args:
            patience_s: Seconds to end of itself, once its input is closed.
        """
        if patience_s and self.is_alive and self._process.stdin is not None:
            self._process.stdin.close()
            await self._wait(patience_s)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        try:
            await self._wait(_DYING_S)
        finally:
            self.forget()

    def forget(self) -> None:
        """Release a process that has ended, and leave alone the processes that it started."""
        self._listening.cancel()
        self._transport.close()

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._has_ended.wait()

    async def _feed(self, data: bytes, *, is_all: bool) -> None:
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - it was started with pipes
        # a program need not read what it is given
        with suppress(BrokenPipeError, ConnectionResetError):
            stdin.write(data)
            await stdin.drain()
            if is_all:
                stdin.close()

    async def _read(self) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 - it was started with pipes
        chunks, size = [], 0
        while chunk := await self._process.stdout.read(_CHUNK):
            chunks.append(chunk)
            size += len(chunk)
            if size > _MOST_OUTPUT:
                raise _too_large()
        return b"".join(chunks)

    async def _listen(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - it was started with pipes
        while chunk := await self._process.stderr.read(_CHUNK):
            self._said = (self._said + chunk)[-_LAST_BYTES:]


async def start_child(argv: Sequence[str], *, cwd: Path, environ: Mapping[str, str]) -> Child:
    """Start a program, without a shell, with this environment and no other.

    Raises:
        OSError: If it cannot be started.
        ConfigError: If no code of the user's own may run.
    """
    refuse_own_code(argv[0])
    loop = asyncio.get_running_loop()
    transport, pipes = await loop.subprocess_exec(
        lambda: _Pipes(loop),
        *argv,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        cwd=cwd,
        env=environ,
        start_new_session=True,
    )
    return Child(transport, pipes)


def _too_large() -> BackendError:
    what = f"the program writes more than {_MOST_OUTPUT // 1024**2} MiB"
    return BackendError(ErrorKind.TOO_LARGE, what, retryable=False)
