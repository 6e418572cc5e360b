"""Secrets inside of base64: nothing of them can be read from what is left."""

import base64
import json
import math
import re
from collections.abc import Callable
from urllib.parse import quote

from hypothesis import assume, example, given
from hypothesis import strategies as st

from lm_eval_so.core.secrets import make_redactor

_MARK = "[redacted:BOT_KEY]"
_SECRETS = st.text(
    st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=40
) | st.text(st.sampled_from("가나다라마비밀키열쇠é"), min_size=6, max_size=12)
_AROUND = st.binary(max_size=8)


@given(_SECRETS, _AROUND, _AROUND, st.booleans(), st.booleans())
@example("000000", b"\0\0", b"", False, False)  # found at two places that overlap
@example("abcabcabcabc", b"x", b"yz", True, True)
def test_redact__no_digit_of_base64_that_holds_a_bit_of_the_secret_is_left(
    secret: str, before: bytes, after: bytes, is_url_safe: bool, is_padded: bool
) -> None:
    redactor = make_redactor({"BOT_KEY": secret}, ["BOT_KEY"])
    whole = before + secret.encode() + after
    told = (base64.urlsafe_b64encode if is_url_safe else base64.b64encode)(whole).decode()
    told = told if is_padded else told.rstrip("=")
    clean, count = redactor.redact_counting(f"Basic {told} end")
    assert count
    assert redactor.finds(f"Basic {told} end")
    left, *_, right = re.split(re.escape(_MARK), clean)
    left, right = left.removeprefix("Basic "), right.removesuffix(" end").rstrip("=")
    # of the digits at either side, as many as hold bits of nothing but the neighbour
    assert len(left) <= len(before) * 8 // 6
    digits = math.ceil(len(whole) * 8 / 6)
    first_of_neighbour = math.ceil((len(before) + len(secret.encode())) * 8 / 6)
    assert len(right) <= digits - first_of_neighbour
    assert told.startswith(left)
    assert told.rstrip("=").endswith(right)


@given(st.text(max_size=200), _SECRETS)
def test_redact__a_text_without_the_secret_stays_byte_for_byte(text: str, secret: str) -> None:
    redactor = make_redactor({"BOT_KEY": secret}, ["BOT_KEY"])
    if not redactor.finds(text):
        assert redactor.redact_counting(text) == (text, 0)


_FORMS: list[Callable[[str], str]] = [
    str,
    lambda text: quote(text, safe=""),
    lambda text: json.dumps(text)[1:-1],
    lambda text: base64.b64encode(f"u:{text}".encode()).decode()[4:-4],
]


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=16, max_size=60),
    st.integers(0, 44),
    st.integers(16, 60),
    st.sampled_from(_FORMS),
    st.sampled_from(["", " ", "x", "/"]),
)
@example("a" * 40, 3, 17, str, "a")  # the same piece at many places
def test_redact__no_cut_of_sixteen_characters_is_left(
    secret: str, start: int, size: int, form: Callable[[str], str], beside: str
) -> None:
    cut = form(secret)[start : start + size]
    assume(len(cut) >= 16 and "://" not in secret)
    redactor = make_redactor({"BOT_KEY": secret}, ["BOT_KEY"])
    text = f"왜 {beside}{cut}{beside} 안 되나요?"
    clean, count = redactor.redact_counting(text)
    assert count
    assert redactor.finds(text)
    assert cut[:16] not in clean
    assert cut[-16:] not in clean
