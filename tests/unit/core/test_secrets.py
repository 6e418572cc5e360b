"""Secrets are taken out by value, in the forms in which they travel."""

import base64
from urllib.parse import quote

import pytest

from lm_eval_so.core.secrets import make_redactor

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
