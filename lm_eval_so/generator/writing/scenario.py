"""Scenarios: conversations to play that a model proposed, and the rules that theirs alone must pass."""

from dataclasses import replace
from typing import Final

from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.sample import Check, Persona
from lm_eval_so.core.words import say
from lm_eval_so.generator.personal import has_placeholder, personal_data_of
from lm_eval_so.generator.writing.likeness import key
from lm_eval_so.generator.writing.rules import Draft, Fault
from lm_eval_so.generator.writing.slots import Slot

_PERSONAS: Final = ("hurried", "first_time")


def persona_of(slot: Slot, language: Language) -> Persona:
    """Return the person that a slot's conversation is about: one of two, by its key."""
    name = _PERSONAS[int(slot.key, 16) % len(_PERSONAS)]
    style = say(f"scenario.{name}_style", language)
    return Persona(name=say(f"scenario.{name}", language), style=style)


def settled(draft: Draft, language: Language) -> Draft | Fault:
    """Return a draft with its scenario as it is played; other drafts as they are.

    At least one condition of success must be a piece of a quote that the user does not say, so that no
    judge is needed to tell a failure. Such conditions that fall short are left out, and so is what must
    not be said although the passages say it.

    Args:
        draft: Draft that passed the rules for its opening.
        language: Language of the persona.
    """
    scene = draft.said.scene
    user = scene.simulated_user if scene else None
    if scene is None or user is None:
        return draft
    told = [user.goal, *user.facts, *user.facts.values()]
    must_say = [text for text in draft.must_say if not any(key(text) in key(each) for each in told)]
    if not must_say:
        said = ", ".join(check.text for check in scene.success)
        return Fault(reason="needs_judge", what=said)
    passages = "\n".join(chunk.text for chunk in draft.slot.chunks)
    texts = "\n".join([*told, *(check.text for check in (*scene.success, *scene.must_not))])
    kind = "placeholder" if has_placeholder(texts) else personal_data_of(texts, but=passages)
    if kind:
        return Fault(reason="pii", what=kind)
    success = [Check(type="contains", text=text) for text in must_say]
    success += [check for check in scene.success if check.type == "judge"]
    said_by_right_ones = key(f"{passages}\n{draft.said.question}")
    must_not = [
        check
        for check in scene.must_not
        if check.type == "judge" or key(check.text) not in said_by_right_ones
    ]
    played = replace(
        scene,
        simulated_user=replace(user, persona=persona_of(draft.slot, language)),
        success=tuple(success),
        must_not=tuple(must_not),
    )
    flags = tuple(flag for flag in draft.flags if flag != "no_must_say")
    return replace(draft, said=replace(draft.said, scene=played), must_say=(), flags=flags)
