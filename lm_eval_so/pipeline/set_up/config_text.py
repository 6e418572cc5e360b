"""The texts that a first set-up writes: the config, the workflow, what git leaves out."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import Final

from pydantic import JsonValue

from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.words import say
from lm_eval_so.pipeline.set_up.metric_lines import MetricLine

IGNORED: Final = ("runs/", "reports/", ".lm-eval-so/cache*")
"""Lines of .gitignore."""
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*\Z")
_NO_TEXTS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off"})
_WATCHED_THRICE: Final = 100
"""Most cases that a baseline is asked several times."""
_EXAMPLE: Final[Mapping[str, JsonValue]] = {
    "name": "http",
    "options": {
        "url": "https://bot.example.com/chat",
        "body": {"message": "{{ last_user }}", "history": "{{ history }}"},
        "response": {"text": "answer"},
    },
}
_GIVEN: Final = re.compile(r"^        with: .*\n        env: .*\n", re.MULTILINE)
QUESTIONS: Final = 30
"""Tests that are written from documents."""
TWINS: Final = 10
"""Tests that are asked once more as another user types them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that a first config says."""

    suite: str
    language: Language
    sources: Sequence[str]
    """Paths, relative to the config."""
    has_files: bool
    """Whether one of them can be read."""
    has_documents: bool
    tests: int
    """Tests that the sources give as they are."""
    chatbot: Mapping[str, JsonValue] | None
    """Section of the chatbot under test; None: not known yet."""
    metrics: Sequence[MetricLine]
    writer: Mapping[str, JsonValue] | None
    """Section of the model that writes tests; None: there is none."""
    proposal: Mapping[str, JsonValue] | None = None
    """Section that stands commented out in place of an unknown one; None: an example."""
    system: str | None = None
    """System prompt that is put before each test."""


def config_text(facts: Facts) -> str:
    """Return a config with comments in its language; what is not known yet stands there commented out."""
    out, language = "" if facts.has_files else "# ", facts.language
    questions = QUESTIONS if facts.has_documents else 0
    cases = facts.tests + questions + TWINS
    if facts.writer is None:
        writer = f"  # {say('set_up.no_writer', language)}\n"
        writer += "  # backend: {name: openai, params: {model: gpt-4.1-mini}}"
    else:
        told = say("set_up.writer", language)
        writer = f"{out}  backend: {_flow(dict(facts.writer))}   # {told}"
    values = {
        "suite": facts.suite,
        "language": language.value,
        "chatbot": "\n".join(
            chatbot_lines(facts.chatbot, facts.system, language)
            if facts.chatbot is not None
            else held_lines(facts.proposal or _EXAMPLE, language)
        ),
        "out": out,
        "writer": writer,
        "sources": "\n".join(f"{out}    - {_flow(source)}" for source in _sources(facts.sources)),
        "questions": str(questions),
        "twins": str(TWINS),
        "metrics": "\n".join(map(_metric, facts.metrics)),
        "repeats": "" if cases <= _WATCHED_THRICE else "# ",
    }
    return Template(_template(f"config.{language.value}.yaml")).substitute(values)


def workflow_text(
    variables: Sequence[str], *, hosts: Sequence[str] = (), config: str = CONFIG_FILE.name
) -> str:
    """Return the workflow that measures each pull request.

    Args:
        variables: Variables with keys that the config needs, each a secret of the repository.
        hosts: Hosts that the config asks; none: they are not known, and the workflow names none.
        config: Name of the config.
    """
    given: dict[str, JsonValue] = {"allowed_hosts": ", ".join(hosts)} if hosts else {}
    if config != CONFIG_FILE.name:
        given["config"] = config
    named = ", ".join(f'{name}: "${{{{ secrets.{name} }}}}"' for name in variables)
    lines = [f"        with: {{ {_flow(given)[1:-1]} }}\n"] if given else []
    lines += [f"        env: {{ {named} }}\n"] if named else []
    return _GIVEN.sub(lambda _: "".join(lines), _template("workflow.yml"))


def with_ignored(text: str) -> str:
    """Return the text of a .gitignore with the lines of what is made anew each time."""
    there = {line.strip() for line in text.splitlines()}
    missing = [line for line in IGNORED if line not in there]
    start = text if not text or text.endswith("\n") else f"{text}\n"
    return start + "".join(f"{line}\n" for line in missing)


def slug(text: str) -> str:
    """Return a text as the name of a suite or a source may be written; "" if nothing of it may."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip(".-")


def _template(name: str) -> str:
    return (files(__package__) / "templates" / name).read_text(encoding="utf-8")


def chatbot_lines(
    section: Mapping[str, JsonValue], system: str | None, language: Language
) -> list[str]:
    """Return the lines of a chatbot's section, and of its system prompt."""
    options = section.get("options")
    is_told = isinstance(options, dict) and "history" in json.dumps(options.get("body"))
    note = [f"# {say('set_up.history', language)}"] if is_told else []
    last = [f"system: {json.dumps(system, ensure_ascii=False)}"] if system else []
    return [*note, *_section(section), *last]


def held_lines(section: Mapping[str, JsonValue], language: Language) -> list[str]:
    """Return the lines of a section that waits for its address, commented out."""
    lines = [f"# {line}" for line in _section(section)]
    return [f"# {say('set_up.no_chatbot', language)}", *lines]


def with_chatbot(text: str, lines: Sequence[str]) -> str:
    """Return the text of a config without a chatbot with the section of one.

    It takes the place of a section that waits commented out, else it stands at the end.

    Args:
        text: The config.
        lines: Lines of the section.
    """
    notes = "|".join(re.escape(say("set_up.no_chatbot", each)) for each in Language)
    held = re.compile(rf"(?:^# (?:{notes})\n)?^# backend:\n(?:^#   .*\n)*", re.MULTILINE)
    made = "".join(f"{line}\n" for line in lines)
    found = held.search(text)
    if found is None:
        return f"{text.rstrip()}\n\n{made}"
    return text[: found.start()] + made + text[found.end() :]


def _metric(line: MetricLine) -> str:
    return f"  {'' if line.is_active else '# '}- {_flow(line.metric)}   # {line.why}"


def _section(section: Mapping[str, JsonValue]) -> list[str]:
    lines = ["backend:"]
    for key, value in section.items():
        if key == "options" and isinstance(value, dict):
            lines += ["  options:", *(f"    {name}: {_flow(each)}" for name, each in value.items())]
        else:
            lines.append(f"  {key}: {_flow(value)}")
    return lines


def _sources(paths: Sequence[str]) -> list[JsonValue]:
    found: list[JsonValue] = []
    seen: set[str] = set()
    for number, path in enumerate(paths, start=1):
        name = slug(path.rstrip("/").rpartition("/")[2].partition(".")[0]) or f"source-{number}"
        name = f"{name}-{number}" if name in seen else name
        seen.add(name)
        found.append({"id": name, "path": path})
    return found


def _flow(value: JsonValue) -> str:
    """Return a value as YAML on one line."""
    match value:
        case dict():
            pairs = (f"{_flow(key)}: {_flow(each)}" for key, each in value.items())
            return f"{{{', '.join(pairs)}}}"
        case list():
            return f"[{', '.join(map(_flow, value))}]"
        case str() if _PLAIN.match(value) and value.lower() not in _NO_TEXTS:
            return value
        case _:
            return json.dumps(value, ensure_ascii=False)
