"""A llama-server: started in a process group of its own, and asked for its facts."""

import asyncio
import json
import os
import signal
import socket
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Self

from lm_eval_so.core.backends.faults import public_url
from lm_eval_so.core.backends.openai.chat import count_of
from lm_eval_so.core.http.client import HttpAnswer, HttpClient
from lm_eval_so.core.records.record import record
from lm_eval_so.core.registry import refuse_own_code
from lm_eval_so.core.secrets import is_secret_name
from lm_eval_so.errors import BackendError, ConfigError, ErrorKind

_POLL_S = 0.1
_GRACE_S = 5.0
_MOST_OF_LOG = 2000
_LOADING = 503
_KEPT_VARIABLES = frozenset({"PATH", "HOME", "LANG", "TZ", "TMPDIR"})
_KEPT_PREFIXES = (
    *("LD_LIBRARY_PATH", "DYLD_", "LLAMA_", "GGML_", "GOMP_", "OMP_"),
    *("CUDA_", "NVIDIA_", "HIP_", "HSA_", "ROCR_", "VK_", "ONEAPI_", "SYCL_", "ZES_"),
)
"""Variables by which libraries and devices are found: a server gets none that hold keys."""


@record
class Served:
    """Facts that a server tells of itself; null is not told."""

    model_file: str | None = None
    context_tokens: int | None = None
    """Of one slot."""
    slots: int | None = None
    """Requests that are worked on at once."""
    build: str | None = None


class LlamaServer:
    """A running server; `end` it in every case."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, log: IO[bytes]) -> None:
        self.url = url
        """Address without a path."""
        self._process = process
        self._log = log

    @classmethod
    async def start(cls, argv: Sequence[str], *, environ: Mapping[str, str], cwd: str) -> Self:
        """Start a server on a free port of this machine.

        Args:
            argv: The program and its arguments, but for host and port.
            environ: Environment variables; the server gets those that say where things are.
            cwd: Working directory.

        Raises:
            ConfigError: If there is no such program, or none may run.
        """
        refuse_own_code(argv[0])
        port = _free_port()
        log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                *("--host", "127.0.0.1", "--port", str(port)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_kept(environ),
                cwd=cwd,
                start_new_session=True,
            )
        except OSError as error:
            log.close()
            raise ConfigError(f"cannot start {argv[0]}: {error.strerror}") from None
        return cls(process, f"http://127.0.0.1:{port}", log)

    async def end(self) -> None:
        """End the process group: politely, then for good."""
        try:
            with suppress(TimeoutError, ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
                async with asyncio.timeout(_GRACE_S):
                    await self._process.wait()
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)  # the rest of the group, too
            self._log.close()
        await self._process.wait()

    def check_alive(self) -> None:
        """Refuse to wait for a server that has ended.

        Raises:
            ConfigError: With the end of its output.
        """
        code = self._process.returncode
        if code is None:
            return
        self._log.seek(0)
        told = self._log.read().decode("utf-8", "replace").strip()[-_MOST_OF_LOG:]
        raise ConfigError(f"the model server ended with code {code}: {told or 'it said nothing'}")


async def wait_until_ready(
    http: HttpClient, url: str, *, timeout_s: float, started: LlamaServer | None
) -> None:
    """Wait until the model is loaded; a server without `/health` is ready at once.

    Args:
        http: The client to ask with.
        url: Address of the server, without a path.
        timeout_s: Seconds that loading may take.
        started: Server of ours, which may not be reachable at first; None for another's.

    Raises:
        ConfigError: If our server ended.
        BackendError: `connection` if another's cannot be reached, `timeout` if it takes too long.
    """
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                if await _is_ready(http, url, started):
                    return
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        what = f"the model server at {public_url(url)} is not ready after {timeout_s:g} s"
        hint = "raise options.startup_timeout_s"
        raise BackendError(ErrorKind.TIMEOUT, what, retryable=False, hint=hint) from None


async def read_served(http: HttpClient, url: str) -> Served:
    """Return the facts of a server, from `/props`; facts that it does not tell are null."""
    try:
        values = json.loads((await _get(http, f"{url}/props")).body)
    except (BackendError, ValueError, RecursionError):
        return Served()
    if not isinstance(values, dict):
        return Served()
    path, build = values.get("model_path"), values.get("build_info")
    return Served(
        model_file=path.replace("\\", "/").rpartition("/")[2] if isinstance(path, str) else None,
        context_tokens=count_of(values.get("default_generation_settings"), "n_ctx"),
        slots=count_of(values, "total_slots"),
        build=build if isinstance(build, str) else None,
    )


async def _is_ready(http: HttpClient, url: str, started: LlamaServer | None) -> bool:
    try:
        return (await _get(http, f"{url}/health")).status != _LOADING
    except BackendError:
        if started is None:
            raise
        started.check_alive()
        return False


async def _get(http: HttpClient, url: str) -> HttpAnswer:
    return await http.send("GET", url, headers={}, body=None)


def _kept(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environ.items()
        if (name in _KEPT_VARIABLES or name.startswith(_KEPT_PREFIXES)) and not is_secret_name(name)
    }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
