"""What every backend is: one attempt to get one answer, nothing else."""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from lm_eval_so.core.hashing import digest_bytes
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
from lm_eval_so.core.registry import PLUGIN_MODULES, Registry
from lm_eval_so.errors import Problem

__all__ = [
    "BackendEnv",
    "Capabilities",
    "ChatBackend",
    "Price",
    "SharedOptions",
    "backends",
    "register_backend",
]


class Price(BaseModel):
    """What a million tokens cost, in US dollars."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    input_per_mtok: float = Field(ge=0)
    output_per_mtok: float = Field(ge=0)
    cached_per_mtok: float | None = Field(default=None, ge=0)


class SharedOptions(BaseModel):
    """Options of every backend, a plugin's too: how it is reached, never part of the fingerprint."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
    timeout_s: float | None = Field(default=None, gt=0)
    """Seconds an attempt may take; over `run.timeout_s`."""
    price: Price | None = None
    """Price of the model, in US dollars a million tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a backend can do."""

    seed: bool = False
    """Takes a seed."""
    json_schema: bool = False
    """Can hold the model to a JSON Schema."""
    measures_latency: bool = True
    """Its latency is that of a real answer, now."""
    offline: bool = False
    """Needs no network and no credentials, so no first request has to prove it."""
    priced: bool = True
    """Its answers may cost money; false: they cost nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendEnv:
    """What a backend gets from outside."""

    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Environment variables; keys are read from here, never from the config."""
    folder: Path = Path()
    """Folder of the config file; relative paths start here."""
    concurrency: int = 1
    """Most requests that may be under way at once."""
    timeout_s: float = 60.0
    """Seconds an attempt may take."""


class ChatBackend:
    """Base of all backends: subclasses need only `send`.

    A backend never retries, sleeps, caches, counts or logs bodies; the asker does. `send` makes
    one attempt and raises `BackendError`. Any other exception counts as a failed row
    (`callable`), and is not retried.
    """

    name: ClassVar[str] = ""
    capabilities: ClassVar[Capabilities] = Capabilities()

    class Params(BaseModel):
        """Parameters sent to the model; part of the fingerprint."""

        model_config = ConfigDict(extra="allow", frozen=True)

    class Options(SharedOptions):
        """How the chatbot is reached; not part of the fingerprint."""

    params: Any
    options: Any

    def __init__(
        self,
        *,
        params: BaseModel | None = None,
        options: BaseModel | None = None,
        env: BackendEnv | None = None,
    ) -> None:
        self.params = params if params is not None else self.Params()
        self.options = options if options is not None else self.Options()
        self.env = env or BackendEnv()

    def check(self) -> Iterable[Problem]:
        """Find what is missing, before anything is asked: variables, files, packages.

        `where.key` of a problem names the key in the backend's section, as "options.api_key_env".
        """
        return ()

    async def open(self) -> None:
        """Get ready, once a run: clients, a model server."""

    async def send(self, request: ChatRequest) -> ChatResponse:
        """Make one attempt.

        Raises:
            BackendError: If it gave no usable answer.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """Let go of what `open` took."""

    def limiter_key(self) -> str:
        """Name the endpoint: backends with the same key share one limit."""
        return self.name or type(self).__name__

    def most_at_once(self) -> int:
        """Tell how many requests the endpoint takes at once at most."""
        return self.env.concurrency

    def skips(self, sample_id: str, sample_hash: str, repeat: int) -> bool:  # noqa: ARG002
        """Whether a row is left out of the run, because it is known to have no answer here."""
        return False

    def reach(self) -> Mapping[str, JsonValue]:
        """Tell how the chatbot is reached, without credentials; a change means a new run.

        By default a backend of a `--plugin` file is its code: another code is another chatbot.
        """
        module = sys.modules.get(type(self).__module__)
        if module is None or not module.__name__.startswith(PLUGIN_MODULES) or not module.__file__:
            return {}
        return {"plugin_sha256": digest_bytes(Path(module.__file__).read_bytes())}

    def details(self) -> Mapping[str, JsonValue]:
        """Tell facts for `run.json`, known after `open`: base URL, build, context size."""
        return {}


backends: Registry[ChatBackend] = Registry(
    "backend",
    ChatBackend,
    {
        "openai": "lm_eval_so.core.backends.openai:OpenAIBackend",
        "local": "lm_eval_so.core.backends.local:LocalBackend",
        "scripted": "lm_eval_so.core.backends.scripted:ScriptedBackend",
        "replay": "lm_eval_so.core.backends.replay:ReplayBackend",
    },
)
"""All backends by name."""

B = TypeVar("B", bound=type[ChatBackend])


def register_backend(name: str) -> Callable[[B], B]:
    """Make a class known as a backend under `name`."""

    def decorate(backend: B) -> B:
        backend.name = name
        backends.register(name, backend)
        return backend

    return decorate
