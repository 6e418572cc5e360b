"""How far a text rests on passages: its claims listed, then each held against them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from lm_eval_so.core.asking.answer.json_answer import Unusable
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.words import say
from lm_eval_so.evaluator.metrics.env import Judge, MetricEnv
from lm_eval_so.evaluator.metrics.judge.checks import (
    Check,
    checks_schema,
    numbered,
    read_checks,
    shown,
)
from lm_eval_so.evaluator.metrics.judge.claims import (
    CLAIMS_SCHEMA,
    MOST_CLAIMS,
    Claim,
    Claims,
    quote_finder,
    read_claims,
)
from lm_eval_so.evaluator.metrics.judge.opinion import Opinion, ask_one, make_request, vote_of
from lm_eval_so.evaluator.metrics.judge.panel import Reply
from lm_eval_so.evaluator.metrics.judge.prompt import UNKNOWN, fill
from lm_eval_so.evaluator.transcript import reported_passages, sample_passages

TEMPLATES = ("claims", "verify")
"""Names of the templates that this needs."""

_WORDS = ("supported", "contradicted", "absent")
_SCHEMA = checks_schema(_WORDS)
_UNKNOWN_PER = 5
"""One claim in so many may be UNKNOWN, not more."""

Source = Literal["auto", "bot", "sample"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passages:
    """What a text is held against."""

    source: Literal["bot", "sample"]
    """Who brought them: the chatbot, which reports what it used, or the sample."""
    texts: tuple[str, ...]


def find_passages(sample: TestSample, run: RunResult, source: Source) -> Passages:
    """Return the passages of a row; without texts where they are not reported.

    Args:
        sample: The sample.
        run: Its row.
        source: Whose passages; `auto` are the chatbot's, and the sample's where it reports none.
    """
    reported = reported_passages(run)
    if source == "sample" or (source == "auto" and not reported):
        return Passages(source="sample", texts=sample_passages(sample))
    return Passages(source="bot", texts=reported)


def claims_request(
    language: Language, *, asked: str, text: str, seed: str, sample_id: str, repeat: int = 0
) -> ChatRequest:
    """Return the request that takes a text apart into claims.

    Args:
        language: Language of the instructions.
        asked: What the text replies to.
        text: The text.
        seed: What marker and session are drawn from.
        sample_id: Id of the sample.
        repeat: Which answer to the sample the text is.
    """
    material = {"INPUT": asked, "TEXT": text}
    prompt = fill(language, "claims", material, seed, most=str(MOST_CLAIMS))
    session = f"{seed}:claims"
    return make_request(prompt, CLAIMS_SCHEMA, session=session, sample_id=sample_id, repeat=repeat)


def verify_request(
    language: Language,
    claims: Sequence[Claim],
    passages: Sequence[str],
    *,
    seed: str,
    sample_id: str,
    repeat: int,
) -> ChatRequest:
    """Return the request that holds claims against passages; as `claims_request`."""
    material = {
        "CONTEXT": "\n\n".join(passages),
        "CLAIMS": numbered(claim.text for claim in claims),
    }
    prompt = fill(language, "verify", material, seed, count=str(len(claims)))
    return make_request(
        prompt, _SCHEMA, session=f"{seed}:verify", sample_id=sample_id, repeat=repeat
    )


async def list_claims(
    env: MetricEnv, judge: Judge, request: ChatRequest, text: str
) -> Reply[Claims]:
    """Let a judge take a text apart."""

    def read(output: str) -> Claims | Unusable:
        return read_claims(output, text)

    return await ask_one(env, judge, request, read)


async def hold_against(
    env: MetricEnv,
    judge: Judge,
    listed: Reply[Claims],
    passages: Sequence[str],
    *,
    seed: str,
    sample_id: str,
    repeat: int,
) -> Opinion:
    """Let a judge hold the claims that it listed against passages.

    Args:
        env: Language of instructions and reasons.
        judge: The judge.
        listed: The claims that it listed.
        passages: What they are held against.
        seed: What marker and session are drawn from.
        sample_id: Id of the sample.
        repeat: Which answer to the sample it is.
    """
    claims = listed.found
    if claims is None:
        return Opinion(vote=vote_of([listed]))
    if not claims.kept:
        return _without_claims(env, listed, claims)
    request = verify_request(
        env.template, claims.kept, passages, seed=seed, sample_id=sample_id, repeat=repeat
    )

    def read(output: str) -> tuple[Check, ...] | Unusable:
        return read_checks(output, len(claims.kept), _WORDS)

    checked = await ask_one(env, judge, request, read)
    if checked.found is None:
        return Opinion(vote=vote_of([listed, checked]))
    return _opinion(env, listed, checked, claims, checked.found, passages)


def _without_claims(env: MetricEnv, listed: Reply[Claims], claims: Claims) -> Opinion:
    details = {"claims": 0, "dropped": claims.dropped}
    if claims.dropped:  # it found claims, but not in this text: that is no list to trust
        reason = say("metrics.claims_invented", env.language, {"n": claims.dropped})
        vote = vote_of([listed], code="judge_invalid", reason=reason)
        return Opinion(vote=vote, details=details)
    vote = vote_of([listed], value=1.0, reason=say("metrics.claims_none", env.language))
    return Opinion(vote=vote, details=details, vacuous=True)


def _opinion(
    env: MetricEnv,
    listed: Reply[Claims],
    checked: Reply[tuple[Check, ...]],
    claims: Claims,
    checks: Sequence[Check],
    passages: Sequence[str],
) -> Opinion:
    pairs = list(zip(claims.kept, checks, strict=True))
    counts = {word: sum(check.verdict == word for check in checks) for word in (*_WORDS, UNKNOWN)}
    unsupported = [
        (claim, check) for claim, check in pairs if check.verdict in {"contradicted", "absent"}
    ]
    stands_in_context = quote_finder("\n\n".join(passages))
    unquoted = sum(
        check.verdict == "supported" and not any(map(stands_in_context, check.evidence))
        for check in checks
    )
    n, unknown = len(pairs), counts[UNKNOWN]
    vote = vote_of(
        [listed, checked],
        value=None if unknown * _UNKNOWN_PER > n else counts["supported"] / (n - unknown),
        code="judge_unknown" if unknown * _UNKNOWN_PER > n else None,
        reason=_reason(env.language, pairs, unsupported, unknown),
        evidence=[claim.quote for claim, _ in unsupported],
    )
    details: dict[str, JsonValue] = {
        "claims": n,
        "dropped": claims.dropped,
        **{word: counts[word] for word in _WORDS},
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
    return Opinion(vote=vote, details=details)


def _reason(
    language: Language,
    pairs: Sequence[tuple[Claim, Check]],
    unsupported: Sequence[tuple[Claim, Check]],
    unknown: int,
) -> str:
    if unknown * _UNKNOWN_PER > len(pairs):
        undecided = [claim.text for claim, check in pairs if check.verdict == UNKNOWN]
        figures = {"n": unknown, "of": len(pairs), "texts": shown(undecided)}
        return say("metrics.claims_unknown", language, figures)
    figures = {"n": len(unsupported), "of": len(pairs) - unknown}
    if not unsupported:
        return say("metrics.claims_supported", language, figures)
    texts = shown([claim.text for claim, _ in unsupported])
    return say("metrics.claims_unsupported", language, {**figures, "texts": texts})
