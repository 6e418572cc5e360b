"""`json_schema`: JSON in the answer against a schema."""

from pydantic import ConfigDict, Field

from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.json_in_text import Extract, read_json
from lm_eval_so.core.words import say_in_each
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.structure.schemas import Schema, find_broken, schema_problem

__all__ = ["JsonSchema"]


class JsonSchema(Metric):
    """JSON in the answer that keeps a schema.

    Definition: 1 if JSON is found in the answer and keeps `schema`, else 0; without a schema 1 if
        there is JSON. `extract: auto` takes the whole text, else the first fenced block that is
        JSON, else the first balanced {…} or […] that is; `strict` the whole text only. A part
        of broken JSON is not taken. NaN and more than 100 levels are no JSON.
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
        """Schema, and the place of the JSON."""

        model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)
        rules: Schema | None = Field(default=None, alias="schema")
        extract: Extract = "auto"

    def check_params(self) -> list[Problem]:
        """Find problems of the schema."""
        return _schema_problems(self.params.rules, "the schema")

    def check_sample(self, sample: TestSample) -> list[Problem]:
        """Find problems of a sample's schema."""
        what = f"{self.place_in(sample)}: the schema"
        return super().check_sample(sample) or _schema_problems(self.params_for(sample).rules, what)

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return whether the JSON keeps the schema."""
        params = self.params_for(sample)
        try:
            value = read_json(run.text, extract=params.extract)
        except ValueError:
            return not_json(self, sample)
        try:
            broken = None if params.rules is None else find_broken(params.rules, value)
        except TimeoutError:
            why = say_in_each("metrics.regex_timeout", {"seconds": "1"})
            return self.unscored(sample, "regex_timeout", why)
        if broken is None:
            return self.make_score(sample, value=True)
        figures = {"path": broken.path or "$", "message": broken.message}
        return self.make_score(
            sample,
            value=False,
            code="schema_broken",
            reason=say_in_each("metrics.schema_broken", figures),
            details={"path": broken.path, "rule": broken.keyword},
        )


def not_json(metric: Metric, sample: TestSample) -> Score:
    """Return the score of an answer without JSON."""
    why = say_in_each("metrics.not_json")
    return metric.make_score(sample, value=0.0, code="not_json", reason=why)


def _schema_problems(schema: Schema | None, what: str) -> list[Problem]:
    problem = None if schema is None else schema_problem(schema)
    return [Problem(what=f"{what} cannot be used: {problem}")] if problem else []
