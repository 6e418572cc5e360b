"""Score the answers of a table with metrics that need no key: SHOP names the state of the table."""

import json
import os
from pathlib import Path

from deepeval import evaluate
from deepeval.evaluate import AsyncConfig, CacheConfig, DisplayConfig, ErrorConfig
from deepeval.metrics import BaseMetric, ExactMatchMetric, PatternMatchMetric
from deepeval.test_case import LLMTestCase

STATE = os.environ["SHOP"]
ANSWERS = json.loads(Path("answers.json").read_text())[STATE]


class Brevity(BaseMetric):
    """Share of 60 characters that an answer leaves free; it fails at one question while the shop is down."""

    def __init__(self) -> None:
        self.threshold = 0.4

    def measure(self, test_case: LLMTestCase) -> float:
        if STATE == "down" and test_case.name == "hours":
            raise ConnectionError("no judge can be reached")
        self.score = max(0.0, 1 - len(test_case.actual_output) / 60)
        self.success = self.score >= self.threshold
        self.reason = f"{len(test_case.actual_output)} characters"
        return self.score

    async def a_measure(self, test_case: LLMTestCase) -> float:
        return self.measure(test_case)

    def is_successful(self) -> bool:
        return self.error is None and bool(self.success)

    @property
    def __name__(self) -> str:
        return "간결함"


CASES = [
    ("refund", "환불은 며칠 안에 할 수 있나요?", "환불은 결제 후 7일 안에 할 수 있습니다."),
    ("hours", "When are you open?", "We are open from 9:00 to 18:00."),
    ("shipping", "배송비는 얼마인가요?", "배송비는 무료입니다."),
    (None, "How long are points valid?", "Points are valid for 1 year."),
    ("size", "사이즈 교환은 무료인가요?", "사이즈 교환은 무료입니다."),
    ("gift", "Do you wrap gifts?", "We wrap gifts for free."),
]
evaluate(
    [
        LLMTestCase(
            name=name,
            input=question,
            actual_output=ANSWERS.get(name or "points", ""),
            expected_output=expected,
            completion_time=0.25,
            token_cost=0.0001,
        )
        for name, question, expected in CASES
    ],
    metrics=[ExactMatchMetric(), PatternMatchMetric(pattern=r".*[.]?"), Brevity()],
    async_config=AsyncConfig(run_async=False),
    cache_config=CacheConfig(write_cache=False),
    display_config=DisplayConfig(print_results=False, show_indicator=False),
    error_config=ErrorConfig(ignore_errors=True),
    hyperparameters={"model": "shop-bot", "prompt": "plain"},
    identifier="shop",
)
