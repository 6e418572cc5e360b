"""The base of all backends: one attempt to get one answer, nothing else."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from lm_eval_so.core.config.yaml_lines import Path_
from lm_eval_so.core.hashing import digest_bytes
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
from lm_eval_so.core.registry import PLUGIN_MODULES, Registry
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.errors import BackendError, Problem

if TYPE_CHECKING:
    from lm_eval_so.core.backends.batches import Batches

__all__ = [
    "BackendEnv",
    "Capabilities",
    "ChatBackend",
    "Price",
    "SecretSource",
    "Secrets",
    "SharedOptions",
    "backends",
    "register_backend",
]


_NOTHING = Redactor()


class Price(BaseModel):
    """Price of a million tokens, in US dollars."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    input_per_mtok: float = Field(ge=0)
    output_per_mtok: float = Field(ge=0)
    cached_per_mtok: float | None = Field(default=None, ge=0)


class SharedOptions(BaseModel):
    """Options of every backend, a plugin's too; never part of the fingerprint."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
    timeout_s: float | None = Field(default=None, gt=0)
    """Seconds an attempt may take; over `run.timeout_s`."""
    connect_timeout_s: float = Field(default=10, gt=0)
    """Seconds that connecting may take."""
    idle_timeout_s: float = Field(default=30, gt=0)
    """Seconds without a byte before a stream counts as broken."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers of every request, without secrets."""
    headers_env: dict[str, str] = Field(default_factory=dict)
    """Headers whose value a variable holds: header name to name of the variable."""
    headers_file: dict[str, Path] = Field(default_factory=dict)
    """Headers whose value a file holds: header name to path."""
    proxy_env: str = ""
    """Variable that holds a proxy's URL; else HTTPS_PROXY and the like count."""
    proxy_file: Path | None = None
    """File that holds a proxy's URL."""
    verify: Literal[True] | Path = True
    """true checks certificates against the system's store; or a file of authorities."""
    stream: Literal["auto"] | bool = "auto"
    """Whether answers are streamed; auto: if `ttft_ms` is among the metrics."""
    price: Price | None = None
    """Price of the model, in US dollars a million tokens."""
    cacheable: bool | None = None
    """Whether answers may come from the cache; default: the backend's own capability."""

    @field_validator("verify", mode="before")
    @classmethod
    def _checks_certificates(cls, value: object) -> object:
        if value is False:
            raise ValueError("certificates are always checked; name the file of your authority")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """Abilities of a backend."""

    seed: bool = False
    """Takes a seed."""
    tools: bool = False
    """Can be offered tools."""
    stream: bool = False
    """Can stream its answer."""
    batch: bool = False
    """Has a service for batches."""
    stateful: bool = False
    """Keeps the conversation itself, found by the session; the history is not sent again."""
    cacheable: bool = True
    """The same request may be answered from the cache."""
    json_schema: bool = False
    """Can hold the model to a JSON Schema."""
    measures_latency: bool = True
    """Latencies are those of real answers, now."""
    offline: bool = False
    """Needs no network and no credentials, so no first request has to prove it."""
    files: int = 1
    """Most files of this process, sockets and pipes too, that a request under way keeps open."""
    priced: bool = True
    """Answers may cost money; false: they cost nothing."""
    own_code: bool = False
    """Answers are made by code of the user's own, which runs here."""
    recorded: bool = False
    """Answers are read from a record, so that a case cannot be asked anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendEnv:
    """Surroundings of a backend."""

    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Environment variables; keys are read from here, never from the config."""
    folder: Path = Path()
    """Folder of the config file; relative paths start here."""
    concurrency: int = 1
    """Most requests that may be under way at once."""
    timeout_s: float = 60.0
    """Seconds an attempt may take."""
    wants_ttft: bool = False
    """Whether the time to the first token is measured, so that answers are streamed."""
    keeps_raw: bool = False
    """Whether `ChatResponse.raw` is wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSource:
    """A variable or a file that options name."""

    name: str
    """Name of the variable, or path of the file."""
    key: Path_
    """Option that names it, as ("api_key_env",)."""
    is_file: bool = False
    is_needed: bool = True
    """Whether a value is needed."""
    is_secret: bool = True
    """Whether its value is taken out of all texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Secrets of a backend's options, and the names of their sources."""

    sources: tuple[SecretSource, ...] = ()
    """Variables and files that are named."""
    sent: Mapping[Path_, str] = field(default_factory=dict, repr=False)
    """Texts that each request carries besides the conversation, by option, as ("headers", NAME); the
    second part is the name that the endpoint sees."""

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables whose values are secret."""
        return tuple(each.name for each in self.sources if each.is_secret and not each.is_file)

    @property
    def files(self) -> tuple[str, ...]:
        """The files whose contents are secret."""
        return tuple(each.name for each in self.sources if each.is_secret and each.is_file)


class ChatBackend:
    """Base of all backends: subclasses need only `send`.

    A backend never retries, sleeps, caches, counts or logs bodies; the asker does. `send` makes
    one attempt and raises `BackendError`. Any other exception counts as a failed row
    (`callable`), and is not retried. An error that the config is to blame for, such as a path
    that finds nothing in the response, names the key in `details`:
    `{"option": "options.response.text"}`. If the first request comes to it, it ends the stage with that key's place in the file; later it is a row's error like any other.
    """

    name: ClassVar[str] = ""
    address_option: ClassVar[str] = ""
    """Option that holds the chatbot's address, as base_url; `target_url` of a workflow replaces it.
    "" if there is none."""
    capabilities: ClassVar[Capabilities] = Capabilities()

    class Params(BaseModel):
        """Parameters sent to the model; part of the fingerprint."""

        model_config = ConfigDict(extra="allow", frozen=True)

    class Options(SharedOptions):
        """Ways to reach the chatbot; not part of the fingerprint."""

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

    @classmethod
    def secrets(cls, options: BaseModel) -> Secrets:
        """Return the variables and files that the options name, and the texts that they send.

        By default every option that ends in `_env` names a variable, or several by header, and
        every option that ends in `_file` a file, which goes over the variable of its name. A
        backend that chooses its keys in another way overrides this: their values are taken out of
        all texts, and without a needed variable the Action skips a fork's pull request.

        Args:
            options: Valid options; nothing was looked up yet.
        """
        headers = options.headers if isinstance(options, SharedOptions) else {}
        sent: dict[Path_, str] = {("headers", name): text for name, text in headers.items()}
        return Secrets(sources=tuple(named_sources(options)), sent=sent)

    @classmethod
    def runs(cls, options: BaseModel) -> str:  # noqa: ARG003 - for subclasses
        """Return the function or program of the user's own that the options have run; "" if none."""
        return ""

    def addresses(self) -> Mapping[str, str]:
        """Return the addresses that are asked, by the option that names each.

        The Action refuses hosts that its workflow does not allow. By default that is the option in
        `address_option`; the proxy of the options is known without it.
        """
        address = getattr(self.options, self.address_option) if self.address_option else None
        return {self.address_option: address} if address else {}

    @property
    def is_hosted(self) -> bool:
        """Whether a provider's model answers, at an address that the provider is known by.

        No change of a repository changes what answers there. At any other address it may be the
        very change under test.
        """
        return False

    @property
    def may_hear_twice(self) -> bool:
        """Whether the chatbot may get a message again that it may have taken in.

        Not if it keeps the conversation itself: it would hear the message twice.
        """
        return not self.capabilities.stateful

    @property
    def learned(self) -> Redactor:
        """Redactor of secrets that were read after the start, as a renewed token."""
        return _NOTHING

    def check_options(self) -> Iterable[Problem]:
        """Find problems of parameters and options as they are written.

        A command that does not ask this backend looks no further: nothing outside is looked at, no
        variable, file or package. `where.key` of a problem names the section's key, as "options.base_url".
        """
        return ()

    def check(self) -> Iterable[Problem]:
        """Find those, and missing variables, files and packages, before anything is asked."""
        return self.check_options()

    async def open(self) -> None:
        """Get ready, once a run: clients, a model server."""

    async def send(self, request: ChatRequest) -> ChatResponse:
        """Make one attempt.

        Raises:
            BackendError: If it gave no usable answer.
        """
        raise NotImplementedError

    @property
    def keeps_sessions(self) -> bool:
        """Whether `end_session` has anything to forget."""
        return type(self).end_session is not ChatBackend.end_session

    async def end_session(self, session: str) -> None:
        """Forget a conversation; called once after its last turn if `keeps_sessions`."""

    async def close(self) -> None:
        """Release the resources that `open` took."""

    def limiter_key(self) -> str:
        """Name the endpoint: backends with the same key share one limit."""
        return self.name or type(self).__name__

    def most_at_once(self) -> int:
        """Return the most requests that the endpoint takes at once."""
        return self.env.concurrency

    def skips(self, sample_id: str, sample_hash: str, repeat: int) -> bool:  # noqa: ARG002
        """Return whether a row is left out of the run, as it is known to have no answer here."""
        return False

    def reach(self) -> Mapping[str, JsonValue]:
        """Return the facts by which the chatbot is reached, without credentials.

        A change of them means a new run. Files hold only their digest, and `public_reach`. By
        default a backend of a `--plugin` file is its code: another code is another chatbot.
        """
        module = sys.modules.get(type(self).__module__)
        if module is None or not module.__name__.startswith(PLUGIN_MODULES) or not module.__file__:
            return {}
        return {"plugin_sha256": digest_bytes(Path(module.__file__).read_bytes())}

    def public_reach(self) -> Mapping[str, JsonValue]:
        """Return the facts of `reach` that files may hold: no value of a header or of a query.

        Values of variables need not be taken out: they are written as the config has them.
        """
        return self.reach()

    def details(self) -> Mapping[str, JsonValue]:
        """Return facts for `run.json`, known after `open`: base URL, build, context size."""
        return {}

    def adapt(self, error: BackendError) -> str | None:  # noqa: ARG002 - for subclasses
        """Change a part of all requests that the endpoint refused in the first one.

        Args:
            error: Error of the first request.

        Returns:
            Short text for people about the change; None if nothing can be changed.
        """
        return None

    async def nearest_model(self) -> str | None:
        """Ask the endpoint for the model whose name is nearest to that of the parameters.

        Called once, if the first request failed with `not_found`; None if there is none.
        """
        return None

    def batches(self) -> "Batches":
        """Return the batch service of the endpoint, once it is open; with the capability only."""
        raise NotImplementedError

    def price_url(self) -> str | None:
        """Return the address by which a list of prices knows the provider.

        None if there is none.
        """
        return None


def named_sources(options: BaseModel) -> Iterator[SecretSource]:
    """Find the variables and files that options ending in `_env` and `_file` name."""
    given = dict(options)
    for option, value in given.items():
        stem, _, ending = option.rpartition("_")
        if ending not in {"env", "file"} or not stem or not value:
            continue
        if ending == "env" and isinstance(value, str) and given.get(f"{stem}_file"):
            continue  # the file wins
        by_key = value.items() if isinstance(value, Mapping) else [(None, value)]
        for inner, name in by_key:
            if isinstance(name, str | Path):
                key = (option,) if inner is None else (option, str(inner))
                yield SecretSource(name=str(name), key=key, is_file=ending == "file")


backends: Registry[ChatBackend] = Registry(
    "backend",
    ChatBackend,
    {
        "openai": "lm_eval_so.core.backends.openai:OpenAIBackend",
        "azure": "lm_eval_so.core.backends.openai.azure:AzureBackend",
        "http": "lm_eval_so.core.backends.http.backend:HttpBackend",
        "local": "lm_eval_so.core.backends.local.backend:LocalBackend",
        "command": "lm_eval_so.core.backends.own_code.command:CommandBackend",
        "python": "lm_eval_so.core.backends.own_code.python:PythonBackend",
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
