"""The backend of Azure OpenAI: a deployment of a model under an endpoint of its own."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal
from urllib.parse import quote, urlencode, urlsplit

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
    Address,
    EndpointBackend,
    OpenAIEndpoint,
    base_of,
    is_address,
    misplaced_params,
)
from lm_eval_so.core.backends.shared_options import HeaderFile, key_file, with_shared
from lm_eval_so.core.hashing import digest_text
from lm_eval_so.errors import Problem, Where

_HOSTS = (
    ".openai.azure.com",
    ".cognitiveservices.azure.com",
    ".services.ai.azure.com",
    ".openai.azure.us",
)
"""Ends of the hosts of Azure's own resources."""


class AzureBackend(EndpointBackend):
    """Asks a deployment by the route of its API version; keeps the content filter's words."""

    name: ClassVar[str] = "azure"
    address_option: ClassVar[str] = "endpoint"
    capabilities: ClassVar[Capabilities] = Capabilities(
        seed=True, json_schema=True, tools=True, stream=True, batch=True
    )

    class Params(BaseModel):
        """Sent to the model as they are."""

        model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)
        model: str | None = None
        """Model of the deployment; for label and price, since Azure is asked by deployment."""

    class Options(SharedOptions):
        """Ways to reach the deployment."""

        deployment: str
        """Name of the deployment."""
        endpoint: str = ""
        """The endpoint, as https://NAME.openai.azure.com; over variable and file."""
        endpoint_env: str = "AZURE_OPENAI_ENDPOINT"
        """Variable that holds the endpoint, as https://NAME.openai.azure.com."""
        endpoint_file: Path | None = None
        """File that holds the endpoint."""
        api_key_env: str = "AZURE_OPENAI_API_KEY"
        """Variable that holds the key."""
        api_key_file: Path | None = None
        """File that holds the key."""
        token_env: str = ""
        """Variable that holds a token of Microsoft Entra ID, sent instead of a key."""
        token_file: Path | None = None
        """File that holds such a token."""
        api_version: str = ""
        """A dated version, as 2024-10-21; "" asks by the route that has none, /openai/v1."""
        api: Literal["chat", "responses"] = "chat"
        """API that is asked: chat completions, or responses."""
        seed: Literal["auto", "off"] = "auto"
        """Whether each row's seed is sent; off for deployments that refuse it."""

    params: Params
    options: Options

    def addresses(self) -> Mapping[str, str]:
        """Return the endpoint, whatever names it."""
        return {self._address.key.removeprefix("options."): self._address.value}

    @property
    def is_hosted(self) -> bool:
        """Whether the endpoint is a resource of Azure OpenAI, and no gateway before it."""
        if not is_address(self._address.value):
            return False
        parts = urlsplit(self._address.value)
        return parts.scheme == "https" and (parts.hostname or "").endswith(_HOSTS)

    @classmethod
    def secrets(cls, options: BaseModel) -> Secrets:
        """Return the secrets by default, without an unused key or variable."""
        if not isinstance(options, AzureBackend.Options):
            return super().secrets(options)
        unused = ["api_key"] if options.token_env or options.token_file else []
        unused += ["endpoint"] if options.endpoint else []
        left_out = {f"{name}_env": "" for name in unused} | {
            f"{name}_file": None for name in unused
        }
        return super().secrets(options.model_copy(update=left_out))

    def check_options(self) -> Iterator[Problem]:
        """Find options under params, and options that do not go together."""
        yield from misplaced_params(self.params)
        if self.options.api == "responses" and self.options.api_version:
            what = "the responses API is asked without a version"
            hint = 'leave api_version out, or write "", for the route /openai/v1'
            yield Problem(what=what, where=Where(key="options.api_version"), hint=hint)

    def check(self) -> Iterator[Problem]:
        """Find those, and a missing endpoint, key or token."""
        yield from self.check_options()
        for secret in (self._address, self._credential):
            problem = secret_problem(secret)
            if problem:
                yield problem
        if self._address.value and not _is_endpoint(self._address.value):
            what = f"{self._address.source} holds no address of a resource"
            hint = "as https://NAME.openai.azure.com, without the path to a deployment"
            yield Problem(what=what, where=Where(key=self._address.key), hint=hint)
        yield from shared_problems(self.options, self.env)

    async def open(self) -> None:
        """Make the client."""
        options, path = self.options, APIS[self.options.api].path
        base_url = f"{self._resource}/openai/v1"
        query = ""
        if options.api_version:
            deployment = quote(options.deployment, safe="")
            base_url = f"{self._resource}/openai/deployments/{deployment}"
            query = "?" + urlencode({"api-version": options.api_version})
        address = Address(
            base_url=base_url,
            url=base_url + path + query,
            models_url="",  # lists what could be deployed, not what is
            headers=with_shared(self._headers, options, self.env),
            secret=self._credential,
            thing="deployment",
            name=options.deployment,
            option=self._address.key.removeprefix("options."),
            files=self._files,
            base_of=resource_of,
        )
        dialect = Dialect(seed=options.seed == "auto")
        self._endpoint = OpenAIEndpoint(
            address, options, self.env, api=options.api, dialect=dialect
        )

    def batches(self) -> Batches:
        """Return the batch service of the resource: it stands beside the deployments."""
        # half a second, which only batches need
        from lm_eval_so.core.backends.openai.batches import Route, SdkBatches  # noqa: PLC0415

        version = self.options.api_version
        route = Route(
            base_url=self._endpoint.address.base_url.partition("/deployments/")[0],
            path="/chat/completions" if self.options.api == "chat" else "/v1/responses",
            query={"api-version": version} if version else None,
        )
        return SdkBatches(self._endpoint, self.options, self.env, route)

    def limiter_key(self) -> str:
        """Return deployment and key: quotas are a deployment's."""
        endpoint, key = public_url(self._address.value), digest_text(self._credential.value)[:12]
        return f"{self.name} {endpoint} {self.options.deployment} {key}"

    def reach(self) -> Mapping[str, JsonValue]:
        """Return address, deployment, version, API and the use of the seed."""
        options = self.options
        return {
            "endpoint": public_url(self._address.value),
            "deployment": options.deployment,
            "api_version": options.api_version,
            "api": options.api,
            "seed": options.seed,
        }

    def price_url(self) -> str:
        """Return the endpoint."""
        return public_url(self._address.value)

    @property
    def _resource(self) -> str:
        """The endpoint without a path: the portal also shows it with /openai or /openai/v1."""
        endpoint = self._address.value.rstrip("/")
        return endpoint.removesuffix("/openai/v1").removesuffix("/openai")

    @property
    def _headers(self) -> dict[str, str]:
        key = self._credential.value
        return {"authorization": f"Bearer {key}"} if self._has_token else {"api-key": key}

    @property
    def _files(self) -> dict[str, HeaderFile]:
        options = self.options
        if self._has_token:
            file = options.token_file
            return key_file("authorization", file, options, self.env, before="Bearer ")
        return key_file("api-key", options.api_key_file, options, self.env)

    @property
    def _has_token(self) -> bool:
        return bool(self.options.token_env or self.options.token_file)

    @cached_property
    def _address(self) -> Secret:
        if self.options.endpoint:
            key = "options.endpoint"
            return Secret(value=self.options.endpoint.strip(), source="endpoint", key=key)
        return find_secret(self.options, "endpoint", self.env)

    @cached_property
    def _credential(self) -> Secret:
        return find_secret(self.options, "token" if self._has_token else "api_key", self.env)


def _is_endpoint(url: str) -> bool:
    """Return whether a path can follow: the portal also shows the whole address of a deployment."""
    return is_address(url) and not any(part in url for part in ("/deployments/", "?", "#"))


def resource_of(url: str) -> str:
    """Return the address of a resource, which has no path."""
    return base_of(url).partition("/openai/")[0]
