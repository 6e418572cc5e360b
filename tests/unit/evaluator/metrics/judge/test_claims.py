"""Lists of claims: read without guessing, and only what the text says."""

import json
import unicodedata

import pytest
from rag_judges import claims

from lm_eval_so.core.asking.answer.json_answer import Unusable
from lm_eval_so.evaluator.metrics.judge.claims import Claim, Claims, quote_finder, read_claims

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
