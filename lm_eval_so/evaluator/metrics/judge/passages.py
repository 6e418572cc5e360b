"""Metrics of passages: the base of all, and of those that hold claims against them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import JsonValue

from lm_eval_so.core.asking.answer.json_answer import Unusable
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import JudgeVote, Score
from lm_eval_so.core.text.behaviors import is_question, is_refusal
from lm_eval_so.core.text.numbers import find_numbers
from lm_eval_so.core.words import Wording, say_in_each
from lm_eval_so.evaluator.metrics.env import Judge
from lm_eval_so.evaluator.metrics.judge.panel import (
    CLAIMS_SCHEMA,
    MOST_CLAIMS,
    UNKNOWN,
    Check,
    Claim,
    Claims,
    JudgedMetric,
    Opinion,
    Prompt,
    Reply,
    Row,
    checks_schema,
    is_blank,
    numbered,
    quote_finder,
    read_checks,
    read_claims,
    shown,
    vote_of,
)
from lm_eval_so.evaluator.sample_text import reported_passages, sample_passages

_WORDS = ("supported", "contradicted", "absent")
_SCHEMA = checks_schema(_WORDS)
_UNKNOWN_PER = 5
"""Number of claims of which one may be UNKNOWN, not more."""

Source = Literal["auto", "bot", "sample"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passages:
    """Passages of a row, and their source."""

    source: Literal["bot", "sample"]
    """The chatbot, which reports the passages that it used, or the sample."""
    texts: tuple[str, ...]


def find_passages(sample: TestSample, run: RunResult, source: Source) -> Passages:
    """Return the passages of a row; without texts where they are not reported.

    Args:
        sample: Sample.
        run: Row of the sample.
        source: Source; `auto`: the chatbot, or the sample where the chatbot reports none.
    """
    reported = reported_passages(run)
    if source == "sample" or (source == "auto" and not reported):
        return Passages(source="sample", texts=sample_passages(sample))
    return Passages(source="bot", texts=reported)


class PassageMetric(JudgedMetric):
    """Base of the metrics of passages; a parameter `context` names their source."""

    def passages(self, sample: TestSample, run: RunResult) -> Passages:
        """Return the passages of a row."""
        return find_passages(sample, run, self.params_for(sample).context)

    def applies(self, sample: TestSample) -> bool:
        """Return whether there can be passages, as far as the sample tells."""
        return self.params_for(sample).context == "bot" or bool(sample_passages(sample))

    def decided(self, sample: TestSample, run: RunResult) -> Score | None:
        """Return no score without passages."""
        if self.passages(sample, run).texts:
            return None
        return self.unscored(sample, "not_reported")

    def facts(self, sample: TestSample, run: RunResult) -> dict[str, JsonValue]:
        """Return the source of the passages."""
        return {"context": self.passages(sample, run).source}


class GroundedMetric(PassageMetric):
    """Base of the metrics that list the claims of a text and hold them against passages.

    Subclasses give the text by `claimed`.
    """

    normalises = True
    templates: tuple[str, ...] = ("claims", "verify")

    def claimed(self, sample: TestSample, run: RunResult) -> tuple[str, str]:
        """Return the text that makes the claims, after the input that it replies to."""
        raise NotImplementedError

    def claims_row(self, sample: TestSample, run: RunResult) -> Row:
        """Return the row of the request that lists the claims."""
        return self.row(sample, run)

    def calls(self, sample: TestSample, run: RunResult) -> int:
        """Return 2, or 0 if the answer takes no judge."""
        return 2 * super().calls(sample, run)

    def prompt(self, sample: TestSample, run: RunResult) -> Prompt:
        """Return the text to take apart."""
        asked, text = self.claimed(sample, run)
        material, slots = {"INPUT": asked, "TEXT": text}, {"most": str(MOST_CLAIMS)}
        return Prompt(template="claims", schema=CLAIMS_SCHEMA, material=material, slots=slots)

    def request(self, sample: TestSample, run: RunResult) -> ChatRequest:
        """Return the request that lists the claims."""
        row = self.claims_row(sample, run)
        row = replace(row, session=f"{row.seed}:claims")
        return self.prompt(sample, run).request(self.env.template, row)

    async def list_claims(self, judge: Judge, sample: TestSample, run: RunResult) -> Reply[Claims]:
        """Ask one judge for the claims of the text."""
        _, text = self.claimed(sample, run)

        def read(output: str) -> Claims | Unusable:
            return read_claims(output, text)

        return await self.ask(judge, self.request(sample, run), read)

    async def opinion(self, judge: Judge, sample: TestSample, run: RunResult) -> Opinion:
        """Ask one judge to list the claims, and to hold them against the passages."""
        listed = await self.list_claims(judge, sample, run)
        claims = listed.found
        if claims is None:
            return Opinion(vote=vote_of([listed]))
        if not claims.kept:
            return self._without_claims(listed, claims, self.claimed(sample, run)[1])
        passages = self.passages(sample, run).texts
        material = {
            "CONTEXT": "\n\n".join(passages),
            "CLAIMS": numbered(claim.text for claim in claims.kept),
        }
        slots = {"count": str(len(claims.kept))}
        prompt = Prompt(template="verify", schema=_SCHEMA, material=material, slots=slots)
        row = self.row(sample, run)
        row = replace(row, session=f"{row.seed}:verify")

        def read(output: str) -> tuple[Check, ...] | Unusable:
            return read_checks(output, len(claims.kept), _WORDS)

        checked = await self.ask(judge, prompt.request(self.env.template, row), read)
        if checked.found is None:
            return Opinion(vote=vote_of([listed, checked]))
        checks = list(zip(claims.kept, checked.found, strict=True))
        vote, details = self._grounded(checks, passages)
        details = {"claims": len(checks), "dropped": claims.dropped, **details}
        return Opinion(vote=vote_of([listed, checked], vote), details=details)

    def _without_claims(self, listed: Reply[Claims], claims: Claims, text: str) -> Opinion:
        details: dict[str, JsonValue] = {"claims": 0, "dropped": claims.dropped}
        if claims.dropped:  # it found claims, but not in this text: that is no list to trust
            reason = say_in_each("metrics.claims_invented", {"n": claims.dropped})
            vote = self.own_vote(reason, code="judge_invalid")
            return Opinion(vote=vote_of([listed], vote), details=details)
        if find_numbers(text) and not (is_refusal(text) or is_question(text)):
            details["claimless"] = True  # a statement with a figure claims something
        vote = self.own_vote(say_in_each("metrics.claims_none"), value=1.0)
        return Opinion(vote=vote_of([listed], vote), details=details, vacuous=True)

    def _grounded(
        self, pairs: Sequence[tuple[Claim, Check]], passages: Sequence[str]
    ) -> tuple[JudgeVote, dict[str, JsonValue]]:
        """Return the vote that follows from all verdicts, and their details."""
        said = Counter(check.verdict for _, check in pairs)
        n, unknown = len(pairs), said[UNKNOWN]
        is_known = unknown * _UNKNOWN_PER <= n
        unsupported = [
            (claim, check) for claim, check in pairs if check.verdict in {"contradicted", "absent"}
        ]
        stands_in_context = quote_finder("\n\n".join(passages))
        unquoted = sum(
            check.verdict == "supported" and not any(map(stands_in_context, check.evidence))
            for _, check in pairs
        )
        vote = self.own_vote(
            self._reason(pairs, unsupported) if is_known else self._undecided(pairs),
            value=said["supported"] / (n - unknown) if is_known else None,
            code=None if is_known else "judge_unknown",
            evidence=tuple(claim.quote for claim, _ in unsupported),
        )
        return vote, {
            **{word: said[word] for word in _WORDS},
            "unknown": unknown,
            "support_not_quoted": unquoted,
            "unsupported": [
                {
                    "claim": claim.text,
                    "quote": claim.quote,
                    "verdict": check.verdict,
                    "reason": check.reason,
                }
                for claim, check in unsupported
            ],
        }

    def _undecided(self, pairs: Sequence[tuple[Claim, Check]]) -> Wording:
        texts = [claim.text for claim, check in pairs if check.verdict == UNKNOWN]
        figures = {"n": len(texts), "of": len(pairs), "texts": shown(texts)}
        return say_in_each("metrics.claims_unknown", figures)

    def _reason(
        self,
        pairs: Sequence[tuple[Claim, Check]],
        unsupported: Sequence[tuple[Claim, Check]],
    ) -> Wording:
        known = sum(check.verdict != UNKNOWN for _, check in pairs)
        figures = {"n": len(unsupported), "of": known}
        if not unsupported:
            return say_in_each("metrics.claims_supported", figures)
        texts = shown([claim.text for claim, _ in unsupported])
        return say_in_each("metrics.claims_unsupported", {**figures, "texts": texts})


def reference(sample: TestSample) -> str:
    """Return the first reference; "" if there is none."""
    return next((text for text in sample.answers if not is_blank(text)), "")
