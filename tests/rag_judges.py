"""What judges say of claims, facts and passages, for the tests of the metrics that ask them."""

import json
from collections.abc import Sequence
from typing import Any

from evaluation import SaidAsker, a_run

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.run import Response, RunResult
from lm_eval_so.core.records.sample import Passage
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.env import Judge, MetricEnv

CONTEXT = (
    Passage(text="환불은 영업일 기준 3일 걸립니다."),
    Passage(text="무관", role="distractor"),
)


def claims(*quotes: str | tuple[str, str]) -> str:
    """A list of claims; a quote alone is its own claim."""
    pairs = [(quote, quote) if isinstance(quote, str) else quote for quote in quotes]
    listed = [{"quote": quote, "claim": claim} for quote, claim in pairs]
    return json.dumps({"claims": listed}, ensure_ascii=False)


def verdicts(*words: str, evidence: str = "영업일 기준 3일") -> str:
    """Verdicts on the statements 1, 2, …"""
    listed = [
        {"number": number, "reason": f"because {number}", "evidence": evidence, "verdict": word}
        for number, word in enumerate(words, 1)
    ]
    return json.dumps({"verdicts": listed}, ensure_ascii=False)


def label(word: str) -> str:
    return json.dumps({"reason": f"it is {word}", "evidence": [], "label": word})


def make(
    of: type[Metric], *judges: SaidAsker | Sequence[str | Answer], **options: Any
) -> tuple[Any, list[SaidAsker]]:
    """A metric and its judges, each of which says what is written down for it."""
    askers = [each if isinstance(each, SaidAsker) else SaidAsker(*each) for each in judges]
    env = MetricEnv(
        judges=tuple(Judge(ask=each.ask, model=f"asked-{n}") for n, each in enumerate(askers)),
        quorum=options.pop("quorum", None),
        language=options.pop("language", Language.EN),
        template=options.pop("template", Language.EN),
        embed=options.pop("embed", None),
    )
    return of(params=options, env=env), askers


def a_rag_run(text: str, *context: str, **fields: Any) -> RunResult:
    """An answer, and the passages that the chatbot reports."""
    return a_run(text, response=Response(text=text, context=context), **fields)
