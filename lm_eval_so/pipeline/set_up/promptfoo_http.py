"""promptfoo's HTTP provider as a backend `http`: templates, headers and the path of the answer."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from lm_eval_so.core.secrets import is_credential_name
from lm_eval_so.pipeline.set_up.try_address import Section

VARIABLE: Final = "CHATBOT_TOKEN"
"""Variable for a credential that the other tool's file holds as it is."""
_TEMPLATE: Final = re.compile(r"\{\{-?\s*([\w.]+)\s*((?:\|\s*\w+\s*)*)-?\}\}")
_PATH: Final = re.compile(r"""json((?:\??\.[A-Za-z_]\w*|\??\.?\[(?:\d+|'[^'\]]+'|"[^"\]]+")\])*)""")
_ARROW: Final = re.compile(r"\(?\s*json\s*(?:,[^)=]*)?\)?\s*=>\s*")
_STEP: Final = re.compile(r"""\.([A-Za-z_]\w*)|\[(\d+)\]|\[['"]([^'"\]]+)['"]\]""")
_PLAIN: Final = re.compile(r"[A-Za-z_]\w*")
_TAKEN: Final = frozenset(
    {"url", "method", "headers", "body", "queryParams", "transformResponse", "responseParser"}
)
_VALUES: Final = {"sessionId": "session.id"}
"""Variables of theirs that have a counterpart."""

Told = tuple[str, str, dict[str, str]]
"""Key of the provider's config, code of a text, and its figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that does not come over."""

    at: str
    """File and line."""
    code: str
    figures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """Meaning of their `{{prompt}}`."""

    prompt: str
    """Template of ours."""
    messages: JsonValue = None
    """The messages if it is a list of these; then it has no text."""
    question: str = ""
    """Variable that holds the question."""


class _UnknownVariableError(Exception):
    """A template names a variable that has no counterpart."""


def http_section(
    config: Mapping[str, JsonValue], filled: Filled
) -> tuple[Section | None, list[Told]]:
    """Return the section of a provider, and what of it does not come over.

    Args:
        config: `config` of the provider, with its `url`.
        filled: Meaning of its prompt.

    Returns:
        The section, None if the address or the body cannot be written here; and notes.
    """
    return _Reader(config, filled).read()


class _Reader:
    def __init__(self, config: Mapping[str, JsonValue], filled: Filled) -> None:
        self._config, self._filled = config, filled
        self._env: dict[str, None] = {}
        self._told: list[Told] = []

    def read(self) -> tuple[Section | None, list[Told]]:
        config, options = self._config, dict[str, JsonValue]()
        try:
            options["url"] = self._filled_in(config.get("url"))
            if "request" in config:
                self._told.append(("request", "provider_raw", {}))
                return None, self._told
            body = self._body(options)
            query = self._filled_in(config.get("queryParams"))
        except _UnknownVariableError as error:
            self._told.append(("body", "provider_variable", {"name": str(error)}))
            return None, self._told
        method = config.get("method")
        default = "POST" if body is not None else "GET"
        options["method"] = method.upper() if isinstance(method, str) else default
        if options["method"] == "POST":
            del options["method"]
        self._headers(options)
        if query:
            options["query"] = query
        if body is not None:
            options["body"] = body
        self._answer(options)
        if self._env:
            options["env"] = [*self._env]
        left = [key for key in config if key not in _TAKEN]
        self._told += [(key, "provider_setting", {"key": key}) for key in left]
        return {"name": "http", "options": options}, self._told

    def _body(self, options: dict[str, JsonValue]) -> JsonValue:
        body = self._config.get("body")
        if isinstance(body, str):
            try:
                body = json.loads(body)
            except (ValueError, RecursionError):
                options["content_type"] = "text"
        return self._filled_in(body)

    def _headers(self, options: dict[str, JsonValue]) -> None:
        """Take the headers over; a credential that stands in the file stays there."""
        given = self._config.get("headers")
        kept: dict[str, JsonValue] = {}
        named: dict[str, JsonValue] = {}
        for name, value in given.items() if isinstance(given, dict) else ():
            text = str(value)
            if name.lower() == "content-type":
                if "x-www-form-urlencoded" in text:
                    options["content_type"] = "form"
                elif "json" in text:
                    options.pop("content_type", None)
                continue
            try:
                filled = self._filled_in(text)
            except _UnknownVariableError as error:
                self._told.append(("headers", "provider_variable", {"name": str(error)}))
                continue
            if is_credential_name(name) and "{{" not in text:
                named[name] = VARIABLE
                self._told.append(
                    ("headers", "provider_secret", {"name": name, "variable": VARIABLE})
                )
            else:
                kept[name] = filled
        options |= {key: each for key, each in (("headers", kept), ("headers_env", named)) if each}

    def _answer(self, options: dict[str, JsonValue]) -> None:
        for key in ("transformResponse", "responseParser"):
            value = self._config.get(key)
            if not isinstance(value, str):
                continue
            code = _ARROW.sub(
                "", value.strip().removeprefix("return ").rstrip(";"), count=1
            ).strip()
            if code == "text":
                options["response"] = {"format": "text"}
                return
            if (match := _PATH.fullmatch(code)) and match[1]:
                options["response"] = {"text": _jmespath(match[1])}
                return
            self._told.append((key, "provider_answer", {}))
        options["response"] = {"text": "answer"}

    def _filled_in(self, value: JsonValue) -> JsonValue:
        match value:
            case dict():
                return {name: self._filled_in(each) for name, each in value.items()}
            case list():
                return [self._filled_in(each) for each in value]
            case str() if self._filled.messages is not None and _is_prompt(value):
                return self._filled.messages
            case str() if "${" in value:  # our config would fill it in
                raise _UnknownVariableError(value[:40])
            case str():
                return _TEMPLATE.sub(self._ours, value)
            case _:
                return value

    def _ours(self, found: re.Match[str]) -> str:
        name = found[1]
        if name == "prompt" and self._filled.messages is None:
            return self._filled.prompt
        if name == self._filled.question:
            return "{{ last_user }}"
        if name.startswith("env."):
            self._env[name.removeprefix("env.")] = None
            return f"{{{{ {name} }}}}"
        if name in _VALUES:
            return f"{{{{ {_VALUES[name]} }}}}"
        raise _UnknownVariableError(name)


def _is_prompt(text: str) -> bool:
    match = _TEMPLATE.fullmatch(text.strip())
    return match is not None and match[1] == "prompt"


def _jmespath(code: str) -> str:
    """Return the path of steps as JavaScript writes them."""
    path = ""
    for name, index, key in _STEP.findall(code.replace("?.", ".").replace(".[", "[")):
        named = name or key
        if index:
            path += f"[{index}]"
        else:
            quoted = named if _PLAIN.fullmatch(named) else json.dumps(named, ensure_ascii=False)
            path += f".{quoted}" if path else quoted
    return path
