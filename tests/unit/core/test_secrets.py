"""Secrets are taken out by value, in the forms in which they travel."""

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.core.secrets import _KEY_SHAPES, make_redactor

SECRET = 'p@ss/wörd"1234'


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        base64.b64encode(SECRET.encode()).decode(),
        'p@ss/w\\u00f6rd\\"1234',
    ],
)
def test_redact__every_form(form: str) -> None:
    redactor = make_redactor({"BOT_TOKEN": SECRET})
    assert redactor.redact(f"before {form} after").startswith("before [redacted:BOT_TOKEN]")


def test_redact__named_variables_count_from_six_characters() -> None:
    environ = {"PLAIN": "abcdef", "SHORT_KEY": "abcdefg", "HOME": "/root/home"}
    assert (
        make_redactor(environ, ["PLAIN"]).redact("abcdef /root/home")
        == "[redacted:PLAIN] /root/home"
    )
    assert make_redactor(environ).redact("abcdefg") == "abcdefg"


@pytest.mark.parametrize("key", ["sk-proj-" + "a1" * 12, "ghp_" + "a1" * 18, "AKIA" + "A1B2" * 4])
def test_redact__what_looks_like_a_key(key: str) -> None:
    assert make_redactor({}).redact_counting(f"x {key} y") == ("x [redacted:key] y", 1)


def test_redact__leaves_other_text_alone() -> None:
    text = "주문번호 2024-0001-7788 sk-short task-management-and-more-words"
    assert make_redactor({}).redact(text) == text


def test_redactor__repr_tells_nothing() -> None:
    assert SECRET not in repr(make_redactor({"BOT_TOKEN": SECRET}))


def test_redact_json__texts_at_every_depth_and_nothing_else() -> None:
    redactor = make_redactor({"BOT_TOKEN": SECRET, "PIN_KEY": "12345678"})
    values = {"a": [SECRET, 12345678, None], "b": {"c": f"x{SECRET}"}}
    assert redactor.redact_json(values) == {
        "a": ["[redacted:BOT_TOKEN]", 12345678, None],
        "b": {"c": "x[redacted:BOT_TOKEN]"},
    }


_around = st.text(st.sampled_from("가 -_xsgk.A\n"), max_size=12)


@given(_around, st.just("") | st.just(SECRET) | st.from_regex(_KEY_SHAPES), _around)
def test_finds__what_would_be_taken_out_and_nothing_else(
    before: str, middle: str, after: str
) -> None:
    redactor = make_redactor({"BOT_TOKEN": SECRET})
    text = before + middle + after
    assert redactor.finds(text) == (redactor.redact_counting(text)[1] > 0)


def test_redact_json__every_text_at_every_depth() -> None:
    redactor = make_redactor({"BOT_TOKEN": SECRET})
    values = {"a": [SECRET, {"b": (SECRET, 1, None)}], "c": 1.5}
    hidden = "[redacted:BOT_TOKEN]"
    assert redactor.redact_json(values) == {"a": [hidden, {"b": [hidden, 1, None]}], "c": 1.5}
    assert redactor.redact_json([SECRET]) == [hidden]
