"""Leaves of JSON, each held against the expected one as it is, or by another metric."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from lm_eval_so.core.config.problems import params_problems
from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.core.records.run import Response, RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.text.profiles import PROFILES, Profile, basic
from lm_eval_so.errors import InputError, Problem
from lm_eval_so.evaluator.metrics.base import Metric, is_given, metrics, need_text
from lm_eval_so.evaluator.metrics.env import MetricEnv
from lm_eval_so.evaluator.metrics.json_leaves import same_scalar


class FieldRule(BaseModel):
    """Another rule metric, for one leaf."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    metric: str
    params: dict[str, JsonValue] = Field(default_factory=dict)

    def build(self, env: MetricEnv) -> Metric:
        """Return the metric."""
        return metrics.resolve(self.metric)(params=self.params, env=env)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Compares the leaves of an answer with the expected ones."""

    sample: TestSample
    run: RunResult
    profile: Profile
    """How texts are made alike."""
    rel_tol: float
    """How far a number may be off, as a share of the expected one."""
    fields: Mapping[str, Metric]
    """Metrics by path; [*] stands for any position."""
    lost: set[str] = field(default_factory=set)
    """Paths whose metric gave no value."""

    def same(self, path: str, expected: JsonValue, found: JsonValue) -> float:
        """Return how far a leaf is as expected, 0 … 1."""
        metric = metric_at(path, self.fields)
        share = None if metric is None else self._by_metric(metric, path, expected, found)
        if share is not None:
            return share
        if isinstance(expected, str) and isinstance(found, str):
            normalise = PROFILES[self.profile]
            one, other = normalise(expected), normalise(found)
            # punctuation alone leaves nothing to compare: "?" is not "!"
            return one == other and (bool(one) or basic(expected) == basic(found))
        return same_scalar(expected, found, rel_tol=self.rel_tol)

    def _by_metric(
        self, metric: Metric, path: str, expected: JsonValue, found: JsonValue
    ) -> float | None:
        """Score a leaf by a metric; None if the metric does not apply to it."""
        sample = _leaf_sample(self.sample, expected)
        if not metric.applies(sample):
            return None
        run = replace(self.run, response=Response(text=_as_text(found)), turns=())
        score = metric.as_score(sample, metric.score(sample, run))
        if score.status is not ScoreStatus.SCORED:
            self.lost.add(f"{path} ({metric.name})")
            return 0.0
        return float(score.value or 0.0)


def metric_at(path: str, fields: Mapping[str, Metric]) -> Metric | None:
    """Return the first metric whose path means this one; None if there is none."""
    return next((metric for pattern, metric in fields.items() if covers(pattern, path)), None)


def covers(pattern: str, path: str) -> bool:
    """Return whether a pattern means a path: [*] stands for any position."""
    *before, rest = pattern.split("[*]")
    for piece in before:
        if not path.startswith(f"{piece}["):
            return False
        number, closing, path = path[len(piece) + 1 :].partition("]")
        if not (closing and number.isdecimal()):
            return False
    return path == rest


def field_problems(path: str, rule: FieldRule) -> list[Problem]:
    """Find what is wrong with the metric of a leaf."""
    at = f"fields.{path}"
    try:
        metric = rule.build(MetricEnv())
    except InputError as error:
        return [replace(problem, what=f"{at}: {problem.what}") for problem in error.problems]
    except ValidationError as error:
        model = metrics.resolve(rule.metric).Params
        return params_problems(error, model, at=f"{at}.params", values=rule.params)
    given = [need for need in metric.requires if need.startswith("params.")]
    if lacking := [need for need in given if not is_given(metric.params, need)]:
        what = f"{at}: {rule.metric} needs {' and '.join(map(need_text, sorted(lacking)))}"
        return [Problem(what=what)]
    needs = {need for need in metric.requires if not need.startswith(("expected", "params."))}
    is_rule = metric.category == "rule" and metric.range == (0.0, 1.0)
    scores_a_text = type(metric).score is not Metric.score and metric.name != "json_match"
    if needs or not is_rule or not scores_a_text:
        return [Problem(what=f"{at}: {rule.metric} is no rule about a text alone")]
    return [replace(problem, what=f"{at}: {problem.what}") for problem in metric.check_params()]


def leaf_problems(
    sample: TestSample, path: str, expected: JsonValue, metric: Metric
) -> Iterator[Problem]:
    """Find why a metric cannot hold anything against an expected leaf, as one without a number."""
    alone = _leaf_sample(sample, expected)
    if metric.checks_every_sample and metric.applies(alone):
        for problem in metric.check_sample(alone):
            yield replace(problem, what=f"fields.{path}: {problem.what}")


def _leaf_sample(sample: TestSample, expected: JsonValue) -> TestSample:
    wanted = _as_text(expected)
    return replace(sample, expected=wanted, references=(), metrics={}, context=())


def _as_text(leaf: JsonValue) -> str:
    return leaf if isinstance(leaf, str) else json.dumps(leaf, ensure_ascii=False)
