"""Base of the metrics that ask judges, and the score that follows from what these say."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeVar

from pydantic import JsonValue

from lm_eval_so.core.hashing import digest_text
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import JudgeVote, Score
from lm_eval_so.core.templates.user import TemplateFault
from lm_eval_so.core.words import Wording
from lm_eval_so.errors import ConfigError, Problem, Where
from lm_eval_so.evaluator.metrics.base import Category, Level, Metric
from lm_eval_so.evaluator.metrics.env import Judge
from lm_eval_so.evaluator.metrics.judge.panel.prompt import (
    Prompt,
    Row,
    own_template,
    template_digest,
)
from lm_eval_so.evaluator.metrics.judge.panel.replies import (
    Decision,
    Read,
    Reply,
    ask_judge,
    cost_of,
    decide_value,
)

T = TypeVar("T")

_WHERE = "paths start at the config's folder"
_FILE = re.compile(r"[^\n]{1,255}\.(?:md|txt)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """Result of one judge, after all its requests about an answer."""

    vote: JudgeVote
    details: Mapping[str, JsonValue] = field(default_factory=dict)
    vacuous: bool = False


class JudgedMetric(Metric):
    """Base of the metrics that ask judges: subclasses need `templates`, `prompt` and `opinion`.

    Every judge forms its opinion by itself, all at once; the score is that of the vote which
    decides. A parameter `rubric` may be a text or the name of a file beside the config.
    """

    category: ClassVar[Category] = "model"
    vote_level: Level = "interval"
    requires = frozenset({"judge"})
    templates: tuple[str, ...]
    """Names of the templates of all prompts; their texts are part of the definition."""
    fixed_params: ClassVar[tuple[str, ...]] = ()
    """Parameters that cannot differ by sample."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        rubric = self._rubric_param or ""
        is_file = _FILE.fullmatch(rubric.strip()) is not None
        self._rubric_file = rubric if is_file else None
        self._own = self.env.read_file(self.env.template_file) if self.env.template_file else None
        self._rubric = ((self.env.read_file(rubric) if is_file else None) or rubric).strip()

    def prompt(self, sample: TestSample, run: RunResult) -> Prompt:
        """Return the message that a judge is asked first about an answer."""
        raise NotImplementedError

    async def opinion(self, judge: Judge, sample: TestSample, run: RunResult) -> Opinion:
        """Ask one judge about an answer."""
        raise NotImplementedError

    def decided(self, sample: TestSample, run: RunResult) -> Score | None:  # noqa: ARG002
        """Return the score of an answer that takes no judge; None if the judges are asked."""
        return None

    def facts(self, sample: TestSample, run: RunResult) -> dict[str, JsonValue]:  # noqa: ARG002
        """Return the details that do not depend on the judges."""
        return {}

    def decide(self, votes: Sequence[JudgeVote]) -> Decision:
        """Return the vote that decides: the median."""
        return decide_value(votes, self.env.quorum)

    def check_params(self) -> list[Problem]:
        """Find a rubric or template that does not exist, or cannot be used."""
        fault, at = self._template_fault(), Where(key="judge.template")
        problems = [] if fault is None else [replace(fault, where=at)]
        file = self._rubric_file
        if file is not None and self.env.read_file(file) is None:
            at = Where(key="params.rubric")
            problems.append(Problem(what=f"no rubric file {file}", where=at, hint=_WHERE))
        return problems

    def _template_fault(self) -> Problem | None:
        file = self.env.template_file
        if file is None:
            return None
        if self._own is None:
            return Problem(what=f"judge.template: no file {file}", hint=_WHERE)
        if len(self.templates) > 1:
            what = f"judge.template: {self.name} asks in {len(self.templates)} steps"
            return Problem(what=f"{what}, a file holds one", hint="use en or ko")
        try:
            own_template(self._own, self.templates[0])
        except TemplateFault as error:
            return Problem(what=f"judge.template: {file}: {error}")
        return None

    def check_sample(self, sample: TestSample) -> list[Problem]:
        """Find parameters that cannot differ by sample."""
        own, at = self.own_params(sample), self.place_in(sample)
        problems = [
            Problem(what=f"{at}: {key} cannot differ by sample")
            for key in self.fixed_params
            if key in own
        ]
        rubric = own.get("rubric") if "rubric" in self.Params.model_fields else None
        if isinstance(rubric, str) and _FILE.fullmatch(rubric.strip()):
            what = f"{at}.rubric: a sample's rubric is a text"
            problems.append(Problem(what=what, hint=f"write out what {rubric} says"))
        return problems or super().check_sample(sample)

    def calls(self, sample: TestSample, run: RunResult) -> int:
        """Return 1, or 0 if the answer takes no judge."""
        return 1 if self.decided(sample, run) is None else 0

    def first_prompt(self, sample: TestSample, run: RunResult) -> str | None:
        """Return the message that a judge is asked first; None if the answer takes no judge."""
        if not self.calls(sample, run):
            return None
        return self.request(sample, run).messages[0].content

    def request(self, sample: TestSample, run: RunResult) -> ChatRequest:
        """Return the first request about an answer."""
        return self.request_of(self.prompt(sample, run), self.row(sample, run))

    def request_of(self, prompt: Prompt, row: Row) -> ChatRequest:
        """Return the request that a prompt makes, by the user's own template if there is one."""
        own = None if self._own is None else own_template(self._own, prompt.template)
        return prompt.request(self.env.template, row, own)

    async def score(self, sample: TestSample, run: RunResult) -> Score:
        """Ask the judges, unless the answer takes none."""
        decided = self.decided(sample, run)
        if decided is not None:
            return decided
        self.require_judges()
        opinions = await asyncio.gather(
            *(self.opinion(judge, sample, run) for judge in self.env.judges)
        )
        return self.settle(sample, run, opinions)

    def settle(self, sample: TestSample, run: RunResult, opinions: Sequence[Opinion]) -> Score:
        """Return the score that follows from the opinions, one per judge, in their order."""
        votes = [opinion.vote for opinion in opinions]
        decision = self.decide(votes)
        chosen = opinions[decision.at] if decision.at is not None else None
        details = {
            **self.facts(sample, run),
            **(chosen.details if chosen else {}),
        }
        if chosen is None or chosen.vote.value is None:
            code = decision.code or "judge_invalid"
            score = self.unscored(sample, code, decision.reason, details, votes=votes)
        else:
            score = self.make_score(
                sample,
                value=chosen.vote.value,
                label=chosen.vote.label,
                reason=chosen.vote.reason_in or chosen.vote.reason,
                details=details,
                vacuous=chosen.vacuous,
                votes=votes,
            )
        # its latency stays out: the same answers give the same report
        return replace(score, cost_usd=cost_of(votes))

    def definition(self) -> dict[str, JsonValue]:
        """Add the digests of templates and rubric; the name of the rubric's file does not matter."""
        given = super().definition()
        if "rubric" in self.Params.model_fields:
            rubric = digest_text(self._rubric) if self._rubric else None
            given["params"] = {**self.params.model_dump(mode="json"), "rubric": rubric}
        sha256 = template_digest(self.env.template, *self.templates, own=self._own)
        return {**given, "template": {"language": self.env.template.value, "sha256": sha256}}

    def rubric_for(self, sample: TestSample) -> str:
        """Return the rubric of a sample; "" if there is none."""
        own = self.params_for(sample).rubric
        return self._rubric if own == self._rubric_param else str(own or "").strip()

    def row(self, sample: TestSample, run: RunResult, part: str = "") -> Row:
        """Return the row of a request; `part` tells the requests about one answer apart."""
        seed = f"{self.id}:{sample.id}:{run.repeat}{part}"
        return Row(seed=seed, sample_id=sample.id, repeat=run.repeat)

    def own_vote(
        self,
        reason: str | Wording,
        *,
        value: float | None = None,
        label: str | None = None,
        code: str | None = None,
        evidence: tuple[str, ...] = (),
    ) -> JudgeVote:
        """Return a vote whose reason is the metric's own, made of what a judge said."""
        text, in_each = self.env.told(reason)
        return JudgeVote(
            label=label,
            value=value,
            code=code,
            reason=text,
            reason_in=in_each,
            evidence=evidence,
        )

    async def ask(self, judge: Judge, request: ChatRequest, read: Read[T]) -> Reply[T]:
        """Ask one judge, once more if its output cannot be read."""
        return await ask_judge(judge, request, read, self.env.template)

    def require_judges(self) -> None:
        """Refuse to score without a judge.

        Raises:
            ConfigError: If the metric has none.
        """
        if not self.env.judges:
            raise ConfigError(f"the metric {self.id} needs a judge", hint="give it a `backend`")

    @property
    def _rubric_param(self) -> str | None:
        rubric: str | None = getattr(self.params, "rubric", None)
        return rubric
