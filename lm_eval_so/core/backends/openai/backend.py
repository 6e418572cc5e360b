"""The backend of endpoints with OpenAI's APIs: OpenAI, vLLM, LiteLLM, Ollama, gateways."""

import json
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, JsonValue

from lm_eval_so.core.backends.base import Capabilities, Secrets, SharedOptions
from lm_eval_so.core.backends.batches import Batches
from lm_eval_so.core.backends.credentials import (
    Secret,
    find_secret,
    secret_problem,
    shared_problems,
)
from lm_eval_so.core.backends.faults import public_url
from lm_eval_so.core.backends.openai.dialect import Dialect
from lm_eval_so.core.backends.openai.endpoint import (
    APIS,
    PATHS,
    Address,
    EndpointBackend,
    OpenAIEndpoint,
    is_address,
    misplaced_params,
)
from lm_eval_so.core.backends.shared_options import key_file, with_shared
from lm_eval_so.core.hashing import digest_text
from lm_eval_so.core.http.errors import is_own_machine
from lm_eval_so.core.records.record import record
from lm_eval_so.errors import Problem, UnknownName, Where

_OPENAI = "https://api.openai.com/v1"
_NO_KEY = 'export it, name another variable, or write api_key_env: "" for no key'


@record
class Preset:
    """A well-known endpoint."""

    base_url: str
    """Address up to /v1, or its equivalent."""
    api_key_env: str
    """Variable that usually holds the key; "" for an endpoint without one."""
    docs: str
    """Page that tells the address."""


@cache
def presets() -> Mapping[str, Preset]:
    """Return all presets by name."""
    path = files(__package__) / "presets.json"
    return {name: Preset(**row) for name, row in json.loads(path.read_text("utf-8")).items()}


