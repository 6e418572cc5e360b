"""`json_match`: the share of the expected JSON that the answer has."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from lm_eval_so.core.asking.answer.json_answer import writable
from lm_eval_so.core.config.problems import params_problems
from lm_eval_so.core.records.run import Response, RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.json_in_text import Extract, read_json
from lm_eval_so.core.text.profiles import Profile
from lm_eval_so.core.words import Wording, say_in_each
from lm_eval_so.errors import InputError, Problem
from lm_eval_so.evaluator.metrics.base import Metric, MetricEnv, is_given, metrics, need_text
from lm_eval_so.evaluator.metrics.structure.json_leaves import (
    Matched,
    Rules,
    is_branch,
    match_leaves,
    paths,
    same_scalar,
    same_text,
)
from lm_eval_so.evaluator.metrics.structure.json_schema import not_json

__all__ = ["JsonMatch"]

_MOST_PATHS = 10


class FieldRule(BaseModel):
    """Metric of one leaf."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    metric: str
    params: dict[str, JsonValue] = Field(default_factory=dict)

    def build(self, env: MetricEnv) -> Metric:
        """Return the metric."""
        return metrics.resolve(self.metric)(params=self.params, env=env)


class JsonMatch(Metric):
    """Share of the expected JSON that the answer has.

    Definition: share of the leaves of the expected JSON (path → text, number, true, false, null,
        empty object or list) that the answer's JSON has equal: texts after `profile`, numbers
        within `rel_tol` of the expected one (1 = 1.0), true is not 1. `extra: penalize` divides by
        the union of both sides' paths. Lists go by position; `unordered: true` pairs their items,
        the best fit first. `fields: {path: {metric, params}}` scores a leaf by another rule
        metric, in a path `[*]` stands for any position. The best over all references; JSON is
        found as in `json_schema`; an answer without JSON is 0 (`not_json`).
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: a metric of `fields` has no value (`part_unscored`); not applicable without a
        reference. A reference that is no JSON is an error.
    Language notes: keys are compared in NFC, texts after the profile.
    Source: own rules.
    """

    normalises = True
    requires = frozenset({"expected"})
    checks_every_sample = True

    class Params(Metric.Params):
        """Rules by which two JSON values are compared."""

        extract: Extract = "auto"
        profile: Profile = "basic"
        rel_tol: float = Field(default=1e-9, ge=0, allow_inf_nan=False)
        extra: Literal["ignore", "penalize"] = "ignore"
        unordered: bool = False
        fields: dict[str, FieldRule] = Field(default_factory=dict)

    def check_params(self) -> list[Problem]:
        """Find problems of the metrics of fields."""
        return [p for path, rule in self.params.fields.items() for p in field_problems(path, rule)]

    def check_sample(self, sample: TestSample) -> list[Problem]:
        """Find a reference that is no JSON, and problems of the sample's own fields."""
        if found := super().check_sample(sample):
            return found
        at = self.place_in(sample)
        params = self.params_for(sample)
        own = params.fields if self.own_params(sample) else {}
        found = [
            replace(problem, what=f"{at}: {problem.what}")
            for path, rule in own.items()
            for problem in field_problems(path, rule)
        ]
        for reference in sample.answers:
            try:
                expected = read_json(reference, extract="strict")
            except ValueError:
                what = (
                    f'{self.id}: sample {sample.id} expects "{_cut(reference)}", which is no JSON'
                )
                hint = 'write it as JSON, a text in quotes: "\\"3일\\""'
                found.append(Problem(what=what, hint=hint))
                continue
            branches = [where for where, inner in paths(expected) if inner and is_branch(inner)]
            for path in params.fields:
                if any(covers(path, branch) for branch in branches):
                    what = f"{at}: fields.{path} is no leaf of what is expected"
                    found.append(Problem(what=what))
            if not found:
                found += self._leaf_problems(sample, expected)
        return found

    def definition(self) -> dict[str, JsonValue]:
        """Add the definitions of the fields' metrics."""
        given = super().definition()
        if not self.params.fields or self.check_params():
            return given
        fields = self._metrics(self.params)
        return {**given, "fields": {path: fields[path].definition() for path in sorted(fields)}}

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Compare the answer's JSON with every reference."""
        params = self.params_for(sample)
        try:
            value = read_json(run.text, extract=params.extract)
        except ValueError:
            return not_json(self, sample)
        comparison = Comparison(
            sample=sample,
            run=run,
            profile=params.profile,
            rel_tol=params.rel_tol,
            fields=self._metrics(params),
        )
        rules = Rules(same=comparison.same, is_unordered=params.unordered)
        matched = [
            match_leaves(read_json(reference, extract="strict"), value, rules)
            for reference in sample.answers
        ]
        if comparison.lost:
            lost = ", ".join(sorted(comparison.lost))
            why = say_in_each("metrics.part_unscored", {"parts": lost})
            return self.unscored(sample, "part_unscored", why)
        best = max(matched, key=lambda found: _share(found, params.extra))
        wrong = [writable(path) for path in best.wrong[:_MOST_PATHS]]
        details: dict[str, JsonValue] = {
            "wrong": [*wrong],
            "leaves": best.leaves,
            "extra": best.extra,
        }
        return self.make_score(
            sample,
            value=_share(best, params.extra),
            reason=self._reason(wrong, len(best.wrong)),
            details=details,
        )

    def _metrics(self, params: Params) -> dict[str, Metric]:
        return {path: rule.build(self.env) for path, rule in params.fields.items()}

    def _leaf_problems(self, sample: TestSample, expected: JsonValue) -> list[Problem]:
        fields = self._metrics(self.params_for(sample))
        return [
            replace(problem, what=f"{self.place_in(sample)}: {problem.what}")
            for path, leaf in (paths(expected) if fields else ())
            if not (leaf and is_branch(leaf)) and (metric := metric_at(path, fields))
            for problem in leaf_problems(sample, path, leaf, metric)
        ]

    def _reason(self, wrong: list[str], of: int) -> Wording | None:
        if not wrong:
            return None
        more = " …" if of > len(wrong) else ""
        figures = {"paths": ", ".join(path or "$" for path in wrong) + more}
        return say_in_each("metrics.json_differs", figures)


