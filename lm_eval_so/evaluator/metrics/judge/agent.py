"""`agent`: a model grades what a chatbot did with its tools."""

import json
from typing import Literal

from pydantic import Field

from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.words import say, say_in_each
from lm_eval_so.evaluator.metrics.judge.conversation import (
    bot_calls,
    bot_texts,
    failed_turn,
    shown_dialogue,
)
from lm_eval_so.evaluator.metrics.judge.llm_judge import LLMJudge
from lm_eval_so.evaluator.metrics.judge.panel import (
    LabelValues,
    is_blank,
    shown_beside,
    shown_material,
)
from lm_eval_so.evaluator.sample_text import shown_instructions

__all__ = ["Agent"]


class Agent(LLMJudge):
    """Grade, by a model, of what a chatbot did with its tools.

    Definition: the value of the label that the judge chooses, as in `llm_judge`. It sees the
        answer, or all turns of a scenario, with the tools that were called, their arguments and
        results, the tools that sample or config offer, and their system prompt. `aspect` selects what it
        looks for: whether the task was `completed`, whether the `arguments` of the calls are right,
        or whether all `steps` were needed; the `rubric` adds to it. Without a call there is nothing
        to be wrong with arguments and steps: the best label, vacuous, without asking the judge.
    Range: 0 … 1; 0 or 1 if there are two labels with these values.
    Direction: higher is better.
    Unscored when: a turn of a scenario has no answer (`run_error`), or as in `llm_judge`. Of
        `completed`, a chatbot that said and called nothing has the lowest label without a call.
    Language notes: `judge.template: ko` gives instructions and aspects in Korean.
    Source: own rubrics; what is looked for as in Yao et al. (2025), τ-bench, ICLR, and Liu et al.
        (2024), AgentBench, ICLR; the protocol of `llm_judge`.
    """

    version = 2
    templates: tuple[str, ...] = ("agent",)
    requires = frozenset({"judge"})

    class Params(LLMJudge.Params):
        """Aspect that the judge looks for, and the values of its labels."""

        aspect: Literal["completed", "arguments", "steps"] = "completed"
        labels: LabelValues = Field(default={"good": 1.0, "partial": 0.5, "bad": 0.0})

    def guide(self, sample: TestSample) -> str:
        """Return the aspect, and the rubric if there is one."""
        text = say(f"judge.aspect_{self.params_for(sample).aspect}", self.env.template)
        rubric = self.rubric_for(sample)
        return f"{text}\n\n{rubric}" if rubric else text

    def decided(self, sample: TestSample, run: RunResult) -> Score | None:
        """Return no score after a failed turn, and the score where nothing was called or said."""
        if (failed := failed_turn(self, sample, run)) is not None:
            return failed
        if any(True for _ in bot_calls(run)):
            return None
        if self.params_for(sample).aspect != "completed":
            label = max(self.params.labels, key=lambda each: self.params.labels[each])
            value, why = self.params.labels[label], say_in_each("metrics.no_calls")
            return self.make_score(sample, value=value, label=label, reason=why, vacuous=True)
        return self.lowest(sample) if all(map(is_blank, bot_texts(run))) else None

    def material(self, sample: TestSample, run: RunResult) -> dict[str, str]:
        """Return what was asked, said and called, and the tools that there were."""
        show, sample = self.params_for(sample).show, self.env.as_asked(sample)
        tools = {"TOOLS": _offered(sample)} if sample.tools else {}
        if sample.scenario is None:
            return {**tools, **shown_material(sample, run, show, ANSWER=run.text)}
        instructions = shown_instructions(sample)
        return {
            **tools,
            **({"INSTRUCTIONS": instructions} if instructions else {}),
            **shown_dialogue(sample, run),
            **shown_beside(sample, show, run),
        }


def _offered(sample: TestSample) -> str:
    """Return the tools of a sample, one a line: name, description and form of the arguments."""
    tools = (tool.get("function", tool) for tool in sample.tools or ())
    return "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
