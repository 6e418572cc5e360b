"""`conversation`: a model grades a whole conversation."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from lm_eval_so.core.records.chat import ToolCall
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.words import say, say_in_each
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.judge.llm_judge import LLMJudge
from lm_eval_so.evaluator.metrics.judge.panel import (
    LabelValues,
    called_tools,
    is_blank,
    shown_beside,
    shown_tools,
)
from lm_eval_so.evaluator.sample_text import exchanges, shown_input

__all__ = ["Conversation"]


class Conversation(LLMJudge):
    """Grade of a whole conversation by a model.

    Definition: the value of the label that the judge chooses, as in `llm_judge`, over all turns,
        numbered. `aspect` selects what it looks for: whether the user reached the `goal`,
        `retention` of what was said earlier, whether the `role` is kept, `coherence`, or the
        `rubric` alone (`custom`); with another aspect the rubric adds to it. For `goal` it sees
        the simulated user's goal, for `role` the sample's system prompt.
    Range: 0 … 1; 0 or 1 if there are two labels with these values.
    Direction: higher is better.
    Unscored when: a turn has no answer (`run_error`), or as in `llm_judge`. A chatbot that said
        nothing has the lowest label without a call. Not applicable without a scenario, or where
        `custom` has no rubric.
    Language notes: `judge.template: ko` gives instructions and aspects in Korean.
    Source: own rubrics; the protocol of `llm_judge`.
    """

    templates: tuple[str, ...] = ("conversation",)
    requires = frozenset({"judge", "scenario"})

    class Params(LLMJudge.Params):
        """Aspect that the judge looks for, and the values of its labels."""

        aspect: Literal["goal", "retention", "role", "coherence", "custom"] = "goal"
        labels: LabelValues = Field(default={"good": 1.0, "partial": 0.5, "bad": 0.0})

    def applies(self, sample: TestSample) -> bool:
        """Return whether there is an aspect or a rubric to look for."""
        return bool(self.guide(sample))

    def guide(self, sample: TestSample) -> str:
        """Return the aspect, and the rubric if there is one."""
        aspect, rubric = self.params_for(sample).aspect, self.rubric_for(sample)
        if aspect == "custom":
            return rubric
        text = say(f"judge.aspect_{aspect}", self.env.template)
        return f"{text}\n\n{rubric}" if rubric else text

    def decided(self, sample: TestSample, run: RunResult) -> Score | None:
        """Return no score after a failed turn, and the lowest label of a silent chatbot."""
        if (failed := failed_turn(self, sample, run)) is not None:
            return failed
        is_silent = all(map(is_blank, bot_texts(run))) and not any(True for _ in bot_calls(run))
        return self.lowest(sample) if is_silent else None

    def material(self, sample: TestSample, run: RunResult) -> dict[str, str]:
        """Return the turns, and the texts that the aspect needs."""
        params = self.params_for(sample)
        user = sample.scenario.simulated_user if sample.scenario else None
        beside = shown_beside(sample, params.show, run)
        if params.aspect == "goal" and user is not None:
            beside["GOAL"] = user.goal
        if params.aspect == "role" and sample.system:
            beside["INSTRUCTIONS"] = sample.system
        return {**beside, **shown_dialogue(sample, run)}


def shown_dialogue(sample: TestSample, run: RunResult) -> dict[str, str]:
    """Return the turns of a conversation by the words in their markers, numbered.

    Each turn has markers of its own, so that no text can pose as a turn. A row that does not tell
    its turns shows what the user was to say, and the answer. Calls of tools stand below their turn.
    """
    if not run.turns:
        answer = {"USER": shown_input(sample), "ASSISTANT": run.text}
        return {**answer, **called_tools(sample, run)}
    said = exchanges(sample, run)
    if len(said) != len(run.turns):
        said = [()] * len(run.turns)
    material = {}
    for number, turn in enumerate(run.turns, start=1):
        material[f"USER {number}"] = turn.user
        material[f"ASSISTANT {number}"] = turn.text
        material |= shown_tools(turn.tool_calls, said[number - 1], number)
    return material


def bot_texts(run: RunResult) -> tuple[str, ...]:
    """Return the chatbot's texts, turn by turn."""
    return tuple(turn.text for turn in run.turns) if run.turns else (run.text,)


def bot_calls(run: RunResult) -> Iterator[ToolCall]:
    """Yield the tools that the chatbot called, in their order."""
    for turn in run.turns:
        yield from turn.tool_calls
    if not run.turns and run.response is not None:
        yield from run.response.tool_calls


def failed_turn(metric: Metric, sample: TestSample, run: RunResult) -> Score | None:
    """Return why a conversation with a turn without an answer has no score; None if all have one."""
    turns = enumerate(run.turns, start=1)
    failed = next(((number, turn) for number, turn in turns if not turn.status.is_answer), None)
    if failed is None:
        return None
    figures = {"n": failed[0], "status": failed[1].status.value}
    why = say_in_each("metrics.turn_failed", figures)
    return metric.unscored(sample, "run_error", why)
