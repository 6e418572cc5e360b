"""Metrics of claims, facts and passages in a report."""

from pathlib import Path
from typing import Any

from evaluation import SaidAsker, a_config, report_of, write_dataset, write_run
from rag_judges import a_rag_run, claims, label, verdicts

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample

PASSAGE = {"role": "gold", "text": "환불은 영업일 기준 3일 걸립니다."}
FACTS = {"fact_coverage": {"facts": ["3일 걸린다"]}}
ROWS: list[dict[str, Any]] = [
    {"id": "a", "input": "환불?", "expected": "3일", "context": [PASSAGE], "metrics": FACTS},
    {"id": "b", "input": "배송?", "expected": "무료", "context": [PASSAGE]},
    {"id": "c", "input": "안녕"},
]
ANSWERS = {"a": "환불은 3일 걸립니다", "b": "배송은 5천 원입니다", "c": "안녕하세요"}
METRICS = ["faithfulness", "fact_coverage", "answer_relevancy", "context_recall"]


class Judge(SaidAsker):
    """Answers by what it is asked for."""

    async def ask(self, request: ChatRequest) -> Answer:
        keys = (request.response_format or {})["properties"]
        text = request.messages[0].content
        if "claims" in keys:
            said = claims(text.split("<<TEXT ")[1].split("\n")[1])
        elif "verdicts" in keys:
            is_fact = "<<FACTS" in text
            good = "stated" if is_fact else "supported"
            said = verdicts("absent" if "무료" in text or "5천" in text else good)
        else:
            said = label("full")
        self.said = [said]
        return await super().ask(request)


def answer(sample: TestSample, repeat: int) -> RunResult:
    reported = () if sample.id == "c" else (PASSAGE["text"],)
    return a_rag_run(ANSWERS[sample.id], *reported)


def test_evaluate__values_missing_rows_and_reasons(tmp_path: Path) -> None:
    run = write_run(tmp_path, write_dataset(tmp_path, ROWS), answer)
    judge = Judge("")
    metrics = [{"name": name, "backend": {"name": "scripted"}} for name in METRICS]
    report = report_of(a_config(tmp_path, metrics), run, opens=judge.opens)
    assert report.samples.scores["faithfulness"] == (1.0, 0.0, None)
    assert report.samples.scores["fact_coverage"] == (1.0, None, None)
    assert report.samples.scores["answer_relevancy"] == (1.0, 1.0, 1.0)
    assert report.samples.scores["context_recall"] == (1.0, 0.0, None)
    summaries = report.metrics
    assert summaries["faithfulness"].not_applicable == 1
    assert summaries["context_recall"].not_applicable == 1
    case = next(case for case in report.errors if case.sample_id == "b")
    assert case.reason == (
        'faithfulness 0: the context does not support 1 of 1 claims: "배송은 5천 원입니다"'
    )
    assert report.judges["faithfulness"].calls == 4


def test_evaluate__passages_that_are_not_reported_are_no_zero(tmp_path: Path) -> None:
    run = write_run(tmp_path, write_dataset(tmp_path, ROWS), answer)
    metrics = [
        {
            "name": "faithfulness",
            "params": {"context": "bot"},
            "backend": {"name": "scripted"},
        },
        {"name": "context_precision", "backend": {"name": "scripted"}},
    ]
    said = Judge("")
    report = report_of(a_config(tmp_path, metrics[:1]), run, opens=said.opens)
    assert report.samples.scores["faithfulness"] == (1.0, 0.0, None)
    assert dict(report.metrics["faithfulness"].unscored_by) == {"not_reported": 1}
    relevant = SaidAsker(label("relevant"))
    report = report_of(a_config(tmp_path, metrics[1:]), run, opens=relevant.opens)
    assert report.samples.scores["context_precision"] == (1.0, 1.0, None)
    assert dict(report.metrics["context_precision"].unscored_by) == {"not_reported": 1}
