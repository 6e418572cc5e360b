"""Any endpoint that speaks OpenAI's chat completions: OpenAI, vLLM, LiteLLM, Ollama, gateways."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

import httpx2
import openai
from pydantic import BaseModel, ConfigDict, JsonValue

from lm_eval_so.core.backends.base import Capabilities, ChatBackend, SharedOptions
from lm_eval_so.core.backends.faults import connection_error, http_error, public_url
from lm_eval_so.core.backends.wire import read_response, request_body
from lm_eval_so.core.hashing import digest_text
from lm_eval_so.core.http import make_client
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
from lm_eval_so.errors import BackendError, ErrorKind, Problem, Where

_OPENAI = "https://api.openai.com/v1"
_NO_PARAMS = {
    "api_key": "api_key_env, the name of the variable that holds it,",
    "api_key_env": "it",
    "base_url": "it",
    "timeout": "timeout_s",
    "timeout_s": "it",
}
"""What people write beside the model, and where it belongs."""


class OpenAIBackend(ChatBackend):
    """Stands on the `openai` SDK: addresses, credentials and headers are its job, retries are not."""

    name: ClassVar[str] = "openai"
    capabilities: ClassVar[Capabilities] = Capabilities(seed=True, json_schema=True)

    class Params(BaseModel):
        """Sent to the model as they are, whatever the endpoint knows."""

        model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)
        model: str
        """The model, as the endpoint names it."""

    class Options(SharedOptions):
        """How the endpoint is reached."""

        base_url: str | None = None
        """Address up to /v1; default: OPENAI_BASE_URL, else that of OpenAI."""
        api_key_env: str = "OPENAI_API_KEY"
        """Variable that holds the key; "" for an endpoint without one."""
        seed: Literal["auto", "off"] = "auto"
        """Whether each row's seed is sent; off for endpoints that refuse it."""

    params: Params
    options: Options
    _client: openai.AsyncOpenAI
    _headers: dict[str, str | openai.Omit]

    @property
    def base_url(self) -> str:
        """The address that is asked."""
        return self.options.base_url or self.env.environ.get("OPENAI_BASE_URL") or _OPENAI

    def check(self) -> Iterator[Problem]:
        """Find a missing key, an address that is none, and options that stand under params."""
        for name in sorted((self.params.model_extra or {}).keys() & _NO_PARAMS.keys()):
            yield Problem(
                what=f"{name} would be sent to the model",
                where=Where(key=f"params.{name}"),
                hint=f"write {_NO_PARAMS[name]} under options",
            )
        name = self.options.api_key_env
        if name and not self._key:
            yield Problem(
                what=f"{name} is not set",
                where=Where(key="options.api_key_env"),
                hint='export it, name another variable, or write api_key_env: "" for no key',
            )
        elif not (self._key.isascii() and self._key.isprintable()):
            yield Problem(
                what=f"{name} holds a character that no key has",
                where=Where(key="options.api_key_env"),
                hint="export it anew, without line ends and letters other than ASCII",
            )
        if not _is_address(self.base_url):
            yield Problem(
                what=f'"{public_url(self.base_url)}" is no address',
                where=Where(key="options.base_url"),
                hint="write it as https://host/v1",
            )

    async def open(self) -> None:
        """Make the client."""
        timeout_s = self.options.timeout_s or self.env.timeout_s
        client = make_client(concurrency=self.env.concurrency, timeout_s=timeout_s)
        self._client = openai.AsyncOpenAI(
            api_key=self._key or "none",
            admin_api_key="",
            webhook_secret="",
            base_url=self.base_url,
            max_retries=0,
            http_client=client,
        )
        self._headers = {"Content-Type": "application/json"}
        if not self._key:
            self._headers["Authorization"] = openai.Omit()

    async def send(self, request: ChatRequest) -> ChatResponse:
        """Make one attempt."""
        body = request_body(request, with_seed=self.options.seed == "auto")
        try:
            # ready bytes and a bare response: the SDK's typed way costs twice the time
            response = await self._client.post(
                "/chat/completions",
                cast_to=httpx2.Response,
                content=body,
                options={"headers": self._headers},
            )
        except openai.APIStatusError as error:
            r = error.response
            raise self._explained(http_error(r.status_code, r.headers, r.content)) from None
        except openai.APITimeoutError:
            what = f"{public_url(self.base_url)} has not answered in time"
            raise BackendError(ErrorKind.TIMEOUT, what, retryable=True) from None
        except openai.APIConnectionError as error:
            raise connection_error(error, self.base_url) from None
        try:
            return read_response(response.status_code, response.headers, response.content)
        except BackendError as error:
            raise self._explained(error) from None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def limiter_key(self) -> str:
        """Name endpoint and key: they share the server's limits."""
        return f"{self.name} {public_url(self.base_url)} {digest_text(self._key)[:12]}"

    def reach(self) -> Mapping[str, JsonValue]:
        """Tell address and whether the seed is sent."""
        return {"base_url": public_url(self.base_url), "seed": self.options.seed}

    @property
    def _key(self) -> str:
        name = self.options.api_key_env
        return self.env.environ.get(name, "").strip() if name else ""

    def _explained(self, error: BackendError) -> BackendError:
        """Say in our words what a status means here, without the key that the server may quote."""
        told = error.message.replace(self._key, "[redacted]") if self._key else error.message
        status, name = error.http_status, self.options.api_key_env
        hint = error.hint
        if error.kind is ErrorKind.AUTH and self._key:
            told = f"the endpoint refused the key in {name} ({status}: {told})"
        elif error.kind is ErrorKind.AUTH:
            told = f"the endpoint wants a key ({status}: {told})"
            hint = "set backend.options.api_key_env to the variable that holds it"
        elif error.kind is ErrorKind.NOT_FOUND:
            where = public_url(self.base_url)
            told = f'model "{self.params.model}" not found at {where} ({status}: {told})'
        elif error.kind is ErrorKind.INVALID_REQUEST and "seed" in told.lower():
            hint = "set backend.options.seed: off if the endpoint takes none"
        return _with(error, message=told, hint=hint)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises if it is none
    except ValueError:
        return False
    is_whole = bool(parts.hostname) and not re.search(r"\s", url)
    return parts.scheme in {"http", "https"} and is_whole


def _with(error: BackendError, *, message: str, hint: str | None) -> BackendError:
    facts: dict[str, Any] = {
        "retryable": error.retryable,
        "retry_after_s": error.retry_after_s,
        "http_status": error.http_status,
        "code": error.code,
        "partial_text": error.partial_text,
    }
    return BackendError(error.kind, message, hint=hint, **facts)
