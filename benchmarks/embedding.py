"""How well `embedding_similarity` tells good answers from bad ones with the local model.

    python benchmarks/embedding.py

Each case has a reference, the same said in other words, and the same with a fact changed; the
references of the other cases are what is about something else. The area under the ROC curve is
the chance that a random answer of the first kind has a higher value than one of the other: 0.5 is
guessing, 1 is perfect.
"""

import asyncio
import json
import statistics
from itertools import product
from pathlib import Path

from lm_eval_so.core.text.profiles import basic
from lm_eval_so.evaluator.binding.embedders import embed_locally, local_model
from lm_eval_so.evaluator.metrics.text.embedding import cosine

CASES = Path(__file__).parent / "embedding_cases.json"


async def similarity(one: str, other: str) -> float:
    vectors = [await embed_locally(basic(text)) for text in (one, other)]
    return max(0.0, cosine(*vectors))


def area(higher: list[float], lower: list[float]) -> float:
    """Return the chance that a value of the first is above one of the second; a tie is a half."""
    wins = sum((a > b) + (a == b) / 2 for a, b in product(higher, lower))
    return wins / (len(higher) * len(lower))


def span(values: list[float]) -> str:
    tenths = statistics.quantiles(values, n=10)
    return f"{statistics.median(values):.2f} ({tenths[0]:.2f}-{tenths[-1]:.2f})"


async def measure(cases: list[dict[str, str]], questions: list[dict[str, str]]) -> list[str]:
    """Return a row of the table: values by kind, and how well they are told apart."""
    same = [
        await similarity(case["reference"], question["same"])
        for case, question in zip(cases, questions, strict=True)
    ]
    changed = [
        await similarity(case["reference"], question["changed"])
        for case, question in zip(cases, questions, strict=True)
    ]
    other = [
        await similarity(case["reference"], another["same"])
        for number, case in enumerate(cases)
        for place, another in enumerate(questions)
        if number != place
    ]
    return [
        str(len(cases)),
        span(same),
        span(other),
        span(changed),
        f"{area(same, other):.3f}",
        f"{area(same, changed):.3f}",
    ]


async def main() -> None:
    by_language = json.loads(CASES.read_text("utf-8"))
    head = [
        "reference, answer",
        "cases",
        "in other words",
        "about something else",
        "a fact changed",
        "AUC topic",
        "AUC fact",
    ]
    rows = [
        [f"{one}, {other}", *await measure(by_language[one], by_language[other])]
        for one, other in (("ko", "ko"), ("en", "en"), ("ko", "en"), ("en", "ko"))
    ]
    print(f"{local_model()}: median (10 % - 90 %) of the values\n")
    for row in (head, ["---"] * len(head), *rows):
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    asyncio.run(main())
