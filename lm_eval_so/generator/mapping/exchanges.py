"""Conversations cut into what tests ask: a question with all that was said before it, and the answer that it got."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise

from lm_eval_so.core.config.sources import Turns
from lm_eval_so.core.records.chat import Message
from lm_eval_so.core.records.sample import Scenario, Stop, UserTurn
from lm_eval_so.generator.mapping.fields import FieldError
from lm_eval_so.generator.sources.base import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Question of one test."""

    messages: tuple[Message, ...] = ()
    """Messages up to the question, or to the result of the last tool called for it; none with a scenario."""
    scenario: Scenario | None = None
    system: str | None = None
    """System prompt of a scenario."""
    answer: str | None = None
    """The answer in the log."""
    at: dict[str, int] = field(default_factory=dict)
    """Number of the question in its conversation, from 1; empty if only one is taken."""


def one_question(text: str) -> Asked:
    """Return what a single message asks."""
    return Asked(messages=(Message(role="user", content=text),))


def asked_of(messages: Sequence[Message], turns: Turns) -> list[Asked]:
    """Return what the tests of a conversation ask, in its order.

    Messages of the user without another between them are one question. Its answer is what the assistant
    says last before the next question; the calls of tools and remarks before that belong to the question.

    Args:
        messages: The conversation.
        turns: Choice among its questions.

    Raises:
        FieldError: If nobody asks, or the end is neither a question, a tool's result nor an answer.
    """
    found = _questions(messages)
    if not found or not _is_askable(found[-1].messages):
        what = "there is no message of a user"
        if found:
            what = f"it ends with a message of the {messages[-1].role} that is no answer"
        hint = "a conversation ends with a question of the user, or with the answer to it"
        raise FieldError(Reason.NO_USER_TURN, what, hint=hint)
    if turns == "scenario":
        return [_scenario(messages)]
    if turns == "last":
        return found[-1:]
    found = [
        Asked(messages=each.messages, answer=each.answer, at={"turn": number})
        for number, each in enumerate(found, start=1)
        if _is_askable(each.messages)
    ]
    return found[:1] if turns == "first" else found


def _questions(messages: Sequence[Message]) -> list[Asked]:
    """Return every question, asked in a way that can be asked again or not."""
    roles = [None, *(message.role for message in messages)]
    starts = [i for i in range(len(messages)) if roles[i + 1] == "user" and roles[i] != "user"]
    found = []
    for start, end in pairwise([*starts, len(messages)]):
        answered = end
        while answered > start and _says(messages[answered - 1]):
            answered -= 1
        answer = "\n".join(m.content for m in messages[answered:end] if m.content)
        found.append(Asked(messages=tuple(messages[:answered]), answer=answer or None))
    return found


def _says(message: Message) -> bool:
    return message.role == "assistant" and not message.tool_calls


def _is_askable(messages: Sequence[Message]) -> bool:
    return messages[-1].role in {"user", "tool"}


def _scenario(messages: Sequence[Message]) -> Asked:
    runs = [(role, [*run]) for role, run in groupby(messages, key=lambda message: message.role)]
    texts = [(role, "\n".join(m.content for m in run if m.content)) for role, run in runs]
    turns = tuple(UserTurn(user=text) for role, text in texts if role == "user" and text)
    if not turns:
        raise FieldError(Reason.EMPTY, "all questions are empty")
    stop = Stop(max_turns=max(Stop().max_turns, len(turns)))
    system = "\n".join(text for role, text in texts if role == "system" and text)
    return Asked(scenario=Scenario(turns=turns, stop=stop), system=system or None)