class OpenAIBackend(EndpointBackend):
    """Asks by chat completions, responses or embeddings; batches go through the `openai` SDK."""

    name: ClassVar[str] = "openai"
    address_option: ClassVar[str] = "base_url"
    capabilities: ClassVar[Capabilities] = Capabilities(
        seed=True, json_schema=True, tools=True, stream=True, batch=True
    )

    class Params(BaseModel):
        """Sent to the model as they are; unknown ones, too."""

        model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)
        model: str
        """The model, as the endpoint names it."""

    class Options(SharedOptions):
        """Ways to reach the endpoint."""

        base_url: str | None = None
        """Address up to /v1; default: the preset's, else OPENAI_BASE_URL, else that of OpenAI."""
        preset: str | None = None
        """A well-known endpoint: fills in address and key variable."""
        api_key_env: str = "OPENAI_API_KEY"
        """Variable that holds the key; "" for an endpoint without one."""
        api_key_file: Path | None = None
        """File that holds the key."""
        organization_env: str = ""
        """Variable that holds the organization that is charged."""
        project_env: str = ""
        """Variable that holds the project that is charged."""
        api: Literal["chat", "responses", "embeddings"] = "chat"
        """API that is asked: chat completions, responses, or, to compare texts, embeddings."""
        seed: Literal["auto", "off"] = "auto"
        """Whether each row's seed is sent; off for endpoints that refuse it."""

    params: Params
    options: Options

    @property
    def base_url(self) -> str:
        """The address that is asked."""
        preset = presets().get(self.options.preset or "")
        if self.options.base_url or preset:
            return self.options.base_url or (preset.base_url if preset else "")
        return self.env.environ.get("OPENAI_BASE_URL") or _OPENAI

    def addresses(self) -> Mapping[str, str]:
        """Return the address that is asked, whatever names it."""
        has_preset = not self.options.base_url and self.options.preset
        return {"preset" if has_preset else "base_url": self.base_url}

    @property
    def is_hosted(self) -> bool:
        """Whether the address is OpenAI's, or that of a preset on another machine."""
        known = {_OPENAI, *(each.base_url for each in presets().values())}
        is_here = is_own_machine(urlsplit(self.base_url).hostname or "")
        return self.base_url.rstrip("/") in known and not is_here

    @classmethod
    def secrets(cls, options: BaseModel) -> Secrets:
        """Return the secrets by default, with the key variable of the preset."""
        if isinstance(options, OpenAIBackend.Options):
            options = _with_key(options)
        return super().secrets(options)

    def check_options(self) -> Iterator[Problem]:
        """Find a wrong address, an unknown preset, and options under params."""
        yield from misplaced_params(self.params)
        if self.options.preset and self.options.preset not in presets():
            unknown = UnknownName("preset", self.options.preset, presets())
            (problem,) = unknown.problems
            where = Where(key="options.preset")
            yield Problem(what=problem.what, where=where, hint=problem.hint)
        yield from _base_url_problems(self.base_url)

    def check(self) -> Iterator[Problem]:
        """Find those, and a missing key."""
        yield from self.check_options()
        for secret in (self._key, *self._charged.values()):
            missing = secret_problem(secret, hint=_NO_KEY if secret is self._key else None)
            if missing:
                yield missing
        yield from shared_problems(self.options, self.env)

    async def open(self) -> None:
        """Make the client."""
        options, base_url = self.options, self.base_url.rstrip("/")
        address = Address(
            base_url=base_url,
            url=base_url + APIS[options.api].path,
            models_url=base_url + "/models",
            headers=with_shared(self._headers, options, self.env),
            secret=self._key,
            name=self.params.model,
            files=key_file(
                "authorization", options.api_key_file, options, self.env, before="Bearer "
            ),
        )
        dialect = Dialect(seed=options.seed == "auto")
        self._endpoint = OpenAIEndpoint(
            address, options, self.env, api=options.api, dialect=dialect
        )

    async def nearest_model(self) -> str | None:
        """Return the endpoint's model with the most similar name, or None."""
        return await self._endpoint.nearest_model()

    def batches(self) -> Batches:
        """Return the endpoint's batch service."""
        # half a second, which only batches need
        from lm_eval_so.core.backends.openai.batches import Route, SdkBatches  # noqa: PLC0415

        path = f"/v1{APIS[self.options.api].path}"
        route = Route(base_url=self._endpoint.address.base_url, path=path)
        return SdkBatches(self._endpoint, self.options, self.env, route)

    def limiter_key(self) -> str:
        """Return endpoint and key: they share the server's limits."""
        return f"{self.name} {public_url(self.base_url)} {digest_text(self._key.value)[:12]}"

    def reach(self) -> Mapping[str, JsonValue]:
        """Return address, API and the use of the seed."""
        options = self.options
        return {"base_url": public_url(self.base_url), "api": options.api, "seed": options.seed}

    def price_url(self) -> str:
        """Return the address that is asked."""
        return self._public_url

    @cached_property
    def _public_url(self) -> str:
        return public_url(self.base_url)

    @cached_property
    def _key(self) -> Secret:
        return find_secret(_with_key(self.options), "api_key", self.env)

    @property
    def _headers(self) -> dict[str, str]:
        """Headers of OpenAI's API reference; `with_shared` leaves out the empty ones."""
        return {
            "authorization": f"Bearer {self._key.value}" if self._key.value else "",
            "openai-organization": self._charged["organization"].value,
            "openai-project": self._charged["project"].value,
        }

    @cached_property
    def _charged(self) -> Mapping[str, Secret]:
        names = ("organization", "project")
        return {name: find_secret(self.options, name, self.env) for name in names}


def _with_key(options: OpenAIBackend.Options) -> OpenAIBackend.Options:
    """Return options that name the key's variable, or "" if there is none."""
    if "api_key_env" in options.model_fields_set:
        return options
    if preset := presets().get(options.preset or ""):
        return options.model_copy(update={"api_key_env": preset.api_key_env})
    if "authorization" in _named_headers(options):
        return options.model_copy(update={"api_key_env": ""})
    return options


def _named_headers(options: SharedOptions) -> frozenset[str]:
    """Return the names of the headers that the options add, in lower case."""
    named = (*options.headers, *options.headers_env, *options.headers_file)
    return frozenset(name.lower() for name in named)


def _base_url_problems(url: str) -> Iterator[Problem]:
    """Find the problems of an address that a path follows, without showing a password."""
    hint = "write it as https://host/v1"
    parts = urlsplit(url) if is_address(url) else None
    if parts is None:
        what = f'"{public_url(url)}" is no address'
    elif "@" in parts.netloc:
        what = f"the address of {public_url(url)} holds a user or a password"
        hint = "put the header into a variable: headers_env: {Authorization: NAME}"
    elif parts.query or parts.fragment or parts.path.rstrip("/").endswith(PATHS):
        what = f"the address of {public_url(url)} goes on behind what all requests share"
        hint = "end it before /chat/completions, ? and #; often in /v1"
    else:
        return
    yield Problem(what=what, where=Where(key="options.base_url"), hint=hint)
