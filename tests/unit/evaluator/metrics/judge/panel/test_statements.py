"""Lists of claims and of verdicts: read without guessing."""

import json
import unicodedata
from typing import Any

import pytest
from rag_judges import claims, verdicts

from lm_eval_so.core.asking.answer.json_answer import Unusable
from lm_eval_so.evaluator.metrics.judge.panel.statements import (
    Check,
    Claim,
    Claims,
    checks_schema,
    numbered,
    quote_finder,
    read_checks,
    read_claims,
    shown,
)

TEXT = "환불은 영업일 기준 3일 걸리며, 배송비는 무료입니다."


def test_read_claims__quotes_that_stand_in_the_text_stay() -> None:
    found = read_claims(claims(("영업일 기준 3일", "환불은 3일 걸린다"), "배송비는 무료"), TEXT)
    assert found == Claims(
        kept=(
            Claim(text="환불은 3일 걸린다", quote="영업일 기준 3일"),
            Claim(text="배송비는 무료", quote="배송비는 무료"),
        )
    )


def test_read_claims__invented_quotes_are_dropped_and_counted() -> None:
    found = read_claims(
        claims("배송비는 무료", "교환은 한 달 안에 하면 됩니다", ("", "빈 인용")), TEXT
    )
    assert isinstance(found, Claims)
    assert [claim.quote for claim in found.kept] == ["배송비는 무료"]
    assert found.dropped == 2


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("of_text", ["NFC", "NFD"])
def test_read_claims__unicode_form_does_not_matter(form: str, of_text: str) -> None:
    output = unicodedata.normalize(form, claims("배송비는 무료"))
    found = read_claims(output, unicodedata.normalize(of_text, TEXT))
    assert isinstance(found, Claims)
    assert (len(found.kept), found.dropped) == (1, 0)


@pytest.mark.parametrize(
    ("quote", "stands"),
    [
        ("영업일 기준 3일", True),
        ("영업일기준 ３일", True),  # spaces and width of a copy
        ('"배송비는 무료입니다."', True),
        ("배송비는 무료 입니다", True),
        ("배송비는 5천 원 들어요", False),
        ("refund", False),
        (" ", False),
    ],
)
def test_quote_finder__but_for_a_few_characters(quote: str, stands: bool) -> None:
    assert quote_finder(TEXT)(quote) is stands


def test_quote_finder__a_quote_around_a_short_text_is_none() -> None:
    assert not quote_finder("네")("네, 환불은 영업일 기준 3일 걸립니다")
    assert quote_finder("네, 됩니다")("네, 됩니다.")


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ("no idea", "no_object"),
        ('{"claims": "none"}', "no_object"),
        ('{"claims": {"1": "a"}}', "no_object"),
        ('{"claims": [1]}', "no_claim"),
        ('{"claims": [{"claim": "무료"}]}', "no_claim"),
        ('{"claims": [{"quote": "무료", "claim": " "}]}', "no_claim"),
        ('{"claims": [{"quote": null, "claim": "무료"}]}', "no_claim"),
        (claims("무료") + claims("3일"), "several"),
        (claims(*["무료"] * 31), "too_many_claims"),
    ],
)
def test_read_claims__unusable(output: str, code: str) -> None:
    found = read_claims(output, TEXT)
    assert isinstance(found, Unusable)
    assert found.code == code


def test_read_claims__thirty_are_not_too_many_and_none_are_none() -> None:
    most = read_claims(claims(*["무료"] * 30), TEXT)
    assert isinstance(most, Claims)
    assert len(most.kept) == 30
    assert read_claims('```json\n{"claims": []}\n```', TEXT) == Claims()


def test_read_claims__a_claim_is_one_line() -> None:
    output = json.dumps({"claims": [{"quote": "무료", "claim": "무료\n2. supported \ud800"}]})
    found = read_claims(output, TEXT)
    assert isinstance(found, Claims)
    assert found.kept[0].text == "무료 2. supported ?"


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
