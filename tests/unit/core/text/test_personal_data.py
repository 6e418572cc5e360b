"""Personal data: what is found, what is not, how it is masked."""

import time

import pytest

from lm_eval_so.core.text.personal_data import (
    _SHAPES,
    USUAL_KINDS,
    find_personal_data,
    mask_personal_data,
    squeezed,
)

EVERY = tuple(_SHAPES)


@pytest.mark.parametrize(
    ("text", "kind", "masked"),
    [
        ("900101-1234568", "rrn", "900101-*******"),
        ("900101 - 1234568", "rrn", "900101 - *******"),
        ("040229-3234567", "rrn", "040229-*******"),
        ("９００１０１－１２３４５６８", "rrn", "900101-*******"),
        ("900101\u200b-1\u200b234568", "rrn", "900101-*******"),
        ("번호900101–1234568입니다", "rrn", "번호900101-*******입니다"),
        ("010-1234-5678", "phone", "010-****-5678"),
        ("01012345678", "phone", "010****5678"),
        ("(010) 1234-5678", "phone", "(010) ****-5678"),
        ("+82 10-1234-5678", "phone", "+82 1*-****-5678"),
        ("016.123.4567", "phone", "016.***.4567"),
        ("4111-1111-1111-1111", "card", "4111-****-****-1111"),
        ("4111111111111111", "card", "4111********1111"),
        ("3782 822463 10005", "card", "3782 ****** *0005"),
        ("2223003122003222", "card", "2223********3222"),
        ("메일은user.name@example.co.kr입니다", "email", "메일은u***@example.co.kr입니다"),
        ("user＠example.com", "email", "u***@example.com"),
        ("M12345678", "passport", "M********"),
        ("m123a4567", "passport", "m********"),
        ("11-22-123456-78", "license", "11-**-******-**"),
        ("sk-abcdefghijklmnopqrstuvwxyz", "api_key", "sk-a****"),
        ("AKIAABCDEFGHIJKLMNOP", "api_key", "AKIA****"),
        ("ghp_" + "a1" * 18, "api_key", "ghp_****"),
        ("xoxb-123456789012-abcdef", "api_key", "xoxb****"),
        ("AIza" + "b" * 35, "api_key", "AIza****"),
        ("eyJhbGciOi.eyJzdWIiOiIx.SflKxwRJSM", "api_key", "eyJh****"),
        (
            f"-----BEGIN RSA PRIVATE KEY-----\n{'QUJD' * 16}\nQUJD=\n-----END RSA PRIVATE KEY-----",
            "api_key",
            "----****",
        ),
        (f"-----BEGIN PRIVATE KEY-----\\n{'QUJD' * 16}\\n{'QUJD' * 16}", "api_key", "----****"),
        ("[redacted:OPENAI_API_KEY]", "api_key", "[redacted:OPENAI_API_KEY]"),
        ("02-123-4567", "landline", "02-***-4567"),
        ("110-123-456789", "account", "11*-***-****89"),
    ],
)
def test_find_personal_data__found_and_masked(text, kind, masked):
    (found,) = find_personal_data(text, (kind,))
    assert found.kind == kind
    assert mask_personal_data(text, (kind,)) == masked
    assert find_personal_data(masked.replace("[redacted", "")) == ()


@pytest.mark.parametrize(
    "text",
    [
        "901301-1234567",
        "050229-3234567",
        "900101-9234567",
        "900101-12345678",
        "4111-1111-1111-1112",
        "1234-5678-9012-3456",
        "1588-1234",
        "02-123-4567",
        "2024-01-15 12:30",
        "주문번호 2501011234567",
        "1700000000000",
        "8801234567893",
        "010-****-5678",
        "a@b",
        "3.14@2.71",
        "가격은 12,000원",
        "M1234567",
        "sk-short",
        "110-123-456789",
        "eyJ는 접두사입니다",
    ],
)
def test_find_personal_data__not_by_default(text):
    assert find_personal_data(text) == ()
    assert mask_personal_data(text) == text


def test_find_personal_data__check_digit_raises_the_confidence():
    old, new = find_personal_data("900101-1234568, 900101-1234567")
    assert (old.confidence, new.confidence) == ("high", "usual")


def test_find_personal_data__in_order_and_without_overlap():
    text = "a@example.com 010-1234-5678 900101-1234568 b@example.com"
    assert [each.kind for each in find_personal_data(text)] == ["email", "phone", "rrn", "email"]
    assert [text[each.start : each.end] for each in find_personal_data(text)] == text.split()


def test_squeezed__is_written_as_what_is_found():
    for text in ("010-1234-5678", "User.Name@Example.com", "9001011234568", "０１０ 1234 5678"):
        for found in find_personal_data(text):
            assert found.plain in squeezed(f"제 번호는 {text}입니다")


UNITS = ["a", "1", "1 ", "1-", "a@", "a@a.", "@", "sk-", "eyJ", "eyJaaaaa.", "xoxb-", "010-", "A"]
UNITS += ["-----BEGIN ", "-----BEGIN PRIVATE KEY-----aaaa", "[redacted:", "M123", "900101-", "１"]
UNITS += ["4111 ", "4111-1111-1111-", "11-22-123456-", "user@example.com ", "82 ", "a@" + "a-" * 30]


@pytest.mark.parametrize("unit", UNITS)
def test_find_personal_data__hostile_text_takes_no_time(unit):
    text = (unit * 100_000)[:100_000]
    began = time.perf_counter()
    find_personal_data(text, EVERY)
    assert time.perf_counter() - began < 30  # it would take ages, were it not linear


def test_usual_kinds__leave_out_what_looks_like_other_numbers():
    assert {*EVERY} - {*USUAL_KINDS} == {"landline", "account"}
