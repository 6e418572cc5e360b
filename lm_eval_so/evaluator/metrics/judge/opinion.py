"""What each judge of a metric came to by itself, and the score that follows from all."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pydantic import JsonValue

from lm_eval_so.core.asking.answer.json_answer import Unusable
from lm_eval_so.core.hashing import digest_text
from lm_eval_so.core.records.chat import ChatRequest, Message
from lm_eval_so.core.records.costs import add_costs, add_usage
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import JudgeVote, Score
from lm_eval_so.core.text.profiles import basic
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.env import Judge, MetricEnv
from lm_eval_so.evaluator.metrics.judge.panel import Reply, ask_panel, require_judges
from lm_eval_so.evaluator.metrics.judge.prompt import template_digest
from lm_eval_so.evaluator.metrics.judge.rubric import steering_flags

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What one judge came to, whatever it was asked on the way."""

    vote: JudgeVote
    details: Mapping[str, JsonValue] = field(default_factory=dict)
    vacuous: bool = False


async def gather_opinions(
    metric: Metric, ask: Callable[[Judge], Awaitable[Opinion]]
) -> tuple[Opinion, ...]:
    """Let every judge of a metric do the whole of it for itself, all at once.

    Raises:
        ConfigError: If the metric has no judge.
    """
    require_judges(metric)
    return tuple(await asyncio.gather(*map(ask, metric.env.judges)))


async def ask_one(
    env: MetricEnv, judge: Judge, request: ChatRequest, read: Callable[[str], T | Unusable]
) -> Reply[T]:
    """Ask one judge of a metric, once more if its output cannot be used."""
    (reply,) = await ask_panel(replace(env, judges=(judge,)), request, read)
    return reply


def make_request(
    prompt: str,
    schema: Mapping[str, JsonValue],
    *,
    session: str,
    sample_id: str,
    repeat: int = 0,
) -> ChatRequest:
    """Return a request to a judge that consists of one message.

    Args:
        prompt: The message.
        schema: JSON Schema of the output.
        session: Names the conversation; each request of a row has one of its own.
        sample_id: Id of the sample.
        repeat: Which answer to the sample is judged.
    """
    return ChatRequest(
        messages=(Message(role="user", content=prompt),),
        response_format=schema,
        session=session,
        sample_id=sample_id,
        repeat=repeat,
    )


def vote_of(
    replies: Sequence[Reply[Any]],
    *,
    value: float | None = None,
    label: str | None = None,
    code: str | None = None,
    reason: str | None = None,
    evidence: Sequence[str] = (),
) -> JudgeVote:
    """Return what a judge said in several requests as one vote.

    Args:
        replies: Its replies, at least one; the first that holds nothing usable decides that the
            vote has no value.
        value: The value.
        label: The label.
        code: Why there is no value, if every reply was usable.
        reason: One line for people.
        evidence: Quotes that the value rests on.
    """
    votes = [reply.vote() for reply in replies]
    lost = next((vote for vote in votes if vote.code), None)
    return JudgeVote(
        label=None if lost else label,
        value=None if lost else value,
        code=lost.code if lost else code,
        reason=lost.reason if lost else reason,
        evidence=() if lost else tuple(evidence),
        model=votes[-1].model,
        calls=sum(vote.calls for vote in votes),
        repaired=any(vote.repaired for vote in votes),
        usage=add_usage(vote.usage for vote in votes),
        cost_usd=add_costs(vote.cost_usd for vote in votes),
    )


def settle(
    metric: Metric,
    sample: TestSample,
    opinions: Sequence[Opinion],
    *,
    answer: str = "",
    details: Mapping[str, JsonValue] | None = None,
) -> Score:
    """Make the score that follows from the opinions of all judges.

    Args:
        metric: The metric.
        sample: The sample.
        opinions: One a judge, in their order; the details are those of the one that decides.
        answer: The answer, if that is what was judged.
        details: Facts that are the same for all judges.
    """
    votes = [opinion.vote for opinion in opinions]
    decision = decide_value(votes, metric.env.quorum)
    chosen = opinions[decision.at] if decision.at is not None else None
    facts = {
        **(details or {}),
        **(chosen.details if chosen else {}),
        **steering_flags(answer),
    }
    if chosen is None or chosen.vote.value is None:
        code = decision.code or "judge_invalid"
        score = metric.unscored(sample, code, decision.reason, facts, votes=votes)
    else:
        score = metric.make_score(
            sample,
            value=chosen.vote.value,
            label=chosen.vote.label,
            reason=chosen.vote.reason,
            details=facts,
            vacuous=chosen.vacuous,
            votes=votes,
        )
    # its latency stays out: the same answers give the same report
    return replace(score, cost_usd=add_costs(vote.cost_usd for vote in votes))


def is_blank(text: str) -> bool:
    """Return whether a text has nothing that could be judged."""
    return not basic(text)


def judged_definition(
    given: Mapping[str, JsonValue], env: MetricEnv, *templates: str
) -> dict[str, JsonValue]:
    """Add to a metric's definition the digest of what its judges are told."""
    sha256 = template_digest(env.template, *templates)
    return {**given, "template": {"language": env.template.value, "sha256": sha256}}


def with_rubric(given: Mapping[str, JsonValue], rubric: str) -> dict[str, JsonValue]:
    """Put the digest of a rubric's text into a definition; its file's name does not matter."""
    params = given["params"]
    assert isinstance(params, dict)  # noqa: S101 - as every metric gives it
    return {**given, "params": {**params, "rubric": digest_text(rubric) if rubric else None}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a panel decides."""

    at: int | None = None
    """Place of the vote that the decision rests on; None if there is none."""
    code: str | None = None
    """Why there is no value."""
    reason: str | None = None


def decide_value(votes: Sequence[JudgeVote], quorum: int | None) -> Decision:
    """Find the vote whose value is the median of all usable ones; of two in the middle the worse.

    Args:
        votes: One a judge; usable are those with a value.
        quorum: Usable votes that there must be, of no more than all; None: more than half.
    """
    usable = [at for at, vote in enumerate(votes) if vote.value is not None]
    if len(usable) < (quorum or len(votes) // 2 + 1):
        first = next(vote for vote in votes if vote.value is None)
        if len(votes) == 1:
            return Decision(at=0, code=first.code or "judge_invalid", reason=first.reason)
        why = f"{first.code}: {first.reason}" if first.reason else first.code
        return Decision(code="judge_quorum", reason=why)
    ordered = sorted(usable, key=lambda at: (votes[at].value or 0.0, at))
    return Decision(at=ordered[(len(ordered) - 1) // 2])
