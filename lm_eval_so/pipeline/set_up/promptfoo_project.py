"""The chatbot of a promptfoo configuration as a backend of ours: its providers and prompts, read and never run."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from lm_eval_so.core.config.yaml_lines import Located, parse_yaml
from lm_eval_so.core.files import read_text
from lm_eval_so.errors import LMEvalError
from lm_eval_so.pipeline.set_up.promptfoo_http import Filled, Note, http_section
from lm_eval_so.pipeline.set_up.try_address import Section

_NAMES: Final = re.compile(r"promptfooconfig[\w.-]*\.(?:ya?ml|json)")
_VARIABLE: Final = re.compile(r"\{\{-?\s*([A-Za-z_]\w*)\s*(?:\|\s*\w+\s*)*-?\}\}")
_URL: Final = re.compile(r"https?://\S+")
_CODE: Final = re.compile(
    r"(?:exec|python|golang|ruby|package):|.*\.(?:[cm]?js|ts|py|rb|go)(?::\w+)?$"
)
_OPENAI: Final = re.compile(r"openai:(?:(?:chat|responses):)?([^:]+)")
_AZURE: Final = re.compile(r"azure(?:openai)?:(?:chat|responses):([^:]+)")
_PRESET: Final = re.compile(
    r"(anthropic|deepseek|mistral|openrouter|groq|ollama|xai)(?::(?:messages|chat|completion))?:([^:].*)"
)
_PARAMS: Final = ("temperature", "max_tokens", "max_completion_tokens", "top_p", "seed", "stop")
"""Settings of a provider that are parameters of the model under the same name."""
_CONTEXT: Final = frozenset({"context"})
_QUESTION: Final = "{{ last_user }}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Parts of a configuration that come over besides its tests."""

    section: Section | None = None
    """Section of the chatbot; None if no provider can be one."""
    provider: str = ""
    """Place of the provider that was taken."""
    system: str | None = None
    notes: tuple[Note, ...] = ()
    """All that does not come over, with file and line."""


def is_project(path: str) -> bool:
    """Return whether a path is named as a configuration of promptfoo."""
    return _NAMES.fullmatch(Path(path).name) is not None


def take_project(file: Path, shown: str) -> Taken | None:
    """Return what a configuration says of its chatbot; None if it cannot be read, which a scan tells.

    Args:
        file: The configuration.
        shown: Path of it for people.
    """
    try:
        located = parse_yaml(read_text(file), file=shown)
    except LMEvalError:
        return None
    return _Project(located, file.parent).take() if isinstance(located.values, dict) else None


@dataclass(frozen=True, slots=True)
class _Prompt:
    """A prompt, read: what is said before the question, and around it."""

    system: str | None = None
    text: str | None = None
    """Template with `{{ last_user }}`; None if the question stands alone."""
    messages: JsonValue = None
    """All of it as messages, if it is written so."""
    question: str = ""
    """Variable with the question."""


