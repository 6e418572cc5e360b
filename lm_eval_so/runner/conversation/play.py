"""One row played: a single request, scripted turns or a simulated user, with tools."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from lm_eval_so.core.asking.answer.json_answer import Ask
from lm_eval_so.core.asking.asker import Answer, Clock
from lm_eval_so.core.records.chat import Message
from lm_eval_so.core.records.run import SimulatorUse, Turn
from lm_eval_so.core.records.sample import Scenario, Stop, UserTurn
from lm_eval_so.core.text import nfc
from lm_eval_so.core.text.edits import is_nearly
from lm_eval_so.runner.conversation.simulated_user import Simulator
from lm_eval_so.runner.conversation.transcript import Conversation, Ended
from lm_eval_so.runner.plan.jobs import Job

LOOP_SIMILARITY = 0.95
"""Edit similarity of two answers in a row from which on the chatbot counts as going round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """Parties of a conversation, and its limits."""

    ask: Ask
    """Asks the chatbot."""
    simulator: Simulator | None = None
    """Simulated users, if the dataset needs them."""
    max_tool_rounds: int = 5
    row_deadline_s: float = float("inf")
    """Seconds that the requests of a turn may take."""
    clock: Clock = time.monotonic


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """Result of a row."""

    answer: Answer
    """The last answer, with the sums over all."""
    messages: tuple[Message, ...] = ()
    """The transcript; empty after a single request."""
    turns: tuple[Turn, ...] = ()
    stop_reason: str | None = None
    simulator: SimulatorUse | None = None


class User(Protocol):
    """User of a conversation, scripted or simulated."""

    async def next(self, turns: Sequence[Turn]) -> str | Ended:
        """Return the next message of the user, or the reason why there is none."""
        ...


class ScriptedUser:
    """User with written turns; a turn that does not fit the last answer is skipped.

    Args:
        turns: The written turns.
    """

    def __init__(self, turns: Sequence[UserTurn]) -> None:
        self._left = iter(turns)

    async def next(self, turns: Sequence[Turn]) -> str | Ended:
        """Return the next turn that fits."""
        last = turns[-1].text if turns else ""
        fitting = (t.user for t in self._left if t.when is None or _matches(t.when, last))
        return next(fitting, None) or Ended(reason="script_end")


async def play(job: Job, parties: Parties) -> Played:
    """Play a row until its conversation ends.

    Raises:
        LMEvalError: An error that must end the run; a conversation that it cuts off is no row.
    """
    sample = job.sample
    if sample.scenario is None and not sample.tool_results:
        return Played(answer=await parties.ask(job.request))
    began = parties.clock()
    if sample.scenario is None:
        played = await _play_tools(job, parties)
    else:
        played = await _play_scenario(job, sample.scenario, parties)
    total_ms = round((parties.clock() - began) * 1000, 1)
    return replace(played, answer=replace(played.answer, total_ms=total_ms))


async def _play_tools(job: Job, parties: Parties) -> Played:
    conversation = _open(job, parties, turns=1)
    answer = conversation.answer(await conversation.reply(job.sample.question))
    is_played = len(conversation.answers) > 1 and answer.response is not None
    return Played(answer=answer, messages=tuple(conversation.messages) if is_played else ())


async def _play_scenario(job: Job, scenario: Scenario, parties: Parties) -> Played:
    user: User = ScriptedUser(scenario.turns)
    simulated = None
    if scenario.simulated_user is not None and parties.simulator is not None:
        user = simulated = parties.simulator.user(job, scenario.simulated_user, scenario.stop)
    turns = len(scenario.turns) or scenario.stop.max_turns
    conversation = _open(job, parties, turns=min(turns, scenario.stop.max_turns))
    ended = await _converse(conversation, user, scenario.stop)
    answer = conversation.answer(ended)
    return Played(
        answer=answer,
        messages=tuple(conversation.messages) if answer.response else (),
        turns=tuple(conversation.turns),
        stop_reason=ended.reason,
        simulator=simulated.use if simulated else None,
    )


async def _converse(conversation: Conversation, user: User, stop: Stop) -> Ended:
    """Play turn after turn until the first rule that ends the conversation."""
    said = await user.next(())
    while not isinstance(said, Ended):
        ended = await conversation.say(said)
        if ended is not None:
            return ended
        if stop.on_match is not None and _matches(stop.on_match, conversation.turns[-1].text):
            return Ended(reason="on_match")
        said = await user.next(conversation.turns)
        if isinstance(said, Ended) and said.reason != "script_end":
            return said
        if _goes_round(conversation.turns):
            return Ended(reason="loop")
        if len(conversation.turns) >= stop.max_turns:
            return Ended(reason="max_turns")
    return said


def _open(job: Job, parties: Parties, *, turns: int) -> Conversation:
    return Conversation(
        job,
        parties.ask,
        max_tool_rounds=parties.max_tool_rounds,
        deadline_s=parties.row_deadline_s * turns,
    )


def _goes_round(turns: Sequence[Turn]) -> bool:
    texts = [turn.text for turn in turns[-2:]]
    return len(texts) == 2 and is_nearly(*texts, similarity=LOOP_SIMILARITY)


def _matches(pattern: str, text: str) -> bool:
    return re.search(nfc(pattern), nfc(text)) is not None
