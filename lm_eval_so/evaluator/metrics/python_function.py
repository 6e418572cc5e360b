"""`python`: a metric that is one function of the user's own."""

import inspect
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal, get_type_hints

from pydantic import Field, JsonValue

from lm_eval_so.core.backends.own_code.function import Target, Wanted, find_target
from lm_eval_so.core.hashing import digest_bytes
from lm_eval_so.core.records.enums import MetricKind, ScoreStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator.metrics.base import Metric, Scored

__all__ = ["PythonFunction"]

_WANTED = Wanted(key="params.target", first="sample", form="(sample, run)")
_OWN_KEYS = ("arguments",)
"""Parameters that a sample may give: none that names code."""


class PythonFunction(Metric):
    """Value that a Python function of your own gives.

    Definition: what `target`, as checks.py:short or module:short beside the config, returns for
        `(sample, run)`, plain or async: a bool, a number, or a `Score`, whose value, reason, details and
        the like count. `arguments` are given by name, too; a sample may have its own. `kind` is binary
        (0 or 1), bounded (0 … 1) or unbounded; without it a function that says `-> float` or `-> int` is bounded,
        any other binary.
    Range: as `kind` says.
    Direction: higher is better.
    Unscored when: the function raises (`metric_error`), or returns nothing usable (`invalid_value`,
        `out_of_range`).
    Language notes: none.
    Source: your own. The file of the function is part of the fingerprint: a changed one measures
        something else. It is code of your own: in the Action it runs only with `allow_plugins: true`.
    """

    name = "python"
    params: Any

    class Params(Metric.Params):
        """Function, its further arguments, and the kind of its values."""

        target: str
        arguments: dict[str, JsonValue] = Field(default_factory=dict)
        kind: Literal["binary", "bounded", "unbounded"] | None = None

    ranges: ClassVar[Mapping[MetricKind, tuple[float, float] | None]] = {
        MetricKind.BINARY: (0.0, 1.0),
        MetricKind.BOUNDED: (0.0, 1.0),
        MetricKind.UNBOUNDED: None,
    }

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._found = find_target(self.params.target, self.env.folder, _WANTED)
        file = self._found.file if isinstance(self._found, Target) else None
        is_there = file is not None and file.is_file()
        self._code = digest_bytes(file.read_bytes()) if file is not None and is_there else None
        returned = _returned(self._found.function) if isinstance(self._found, Target) else None
        self.kind = MetricKind(
            self.params.kind or ("bounded" if returned in {float, int} else "binary")
        )
        self.range = self.ranges[self.kind]

    def check_params(self) -> list[Problem]:
        """Find a function that cannot be imported or called."""
        if isinstance(self._found, Problem):
            return [self._found]
        return _call_problems(self._found, self.params)

    def check_sample(self, sample: TestSample) -> list[Problem]:
        """Find a sample that would choose the code, or gives arguments that the function does not take."""
        own, at = self.own_params(sample), self.place_in(sample)
        if strange := [key for key in own if key not in _OWN_KEYS]:
            what = f"{at}: {strange[0]} cannot be given by a sample"
            return [Problem(what=what, hint="a sample may give arguments alone")]
        if found := super().check_sample(sample):
            return found
        if not own or isinstance(self._found, Problem):
            return []
        problems = _call_problems(self._found, self.params_for(sample))
        return [replace(problem, what=f"{at}: {problem.what}", where=None) for problem in problems]

    def score(self, sample: TestSample, run: RunResult) -> Scored | Awaitable[Scored]:
        """Return what the function returns."""
        if not isinstance(self._found, Target):
            return self.unscored(sample, "metric_error", self._found.what)
        found = self._found.function(sample, run, **self.params_for(sample).arguments)
        return (
            self._later(sample, found) if inspect.isawaitable(found) else self._own(sample, found)
        )

    def definition(self) -> dict[str, JsonValue]:
        """Add the kind, and the digest of the function's file as it was imported."""
        return {**super().definition(), "kind": self.kind.value, "sha256": self._code}

    async def _later(self, sample: TestSample, found: Awaitable[Any]) -> Scored:
        return self._own(sample, await found)

    def _own(self, sample: TestSample, found: Any) -> Scored:
        """Return a score made by hand as one of this metric and sample."""
        if not isinstance(found, Score):
            return self.as_score(sample, found)
        if found.status is ScoreStatus.NOT_APPLICABLE:
            return self.unscored(sample, "metric_error", "the function decides per sample")
        if found.value is None:
            return self.unscored(sample, found.code or "invalid_value", found.reason, found.details)
        return self.make_score(
            sample,
            value=found.value,
            passed=found.passed,
            label=found.label,
            reason=found.reason,
            code=found.code,
            details=found.details,
            vacuous=found.vacuous,
        )


def _returned(function: Any) -> Any:
    try:
        return get_type_hints(function).get("return")
    except Exception:  # noqa: BLE001 - annotations are the user's code
        return None


def _call_problems(target: Target, params: Any) -> list[Problem]:
    try:
        signature = inspect.signature(target.function)
    except (TypeError, ValueError):  # some builtins do not tell
        return []
    try:
        signature.bind(object(), object(), **params.arguments)
    except TypeError as error:
        hint = "it is called as (sample, run), with `arguments` by name"
        return [Problem(what=f"{params.target} cannot be called: {error}", hint=hint)]
    return []
