"""`pairwise`: a model says which of two answers is better, the chatbot's or the baseline's."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

from pydantic import JsonValue

from lm_eval_so.core.hashing import digest_text
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import JudgeVote, Score
from lm_eval_so.core.stats.agreement import Level
from lm_eval_so.core.text.profiles import basic
from lm_eval_so.core.words import say
from lm_eval_so.errors import ConfigError, Problem
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.judge.labels import Labels
from lm_eval_so.evaluator.metrics.judge.opinion import (
    judged_definition,
    make_request,
    vote_of,
    with_rubric,
)
from lm_eval_so.evaluator.metrics.judge.panel import Reply, ask_panel, require_judges
from lm_eval_so.evaluator.metrics.judge.prompt import UNKNOWN, pointwise_prompt, verdict_schema
from lm_eval_so.evaluator.metrics.judge.rubric import (
    read_rubric,
    rubric_problems,
    sample_problems,
    steering_flags,
)
from lm_eval_so.evaluator.metrics.judge.verdict import Verdict, label_key, read_verdict
from lm_eval_so.evaluator.metrics.judge.verdicts import is_empty, label_score, shown_material

__all__ = ["Pairwise"]

_SAID = ("A", "B", "TIE")
_KNOWN = {label_key(said): said for said in (*_SAID, UNKNOWN)}
_LABELS = Labels(values={"win": 1.0, "tie": 0.5, "loss": 0.0})
_HINT = (
    "set params.baseline_run to the folder of a run, or baseline.path to a report that keeps its "
    "answers, or give each sample metrics.{id}.baseline_answer"
)


class Pairwise(Metric):
    """Whether the answer is better than the baseline's to the same sample.

    Definition: the judge compares both answers twice, each shown first once, and never learns
        which is which. The same winner both times: 1 if it is this answer, 0 if it is the
        baseline's; else 0.5. A winner that changes with the order is flagged `order_flip`. The
        baseline's answers are the sample's `baseline_answer`, those of `baseline_run`, or those
        of the baseline report; of a baseline with fewer repeats the first stands for the rest.
        Identical texts have 0.5, an empty answer 0 without a call. Of a panel the median of win, tie and loss.
    Range: 0 … 1; the mean is the share of wins, ties counted half.
    Direction: higher is better.
    Unscored when: one of the two orders has no verdict, with the codes of `llm_judge`. Not
        applicable where the baseline has no answer to the sample as it is now.
    Language notes: `judge.template: ko` gives the instructions in Korean; NFC and NFD, full and
        half width are the same text.
    Source: Zheng et al. (2023), Judging LLM-as-a-Judge, NeurIPS: swapped positions.
    """

    category: ClassVar[Literal["rule", "heuristic", "model"]] = "model"
    vote_level: Level = "ordinal"
    requires = frozenset({"judge", "baseline"})

    class Params(Metric.Params):
        """What answers are held against, and how."""

        rubric: str | None = None
        """What makes an answer better; default: right, complete, and nothing wrong."""
        show: tuple[Literal["expected", "context"], ...] = ()
        baseline_run: str | None = None
        """Folder of the run whose answers are the baseline's."""
        baseline_answer: str | None = None
        """The baseline's answer, of a sample."""

    params: Params

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._rubric = read_rubric(self.params.rubric, self.env)

    def check_params(self) -> list[Problem]:
        """Find a rubric file that is not there."""
        return rubric_problems(self.params.rubric, self.env)

    def check_sample(self, sample: TestSample) -> list[Problem]:
        """Find parameters that cannot differ by sample."""
        found = list(sample_problems(self, sample, fixed=("baseline_run",)))
        return found or super().check_sample(sample)

    def prepare(self, samples: Sequence[TestSample]) -> None:
        """Find that nothing names a baseline.

        Raises:
            ConfigError: If so.
        """
        own = (self.params_for(sample).baseline_answer for sample in samples)
        if self.env.baseline is None and all(answer is None for answer in own):
            what = f"the metric {self.id} has no answers of a baseline"
            raise ConfigError(what, hint=_HINT.format(id=self.id))

    def applies(self, sample: TestSample) -> bool:
        """Return whether the baseline has an answer to the sample."""
        return self._theirs(sample, 0) is not None

    def calls(self, sample: TestSample, run: RunResult) -> int:
        """Return 2, one an order, or 0 if there is nothing to compare."""
        return 0 if self._asked_with(sample, run) is None else len(_ORDERS)

    def first_prompt(self, sample: TestSample, run: RunResult) -> str | None:
        """Return what the judge is asked with this answer first; None if nothing is."""
        theirs = self._asked_with(sample, run)
        if theirs is None:
            return None
        return self.request(sample, run, theirs, is_first=True).messages[0].content

    async def score(self, sample: TestSample, run: RunResult) -> Score:
        """Ask the judges in both orders."""
        theirs = self._theirs(sample, run.repeat)
        if theirs is None:  # `applies` found one of another repeat
            return self.unscored(sample, "not_reported")
        if _is_same(run.text, theirs):
            reason = say("metrics.same_answer", self.env.language)
            return self.make_score(sample, value=0.5, label="tie", reason=reason)
        if is_empty(run):
            return self.make_score(sample, value=0, label="loss", code="empty_answer")
        require_judges(self)
        ours_first, theirs_first = await asyncio.gather(
            *(self._ask(sample, run, theirs, is_first=is_first) for is_first in _ORDERS)
        )
        pairs = list(zip(ours_first, theirs_first, strict=True))
        has_flipped = any(map(_has_flipped, pairs))
        flags = steering_flags(run.text).get("flags", [])
        details: dict[str, JsonValue] = {
            "orders": [list(map(_said, pair)) for pair in pairs],
            "lengths": [len(basic(run.text)), len(basic(theirs))],
        }
        flagged = [*(flags if isinstance(flags, list) else ()), *["order_flip"] * has_flipped]
        if flagged:
            details["flags"] = list(flagged)
        votes = [self._vote(pair) for pair in pairs]
        score = label_score(self, sample, _LABELS, votes, details=details)
        if has_flipped and score.label == "tie":
            return replace(score, code="order_flip")
        return score

    def request(
        self, sample: TestSample, run: RunResult, theirs: str, *, is_first: bool
    ) -> ChatRequest:
        """Return what the judge is asked about a pair.

        Args:
            sample: The sample.
            run: The answer.
            theirs: The baseline's.
            is_first: Whether the answer is A.
        """
        params, language = self.params_for(sample), self.env.template
        rubric = self._rubric if params.rubric == self.params.rubric else params.rubric
        one, other = (run.text, theirs) if is_first else (theirs, run.text)
        row = f"{self.id}:{sample.id}:{run.repeat}"
        prompt = pointwise_prompt(
            language,
            template_name="pairwise",
            rubric=rubric or say("judge.rubric_pairwise", language),
            labels=_SAID,
            material=shown_material(sample, run, params.show, A=one, B=other),
            marker_seed=row,
        )
        # neither the session nor the marker may tell which answer is which
        return make_request(
            prompt,
            verdict_schema(_SAID),
            session=f"{row}:{digest_text(one)[:12]}",
            sample_id=sample.id,
            repeat=run.repeat,
        )

    def definition(self) -> dict[str, JsonValue]:
        """Add the digests of template, rubric and baseline; where these lie does not matter."""
        params: dict[str, JsonValue] = self.params.model_dump(mode="json")
        params.pop("baseline_run")
        told = with_rubric({**super().definition(), "params": params}, self._rubric)
        baseline = self.env.baseline.fingerprint if self.env.baseline else None
        return judged_definition({**told, "baseline": baseline}, self.env, "pairwise")

    def _theirs(self, sample: TestSample, repeat: int) -> str | None:
        own: str | None = self.params_for(sample).baseline_answer
        if own is not None or self.env.baseline is None:
            return own
        find = self.env.baseline.find
        same = find(sample, repeat)
        return find(sample, 0) if same is None and repeat else same

    def _asked_with(self, sample: TestSample, run: RunResult) -> str | None:
        """Return the baseline's answer if a judge is asked about the pair."""
        theirs = self._theirs(sample, run.repeat)
        is_plain = theirs is None or _is_same(run.text, theirs) or is_empty(run)
        return None if is_plain else theirs

    async def _ask(
        self, sample: TestSample, run: RunResult, theirs: str, *, is_first: bool
    ) -> tuple[Reply[Verdict], ...]:
        request = self.request(sample, run, theirs, is_first=is_first)
        return await ask_panel(self.env, request, lambda output: read_verdict(output, _KNOWN))

    def _vote(self, pair: tuple[Reply[Verdict], Reply[Verdict]]) -> JudgeVote:
        verdicts = [reply.found for reply in pair if reply.found is not None]
        said = [verdict.label for verdict in verdicts]
        if len(said) < len(pair):
            return vote_of(pair)
        if UNKNOWN in said:
            reason = verdicts[said.index(UNKNOWN)].reason
            return vote_of(pair, code="judge_unknown", label=UNKNOWN, reason=reason)
        label = {("A", "B"): "win", ("B", "A"): "loss"}.get((said[0], said[1]), "tie")
        reason = verdicts[0].reason
        if _has_flipped(pair):
            figures = {"votes": ", ".join(said)}
            reason = say("metrics.order_flip", self.env.language, figures)
        return vote_of(
            pair,
            label=label,
            value=_LABELS.values[label],
            reason=reason,
            evidence=[quote for verdict in verdicts for quote in verdict.evidence],
        )


_ORDERS = (True, False)
"""Whether the answer is shown first."""


def _is_same(ours: str, theirs: str) -> bool:
    return basic(ours) == basic(theirs)


def _has_flipped(pair: tuple[Reply[Verdict], Reply[Verdict]]) -> bool:
    """Return whether the judge named whichever answer stood in one place."""
    one, other = map(_said, pair)
    return one == other and one in {"A", "B"}


def _said(reply: Reply[Verdict]) -> str | None:
    return reply.found.label if reply.found else None
