"""No personal data in a report as soon as a metric looks for it."""

import json

import pytest
from evaluation import (
    SaidAsker,
    a_config,
    a_failure,
    a_run,
    report_of,
    write_dataset,
    write_run,
)

from lm_eval_so.core.records.codec import to_json
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.run import Turn
from lm_eval_so.errors import ErrorKind

RRN, CARD, PHONE, EMAIL = (
    "900101-1234568",
    "4111-1111-1111-1111",
    "010-1234-5678",
    "kim@example.com",
)
SECRETS = (RRN, CARD, PHONE, EMAIL, "1234568", "1234-5678", "010-9999-8888")
ROWS = [
    {
        "id": "leak",
        "input": f"제 번호는 {PHONE}입니다.",
        "expected": f"{EMAIL}",
        "references": [f"{EMAIL}"],
    },
    {"id": "told", "input": f"제 번호는 {PHONE}입니다.", "expected": "네"},
    {"id": "lost", "input": "안녕하세요?", "expected": "네"},
    {"id": "talk", "scenario": {"turns": [{"user": "제 번호는 010-9999-8888이에요"}]}},
]
JUDGE = f'{{"reason":"{RRN}을 말함","evidence":["{CARD}"],"label":"bad"}}'


def an_answer(sample, _):
    if sample.id == "lost":
        return a_run(None, **a_failure(RunStatus.ERROR, ErrorKind.SERVER, f"no: {PHONE}"))
    if sample.id == "talk":
        turns = tuple(
            Turn(user="010-9999-8888", text=f"{CARD}", status=RunStatus.OK) for _ in range(2)
        )
        return a_run(f"{CARD}", turns=turns)
    return a_run(f"{PHONE} 맞으시죠? " + (f"{RRN}, {CARD}" if sample.id == "leak" else ""))


def a_report(folder, metrics, **report):
    run = write_run(folder, write_dataset(folder, ROWS), an_answer)
    config = a_config(folder, metrics, report={"answers": "full", **report})
    return report_of(config, run, opens=SaidAsker(JUDGE).opens)


METRICS = [
    "exact_match",
    {"name": "keyword_coverage", "params": {"forbidden": ["맞으시죠"]}},
    {
        "name": "llm_judge",
        "params": {"rubric": "r", "labels": ["good", "bad"]},
        "backend": {"name": "openai", "params": {"model": "judge"}},
    },
]


def test_report__nowhere_holds_personal_data(tmp_path):
    report = a_report(tmp_path, ["pii_leak", *METRICS])
    text = json.dumps(to_json(report), ensure_ascii=False)
    assert [secret for secret in SECRETS if secret in text] == []
    assert report.metrics["pii_leak"].mean == pytest.approx(1 / 3)
    assert report.samples.answers is not None
    assert report.samples.answers[1] == "010-****-5678 맞으시죠? "
    (leak,) = [case for case in report.errors if case.sample_id == "leak"]
    assert leak.input == "제 번호는 010-****-5678입니다."
    assert leak.expected == "k***@example.com"
    assert leak.scores[3].judge[0].evidence == ("4111-****-****-1111",)


def test_report__keeps_texts_when_no_metric_looks_for_personal_data(tmp_path):
    report = a_report(tmp_path, METRICS)
    assert report.samples.answers is not None
    assert PHONE in (report.samples.answers[1] or "")


def test_report__digests_of_answers_stay(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    masked = a_report(tmp_path / "a", ["exact_match", "pii_leak"], answers="hash")
    plain = a_report(tmp_path / "b", ["exact_match"], answers="hash")
    assert masked.samples.answers == plain.samples.answers


def test_report__kinds_of_a_part_are_masked_too(tmp_path):
    inner = {"metric": {"name": "pii_leak"}}
    report = a_report(tmp_path, ["exact_match", {"name": "turns", "params": inner}])
    text = json.dumps(to_json(report), ensure_ascii=False)
    assert [secret for secret in SECRETS if secret in text] == []
