"""`checklist`: several criteria, each met or not, in one request to the judge."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue

from lm_eval_so.core.asking.answer.json_answer import Unusable
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.words import Wording, say_in_each
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.env import Judge
from lm_eval_so.evaluator.metrics.judge.panel import (
    UNKNOWN,
    Check,
    JudgedMetric,
    Opinion,
    Prompt,
    checks_schema,
    is_empty,
    numbered,
    read_checks,
    shown,
    shown_material,
    vote_of,
)

__all__ = ["Checklist"]

_WORDS = ("yes", "no")
_SCHEMA = checks_schema(_WORDS)
_MOST_CRITERIA = 30


def _by_name(criteria: Any) -> Any:
    """Return criteria by their names; those of a list are their own names."""
    if not isinstance(criteria, list | tuple):
        return criteria
    texts = [str(text) for text in criteria]
    if len({*texts}) < len(texts):
        raise ValueError("name each criterion once")
    return dict(zip(texts, texts, strict=True))


def _have_texts(criteria: dict[str, str]) -> dict[str, str]:
    if not all(name.strip() and text.strip() for name, text in criteria.items()):
        raise ValueError("a criterion needs a text")
    return criteria


Criteria = Annotated[
    dict[str, str],
    Field(max_length=_MOST_CRITERIA),
    AfterValidator(_have_texts),
    BeforeValidator(_by_name, json_schema_input_type=list[str] | dict[str, str]),
]


class Checklist(JudgedMetric):
    """Share of the criteria that the answer meets.

    Definition: criteria that are met / all `criteria`; `mode: all`: 1 if all are met, else 0. The
        judge gets all criteria in one request, beside what `llm_judge` sees, and says of each: yes,
        no or UNKNOWN. The report has the rate of each criterion by its name. With a panel, the
        median of the judges' values counts, with the criteria of the judge who gave it.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: a criterion is UNKNOWN (`judge_unknown`), but with `mode: all` only if no other
        is unmet; else with the codes of `llm_judge`. An empty answer meets none, without a call.
        Not applicable without criteria.
    Language notes: `judge.template: ko` gives the instructions in Korean.
    Source: Lin et al. (2025), WildBench, ICLR, and Cook et al. (2024), TICK, arXiv:2410.03608:
        criteria that are decided one by one.
    """

    requires = frozenset({"judge", "params.criteria"})
    templates: tuple[str, ...] = ("checklist",)

    class Params(Metric.Params):
        """Criteria, and what the judge sees beside the answer."""

        criteria: Criteria = Field(default={})
        """Questions or statements that can be answered by yes or no: a list, or a text by name."""
        mode: Literal["share", "all"] = "share"
        show: tuple[Literal["expected", "context"], ...] = ()

    def guide(self, sample: TestSample) -> str:
        """Return the criteria."""
        criteria: Mapping[str, str] = self.params_for(sample).criteria
        return "\n".join(
            name if name == text else f"{name}: {text}" for name, text in criteria.items()
        )

    def decided(self, sample: TestSample, run: RunResult) -> Score | None:
        """Return that an empty answer meets none of the criteria."""
        if not is_empty(run):
            return None
        criteria: Mapping[str, str] = self.params_for(sample).criteria
        met = dict.fromkeys(criteria, "no")
        return self.make_score(
            sample, value=0, code="empty_answer", reason=_why(met), details=_details(met)
        )

    def prompt(self, sample: TestSample, run: RunResult) -> Prompt:
        """Return the criteria, numbered, beside the material."""
        params = self.params_for(sample)
        material = {
            **shown_material(sample, run, params.show, ANSWER=run.text),
            "CRITERIA": numbered(params.criteria.values()),
        }
        slots = {"count": str(len(params.criteria))}
        return Prompt(template="checklist", schema=_SCHEMA, material=material, slots=slots)

    async def opinion(self, judge: Judge, sample: TestSample, run: RunResult) -> Opinion:
        """Ask which of the criteria the answer meets."""
        params = self.params_for(sample)

        def read(output: str) -> tuple[Check, ...] | Unusable:
            return read_checks(output, len(params.criteria), _WORDS)

        reply = await self.ask(judge, self.request(sample, run), read)
        checks = reply.found
        if checks is None:
            return Opinion(vote=vote_of([reply]))
        met = {name: check.verdict for name, check in zip(params.criteria, checks, strict=True)}
        value = _value(list(met.values()), params.mode)
        unmet = (check.evidence for check in checks if check.verdict == "no")
        vote = self.own_vote(
            _why(met, checks),
            value=value,
            code="judge_unknown" if value is None else None,
            evidence=tuple(quote for each in unmet for quote in each),
        )
        return Opinion(vote=vote_of([reply], vote), details=_details(met))


def _value(said: Sequence[str], mode: str) -> float | None:
    """Return the value of verdicts; None if one that is UNKNOWN could change it."""
    if mode == "all" and "no" in said:
        return 0.0
    return None if UNKNOWN in said else said.count("yes") / len(said)


def _why(met: Mapping[str, str], checks: Sequence[Check] = ()) -> Wording:
    """Name the criteria that decide, the first with the judge's reason: those unmet, else unknown."""
    for word in ("no", UNKNOWN):
        names = [name for name, said in met.items() if said == word]
        if names:
            why = next((f" ({check.reason})" for check in checks if check.verdict == word), "")
            key = "metrics.criteria_unmet" if word == "no" else "metrics.criteria_unknown"
            return say_in_each(key, {"names": shown(names), "why": why})
    return say_in_each("metrics.criteria_met", {"n": len(met)})


def _details(met: Mapping[str, str]) -> dict[str, JsonValue]:
    return {"parts": {name: _NUMBER[said] for name, said in met.items()}}


_NUMBER: Mapping[str, JsonValue] = {"yes": 1, "no": 0, UNKNOWN: None}