def _share(found: Matched, extra: str) -> float:
    return found.hits / (found.leaves + (found.extra if extra == "penalize" else 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Comparison of the leaves of an answer with the expected ones."""

    sample: TestSample
    run: RunResult
    profile: Profile
    """Profile that normalises texts."""
    rel_tol: float
    """Largest difference of a number, as a share of the expected one."""
    fields: Mapping[str, Metric]
    """Metric by path; [*] stands for any position."""
    lost: set[str] = field(default_factory=set)
    """Paths whose metric has no value."""

    def same(self, path: str, expected: JsonValue, found: JsonValue) -> float:
        """Return the match of a leaf with the expected one, 0 … 1."""
        metric = metric_at(path, self.fields)
        share = None if metric is None else self._by_metric(metric, path, expected, found)
        if share is not None:
            return share
        if isinstance(expected, str) and isinstance(found, str):
            return same_text(expected, found, self.profile)
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
        if score.value is None:
            self.lost.add(f"{path} ({metric.name})")
            return 0.0
        return score.value


def metric_at(path: str, fields: Mapping[str, Metric]) -> Metric | None:
    """Return the first metric whose pattern fits a path; None if there is none."""
    return next((metric for pattern, metric in fields.items() if covers(pattern, path)), None)


def covers(pattern: str, path: str) -> bool:
    """Return whether a pattern fits a path: [*] stands for any position."""
    *before, rest = pattern.split("[*]")
    for piece in before:
        if not path.startswith(f"{piece}["):
            return False
        number, closing, path = path[len(piece) + 1 :].partition("]")
        if not (closing and number.isdecimal()):
            return False
    return path == rest


def field_problems(path: str, rule: FieldRule) -> list[Problem]:
    """Find problems of the metric of a leaf."""
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
    scores_a_text = type(metric).score is not Metric.score and not isinstance(metric, JsonMatch)
    if needs or not is_rule or not scores_a_text:
        return [Problem(what=f"{at}: {rule.metric} is no rule about a text alone")]
    return [replace(problem, what=f"{at}: {problem.what}") for problem in metric.check_params()]


def leaf_problems(
    sample: TestSample, path: str, expected: JsonValue, metric: Metric
) -> Iterator[Problem]:
    """Find why a metric cannot compare with an expected leaf, such as one without a number."""
    alone = _leaf_sample(sample, expected)
    if metric.checks_every_sample and metric.applies(alone):
        for problem in metric.check_sample(alone):
            yield replace(problem, what=f"fields.{path}: {problem.what}")


def _leaf_sample(sample: TestSample, expected: JsonValue) -> TestSample:
    wanted = _as_text(expected)
    return replace(sample, expected=wanted, references=(), metrics={}, context=())


def _as_text(leaf: JsonValue) -> str:
    return leaf if isinstance(leaf, str) else json.dumps(leaf, ensure_ascii=False)


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]} …"
