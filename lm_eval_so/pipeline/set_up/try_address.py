"""A chatbot behind an address: asked once, to find out how it is asked and where its answer stands."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.http.reading.paths import compile_path, likely_path
from lm_eval_so.core.backends.http.reading.stream_guess import (
    guess_stream,
    json_or_none,
    looks_streamed,
)
from lm_eval_so.core.config.load import require_valid, take_config
from lm_eval_so.core.templates.safe import one_line
from lm_eval_so.errors import BackendError, ErrorKind, LMEvalError
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
_OTHERS: Final = 3
"""Most other texts of a response that are named."""
_SHORT: Final = "gpt-4.1-mini"
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EMPTY: Final = "its response is empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Address, headers and body of a chatbot that is to be asked."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers as the config has them, secrets in them as `${NAME}`."""
    body: JsonValue = None
    """Template of the body; None: the usual ones are tried."""

    def section(self, body: JsonValue, options: Mapping[str, JsonValue]) -> Section:
        """Return the section of an `http` backend that asks in this way.

        Args:
            body: Template of the body.
            options: Options besides, as `response`.
        """
        found: dict[str, JsonValue] = {"url": self.url}
        if self.headers:
            found["headers"] = dict(self.headers)
        return {"name": "http", "options": {**found, "body": body, **options}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A chatbot's address after it was asked."""

    section: Section
    """Section of the config that asks it; a guess if it did not answer."""
    answer: str | None = None
    """Answer of the chatbot; None if there is none."""
    response: str = ""
    """The beginning of its response, on one line; "" if none came."""
    path: str = ""
    """Place of the answer in the response, where it has one."""
    others: tuple[str, ...] = ()
    """Places of other texts that might be the answer."""
    fault: str | None = None
    """Reason if there is no answer, with what came instead."""
    hint: str | None = None
    needs_key: bool = False
    """Whether the request was refused for its credentials."""
    is_reached: bool = True
    """Whether anything came back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """Response to one request."""

    text: str = ""
    fault: str | None = None
    hint: str | None = None
    is_refused: bool = False
    """Whether the request was understood to be wrong (400, 422)."""
    needs_key: bool = False
    """Whether it was refused for its credentials (401, 403)."""
    is_reached: bool = True
    """Whether anything came back."""


async def try_address(way: Way, question: str, resources: Resources) -> Address:
    """Ask a chatbot, and return the section that asks it.

    An address that ends in /v1 or /chat/completions is OpenAI-compatible, and gets the first of the models that
    it lists. Any other is asked by a JSON body; if it refuses that (400, 422), anew under the name that its
    error tells, at most twice. A body that is given is the only one that is tried.
    """
    base = way.url.rstrip("/")
    if base.endswith(("/v1", _CHAT)) and way.body is None and not way.headers:
        return await _try_openai(base.removesuffix(_CHAT), question, resources)
    body = _body(_FIELDS[0]) if way.body is None else way.body
    heard = await _ask(way.section(body, {}), question, resources)
    for _ in range(_MOST_ASKED - 1 if way.body is None else 0):
        known = isinstance(body, dict) and heard.is_refused
        another = _another_body(body, heard) if known and isinstance(body, dict) else None
        if another is None:
            break
        body = another
        heard = await _ask(way.section(body, {}), question, resources)
    return await _read(way, body, heard, question)


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
    found = compile_path("data[].id")(json_or_none(heard.text))
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
    return Address(
        section=section,
        answer=heard.text or None,
        fault=heard.fault,
        hint=heard.hint,
        needs_key=heard.needs_key,
        is_reached=heard.is_reached,
    )


def _body(field: str) -> dict[str, JsonValue]:
    if field == "messages":
        return {"messages": "{{ messages }}"}
    return {field: "{{ last_user }}", "history": "{{ history }}"}


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
        config = require_valid(take_config(values, environ=resources.environ))
        asked = await ask_once(config, resources.with_new_endpoints(), question)
    except LMEvalError as error:
        problem = error.problems[0]
        needs_key = isinstance(error, BackendError) and error.kind is ErrorKind.AUTH
        is_reached = isinstance(error, BackendError) and error.http_status is not None
        return _Heard(
            fault=problem.what, hint=problem.hint, needs_key=needs_key, is_reached=is_reached
        )
    if asked.error is not None:
        status = asked.error.http_status
        told = resources.redactor.redact(asked.error.message)
        return _Heard(
            fault=told,
            hint=asked.error.hint,
            is_refused=status in {400, 422},
            needs_key=status in {401, 403},
            is_reached=status is not None,
        )
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


async def _read(way: Way, body: JsonValue, heard: _Heard, question: str) -> Address:
    """Find the answer in what came back."""
    text = heard.text.strip()
    seen = one_line(_without_escapes(text), _MOST_SHOWN)
    guess = Address(
        section=way.section(body, {"response": {"text": "answer"}}),
        response=seen,
        fault=heard.fault or seen or _EMPTY,
        hint=heard.hint,
        needs_key=heard.needs_key,
        is_reached=heard.is_reached,
    )
    found = await _found(text, question) if heard.fault is None else None
    if found is None:
        return guess
    return Address(
        section=way.section(body, found.options),
        answer=found.answer,
        response=seen,
        path=found.path,
        others=found.others,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """An answer in a response, and the options that find it."""

    answer: str
    options: Mapping[str, JsonValue]
    path: str = ""
    others: tuple[str, ...] = ()


async def _found(text: str, question: str) -> _Found | None:
    """Return the answer in a response; None if there is none that can be read."""
    values = json_or_none(text)
    if isinstance(values, str):
        return _Found(answer=values, options={"response": {"text": "@"}})
    if values is not None:
        path = _answer_path(values, question)
        if path is None or path.startswith(_ERRORS):
            return None
        others = tuple(each for each in _texts(values) if each != path)[:_OTHERS]
        answer = str(compile_path(path)(values))
        options: dict[str, JsonValue] = {"response": {"text": path}}
        return _Found(answer=answer, options=options, path=path, others=others)
    if looks_streamed(text):
        streamed = await guess_stream(text)
        return _Found(answer=streamed.answer, options=streamed.options) if streamed else None
    if not text or text.startswith(("<", "{", "[")):
        return None
    return _Found(answer=text, options={"response": {"format": "text"}})


def _answer_path(values: JsonValue, question: str) -> str | None:
    """Return where the answer stands; a text that repeats the question is none."""
    path = likely_path(values, "answer")
    if path is None or compile_path(path)(values) != question:
        return path
    last = path.replace("[0]", "[-1]")  # a log of the conversation, the newest at its end
    if last != path and isinstance(compile_path(last)(values), str):
        return last
    left = _without(values, question)
    return likely_path(left, "answer")


def _without(values: JsonValue, text: str) -> JsonValue:
    match values:
        case dict():
            return {name: _without(each, text) for name, each in values.items() if each != text}
        case list():
            return [_without(each, text) for each in values]
        case _:
            return values


def _texts(values: JsonValue, path: str = "") -> Iterator[str]:
    """Yield the paths of texts below plain keys and in the first items of lists."""
    if isinstance(values, str) and " " in values.strip():
        yield path
    elif isinstance(values, dict):
        for name, each in values.items():
            if _PLAIN.fullmatch(name):
                yield from _texts(each, f"{path}.{name}".lstrip("."))
    elif isinstance(values, list) and values:
        yield from _texts(values[0], f"{path}[0]")


def _without_escapes(text: str) -> str:
    """Return JSON with the letters that its escapes stand for; any other text as it is."""
    values = json_or_none(text) if "\\u" in text else None
    return text if values is None else json.dumps(values, ensure_ascii=False)
