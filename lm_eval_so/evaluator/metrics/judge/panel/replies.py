"""Judges asked for JSON, what they reply, and the votes and decisions that follow."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from textwrap import shorten
from typing import Any, Generic, TypeVar

from lm_eval_so.core.asking.answer.json_answer import (
    Unusable,
    ask_for_json,
    without_thoughts,
)
from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.costs import add_costs, add_usage
from lm_eval_so.core.records.enums import Language, RunStatus
from lm_eval_so.core.records.score import JudgeVote
from lm_eval_so.core.text.behaviors import is_refusal
from lm_eval_so.core.words import Wording, in_each, joined, told_in
from lm_eval_so.core.words.phrases import problem_in_each
from lm_eval_so.errors import BudgetSpent, ErrorKind
from lm_eval_so.evaluator.metrics.env import Judge
from lm_eval_so.evaluator.metrics.judge.panel.prompt import problem_text, repair_prompt

T = TypeVar("T")
Read = Callable[[str], T | Unusable]
"""Function that reads an output."""

_WITHOUT_JSON = frozenset({"no_json", "no_object"})
"""Codes of an output without JSON, which may say why there is none."""
LONGEST_WORD = 100
"""Letters that are shown of a word that is none of those offered."""
_LONGEST = 2_000
"""Letters that are kept of a reason or a quote: nobody reads more, and reports are committed."""
_LONGEST_REFUSAL = 300
_WILL_NOT_JUDGE = re.compile(
    r"(?:평가|채점|심사|판정)(?:를|을)? ?(?:해 ?)?(?:드릴|드리기|할|하기)(?:는|가)? ?(?:수(?:가|는)? ?없|어렵|곤란)"
    r"|\b(?:can't|cannot|can not|won't|will not|(?:not |un)able to) (?:\w+ ){0,2}?(?:assess|(?:evaluat|grad|judg|rat|scor)e)\b",
    re.IGNORECASE,
)
"""Words of a judge that refuses, which are none of a chatbot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply(Generic[T]):
    """Reply of one judge to one request."""

    found: T | None
    """Content of the output; None if the output cannot be used."""
    code: str | None = None
    """Reason code without content: judge_invalid, judge_refused, judge_error or judge_budget."""
    why: str | None = None
    """The same for people."""
    why_in: Wording = field(default_factory=dict)
    """The same in every language, by its code."""
    answers: tuple[Answer, ...] = ()
    """All outputs: one, or two if the judge had to repair the first."""
    model: str | None = None
    """Model that answered."""


async def ask_judge(
    judge: Judge, request: ChatRequest, read: Read[T], language: Language
) -> Reply[T]:
    """Ask one judge, once more if its output cannot be used.

    Args:
        judge: Judge; its parameters go over the request's.
        request: Request; its `response_format` is shown where an output must be repaired.
        read: Function that reads an output.
        language: Language of the instructions.
    """

    def repair(why: Unusable) -> str:
        problem = problem_text(language, why)
        return repair_prompt(language, problem=problem, schema=request.response_format or {})

    asked = replace(request, params={**request.params, **judge.params})
    try:
        found, answers = await ask_for_json(judge.ask, asked, read=read, repair=repair)
    except BudgetSpent as error:  # costs this vote, not those that are paid for
        lost: Reply[T] = Reply(found=None, code="judge_budget", model=judge.model)
        return replace(lost, why=str(error), why_in=problem_in_each(str(error)))
    models = [a.response.model for a in answers if a.response and a.response.model]
    reply: Reply[T] = Reply(
        found=None, answers=answers, model=models[-1] if models else judge.model
    )
    if isinstance(found, Unusable):
        said = answers[-1].response.text if answers[-1].response else ""
        told = without_thoughts(said)
        if found.code in _WITHOUT_JSON and _refuses(told):
            why = shorten(told, _LONGEST_REFUSAL, placeholder=" …")
            return replace(reply, code="judge_refused", why=why)
        why_in = in_each(lambda each: problem_text(each, found))
        why = told_in(why_in, language)
        return replace(reply, code="judge_invalid", why=why, why_in=why_in)
    if isinstance(found, Answer):
        lost = replace(reply, code=_failure_code(found))
        if found.error is None:
            return lost
        message = found.error.message
        return replace(lost, why=message, why_in=problem_in_each(message))
    return replace(reply, found=found)


def _refuses(said: str) -> bool:
    return is_refusal(said) or _WILL_NOT_JUDGE.search(said[:_LONGEST_REFUSAL]) is not None


def _failure_code(answer: Answer) -> str:
    """Return the reason code of an answer without any text to read."""
    if answer.status in {RunStatus.REFUSED, RunStatus.FILTERED}:
        return "judge_refused"
    is_budget = answer.error is not None and answer.error.kind is ErrorKind.BUDGET
    return "judge_budget" if is_budget else "judge_error"


def vote_of(replies: Sequence[Reply[Any]], given: JudgeVote | None = None) -> JudgeVote:
    """Return the vote of one judge over all requests that it was asked.

    Args:
        replies: Replies of the judge, at least one. The first without content decides that the
            vote has no value.
        given: Value, label, reason and the like, if every reply has content.
    """
    lost = next((reply for reply in replies if reply.found is None), None)
    vote = (
        JudgeVote(label=None, code=lost.code, reason=lost.why, reason_in=lost.why_in)
        if lost
        else given
    )
    answers = [answer for reply in replies for answer in reply.answers]
    vote = vote or JudgeVote(label=None)
    return replace(
        vote,
        evidence=tuple(map(in_brief, vote.evidence)),
        model=replies[-1].model,
        calls=len(answers),
        repaired=any(reply.found is not None and len(reply.answers) > 1 for reply in replies),
        usage=add_usage(answer.usage for answer in answers),
        cost_usd=add_costs(answer.cost_usd for answer in answers),
    )


def in_brief(text: str, most: int = _LONGEST) -> str:
    """Return the beginning of what a judge said."""
    return text if len(text) <= most else f"{text[:most].rstrip()} …"


def cost_of(votes: Iterable[JudgeVote]) -> float | None:
    """Return the cost of all votes in US dollars; None if none is known."""
    return add_costs(vote.cost_usd for vote in votes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Decision of a panel."""

    at: int | None = None
    """Index of the vote that decides; None if there is none."""
    code: str | None = None
    """Reason code without a value."""
    reason: str | Wording | None = None


def decide_value(votes: Sequence[JudgeVote], quorum: int | None) -> Decision:
    """Return the median of all usable votes; of two in the middle, the worse.

    Args:
        votes: One vote per judge; a vote with a value is usable.
        quorum: Least number of usable votes, capped at the number of judges; None: more than half.
    """
    usable = [at for at, vote in enumerate(votes) if vote.value is not None]
    if len(usable) < (quorum or len(votes) // 2 + 1):
        first = next(vote for vote in votes if vote.value is None)
        if len(votes) == 1:
            return Decision(
                at=0, code=first.code or "judge_invalid", reason=first.reason_in or first.reason
            )
        told = first.reason_in or first.reason
        why = joined(": ", (first.code or "", told)) if told else first.code
        return Decision(code="judge_quorum", reason=why)
    ordered = sorted(usable, key=lambda at: (votes[at].value or 0.0, at))
    return Decision(at=ordered[(len(ordered) - 1) // 2])
