"""Score the answers of a table with metrics that need no key: SHOP names the state of the table."""

import asyncio
import json
import os
from pathlib import Path

from ragas import Dataset, EvaluationDataset, evaluate, experiment
from ragas.metrics import BleuScore, ExactMatch, NonLLMStringSimilarity, RougeScore
from ragas.metrics.collections import ExactMatch as Exact
from ragas.run_config import RunConfig

STATE = os.environ["SHOP"]
ANSWERS = json.loads(Path("answers.json").read_text())[STATE]
CASES = [
    ("refund", "환불은 며칠 안에 할 수 있나요?", "환불은 결제 후 7일 안에 할 수 있습니다."),
    ("hours", "When are you open?", "We are open from 9:00 to 18:00."),
    ("shipping", "배송비는 얼마인가요?", "배송비는 무료입니다."),
    ("points", "How long are points valid?", "Points are valid for 1 year."),
    ("size", "사이즈 교환은 무료인가요?", "사이즈 교환은 무료입니다."),
    ("gift", "Do you wrap gifts?", "We wrap gifts for free."),
]


class Breaks(NonLLMStringSimilarity):
    """A metric that fails at one answer while the shop is down; the score is NaN then."""

    async def _single_turn_ascore(self, sample, callbacks):
        if STATE == "down" and sample.reference.startswith("We are open"):
            raise ConnectionError("no judge can be reached")
        return await super()._single_turn_ascore(sample, callbacks)


def evaluated() -> None:
    rows = [
        {
            "user_input": asked,
            "retrieved_contexts": [f'{topic}, "see" 안내\n2'],
            "response": ANSWERS.get(topic, ""),
            "reference": right,
        }
        for topic, asked, right in CASES
    ]
    result = evaluate(
        EvaluationDataset.from_list(rows),
        metrics=[ExactMatch(), BleuScore(), RougeScore(), Breaks()],
        run_config=RunConfig(max_workers=1, max_retries=1),
        show_progress=False,
        raise_exceptions=False,
    )
    frame = result.to_pandas()
    frame.to_csv(f"{STATE}.csv", index=False)
    frame.to_json(f"{STATE}.jsonl", orient="records", lines=True, force_ascii=False)


async def experimented() -> None:
    exact = Exact()

    @experiment()
    async def shop(row):
        answer = ANSWERS.get(row["topic"], "")
        if not answer:
            raise ValueError(f"no answer about {row['topic']}")
        found = await exact.ascore(reference=row["expected"], response=answer)
        return {
            **row,
            "response": answer,
            "exact": found.value,
            "verdict": "pass" if found.value == 1 else "fail",
            "characters": len(answer),
        }

    rows = [{"topic": topic, "question": asked, "expected": right} for topic, asked, right in CASES]
    dataset = Dataset(name="shop", backend="local/csv", root_dir=".", data=rows)
    await shop.arun(dataset, name=STATE)


evaluated()
asyncio.run(experimented())
