"""Prompts of the models that write and check: instructions filled with passages and with the team's own questions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template

from pydantic import JsonValue

from lm_eval_so.core.asking.answer.json_answer import Unusable
from lm_eval_so.core.asking.answer.markers import between_markers, choose_marker
from lm_eval_so.core.hashing import digest_text
from lm_eval_so.core.records.chat import ChatRequest, Message
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.words import say, texts
from lm_eval_so.generator.documents.block import Document
from lm_eval_so.generator.writing.candidate import (
    RENEWAL_SCHEMA,
    SCENE_SCHEMA,
    SCHEMA,
    VERDICTS,
    Candidate,
)
from lm_eval_so.generator.writing.scenario import persona_of
from lm_eval_so.generator.writing.slots import SCENARIO, Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """Texts of one try besides its passages."""

    style: Sequence[str] = ()
    """Questions of real users."""
    avoid: Sequence[str] = ()
    """Pieces that the tries before had copied."""
    asked: Sequence[str] = ()
    """Questions that stand for the same passages."""
    attempt: int = 0
    """Number of the try, from 0: another try is another request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OldTest:
    """A test whose document changed."""

    id: str
    type: str
    said: Candidate
    """The test as its document had it."""
    quoted: str
    """The quotes below the header rows of their tables."""
    places: tuple[tuple[Document, int], ...]
    """Documents and places in which its quotes stand now, or in which there is what they have become."""


def language_for(text_language: str) -> Language:
    """Return the language of the instructions for passages in a language."""
    return Language.KO if text_language == Language.KO else Language.EN


def write_request(slot: Slot, brief: Brief, params: Mapping[str, JsonValue]) -> ChatRequest:
    """Return the request that asks for one test."""
    language = language_for(slot.chunk.language)
    foreign = [*brief.style, *brief.avoid, *brief.asked]
    passages, _ = _fenced(_passages(slot), f"{slot.key}:{brief.attempt}", foreign, language)
    avoid = say("writing.avoid", language, {"runs": _quoted(brief.avoid)})
    asked = say("writing.asked", language, {"questions": _quoted(brief.asked)})
    given = {
        "passages": passages,
        "style": "\n".join(f"- {each}" for each in brief.style)
        or say("writing.no_style", language),
        "avoid": avoid if brief.avoid else "",
        "asked": f"\n{asked}" if brief.asked else "",
        "language": _language_name(slot.chunk.language, language),
    }
    if slot.type == SCENARIO:
        persona = persona_of(slot, language)
        name, schema = SCENARIO, SCENE_SCHEMA
        given["persona"] = f"{persona.name} ({persona.style})"
    else:
        name, schema = "write", SCHEMA
        given["task"] = say(f"writing.task_{slot.type}", language)
    content = _template(language, name).substitute(given)
    return ChatRequest(
        messages=(Message(role="user", content=content),),
        params=params,
        response_format=schema,
        session=f"write-{slot.key}-{brief.attempt}",
        sample_id=slot.key,
        repeat=brief.attempt,
    )


def renew_request(
    slot: Slot, old: OldTest, attempt: int, params: Mapping[str, JsonValue]
) -> ChatRequest:
    """Return the request of a try that asks whether a test holds by the passages that there are now."""
    language = language_for(slot.chunk.language)
    told = [_told(old.said, language), old.said.answer, "\n".join(old.said.quotes)]
    seed = f"{slot.key}:{old.id}:{attempt}"
    passages, marker = _fenced(_passages(slot), seed, told, language)
    names = [say(f"stale.prompt_{name}", language) for name in ("question", "answer", "quotes")]
    content = _template(language, "renew").substitute(
        passages=passages,
        test=between_markers([*zip(names, told, strict=True)], marker),
        language=_language_name(slot.chunk.language, language),
    )
    return ChatRequest(
        messages=(Message(role="user", content=content),),
        params=params,
        response_format=RENEWAL_SCHEMA,
        session=f"renew-{old.id}-{attempt}",
        sample_id=f"renew-{old.id}",
        repeat=attempt,
    )


def renew_digest(language: Language) -> str:
    """Return the digest of the instructions by which tests are renewed."""
    return digest_text(_template(language, "renew").template)


def check_request(
    passages: Sequence[tuple[str, str]],
    questions: Sequence[Candidate],
    params: Mapping[str, JsonValue],
    *,
    language: Language,
) -> ChatRequest:
    """Return the request that holds questions against passages.

    Args:
        passages: (place, text) of each.
        questions: The questions, numbered from 1 as they stand.
        params: Parameters of the model.
        language: Language of the instructions.
    """
    told = [_told(each, language) for each in questions]
    seed = digest_text("\n".join([*(text for _, text in passages), *told]))
    word = say("writing.question", language)
    shown, marker = _fenced(passages, seed, told, language)
    named = [(f"{word} {number}", text) for number, text in enumerate(told, start=1)]
    content = _template(language, "check").substitute(
        passages=shown, questions=between_markers(named, marker)
    )
    return ChatRequest(
        messages=(Message(role="user", content=content),),
        params=params,
        response_format=VERDICTS,
        session=f"check-{seed[:16]}",
        sample_id=f"check-{seed[:16]}",
    )


def repair_prompt(language: Language, why: Unusable, schema: Mapping[str, JsonValue]) -> str:
    """Return the message that asks for a usable output."""
    problem = say(f"writing.{why.code}", language, why.figures)
    shown = json.dumps(schema, ensure_ascii=False, indent=1)
    return _template(language, "repair").substitute(problem=problem, schema=shown)


def prompt_digest(language: Language, name: str = "write") -> str:
    """Return the digest of all that a model is told besides passages, questions and examples.

    Args:
        language: Language of the instructions.
        name: write, or scenario for conversations to play.
    """
    told = [_template(language, each).template for each in (name, "check", "repair")]
    topics = ("writing.", "scenario.") if name == SCENARIO else ("writing.",)
    words = {code: text for code, text in texts(language).items() if code.startswith(topics)}
    return digest_text("\n".join([*told, *(words[code] for code in sorted(words))]))


def _passages(slot: Slot) -> list[tuple[str, str]]:
    return [(chunk.place, chunk.text) for chunk in slot.chunks]


def _fenced(
    passages: Sequence[tuple[str, str]], seed: str, others: Sequence[str], language: Language
) -> tuple[str, str]:
    """Return passages between markers, and the marker, which is part of neither them nor the others."""
    marker = choose_marker(seed, [*others, *(text for pair in passages for text in pair)])
    word = say("writing.passage", language)
    named = [
        (f"{word} {number} · {place}", text)
        for number, (place, text) in enumerate(passages, start=1)
    ]
    return between_markers(named, marker), marker


def _told(said: Candidate, language: Language) -> str:
    """Return a question with the turns before it, as the instructions show it."""
    user, bot = say("writing.user", language), say("writing.assistant", language)
    turns = [f"{user}: {asked}\n{bot}: {answer}" for asked, answer in said.history]
    return "\n".join([*turns, f"{user}: {said.question}" if turns else said.question])


def _quoted(pieces: Sequence[str]) -> str:
    return ", ".join(f'"{piece}"' for piece in pieces)


def _language_name(spoken: str, language: Language) -> str:
    code = f"writing.language_{spoken}"
    return say(code if code in texts(language) else "writing.language_other", language)


@cache
def _template(language: Language, name: str) -> Template:
    folder = files(__package__).joinpath("templates", language.value)
    return Template(folder.joinpath(f"{name}.txt").read_text("utf-8").strip())
