"""A chatbot behind an address: asked once, to find out how it is asked and where its answer stands."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.http.paths import compile_path, likely_path
from lm_eval_so.core.config.load import make_config
from lm_eval_so.core.templates.safe import one_line
from lm_eval_so.errors import LMEvalError
from lm_eval_so.pipeline.doctor import ask_once

Section = Mapping[str, JsonValue]
"""Values of a backend's section in the config."""
KEY: Final = "OPENAI_API_KEY"
_CHAT: Final = "/chat/completions"
_FIELDS: Final = ("message", "question", "query", "prompt", "input", "text", "q", "messages")
"""Names under which chatbots take a question."""
_WANTED: Final = re.compile(r'"body",\s*"(\w+)"')
"""A field that FastAPI misses or does not know."""
_WORD: Final = re.compile(r"\w+")
_MOST_ASKED: Final = 3
_TIMEOUT_S: Final = 60.0
_MOST_SHOWN: Final = 300
_ERRORS: Final = ("error", "detail")
_SHORT: Final = "gpt-4.1-mini"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A chatbot's address after it was asked."""

    section: Section
    """Section of the config that asks it; a guess if it did not answer."""
    answer: str | None = None
    """Answer of the chatbot; None if there is none."""
    fault: str | None = None
    """Reason if there is none, with what came instead."""
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """Response to one request."""

    text: str = ""
    fault: str | None = None
    hint: str | None = None
    is_refused: bool = False
    """Whether the request was understood to be wrong (400, 422)."""


async def try_address(url: str, question: str, resources: Resources) -> Address:
    """Ask a chatbot, and return the section that asks it.

    An address that ends in /v1 or /chat/completions is OpenAI-compatible, and gets the first of the models that
    it lists. Any other is asked by a JSON body; if it refuses that (400, 422), anew under the name that its
    error tells, at most twice.
    """
    base = url.rstrip("/")
    if base.endswith(("/v1", _CHAT)):
        return await _try_openai(base.removesuffix(_CHAT), question, resources)
    body: dict[str, JsonValue] = _body(_FIELDS[0])
    heard = await _ask(_http(url, body), question, resources)
    for _ in range(_MOST_ASKED - 1):
        another = _another_body(body, heard) if heard.is_refused else None
        if another is None:
            break
        body = another
        heard = await _ask(_http(url, body), question, resources)
    return _read(url, body, heard)


async def list_models(base_url: str, resources: Resources, *, timeout_s: float) -> list[str]:
    """Return the models that an OpenAI-compatible endpoint lists; none if it does not answer.

    Args:
        base_url: Address, as http://localhost:11434/v1.
        resources: Resources of the command.
        timeout_s: Seconds to wait.
    """
    options: dict[str, JsonValue] = {"url": f"{base_url}/models", "method": "GET"}
    if resources.environ.get(KEY):
        options |= {"env": [KEY], "headers": {"Authorization": f"Bearer {{{{ env.{KEY} }}}}"}}
    heard = await _ask({"name": "http", "options": options}, "", resources, timeout_s=timeout_s)
    found = compile_path("data[].id")(_json(heard.text))
    # written into the config as it is, `${NAME}` would send that variable back to the endpoint
    return [each for each in found or [] if isinstance(each, str) and "${" not in each]


async def _try_openai(base_url: str, question: str, resources: Resources) -> Address:
    models = await list_models(base_url, resources, timeout_s=_TIMEOUT_S)
    options: dict[str, JsonValue] = {"base_url": base_url}
    if not resources.environ.get(KEY):
        options["api_key_env"] = ""
    model = models[0] if models else _SHORT
    section: Section = {"name": "openai", "params": {"model": model}, "options": options}
    heard = await _ask(section, question, resources)
    return Address(section=section, answer=heard.text or None, fault=heard.fault, hint=heard.hint)


def _body(field: str) -> dict[str, JsonValue]:
    if field == "messages":
        return {"messages": "{{ messages }}"}
    return {field: "{{ last_user }}", "history": "{{ history }}"}


def _http(url: str, body: JsonValue) -> Section:
    return {"name": "http", "options": {"url": url, "body": body}}


async def _ask(
    section: Section, question: str, resources: Resources, *, timeout_s: float = _TIMEOUT_S
) -> _Heard:
    """Ask once, without another try; the text is the body of an `http` chatbot, the answer of any other."""
    options = section["options"]
    if section["name"] == "http" and isinstance(options, dict):
        section = {**section, "options": {**options, "response": {"format": "text"}}}
    values = {
        "version": 1,
        "suite": "init",
        "dataset": {"path": "."},
        "backend": dict(section),
        "run": {"max_attempts": 1, "timeout_s": timeout_s},
    }
    try:
        asked = await ask_once(make_config(values), resources.with_new_endpoints(), question)
    except LMEvalError as error:
        problem = error.problems[0]
        return _Heard(fault=problem.what, hint=problem.hint)
    if asked.error is not None:
        is_refused = asked.error.http_status in {400, 422}
        told = resources.redactor.redact(asked.error.message)
        return _Heard(fault=told, hint=asked.error.hint, is_refused=is_refused)
    text = (asked.answer or {}).get("text")
    return _Heard(text=text if isinstance(text, str) else "")


def _another_body(body: Mapping[str, JsonValue], heard: _Heard) -> dict[str, JsonValue] | None:
    """Return the body that an error asks for; None if it tells none that was not tried."""
    wanted = _WANTED.findall(heard.fault or "")
    if "history" in wanted and "history" in body:
        return {name: value for name, value in body.items() if name != "history"}
    words = wanted or [w for w in _WORD.findall(heard.fault or "") if w in _FIELDS and w != "input"]
    new = [word for word in words if word not in body]
    named = next((word for word in new if word in _FIELDS), new[0] if len(set(new)) == 1 else None)
    if named is None:
        return None
    made = _body(named)
    return made if "history" in body else {k: v for k, v in made.items() if k != "history"}


def _read(url: str, body: JsonValue, heard: _Heard) -> Address:
    """Find the answer in what came back."""

    def section(response: dict[str, JsonValue]) -> Section:
        return {"name": "http", "options": {"url": url, "body": body, "response": response}}

    guess = section({"text": "answer"})
    if heard.fault is not None:
        return Address(section=guess, fault=heard.fault, hint=heard.hint)
    text = heard.text.strip()
    values = _json(text)
    seen = one_line(text, _MOST_SHOWN)
    if isinstance(values, str):
        return Address(section=section({"text": "@"}), answer=values)
    if values is None:
        if not text or text.startswith(("<", "data:", "event:", "{", "[")):
            return Address(section=guess, fault=seen)
        return Address(section=section({"format": "text"}), answer=text)
    path = likely_path(values, "answer")
    if path is None or path.startswith(_ERRORS):
        return Address(section=guess, fault=seen)
    return Address(section=section({"text": path}), answer=str(compile_path(path)(values)))


def _json(text: str) -> JsonValue:
    try:
        values: JsonValue = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return values
