"""Two tasks that need no key: answers come from a table, in the state that SHOP names."""

import json
import math
import os
from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig, ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import Score, Scorer, accuracy, choice, exact, includes, mean, scorer
from inspect_ai.solver import multiple_choice, solver

ANSWERS = json.loads(Path("../answers.json").read_text())[os.environ["SHOP"]]
CASES = [
    ("refund", "환불은 며칠 안에 할 수 있나요?", "7일"),
    ("hours", "When are you open?", "We are open from 9:00 to 18:00."),
    ("shipping", "배송비는 얼마인가요?", "무료"),
    ("points", "How long are points valid?", "1 year"),
    ("size", "사이즈 교환은 무료인가요?", "사이즈 교환은 무료입니다."),
    ("gift", "Do you wrap gifts?", "for free"),
]
TOPICS = {question: topic for topic, question, _ in CASES}


def answer(messages, tools, tool_choice, config):
    asked = messages[-1].text
    if "ANSWER:" in asked:
        letter = "A" if os.environ["SHOP"] == "before" or "open" in asked else "B"
        text = f"ANSWER: {letter}"
    else:
        text = ANSWERS[TOPICS[asked]]
    output = ModelOutput.from_content("shop-bot", text)
    output.usage = ModelUsage(input_tokens=5, output_tokens=7, total_tokens=12)
    return output


@solver
def ask():
    async def solve(state, generate):
        topic = TOPICS[state.input_text]
        if topic not in ANSWERS:
            raise ConnectionError(f"503 no answer about {topic}")
        return await generate(state)

    return solve


@scorer(metrics=[mean()])
def brevity() -> Scorer:
    async def score(state, target):
        size = len(state.output.completion)
        return Score(
            value=math.nan if size > 30 else 1 - size / 60, explanation=f"{size} characters"
        )

    return score


@scorer(metrics={"ends": [accuracy()], "digits": [mean()]})
def form() -> Scorer:
    async def score(state, target):
        text = state.output.completion
        return Score(
            value={
                "ends": "C" if text.endswith(".") else "I",
                "digits": sum(map(str.isdigit, text)),
            }
        )

    return score


@task
def shop_answers():
    return Task(
        dataset=[Sample(id=topic, input=asked, target=right) for topic, asked, right in CASES],
        solver=ask(),
        scorer=[exact(), includes(), brevity(), form()],
        epochs=2,
        fail_on_error=False,
        model=get_model(
            "mockllm/shop-bot", custom_outputs=answer, config=GenerateConfig(temperature=0)
        ),
    )


@task
def shop_choices():
    asked = [
        ("refund", "환불 기한은?", ["7일", "14일"]),
        ("hours", "When do you open?", ["9:00", "10:00"]),
    ]
    return Task(
        dataset=[Sample(id=i, input=q, choices=c, target="A") for i, q, c in asked],
        solver=multiple_choice(),
        scorer=choice(),
        model=get_model("mockllm/shop-bot", custom_outputs=answer),
    )
