"""Asking the judges of a metric: each for itself, all at once."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from lm_eval_so.core.asking.answer.json_answer import Unusable, ask_for_json
from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.costs import add_costs, add_usage
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.score import JudgeVote
from lm_eval_so.errors import BudgetSpent, ConfigError, ErrorKind
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.env import Judge, MetricEnv
from lm_eval_so.evaluator.metrics.judge.prompt import problem_text, repair_prompt

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply(Generic[T]):
    """What one judge gave to one request."""

    found: T | None
    """What was read from its output; None if there is nothing usable."""
    code: str | None = None
    """Why there is nothing: judge_invalid, judge_refused, judge_error or judge_budget."""
    why: str | None = None
    """The same for people."""
    answers: tuple[Answer, ...] = ()
    """What it said: once, or twice if it had to repair its output."""
    model: str | None = None
    """The model that answered."""

    def vote(
        self,
        *,
        label: str | None = None,
        value: float | None = None,
        code: str | None = None,
        reason: str | None = None,
        evidence: Sequence[str] = (),
    ) -> JudgeVote:
        """Return the reply as a vote; code and reason are its own where it holds nothing usable."""
        return JudgeVote(
            label=label,
            value=value,
            code=code or self.code,
            reason=reason or self.why,
            evidence=tuple(evidence),
            model=self.model,
            calls=len(self.answers),
            repaired=self.found is not None and len(self.answers) > 1,
            usage=add_usage(answer.usage for answer in self.answers),
            cost_usd=add_costs(answer.cost_usd for answer in self.answers),
        )


async def ask_panel(
    env: MetricEnv, request: ChatRequest, read: Callable[[str], T | Unusable]
) -> tuple[Reply[T], ...]:
    """Ask every judge of a metric the same, with the repair that the templates know.

    Args:
        env: Holds the judges and the language of their instructions.
        request: What is asked; its `response_format` is what a repair shows.
        read: Reads an output.

    Returns:
        One reply per judge, in their order.
    """
    return await ask_judges(
        env,
        request,
        read=read,
        repair=lambda why: repair_prompt(
            env.template,
            problem=problem_text(env.template, why),
            schema=request.response_format or {},
        ),
        say=lambda why: problem_text(env.template, why),
    )


def require_judges(metric: Metric) -> None:
    """Refuse to score without a judge.

    Raises:
        ConfigError: If the metric has none.
    """
    if not metric.env.judges:
        raise ConfigError(f"the metric {metric.id} needs a judge", hint="give it a `backend`")


async def ask_judges(
    env: MetricEnv,
    request: ChatRequest,
    *,
    read: Callable[[str], T | Unusable],
    repair: Callable[[Unusable], str],
    say: Callable[[Unusable], str],
) -> tuple[Reply[T], ...]:
    """Ask every judge of a metric the same, each once more if its output cannot be used.

    Args:
        env: Holds the judges; a judge's parameters go over the request's.
        request: What is asked.
        read: Reads an output.
        repair: Gives what a judge is told about an output that cannot be used.
        say: Says for people why an output cannot be used.

    Returns:
        One reply per judge, in their order.
    """
    return tuple(
        await asyncio.gather(
            *(ask_judge(judge, request, read=read, repair=repair, say=say) for judge in env.judges)
        )
    )


async def ask_judge(
    judge: Judge,
    request: ChatRequest,
    *,
    read: Callable[[str], T | Unusable],
    repair: Callable[[Unusable], str],
    say: Callable[[Unusable], str],
) -> Reply[T]:
    """Ask one judge; as `ask_judges`."""
    asked = replace(request, params={**request.params, **judge.params})
    try:
        found, answers = await ask_for_json(judge.ask, asked, read=read, repair=repair)
    except BudgetSpent as error:  # costs this vote, not those that are paid for
        return Reply(found=None, code="judge_budget", why=str(error), model=judge.model)
    models = [a.response.model for a in answers if a.response and a.response.model]
    model = models[-1] if models else judge.model
    if isinstance(found, Unusable):
        why = say(found)
        return Reply(found=None, code="judge_invalid", why=why, answers=answers, model=model)
    if isinstance(found, Answer):
        told = found.error.message if found.error else None
        code = failure_code(found)
        return Reply(found=None, code=code, why=told, answers=answers, model=model)
    return Reply(found=found, answers=answers, model=model)


def failure_code(answer: Answer) -> str:
    """Return the reason code of an answer in which there is nothing to read."""
    if answer.status in {RunStatus.REFUSED, RunStatus.FILTERED}:
        return "judge_refused"
    is_budget = answer.error is not None and answer.error.kind is ErrorKind.BUDGET
    return "judge_budget" if is_budget else "judge_error"
