"""Simulated users: a model with a goal talks to the chatbot."""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from lm_eval_so.core.asking.answer.json_answer import Ask, Unusable, ask_for_json
from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.records.chat import ChatRequest, Message
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.run import ErrorInfo, SimulatorUse, Turn
from lm_eval_so.core.records.sample import SimulatedUser, Stop
from lm_eval_so.core.words import say
from lm_eval_so.errors import ErrorKind
from lm_eval_so.runner.conversation.transcript import Ended, sum_costs, sum_usage
from lm_eval_so.runner.conversation.user_prompt import (
    SCHEMA,
    Move,
    read_move,
    repair_prompt,
    user_prompt,
)
from lm_eval_so.runner.plan.jobs import Job

CODE = "simulator"
"""Stop reason and error code of rows that the simulated user spoiled."""


class Simulator:
    """Plays the users of all conversations.

    Args:
        ask: Asks the model that plays.
        params: Parameters of that model.
        template: Language of its instructions.
    """

    def __init__(self, ask: Ask, *, params: Mapping[str, JsonValue], template: Language) -> None:
        self.ask = ask
        self.params = params
        self.template = template

    def user(self, job: Job, user: SimulatedUser, stop: Stop) -> "PlayedUser":
        """Return the user of one conversation."""
        return PlayedUser(self, job, user, stop)


class PlayedUser:
    """One simulated user, in one conversation.

    Args:
        simulator: The model that plays it.
        job: The row.
        user: The user to play.
        stop: Rules of giving up.
    """

    def __init__(self, simulator: Simulator, job: Job, user: SimulatedUser, stop: Stop) -> None:
        self._simulator = simulator
        self._job = job
        self._user = user
        self._give_up_after = stop.give_up_after
        self._in_vain = 0
        self._answers: list[Answer] = []

    @property
    def use(self) -> SimulatorUse:
        """Tokens and cost of playing so far."""
        models = [a.response.model for a in self._answers if a.response and a.response.model]
        return SimulatorUse(
            usage=sum_usage(self._answers),
            cost_usd=sum_costs(self._answers),
            model=models[-1] if models else None,
        )

    async def next(self, turns: Sequence[Turn]) -> str | Ended:
        """Return the next message of the user, or the reason why there is none.

        Raises:
            LMEvalError: If asking the simulating model further makes no sense.
        """
        if not turns and self._user.opening is not None:
            return self._user.opening
        template = self._simulator.template
        found, answers = await ask_for_json(
            self._simulator.ask,
            self._request(turns),
            read=lambda output: read_move(output, is_first=not turns),
            repair=lambda why: repair_prompt(template, why),
        )
        self._answers += answers
        if not isinstance(found, Move):
            return _spoiled(found)
        if found.ended is not None:
            return Ended(reason=found.ended)
        self._in_vain = 0 if found.has_progress or not turns else self._in_vain + 1
        if self._in_vain >= self._give_up_after:
            return Ended(reason="gave_up")
        return found.message

    def _request(self, turns: Sequence[Turn]) -> ChatRequest:
        asked = self._job.request
        prompt = user_prompt(
            self._simulator.template,
            self._user,
            turns,
            marker_seed=f"{asked.sample_id}:{asked.repeat}",
        )
        return ChatRequest(
            messages=(Message(role="user", content=prompt),),
            params=self._simulator.params,
            response_format=SCHEMA,
            session=f"{asked.session}-user",
            sample_id=asked.sample_id,
            repeat=asked.repeat,
            turn=len(self._answers),
        )


def _spoiled(found: Unusable | Answer) -> Ended:
    """Return the end of a row whose user could not be played; the chatbot is not to blame."""
    if isinstance(found, Unusable):
        why = say(f"simulator.{found.code}", Language.EN, found.figures)
        error = ErrorInfo(
            kind=ErrorKind.BAD_RESPONSE,
            code=CODE,
            message=f"the simulated user gave no usable message twice: {why}",
            hint="a stronger model for run.simulator may keep to the format",
        )
        return Ended(reason=CODE, error=error)
    told = found.error
    message = f"the simulated user gave no answer: {told.message if told else found.status.value}"
    kind = told.kind if told else ErrorKind.BAD_RESPONSE
    hint = told.hint if told else None
    return Ended(reason=CODE, error=ErrorInfo(kind=kind, code=CODE, message=message, hint=hint))
