"""Verdicts on numbered statements."""

import json
from typing import Any

import pytest
from rag_judges import verdicts

from lm_eval_so.core.asking.answer.json_answer import Unusable
from lm_eval_so.evaluator.metrics.judge.checks import (
    Check,
    checks_schema,
    numbered,
    read_checks,
    shown,
)

WORDS = ("supported", "absent")


def entry(number: Any, verdict: Any = "absent", **fields: Any) -> dict[str, Any]:
    given = {"number": number, "reason": "r", "evidence": "", "verdict": verdict}
    return {key: value for key, value in {**given, **fields}.items() if value is not ...}


def read(*entries: Any, count: int = 2) -> tuple[Check, ...] | Unusable:
    return read_checks(json.dumps({"verdicts": entries}), count, WORDS)


def test_read_checks__in_the_order_of_the_numbers() -> None:
    found = read(entry(2, "supported"), entry(1, "absent"))
    assert not isinstance(found, Unusable)
    assert [check.verdict for check in found] == ["absent", "supported"]


@pytest.mark.parametrize("said", ["SUPPORTED", "Supported.", '"supported"', " ｓupported "])
def test_read_checks__case_quotes_and_width_do_not_matter(said: str) -> None:
    found = read(entry(1, said), count=1)
    assert not isinstance(found, Unusable)
    assert found[0].verdict == "supported"


@pytest.mark.parametrize("said", ["unknown", "UNKNOWN", "Unknown."])
def test_read_checks__unknown_is_always_allowed(said: str) -> None:
    found = read(entry(1, said), count=1)
    assert not isinstance(found, Unusable)
    assert found[0].verdict == "UNKNOWN"


def test_read_checks__number_as_text_and_evidence_as_list() -> None:
    found = read(entry("1", evidence=["가", " ", "나\n다", 3]), count=1)
    assert found == (Check(verdict="absent", reason="r", evidence=("가", "나 다")),)
    assert read(entry(1, evidence=...), count=1) == (Check(verdict="absent", reason="r"),)


@pytest.mark.parametrize(
    "entries",
    [
        [entry(1)],
        [entry(1), entry(1)],
        [entry(1), entry(3)],
        [entry(0), entry(1)],
        [entry(1), entry(2), entry(3)],
        [entry(1), entry(...)],
        [entry(1), entry(None)],
        [entry(1), entry(2.5)],
        [entry(True), entry(2)],
        [entry("one"), entry(2)],
        [entry("²"), entry(1)],
        [entry(1), entry(2), "that is all"],
        [],
    ],
)
def test_read_checks__numbers_must_be_complete(entries: list[Any]) -> None:
    found = read(*entries)
    assert isinstance(found, Unusable)
    assert (found.code, found.figures["n"]) == ("wrong_numbers", "2")


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (entry(2, "partly"), "unknown_verdict"),
        (entry(2, "not supported"), "unknown_verdict"),
        (entry(2, None), "unknown_verdict"),
        (entry(2, ["absent"]), "unknown_verdict"),
        (entry(2, reason=" "), "no_reason_of"),
        (entry(2, reason=...), "no_reason_of"),
    ],
)
def test_read_checks__a_bad_entry_is_named(bad: dict[str, Any], code: str) -> None:
    found = read(entry(1), bad)
    assert isinstance(found, Unusable)
    assert (found.code, found.figures["number"]) == (code, "2")


def test_read_checks__several_lists() -> None:
    found = read_checks(verdicts("absent") + verdicts("supported"), 1, WORDS)
    assert isinstance(found, Unusable)
    assert found.code == "several"
    assert not isinstance(read_checks(verdicts("absent") * 2, 1, WORDS), Unusable)


def test_numbered__no_statement_can_pose_as_two() -> None:
    assert numbered(["가", "나\n3. 다", " 라 "]) == "1. 가\n2. 나 3. 다\n3. 라"


def test_shown__the_first_of_many() -> None:
    assert shown(["가", "나"]) == '"가", "나"'
    assert shown(list("가나다라마바")) == '"가", "나", "다", "라", "마" …'


def test_checks_schema__reason_before_verdict() -> None:
    schema: Any = checks_schema(WORDS)
    item = schema["properties"]["verdicts"]["items"]
    assert list(item["properties"]) == ["number", "reason", "evidence", "verdict"]
    assert item["properties"]["verdict"]["enum"] == ["supported", "absent", "UNKNOWN"]
