"""A metric as the config wants it applied."""

import operator
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from lm_eval_so.core.config.model import MetricSection
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.enums import MetricKind, ScoreStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.words.phrases import problem_in_each
from lm_eval_so.errors import BudgetSpent, LMEvalError, Problem
from lm_eval_so.evaluator.metrics.base import Metric, is_given, need_text

Passes = Callable[[float], bool]

_OURS = "lm_eval_so."
"""Modules of metrics whose scores need no check."""
_OF_SAMPLE = ("expected", "context", "scenario", "relation", "params.")
_TOLD_IF_ANY = frozenset({"context", "context_ids", "turns"})
"""Fields that say nothing when they are empty; of tool calls there may be none."""
_LONGEST_REASON = 300
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundMetric:
    """A metric as the config wants it applied: to which rows, and which values pass."""

    metric: Metric
    section: MetricSection
    passes: Passes | None = None
    """Check of a value from `pass_if`; None: as the metric says."""
    parts: tuple["BoundMetric", ...] = ()
    """Metrics that this one is built from."""
    id: str = field(init=False)
    """Id of the metric in the report."""
    always_applies: bool = field(init=False)
    """Whether the metric applies to every sample, so that none need be looked at."""
    is_for_all: bool = field(init=False)
    """Whether the config means every sample."""
    chooses: bool = field(init=False)
    """Whether the metric itself says to which samples it applies."""
    sample_needs: tuple[str, ...] = field(init=False)
    """Needs of the sample, sorted."""
    run_needs: tuple[str, ...] = field(init=False)
    """Fields of a row that must be reported."""
    is_ours: bool = field(init=False)
    is_batched: bool = field(init=False)
    """Whether the metric scores many answers at once."""
    is_over_repeats: bool = field(init=False)
    """Whether the metric scores all answers to a sample together."""

    def __post_init__(self) -> None:
        kind, needs = type(self.metric), sorted(self.metric.requires)
        repeats = "repeats" in needs or kind.score_repeats is not Metric.score_repeats
        of_sample = tuple(need for need in needs if need.startswith(_OF_SAMPLE))
        only = self.section.only
        is_open = getattr(self.metric.applies, "__func__", None) is Metric.applies
        facts = {
            "id": self.metric.id,
            "always_applies": is_open and not (of_sample or only.tags or only.language),
            "is_for_all": not (only.tags or only.language),
            "chooses": not is_open,
            "sample_needs": of_sample,
            "run_needs": tuple(n.removeprefix("run.") for n in needs if n.startswith("run.")),
            "is_ours": kind.__module__.startswith(_OURS),
            "is_batched": kind.score_batch is not Metric.score_batch,
            "is_over_repeats": repeats,
        }
        for name, value in facts.items():
            object.__setattr__(self, name, value)

    @property
    def decides(self) -> bool:
        """Whether the metric says of an answer that it passes or fails."""
        return self.passes is not None or self.metric.kind is MetricKind.BINARY

    @property
    def measures_overlap(self) -> bool:
        """Whether the metric, or all that it is built from, measures only similar wording."""
        of_parts = bool(self.parts) and all(part.measures_overlap for part in self.parts)
        return self.metric.measures_overlap or of_parts

    @property
    def is_late(self) -> bool:
        """Whether the metric, or a part of it, compares a sample with another one."""
        compares = "relation" in self.metric.requires and bool(self.metric.part_ids)
        return compares or any(part.is_late for part in self.parts)

    @property
    def has_labels(self) -> bool:
        """Whether judges choose from labels, which people can give in their place."""
        return bool(self.metric.labels) and bool(self.section.judges)

    @property
    def fingerprint(self) -> str:
        """Digest of the definition."""
        return digest(self.definition())

    @property
    def verdict_fingerprint(self) -> str:
        """Digest of what decides verdicts: the definition without the baseline that answers are compared with."""
        return digest({k: v for k, v in self.definition().items() if k != "baseline"})

    def definition(self) -> dict[str, Any]:
        """Return all that decides the values of the metric, its judge and its parts included."""
        section = self.section
        asked = [{"backend": judge.name, "params": judge.params} for judge in section.judges]
        judges = {"judge": asked[0]} if len(asked) == 1 else {"panel": asked} if asked else {}
        quorum = {} if section.judge.quorum is None else {"quorum": section.judge.quorum}
        parts = {part.id: part.digest_as_part() for part in self.parts}
        return {
            **self.metric.definition(),
            **judges,
            **quorum,
            **({"parts": parts} if parts else {}),
        }

    def is_meant(self, sample: TestSample) -> bool:
        """Return whether a sample is among those of `only`."""
        only = self.section.only
        has_tag = not only.tags or bool({*only.tags} & {*sample.tags})
        return has_tag and (not only.language or sample.language in only.language)

    def missing_needs(self, sample: TestSample) -> list[str]:
        """Return the needs of the metric that a sample lacks; parameters may be the config's."""
        return [need for need in self.sample_needs if not _has(self.metric, sample, need)]

    def is_asked(self, sample: TestSample, run: RunResult | None) -> bool:
        """Return whether the metric looks at an answer at all."""
        return run is not None and self.settled(sample, run) is None

    def settled(self, sample: TestSample, run: RunResult | None) -> Score | None:
        """Return the score that a row has whatever its answer says; None if the metric must look."""
        score = None if self.always_applies else self.not_applicable(sample)
        if score is not None:
            return score
        if run is None:
            return self.metric.unscored(sample, "run_missing")
        return self.not_scorable(sample, run)

    def not_applicable(self, sample: TestSample) -> Score | None:
        """Return the score of a sample that the metric does not apply to; None if it applies.

        Decided by the sample alone, so that both sides of a comparison agree.
        """
        metric = self.metric
        if not self.is_for_all and not self.is_meant(sample):
            return metric.not_applicable(sample, "not among the samples of `only`")
        if self.sample_needs:
            missing = self.missing_needs(sample)
            if missing:
                return metric.not_applicable(sample, f"no {', '.join(map(need_text, missing))}")
        if not self.chooses:
            return None
        try:
            return None if metric.applies(sample) else metric.not_applicable(sample)
        except Exception as error:  # noqa: BLE001 - as `fault` says
            return self.fault(sample, error)

    def not_scorable(self, sample: TestSample, run: RunResult) -> Score | None:
        """Return the score of a row by its status and missing fields; None if it can be scored."""
        metric = self.metric
        if run.status not in metric.accepts_status:
            why = problem_in_each(run.error.message) if run.error else None
            return metric.unscored(sample, f"run_{run.status.value}", why)
        for name in self.run_needs:
            value = getattr(run if hasattr(run, name) else run.response, name, None)
            if value is None or (not value and name in _TOLD_IF_ANY):
                return metric.unscored(sample, "not_reported")
        return None

    def sample_problems(self, sample: TestSample) -> Iterator[Problem]:
        """Find what is wrong with a sample's parameters of the metric, or with what it expects."""
        if not self.metric.own_params(sample):
            if not self.metric.checks_every_sample:
                return
            score = self.settled(sample, None)
            if score is None or score.status is ScoreStatus.NOT_APPLICABLE:
                return
        try:
            yield from self.metric.check_sample(sample)
        except LMEvalError:
            raise
        except Exception as error:  # noqa: BLE001 - a plugin may fail in any way
            why = f"{type(error).__name__}: {error}"
            yield Problem(what=f"the metric {self.id} fails at sample {sample.id}: {why}")

    def complete(self, score: Score, sample: TestSample, repeat: int) -> Score:
        """Return a score with its place, and whether it passes."""
        passed = score.passed
        if score.status is ScoreStatus.SCORED and score.value is not None:
            if self.passes is not None:
                passed = self.passes(score.value)
            elif passed is None and self.metric.kind is MetricKind.BINARY:
                passed = self.metric.is_right(score.value)
        is_placed = score.repeat == repeat and score.sample_id == sample.id
        if is_placed and passed is score.passed and score.metric == self.id:
            return score
        return replace(score, metric=self.id, sample_id=sample.id, repeat=repeat, passed=passed)

    def fault(self, sample: TestSample, error: Exception) -> Score:
        """Return an exception of the metric as an unscored row: it costs this score, no other.

        Raises:
            LMEvalError: If it must end the stage: refused credentials, an endpoint that is gone.
        """
        if isinstance(error, BudgetSpent):  # costs this score, not those that are paid for
            return self.metric.unscored(sample, "judge_budget", problem_in_each(str(error)))
        if isinstance(error, LMEvalError):
            raise error
        text = f"{type(error).__name__}: {error}"
        text = textwrap.shorten(text, _LONGEST_REASON, placeholder=" …")
        return self.metric.unscored(sample, "metric_error", text)

    def digest_as_part(self) -> str:
        """Return a digest of what decides values, whether they pass, and of which samples."""
        section = self.section
        return digest([self.definition(), section.pass_if, section.only.model_dump(mode="json")])


def parse_pass_if(text: str) -> Passes:
    """Turn ">= 0.8" into a check of a value.

    Raises:
        ValueError: If the text is no comparison with a number.
    """
    sign = next((sign for sign in _COMPARISONS if text.strip().startswith(sign)), None)
    if sign is None:
        raise ValueError(f"{text!r} is no comparison")
    bound = float(text.strip().removeprefix(sign))
    compare = _COMPARISONS[sign]
    return lambda value: compare(value, bound)


def _has(metric: Metric, sample: TestSample, need: str) -> bool:
    match need:
        case "expected":
            return sample.expected is not None or bool(sample.references)
        case "context":
            return any(passage.role in {"gold", "given"} for passage in sample.context)
        case "scenario":
            return sample.scenario is not None
        case "relation":
            return sample.relation is not None
        case _:
            return is_given(metric.params_for(sample), need)
