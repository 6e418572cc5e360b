"""`pairwise`: a model compares the answer with the baseline's."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar, Literal

from pydantic import JsonValue

from lm_eval_so.core.hashing import digest_text
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import JudgeVote, Score
from lm_eval_so.core.text.profiles import basic
from lm_eval_so.core.words import say, say_in_each
from lm_eval_so.errors import ConfigError
from lm_eval_so.evaluator.metrics.base import Level, Metric
from lm_eval_so.evaluator.metrics.env import Judge
from lm_eval_so.evaluator.metrics.judge.panel import (
    UNKNOWN,
    JudgedMetric,
    Labels,
    Opinion,
    Reply,
    Verdict,
    is_empty,
    shown_material,
    vote_of,
)

__all__ = ["Pairwise"]

_PLACES = Labels(values={"A": 1.0, "B": 0.0, "TIE": 0.5})
"""Verdicts on a pair as it is shown, and their values for the answer in place A."""
_VALUES: Mapping[str, float] = MappingProxyType({"win": 1.0, "tie": 0.5, "loss": 0.0})
_HINT = (
    "set params.baseline_run to the folder of a run, or baseline.path to a report that keeps its "
    "answers, or give each sample metrics.{id}.baseline_answer"
)


class Pairwise(JudgedMetric):
    """Win, tie or loss of the answer against the baseline's to the same sample.

    Definition: the judge compares both answers twice, each shown first once, and never learns
        which is which. The same winner both times: 1 if it is this answer, 0 if it is the
        baseline's; else 0.5. A winner that changes with the order is flagged `order_flip`. The
        baseline's answers are the sample's `baseline_answer`, those of `baseline_run`, or those
        of the baseline report; of a baseline with fewer repeats the first stands for the rest.
        Identical texts have 0.5, an empty answer 0 without a call. With a panel, the median of win, tie and loss counts.
    Range: 0 … 1; the mean is the share of wins, ties counted half.
    Direction: higher is better.
    Unscored when: one of the two orders has no verdict, with the codes of `llm_judge`. Not
        applicable where the baseline has no answer to the sample as it is now.
    Language notes: `judge.template: ko` gives the instructions in Korean; NFC and NFD, full and
        half width are the same text.
    Source: Zheng et al. (2023), Judging LLM-as-a-Judge, NeurIPS: swapped positions.
    """

    vote_level: Level = "ordinal"
    requires = frozenset({"judge", "baseline"})
    templates: tuple[str, ...] = ("pairwise",)
    labels = _VALUES
    fixed_params: ClassVar[tuple[str, ...]] = ("baseline_run",)

    class Params(Metric.Params):
        """Baseline of the answers, and the criteria."""

        rubric: str | None = None
        """Criteria of the better answer; default: right, complete, and nothing wrong."""
        show: tuple[Literal["expected", "context"], ...] = ()
        baseline_run: str | None = None
        """Folder of the run whose answers are the baseline's."""
        baseline_answer: str | None = None
        """The baseline's answer, of a sample."""

    def prepare(self, samples: Sequence[TestSample]) -> None:
        """Refuse samples none of which has an answer of a baseline.

        Raises:
            ConfigError: If there is no baseline and no sample brings its own.
        """
        own = (self.params_for(sample).baseline_answer for sample in samples)
        if self.env.baseline is None and all(answer is None for answer in own):
            what = f"the metric {self.id} has no answers of a baseline"
            raise ConfigError(what, hint=_HINT.format(id=self.id))

    def applies(self, sample: TestSample) -> bool:
        """Return whether the baseline has an answer to the sample."""
        return self._theirs(sample, 0) is not None

    def decided(self, sample: TestSample, run: RunResult) -> Score | None:
        """Return a tie of two equal texts, and the loss of an answer without content."""
        theirs = self._theirs(sample, run.repeat)
        if theirs is None:  # `applies` found one of another repeat
            return self.unscored(sample, "not_reported")
        if basic(run.text) == basic(theirs):
            reason = say_in_each("metrics.same_answer")
            return self.make_score(sample, value=0.5, label="tie", reason=reason)
        if is_empty(run):
            return self.make_score(sample, value=0, label="loss", code="empty_answer")
        return None

    def rival(self, sample: TestSample, run: RunResult) -> str | None:
        """Return the baseline's answer."""
        return self._theirs(sample, run.repeat)

    def guide(self, sample: TestSample) -> str:
        """Return the criteria of the better answer."""
        return self._criteria(sample, self.env.language)

    def calls(self, sample: TestSample, run: RunResult) -> int:
        """Return 2, one per order, or 0 if the answer takes no judge."""
        return 2 * super().calls(sample, run)

    def request(self, sample: TestSample, run: RunResult) -> ChatRequest:
        """Return the request that shows the answer first."""
        return self._requests(sample, run)[0]

    async def opinion(self, judge: Judge, sample: TestSample, run: RunResult) -> Opinion:
        """Ask one judge in both orders."""
        requests = self._requests(sample, run)
        one, other = await asyncio.gather(
            *(self.ask(judge, request, _PLACES.read) for request in requests)
        )
        return Opinion(vote=self._vote(one, other), details={"orders": [_said(one), _said(other)]})

    def settle(self, sample: TestSample, run: RunResult, opinions: Sequence[Opinion]) -> Score:
        """Return the median, and flag a winner that changed with the order."""
        score = super().settle(sample, run, opinions)
        orders = [opinion.details["orders"] for opinion in opinions]
        has_flipped = any(order in (["A", "A"], ["B", "B"]) for order in orders)
        lengths = [len(basic(text)) for text in (run.text, self._theirs(sample, run.repeat) or "")]
        details: dict[str, JsonValue] = {"orders": orders, "lengths": [*lengths]}
        code = "order_flip" if has_flipped and score.label == "tie" else score.code
        flags: dict[str, JsonValue] = {"flags": ["order_flip"]} if has_flipped else {}
        return replace(score, code=code, details={**details, **flags})

    def definition(self) -> dict[str, JsonValue]:
        """Add the digest of the baseline; its folder does not matter."""
        given = super().definition()
        if isinstance(params := given["params"], dict):
            params.pop("baseline_run")
        return {**given, "baseline": self.env.baseline.fingerprint if self.env.baseline else None}

    def _criteria(self, sample: TestSample, language: Language) -> str:
        return self.rubric_for(sample) or say("judge.rubric_pairwise", language)

    def _theirs(self, sample: TestSample, repeat: int) -> str | None:
        own: str | None = self.params_for(sample).baseline_answer
        if own is not None or self.env.baseline is None:
            return own
        find = self.env.baseline.find
        same = find(sample, repeat)
        return find(sample, 0) if same is None and repeat else same

    def _requests(self, sample: TestSample, run: RunResult) -> tuple[ChatRequest, ChatRequest]:
        """Return the request about a pair in both orders, the answer first and last."""
        show = self.params_for(sample).show
        rubric, row = self._criteria(sample, self.env.template), self.row(sample, run)

        def request(one: str, other: str) -> ChatRequest:
            material = shown_material(sample, run, show, A=one, B=other)
            # neither the session nor the marker may tell which answer is which
            session = f"{row.seed}:{digest_text(one)[:12]}"
            prompt = _PLACES.prompt("pairwise", rubric, material)
            return self.request_of(prompt, replace(row, session=session))

        theirs = self._theirs(sample, run.repeat) or ""
        return request(run.text, theirs), request(theirs, run.text)

    def _vote(self, one: Reply[Verdict], other: Reply[Verdict]) -> JudgeVote:
        """Return the vote that follows from the verdicts of both orders."""
        if one.found is None or other.found is None:
            return vote_of([one, other])
        verdicts = [one.found, other.found]
        said = (one.found.label, other.found.label)
        if UNKNOWN in said:
            reason = verdicts[said.index(UNKNOWN)].reason
            vote = JudgeVote(label=UNKNOWN, code="judge_unknown", reason=reason)
            return vote_of([one, other], vote)
        label = {("A", "B"): "win", ("B", "A"): "loss"}.get(said, "tie")
        has_flipped = label == "tie" and said[0] == said[1] != "TIE"
        figures = {"votes": ", ".join(said)}
        flip = say_in_each("metrics.order_flip", figures) if has_flipped else None
        vote = self.own_vote(
            flip or one.found.reason,
            label=label,
            value=_VALUES[label],
            evidence=tuple(quote for verdict in verdicts for quote in verdict.evidence),
        )
        return vote_of([one, other], vote)


def _said(reply: Reply[Verdict]) -> str | None:
    return reply.found.label if reply.found else None
