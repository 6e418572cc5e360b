"""One job, one conversation: a single request, scripted turns or a simulated user; with tools."""

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
from lm_eval_so.runner.conversation.transcript import Ended, Talk
from lm_eval_so.runner.plan.jobs import Job

LOOP_SIMILARITY = 0.95
"""Edit similarity of two answers in a row from which on the chatbot counts as going round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who takes part, and how long."""

    ask: Ask
    """Asks the chatbot."""
    simulator: Simulator | None = None
    """Plays users, where the dataset has such."""
    max_tool_rounds: int = 5
    row_deadline_s: float = float("inf")
    """Seconds that the requests of a turn may take."""
    clock: Clock = time.monotonic


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What a row came to."""

    answer: Answer
    """The last answer, with the sums over all."""
    messages: tuple[Message, ...] = ()
    """The transcript, where there was more than one request."""
    turns: tuple[Turn, ...] = ()
    stop_reason: str | None = None
    simulator: SimulatorUse | None = None


class User(Protocol):
    """Whoever talks to the chatbot."""

    async def next(self, turns: Sequence[Turn]) -> str | Ended:
        """Return what is said after these turns, or why nothing more is."""
        ...


class ScriptedUser:
    """Says what is written; skips what does not fit the last answer.

    Args:
        turns: What is written.
    """

    def __init__(self, turns: Sequence[UserTurn]) -> None:
        self._left = iter(turns)

    async def next(self, turns: Sequence[Turn]) -> str | Ended:
        """Return the next turn that fits."""
        last = turns[-1].text if turns else ""
        fitting = (t.user for t in self._left if t.when is None or _matches(t.when, last))
        return next(fitting, None) or Ended(reason="script_end")


async def play(job: Job, cast: Cast) -> Played:
    """Ask what a job asks, and go on for as long as its conversation does.

    Raises:
        LMEvalError: What must end the run; a conversation that it cuts off is no row.
    """
    sample = job.sample
    if sample.scenario is None and not sample.tool_results:
        return Played(answer=await cast.ask(job.request))
    began = cast.clock()
    if sample.scenario is None:
        played = await _play_tools(job, cast)
    else:
        played = await _play_scenario(job, sample.scenario, cast)
    total_ms = round((cast.clock() - began) * 1000, 1)
    return replace(played, answer=replace(played.answer, total_ms=total_ms))


async def _play_tools(job: Job, cast: Cast) -> Played:
    talk = _talk(job, cast, turns=1)
    answer = talk.answer(await talk.reply(job.sample.question))
    is_played = len(talk.answers) > 1 and answer.response is not None
    return Played(answer=answer, messages=tuple(talk.messages) if is_played else ())


async def _play_scenario(job: Job, scenario: Scenario, cast: Cast) -> Played:
    user: User = ScriptedUser(scenario.turns)
    simulated = None
    if scenario.simulated_user is not None and cast.simulator is not None:
        user = simulated = cast.simulator.user(job, scenario.simulated_user, scenario.stop)
    turns = len(scenario.turns) or scenario.stop.max_turns
    talk = _talk(job, cast, turns=min(turns, scenario.stop.max_turns))
    ended = await _converse(talk, user, scenario.stop)
    answer = talk.answer(ended)
    return Played(
        answer=answer,
        messages=tuple(talk.messages) if answer.response else (),
        turns=tuple(talk.turns),
        stop_reason=ended.reason,
        simulator=simulated.use if simulated else None,
    )


async def _converse(talk: Talk, user: User, stop: Stop) -> Ended:
    """Let both speak in turn until the first rule that ends it."""
    said = await user.next(())
    while not isinstance(said, Ended):
        ended = await talk.say(said)
        if ended is not None:
            return ended
        if stop.on_match is not None and _matches(stop.on_match, talk.turns[-1].text):
            return Ended(reason="on_match")
        said = await user.next(talk.turns)
        if isinstance(said, Ended) and said.reason != "script_end":
            return said
        if _goes_round(talk.turns):
            return Ended(reason="loop")
        if len(talk.turns) >= stop.max_turns:
            return Ended(reason="max_turns")
    return said


def _talk(job: Job, cast: Cast, *, turns: int) -> Talk:
    return Talk(
        job,
        cast.ask,
        max_tool_rounds=cast.max_tool_rounds,
        deadline_s=cast.row_deadline_s * turns,
    )


def _goes_round(turns: Sequence[Turn]) -> bool:
    texts = [turn.text for turn in turns[-2:]]
    return len(texts) == 2 and is_nearly(*texts, similarity=LOOP_SIMILARITY)


def _matches(pattern: str, text: str) -> bool:
    return re.search(nfc(pattern), nfc(text)) is not None
