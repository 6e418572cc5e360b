"""Metrics of JSON in the answer: whether it keeps a schema, how far it is the expected one."""

from dataclasses import replace
from typing import Literal

from pydantic import ConfigDict, Field, JsonValue

from lm_eval_so.core.asking.answer.json_answer import writable
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.json_in_text import Extract, read_json
from lm_eval_so.core.text.profiles import Profile
from lm_eval_so.core.words import say
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.json_fields import (
    Comparison,
    FieldRule,
    covers,
    field_problems,
    leaf_problems,
    metric_at,
)
from lm_eval_so.evaluator.metrics.json_leaves import (
    Matched,
    Rules,
    is_branch,
    match_leaves,
    paths,
)
from lm_eval_so.evaluator.metrics.schemas import Schema, find_broken, schema_problem

__all__ = ["JsonMatch", "JsonSchema"]

_MOST_PATHS = 10


class JsonSchema(Metric):
    """Whether the answer is JSON that keeps a schema.

    Definition: 1 if JSON is found in the answer and keeps `schema`, else 0; without a schema 1 if
        there is JSON. `extract: auto` takes the whole text, else the first fenced block that is
        JSON, else the first balanced {…} or […] that is; `strict` the whole text only. A piece of
        broken JSON is not taken. NaN and what is nested more than 100 levels deep is no JSON.
    Range: 0 or 1.
    Direction: higher is better.
    Unscored when: a `pattern` of the schema takes longer than a second (`regex_timeout`).
    Language notes: texts and keys are compared in NFC, in answer and schema.
    Source: JSON Schema, draft 2020-12 or as `$schema` says, by the library `jsonschema`; remote
        references are refused, `format` asserts nothing, patterns have the syntax of the `regex`
        package.
    """

    kind = MetricKind.BINARY

    class Params(Metric.Params):
        """The schema, and where the JSON stands."""

        model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)
        rules: Schema | None = Field(default=None, alias="schema")
        extract: Extract = "auto"

    def check_params(self) -> list[Problem]:
        """Find what is wrong with the schema."""
        return _schema_problems(self.params.rules, "the schema")

    def check_sample(self, sample: TestSample) -> list[Problem]:
        """Find what is wrong with the schema of a sample."""
        what = f"{self.place_in(sample)}: the schema"
        return super().check_sample(sample) or _schema_problems(self.params_for(sample).rules, what)

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Read the JSON and hold it against the schema."""
        params = self.params_for(sample)
        try:
            value = read_json(run.text, extract=params.extract)
        except ValueError:
            return _not_json(self, sample)
        try:
            broken = None if params.rules is None else find_broken(params.rules, value)
        except TimeoutError:
            why = say("metrics.regex_timeout", self.env.language, {"seconds": "1"})
            return self.unscored(sample, "regex_timeout", why)
        if broken is None:
            return self.make_score(sample, value=True)
        figures = {"path": broken.path or "$", "message": broken.message}
        return self.make_score(
            sample,
            value=False,
            code="schema_broken",
            reason=say("metrics.schema_broken", self.env.language, figures),
            details={"path": broken.path, "rule": broken.keyword},
        )


class JsonMatch(Metric):
    """How much of the expected JSON the answer has.

    Definition: share of the leaves of the expected JSON (path → text, number, true, false, null,
        empty object or list) that the answer's JSON has equal: texts after `profile`, numbers
        within `rel_tol` of the expected one (1 = 1.0), true is not 1. `extra: penalize` divides by
        the union of both sides' paths. Lists go by position; `unordered: true` pairs their items,
        the best fit first. `fields: {path: {metric, params}}` scores a leaf by another rule
        metric, in a path `[*]` stands for any position. The best over all references; JSON is
        found as by `json_schema`; an answer without it is 0 (`not_json`).
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
        """How two JSON values are compared."""

        extract: Extract = "auto"
        profile: Profile = "basic"
        rel_tol: float = Field(default=1e-9, ge=0, allow_inf_nan=False)
        extra: Literal["ignore", "penalize"] = "ignore"
        unordered: bool = False
        fields: dict[str, FieldRule] = Field(default_factory=dict)

    def check_params(self) -> list[Problem]:
        """Find what is wrong with the metrics of fields."""
        return [p for path, rule in self.params.fields.items() for p in field_problems(path, rule)]

    def check_sample(self, sample: TestSample) -> list[Problem]:
        """Find a reference that is no JSON, and what is wrong with the sample's own fields."""
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
        """Return what decides a value, the definitions of the fields' metrics included."""
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
            return _not_json(self, sample)
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
            why = say("metrics.part_unscored", self.env.language, {"parts": lost})
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

    def _reason(self, wrong: list[str], of: int) -> str | None:
        if not wrong:
            return None
        more = " …" if of > len(wrong) else ""
        figures = {"paths": ", ".join(path or "$" for path in wrong) + more}
        return say("metrics.json_differs", self.env.language, figures)


def _share(found: Matched, extra: str) -> float:
    return found.hits / (found.leaves + (found.extra if extra == "penalize" else 0))


def _schema_problems(schema: Schema | None, what: str) -> list[Problem]:
    problem = None if schema is None else schema_problem(schema)
    return [Problem(what=f"{what} cannot be used: {problem}")] if problem else []


def _not_json(metric: Metric, sample: TestSample) -> Score:
    why = say("metrics.not_json", metric.env.language)
    return metric.make_score(sample, value=0.0, code="not_json", reason=why)


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]} …"
