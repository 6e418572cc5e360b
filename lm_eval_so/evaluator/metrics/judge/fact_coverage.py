"""`fact_coverage`: the share of the required facts that the answer states."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from lm_eval_so.core.asking.answer.json_answer import Unusable
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.words import Wording, joined, say_in_each
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.env import Judge
from lm_eval_so.evaluator.metrics.judge.panel import (
    UNKNOWN,
    Check,
    JudgedMetric,
    Opinion,
    Prompt,
    checks_schema,
    is_blank,
    numbered,
    read_checks,
    shown,
    vote_of,
)
from lm_eval_so.evaluator.sample_text import shown_input

__all__ = ["Fact", "FactCoverage"]

_WORDS = ("stated", "contradicted", "absent")
_SCHEMA = checks_schema(_WORDS)


class Fact(BaseModel):
    """Statement that the answer should make."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = Field(pattern=r"\S")
    required: bool = True
    """Whether the fact counts; the others stand in the details."""


def _short_fact(value: object) -> object:
    return {"text": value} if isinstance(value, str) else value


AnyFact = Annotated[Fact, BeforeValidator(_short_fact, json_schema_input_type=str | Fact)]
"""Fact in its long form, or its text alone."""


class FactCoverage(JudgedMetric):
    """Share of the required facts that the answer states.

    Definition: required facts that the answer states / required facts. The judge gets all facts in
        one request and says of each: stated, contradicted, absent or UNKNOWN. A contradicted fact counts as
        absent and is flagged. With a panel, the median of the judges' values counts.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: a required fact is UNKNOWN (`judge_unknown`), the output is unusable twice
        (`judge_invalid`), the judge refuses or cannot be reached. An empty answer is 0 without a
        call. Not applicable without facts.
    Language notes: facts may be in another language than the answer.
    Source: Voorhees (2003), Overview of the TREC 2003 question answering track (vital nuggets).
    """

    requires = frozenset({"judge", "params.facts"})
    templates: tuple[str, ...] = ("facts",)

    class Params(Metric.Params):
        """Facts; usually each sample brings its own."""

        facts: tuple[AnyFact, ...] = ()

        @model_validator(mode="after")
        def _one_counts(self) -> Self:
            if self.facts and not any(fact.required for fact in self.facts):
                raise ValueError("at least one fact must be required")
            return self

    def decided(self, sample: TestSample, run: RunResult) -> Score | None:
        """Return that an empty answer states none of the facts."""
        if not is_blank(run.text):
            return None
        facts = self.params_for(sample).facts
        checks = [Check(verdict="absent", reason="") for _ in facts]
        return self.make_score(
            sample,
            value=0,
            code="empty_answer",
            reason=self._reason(facts, checks),
            details=_details(facts, checks),
        )

    def prompt(self, sample: TestSample, run: RunResult) -> Prompt:
        """Return the facts, numbered, beside input and answer."""
        facts: Sequence[Fact] = self.params_for(sample).facts
        material = {
            "INPUT": shown_input(sample, run),
            "ANSWER": run.text,
            "FACTS": numbered(fact.text for fact in facts),
        }
        slots = {"count": str(len(facts))}
        return Prompt(template="facts", schema=_SCHEMA, material=material, slots=slots)

    async def opinion(self, judge: Judge, sample: TestSample, run: RunResult) -> Opinion:
        """Ask which of the facts the answer states."""
        facts: Sequence[Fact] = self.params_for(sample).facts

        def read(output: str) -> tuple[Check, ...] | Unusable:
            return read_checks(output, len(facts), _WORDS)

        reply = await self.ask(judge, self.request(sample, run), read)
        checks = reply.found
        if checks is None:
            return Opinion(vote=vote_of([reply]))
        required = [check for fact, check in zip(facts, checks, strict=True) if fact.required]
        is_known = all(check.verdict != UNKNOWN for check in required)
        stated = sum(check.verdict == "stated" for check in required)
        quotes = (c.evidence for c in checks if c.verdict == "contradicted")
        vote = self.own_vote(
            self._reason(facts, checks),
            value=stated / len(required) if is_known else None,
            code=None if is_known else "judge_unknown",
            evidence=tuple(quote for each in quotes for quote in each),
        )
        return Opinion(vote=vote_of([reply], vote), details=_details(facts, checks))

    def _reason(self, facts: Sequence[Fact], checks: Sequence[Check]) -> Wording:
        """Name what decides: the required facts that are unknown, else those that are missing."""
        found = _texts_by_verdict(facts, checks)
        parts = [
            say_in_each(f"metrics.facts_{word.lower()}", {"texts": shown(found[word])})
            for word in ([UNKNOWN] if found[UNKNOWN] else ["contradicted", "absent"])
            if found[word]
        ]
        figures = {"n": len(found["stated"])}
        return joined("; ", parts) if parts else say_in_each("metrics.facts_stated", figures)


def _details(facts: Sequence[Fact], checks: Sequence[Check]) -> dict[str, JsonValue]:
    found: Mapping[str, Any] = _texts_by_verdict(facts, checks)
    optional = [check for fact, check in zip(facts, checks, strict=True) if not fact.required]
    return {
        "required": sum(fact.required for fact in facts),
        "stated": len(found["stated"]),
        "contradicted": found["contradicted"],
        "absent": found["absent"],
        "unknown": found[UNKNOWN],
        "optional": len(optional),
        "optional_stated": sum(check.verdict == "stated" for check in optional),
    }


def _texts_by_verdict(facts: Sequence[Fact], checks: Sequence[Check]) -> dict[str, list[str]]:
    """Return the required facts by what was said of them."""
    found: dict[str, list[str]] = {word: [] for word in (*_WORDS, UNKNOWN)}
    for fact, check in zip(facts, checks, strict=True):
        if fact.required:
            found[check.verdict].append(fact.text)
    return found