@dataclass(slots=True)
class _Project:
    """Reader of one configuration."""

    located: Located
    folder: Path
    notes: list[Note] = field(default_factory=list)

    def take(self) -> Taken:
        prompt = self._prompt()
        section, provider = self._provider(prompt)
        is_model = section is not None and section["name"] != "http"
        if is_model and prompt.text is not None:
            self._note("prompt_around", "prompts")
        return Taken(
            section=section,
            provider=provider,
            system=prompt.system if is_model else None,
            notes=tuple(self.notes),
        )

    def _note(self, code: str, *path: str | int, **figures: str) -> None:
        where = self.located.where(path)
        at = f"{where.file}:{where.line}" if where.line else f"{where.file}"
        self.notes.append(Note(at=at, code=code, figures=figures))

    def _prompt(self) -> _Prompt:
        """Return the first prompt, as far as it says the same here."""
        given = self.located.values.get("prompts")
        entries = given if isinstance(given, list) else [given] if given else []
        for number in range(1, len(entries)):
            self._note("other_prompt", "prompts", number)
        if not entries:
            return _Prompt()
        at = ("prompts", 0) if isinstance(given, list) else ("prompts",)
        entry = entries[0]
        raw = entry.get("raw", entry.get("id")) if isinstance(entry, dict) else entry
        text = self._text(raw) if isinstance(raw, str) else None
        if text is None:
            self._note("prompt_code", *at)
            return _Prompt()
        made = _chat(text) if text.lstrip().startswith("[") else _plain(text)
        if made is None:
            self._note("prompt_variables", *at)
            return _Prompt()
        return made

    def _text(self, raw: str) -> str | None:
        """Return the text of a prompt, or of the file that it names; None if that is code or not there."""
        name = raw.removeprefix("file://")
        is_file = raw.startswith("file://") or bool(re.fullmatch(r"[\w./ -]+\.\w{2,4}", raw))
        if not is_file:
            return raw
        path = (self.folder / name).resolve()
        is_text = path.suffix.lower() in {".txt", ".md", ".json", ".yaml", ".yml"}
        if not is_text or not path.is_relative_to(self.folder.resolve()) or not path.is_file():
            return None
        try:
            text = read_text(path)
            if path.suffix.lower() in {".yaml", ".yml"}:
                return json.dumps(parse_yaml(text, file=name).values, ensure_ascii=False)
        except LMEvalError:
            return None
        return text.strip()

    def _provider(self, prompt: _Prompt) -> tuple[Section | None, str]:
        """Return the first provider that can be a backend, and its place; the others are told."""
        found, place = None, ""
        for path, id_, config in self._providers():
            section = None if found is not None else self._section(path, id_, config, prompt)
            where = self.located.where(path)
            if section is not None:
                found, place = section, f"{where.file}:{where.line}"
            elif found is not None:
                self._note("other_provider", *path, id=id_[:80])
        return found, place

    def _providers(self) -> Iterator[tuple[tuple[str | int, ...], str, dict[str, JsonValue]]]:
        values = self.located.values
        key = "providers" if values.get("providers") else "targets"
        given = values.get(key)
        entries = given if isinstance(given, list) else [given] if given else []
        for number, entry in enumerate(entries):
            path = (key, number) if isinstance(given, list) else (key,)
            if isinstance(entry, str):
                yield path, entry, {}
            elif isinstance(entry, dict) and isinstance(entry.get("id"), str):
                config = entry.get("config")
                yield path, entry["id"], config if isinstance(config, dict) else {}
            elif isinstance(entry, dict) and len(entry) == 1:
                ((id_, inner),) = entry.items()
                config = inner.get("config") if isinstance(inner, dict) else None
                yield path, str(id_), config if isinstance(config, dict) else {}
            else:
                self._note("provider_unknown", *path, id=str(entry)[:80])

    def _section(
        self,
        path: tuple[str | int, ...],
        id_: str,
        config: dict[str, JsonValue],
        prompt: _Prompt,
    ) -> Section | None:
        if _URL.fullmatch(id_) or id_ in {"http", "https"}:
            values = config if "url" in config else {"url": id_, **config}
            text = prompt.text or "{{ last_user }}"
            filled = Filled(prompt=text, messages=prompt.messages, question=prompt.question)
            section, notes = http_section(values, filled)
            for key, code, figures in notes:
                inner = (*path, "config", key) if key in config else path
                self._note(code, *inner, **figures)
            return section
        section, left = _model_section(id_, config)
        if section is None:
            self._note(
                "provider_code" if _CODE.match(id_) else "provider_unknown", *path, id=id_[:80]
            )
        for key in left if section is not None else ():
            self._note("provider_setting", *path, "config", key, key=key)
        return section


def _plain(text: str) -> _Prompt | None:
    """Return a prompt of one text; None if it needs more than the question."""
    names = {*_VARIABLE.findall(text)} - _CONTEXT
    is_ours = not any(mark in text for mark in ("{%", "{#", "${"))
    if len(names) != 1 or not is_ours or not _CONTEXT.isdisjoint(_VARIABLE.findall(text)):
        return None
    filled = _VARIABLE.sub(_QUESTION, text).strip()
    return _Prompt(text=None if filled == _QUESTION else filled, question=names.pop())


def _chat(text: str) -> _Prompt | None:
    """Return a prompt of messages: a system prompt, then the question alone."""
    try:
        messages = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(messages, list) or not all(isinstance(each, dict) for each in messages):
        return None
    texts = [(each.get("role"), each.get("content")) for each in messages]
    *before, (role, question) = texts or [(None, None)]
    if role != "user" or not isinstance(question, str) or len(before) > 1:
        return None
    user, system = _plain(question), before[0][1] if before else None
    is_sound = not before or (
        before[0][0] == "system"
        and isinstance(system, str)
        and not any(mark in system for mark in ("{{", "{%", "{#", "${"))
    )
    if user is None or not is_sound:
        return None
    *_, last = messages
    whole = [*messages[:-1], {**last, "content": user.text or _QUESTION}]
    return replace(user, system=system if isinstance(system, str) else None, messages=whole)


def _model_section(id_: str, config: Mapping[str, JsonValue]) -> tuple[Section | None, list[str]]:
    """Return the section of a model behind a known API, and the settings that do not come over."""
    options: dict[str, JsonValue] = {}
    if match := _OPENAI.fullmatch(id_):
        name, model = "openai", match[1]
        if isinstance(config.get("apiBaseUrl"), str):
            options["base_url"] = config["apiBaseUrl"]
        elif isinstance(config.get("apiHost"), str):
            options["base_url"] = f"https://{config['apiHost']}/v1"
        if isinstance(config.get("apiKeyEnvar"), str):
            options["api_key_env"] = config["apiKeyEnvar"]
    elif match := _AZURE.fullmatch(id_):
        name, model = "azure", match[1]
        options["deployment"] = model
        if isinstance(config.get("apiHost"), str):
            options["endpoint"] = f"https://{config['apiHost']}"
    elif match := _PRESET.fullmatch(id_):
        name, model = "openai", match[2]
        options["preset"] = match[1]
    else:
        return None, []
    params: dict[str, JsonValue] = {"model": model}
    params |= {
        key: config[key] for key in _PARAMS if isinstance(config.get(key), int | float | list)
    }
    known = {*params, "apiBaseUrl", "apiHost", "apiKeyEnvar"}
    section: dict[str, JsonValue] = {"name": name, "params": params}
    if options:
        section["options"] = options
    return section, [key for key in config if key not in known]
