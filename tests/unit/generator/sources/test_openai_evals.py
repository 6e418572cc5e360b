"""Files of OpenAI's hosted Evals: columns by templates and references, graders as metrics that load."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lm_eval_so.core.config.load import load_config
from lm_eval_so.errors import DatasetError
from lm_eval_so.evaluator.evaluation_plan import check

PEERS = Path(__file__).parents[3] / "data" / "peers"
METRICS = "metrics-from-openai-evals.yaml"


@pytest.fixture
def evals(shop: Any) -> Any:
    shutil.copytree(PEERS / "openai", shop.folder / "evals")
    return shop


def test_evals__columns_are_those_of_the_template_and_the_references(evals: Any) -> None:
    evals.generate({"path": "evals"})
    found = [(s["messages"][0]["content"], s["expected"], s["metadata"]) for s in evals.samples()]
    assert found == [
        ("적립금은 현금으로 바꿀 수 있나요?", "바꿀 수 없습니다.", {"region": "Jeju"}),
        ("반품 기간이 어떻게 되나요?", "7일", {"region": "Seoul"}),
        ("Is gift wrap free?", "No, it is 2,000 won.", {"region": "Busan"}),
    ]
    assert "봇" not in (evals.folder / "made" / "test.jsonl").read_text("utf-8")


def test_evals__graders_load_as_metrics(evals: Any) -> None:
    made = evals.generate({"path": "evals"})
    assert METRICS in {path.name for path in made.files}
    written = (evals.folder / "made" / METRICS).read_text("utf-8")
    assert written.rstrip() in "\n".join(evals.notices())
    backend = "backend: {name: scripted, params: {texts: [a]}}\n"
    evals.write(
        "lm-eval-so.yaml", f"version: 1\nsuite: s\ndataset: {{path: made}}\n{backend}{written}"
    )
    config = load_config(evals.folder / "lm-eval-so.yaml", environ={})
    assert check(config, environ={"OPENAI_API_KEY": "x"}) == []
    assert [(m.id, m.name, m.pass_if) for m in config.metrics] == [
        ("exact", "exact_match", None),
        ("mentions", "contains", None),
        ("close_enough", "char_f1", ">= 0.7"),
        ("llm_judge", "llm_judge", ">= 1"),
        ("completeness", "llm_scale", ">= 0.7"),
    ]
    judge, scale = config.metrics[3:]
    assert judge.params["labels"] == {"polite": 1.0, "neutral": 1.0, "rude": 0.0}
    assert judge.params["rubric"] == "Grade the tone.\n\nQ: (customer_says)\nA: (the answer)"
    assert scale.params["show"] == ["expected"]
    assert scale.params["anchors"][3] == "a score of 7.5 from 0 to 10"
    told = [text.partition(": ")[2] for text in evals.notices() if ': grader "' in text]
    assert told == [
        'grader "Close enough" measured fuzzy_match; char_f1 is the nearest, so look at its pass_if',
        'grader "Code" is code, which is not run; write a metric plugin',
    ]
    evals.generate({"path": "evals/rows.jsonl", "map": {"input": "item.customer_says"}})
    assert not (evals.folder / "made" / METRICS).exists()


GRADER = {"type": "string_check", "name": "g", "input": "{{sample.output_text}}", "operation": "eq"}


@pytest.mark.parametrize(
    ("row", "beside", "question", "expected"),
    [
        ({"item": {"question": "가?", "note": "나"}}, {}, "가?", None),
        ({"item": {"x": "가?"}}, {}, None, "nothing tells which column of x is the question"),
        ({"item": {"q": "가?", "t": "나"}}, {"data_source": {"input_messages": {"template": [{"role": "user", "content": "{{item.t}}\n{{item.q}}"}]}}}, "나\n\n가?", None),
        ({"item": {"question": "가?"}}, {"testing_criteria": [{**GRADER, "reference": "긍정"}]}, "가?", "긍정"),
        ({"item": {"question": "가?", "bot": "나"}}, {"testing_criteria": [{**GRADER, "input": "{{item.bot}}", "operation": "ne", "reference": "{{item.bot}}"}]}, "가?", None),
        ({"datasource_item": {"x": "나"}, "sample": {"input": [{"role": "user", "content": "가?"}]}}, {}, "가?", None),
    ],
)  # fmt: skip
def test_rows__of_each_form(
    shop: Any, row: dict[str, Any], beside: dict[str, Any], question: str | None, expected: Any
) -> None:
    shop.write("rows.jsonl", json.dumps(row))
    shop.write("eval.json", json.dumps(beside) if beside else "[]")
    if question is None:
        with pytest.raises(DatasetError, match=expected):
            shop.generate({"path": "rows.jsonl"})
        return
    shop.generate({"path": ["rows.jsonl", "eval.json"] if beside else "rows.jsonl"})
    (sample,) = shop.samples()
    assert (sample["messages"][-1]["content"], sample.get("expected")) == (question, expected)


def test_run__may_hold_its_rows(shop: Any) -> None:
    content = [{"item": {"ask": "가?", "right": "나"}}, {"item": {"ask": "다?", "right": "라"}}]
    template = [{"role": "user", "content": "{{item.ask}}"}]
    run = {
        "data_source": {"source": {"content": content}, "input_messages": {"template": template}}
    }
    shop.write("run.json", json.dumps(run))
    shop.generate({"path": "run.json"})
    assert [sample["messages"][0]["content"] for sample in shop.samples()] == ["가?", "다?"]


def test_graders__without_a_metric_of_ours_are_told(shop: Any) -> None:
    graders = [
        {**GRADER, "operation": "ne", "reference": "x"},
        {"type": "text_similarity", "name": "near", "evaluation_metric": "cosine"},
        {"type": "multi", "name": "all"},
    ]
    shop.write("eval.json", json.dumps({"testing_criteria": graders}))
    shop.write("run.json", json.dumps({"data_source": {"type": "completions"}}))
    shop.write("rows.jsonl", json.dumps({"item": {"question": "가?"}}))
    shop.generate({"path": ["eval.json", "run.json", "rows.jsonl"]})
    told = [text for text in shop.notices() if text.startswith(("eval.json", "run.json"))]
    assert told == [
        'eval.json: grader "g" wants another text than its reference; write it as forbidden of keyword_coverage',
        'eval.json: grader "near" measured cosine; embedding_similarity does so with an embedder of yours',
        'eval.json: grader "all" is of a kind that is not known: multi',
        "run.json: a run without rows; its template tells the columns of those beside it",
    ]
    assert not (shop.folder / "made" / METRICS).exists()
