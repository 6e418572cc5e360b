"""`composite`: several metrics as one."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, field_validator

from lm_eval_so.core.records.enums import MetricKind, RunStatus, ScoreStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.words import Wording, say_in_each
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator.metrics.base import Metric

__all__ = ["Composite"]

Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]

_PASSES = frozenset({"all_of", "any_of"})
_FROM_0_TO_1 = (0.0, 1.0)


class Composite(Metric):
    """Several metrics as one.

    Definition: `mode: weighted` Σwᵢvᵢ/Σwᵢ over the metrics that `parts` names by id, each with its
        weight; `min` and `max` the least and the greatest value; `all_of` 1 if every part passes,
        `any_of` 1 if one does, else 0. Parts that do not apply to the sample are left out.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: a part is unscored (`part_unscored`), unless the others decide: a failed one
        under `all_of`, a passed one under `any_of`; not applicable if no part applies.
    Language notes: none.
    Source: own rules.
    """

    accepts_status = frozenset(RunStatus)

    class Params(Metric.Params):
        """Parts with their weights, and the way of joining."""

        parts: dict[str, Weight] = Field(min_length=1)
        mode: Literal["weighted", "all_of", "any_of", "min", "max"] = "weighted"

        @field_validator("parts", mode="before")
        @classmethod
        def _weigh_alike(cls, parts: object) -> object:
            if isinstance(parts, list) and all(isinstance(part, str) for part in parts):
                return dict.fromkeys(parts, 1.0)
            return parts

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        if self.params.mode in _PASSES:
            self.kind = MetricKind.BINARY

    @property
    def part_ids(self) -> tuple[str, ...]:
        """Ids of the metrics that are joined."""
        return tuple(self.params.parts)

    def check_part(self, part: Metric, *, decides: bool) -> str | None:
        """Say why a metric cannot be joined with others."""
        if part.range is None:
            return "is unbounded"
        if not part.higher_is_better:
            return "is better when it is lower"
        if part.range != _FROM_0_TO_1:
            return f"goes from {part.range[0]:g} to {part.range[1]:g}, not from 0 to 1"
        if self.params.mode in _PASSES and not decides:
            return "neither passes nor fails; give it pass_if"
        return None

    def check_sample(self, sample: TestSample) -> list[Problem]:
        """Find problems of a sample's parameters: it may change weights, not parts."""
        problems = super().check_sample(sample)
        if problems:
            return problems
        own = self.params_for(sample)
        at = self.place_in(sample)
        more = [part for part in own.parts if part not in self.params.parts]
        found = [
            Problem(what=f"{at}.parts: {part} is no part of {self.id} in the config")
            for part in more
        ]
        if own.mode != self.params.mode:
            found.append(Problem(what=f"{at}.mode: the mode is that of the config"))
        return found

    def score_parts(
        self,
        sample: TestSample,
        runs: Sequence[RunResult],  # noqa: ARG002 - as the base
        parts: Mapping[str, Sequence[Score]],
    ) -> Score:
        """Join the scores of the row."""
        params = self.params_for(sample)
        found = {part: parts[part][0] for part in params.parts if parts.get(part)}
        meant = {p: s for p, s in found.items() if s.status is not ScoreStatus.NOT_APPLICABLE}
        if found and not meant:
            return self.not_applicable(sample, f"no part applies: {', '.join(found)}")
        shown: dict[str, JsonValue] = {part: score.value for part, score in meant.items()}
        if params.mode in _PASSES:
            decided = _decided(meant, params.mode)
            if decided is not None:
                failed = ", ".join(part for part, score in meant.items() if score.passed is False)
                why = self._say("parts_failed", failed) if failed else None
                return self.make_score(sample, value=decided, reason=why, details={"parts": shown})
        lost = [part for part in params.parts if part not in found or _is_lost(found[part])]
        if lost:
            return self._unscored(sample, found, lost, details={"parts": shown})
        if params.mode in _PASSES:
            open_ = ", ".join(part for part, score in meant.items() if score.passed is None)
            return self.unscored(sample, "part_unscored", self._say("part_undecided", open_))
        values = {part: score.value for part, score in meant.items() if score.value is not None}
        value = _joined(values, params.parts, params.mode)
        told = ", ".join(f"{part} {number:.3g}" for part, number in values.items())
        reason = None if value == 1 else told
        return self.make_score(sample, value=value, reason=reason, details={"parts": shown})

    def _unscored(
        self,
        sample: TestSample,
        found: Mapping[str, Score],
        lost: Sequence[str],
        details: Mapping[str, JsonValue],
    ) -> Score:
        codes = {part: found[part].code if part in found else None for part in lost}
        said = ", ".join(f"{part} ({code})" if code else part for part, code in codes.items())
        of_row = {code for code in codes.values() if code and code.startswith("run_")}
        # a row without an answer keeps its own code: nothing is wrong with the parts
        code = of_row.pop() if len(of_row) == 1 and len(set(codes.values())) == 1 else None
        why = self._say("part_unscored", said)
        return self.unscored(sample, code or "part_unscored", why, details)

    def _say(self, key: str, parts: str) -> Wording:
        return say_in_each(f"metrics.{key}", {"parts": parts})


def _is_lost(score: Score) -> bool:
    return score.status is ScoreStatus.UNSCORED


def _decided(parts: Mapping[str, Score], mode: str) -> bool | None:
    """Return the value that the parts with a result decide, whatever the others are; None if open."""
    deciding = mode == "any_of"
    if any(score.passed is deciding for score in parts.values()):
        return deciding
    known = [score.passed for score in parts.values()]
    return None if None in known else not deciding


def _joined(values: Mapping[str, float], weights: Mapping[str, float], mode: str) -> float:
    if mode == "min":
        return min(values.values())
    if mode == "max":
        return max(values.values())
    total = math.fsum(weights[part] for part in values)
    return math.fsum(weights[part] * value for part, value in values.items()) / total
