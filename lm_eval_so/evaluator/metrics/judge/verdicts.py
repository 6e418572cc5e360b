"""From the verdicts of judges, each a label, to a score."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from pydantic import JsonValue

from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.costs import add_costs
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import JudgeVote, Score
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.judge.labels import Labels
from lm_eval_so.evaluator.metrics.judge.opinion import is_blank
from lm_eval_so.evaluator.metrics.judge.panel import ask_panel, require_judges
from lm_eval_so.evaluator.metrics.judge.verdict import read_verdict
from lm_eval_so.evaluator.transcript import shown_context, shown_input


async def ask_labels(metric: Metric, labels: Labels, request: ChatRequest) -> list[JudgeVote]:
    """Ask every judge of a metric for a label; give their votes, in their order.

    Raises:
        ConfigError: If the metric has no judge.
    """
    require_judges(metric)
    known = labels.by_key()
    replies = await ask_panel(metric.env, request, lambda output: read_verdict(output, known))
    return [labels.vote(reply) for reply in replies]


def label_score(
    metric: Metric,
    sample: TestSample,
    labels: Labels,
    votes: Sequence[JudgeVote],
    *,
    code: str | None = None,
    details: Mapping[str, JsonValue] | None = None,
) -> Score:
    """Make the score that follows from the votes of all judges.

    Args:
        metric: The metric.
        sample: The sample.
        labels: What they chose from.
        votes: One a judge, at least one.
        code: Reason code of a value.
        details: Facts, as JSON.
    """
    decision = labels.decide(votes, metric.env.quorum, metric.env.language)
    if decision.code is not None or decision.at is None:
        score = metric.unscored(
            sample, decision.code or "judge_invalid", decision.reason, details, votes=votes
        )
    else:
        chosen = votes[decision.at]
        score = metric.make_score(
            sample,
            value=chosen.value,
            label=chosen.label,
            reason=chosen.reason,
            code=code,
            details=details,
            votes=votes,
        )
    # its latency stays out: the same answers give the same report
    return replace(score, cost_usd=add_costs(vote.cost_usd for vote in votes))


def empty_score(metric: Metric, sample: TestSample, labels: Labels) -> Score:
    """Return an answer that says nothing the lowest label, which takes no judge."""
    lowest = labels.lowest
    value = labels.values[lowest]
    return metric.make_score(sample, value=value, label=lowest, code="empty_answer")


def is_empty(run: RunResult) -> bool:
    """Return whether there is nothing to judge: no text, and no call of a tool."""
    has_calls = run.response is not None and bool(run.response.tool_calls)
    return run.status is RunStatus.EMPTY or (is_blank(run.text) and not has_calls)


def shown_material(
    sample: TestSample, run: RunResult, show: Collection[str], **answers: str
) -> dict[str, str]:
    """Return what a judge may see of a row, by the word in its markers.

    Args:
        sample: The sample.
        run: The answer.
        show: What it may see of the sample beside the input: expected, context.
        answers: The answers.
    """
    return {"INPUT": shown_input(sample, run), **answers, **shown_beside(sample, show)}


def shown_beside(sample: TestSample, show: Collection[str]) -> dict[str, str]:
    """Return what a judge may see of a sample beside the input; as `shown_material`."""
    material = {}
    if "expected" in show and sample.answers:
        material["REFERENCE"] = "\n".join(sample.answers)
    if "context" in show and (context := shown_context(sample)):
        material["CONTEXT"] = context
    return material
