"""Secrets are taken out by value, in the forms in which they travel."""

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.core.secrets import (
    _KEY_SHAPES,
    hide_in_urls,
    is_credential_name,
    is_reserved_name,
    make_redactor,
    sent_secrets,
    url_secrets,
)

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


@pytest.mark.parametrize("user", ["", "u:", "ab:", "사용자:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_redact__inside_of_base64(user: str, encode) -> None:
    told = encode(f"{user}{SECRET}".encode()).decode()
    clean = make_redactor({"BOT_TOKEN": SECRET}).redact(f"Authorization: Basic {told}, refused")
    assert clean.startswith("Authorization: Basic ")
    assert clean.endswith("[redacted:BOT_TOKEN], refused")


def test_redact__basic_of_a_short_password_of_a_url() -> None:
    redactor = make_redactor({}, sent=url_secrets("http://user:pw@bot", label="backend.url"))
    told = base64.b64encode(b"user:pw").decode()
    assert redactor.redact(f"Basic {told}") == "Basic [redacted:backend.url]"
    assert redactor.redact("user:pw") == "[redacted:backend.url]"
    assert redactor.redact("the user said pw") == "the user said pw"


def test_redact__of_a_variable_that_holds_a_url_its_secret_parts_alone() -> None:
    url = "http://me:pass%2Fword@proxy:3128/v1?sig=abc123&lang=korean"
    redactor = make_redactor({"PROXY": url, "DB": "postgres://a:database@db"}, ["PROXY"])
    assert redactor.redact("http://proxy:3128/v1 korean postgres") == (
        "http://proxy:3128/v1 korean postgres"
    )
    for secret in ("pass%2Fword", "pass/word", "abc123"):
        assert redactor.redact(secret) == "[redacted:PROXY]"
    assert redactor.redact("database") == "[redacted:DB]"


@pytest.mark.parametrize(
    ("place", "text", "filled", "found"),
    [
        ("X-Api-Key", "abc-123-def", {}, {"abc-123-def"}),
        ("Authorization", "Bearer abc-123", {}, {"Bearer abc-123", "abc-123"}),
        ("Authorization", "Bearer word", {"V": "swordfish"}, {"swordfish", "Bearer word", "word"}),
        ("X-Caller", "hush-hush", {"V": "hush-hush"}, {"hush-hush"}),
        # what answers hold anyway
        ("X-Stage", "production", {"V": "production"}, set()),
        ("X-Shop", "100200300", {"V": "100200300"}, set()),
        ("api-version", "2024-10-21", {"V": "2024-10-21"}, set()),
        ("X-Auth-Provider", "google", {}, set()),
        ("Accept", "application/json", {}, set()),
        ("model", "gpt-4.1-mini-2025-04-14", {}, set()),
        ("X-Tenant", "aB3dE6gH9jK2mN5pQ8sT", {}, {"aB3dE6gH9jK2mN5pQ8sT"}),
        ("X-Api-Key", "{{ env.SHOP_KEY }}", {}, set()),
    ],
)
def test_sent_secrets(place: str, text: str, filled: dict[str, str], found: set[str]) -> None:
    assert {value for _, value in sent_secrets(place, text, filled, label="l")} == found


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("Proxy-Authorization", True),
        ("X-Amz-Signature", True),
        ("apikey", True),
        ("Cookie", True),
        ("code", True),
        ("X-Keyword", False),
        ("X-Author", False),
        ("X-Country-Code", False),
        ("max_tokens", False),
    ],
)
def test_is_credential_name(name: str, is_one: bool) -> None:
    assert is_credential_name(name) is is_one


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("GITHUB_TOKEN", True),
        ("INPUT_OPENAI_API_KEY", True),
        ("ACTIONS_RUNTIME_TOKEN", True),
        ("GITHUB_SHA", False),
        ("OPENAI_API_KEY", False),
        ("MY_INPUT_", False),
    ],
)
def test_is_reserved_name(name: str, is_one: bool) -> None:
    assert is_reserved_name(name) is is_one


def test_hide_in_urls__user_password_and_values_of_the_query() -> None:
    text = "see http://u:p@h/x?a=1&b=&c=d#f, (https://h?k=v) and a@b.c?d=e"
    assert hide_in_urls(text) == "see http://h/x?a=&b=&c=#f, (https://h?k= and a@b.c?d=e"


def test_make_redactor__takes_what_no_encoding_has() -> None:
    redactor = make_redactor({"BOT_TOKEN": "half-\udc80-byte", "X_KEY": "\ud83d-half-pair"})
    assert redactor.redact("a half-\udc80-byte") == "a [redacted:BOT_TOKEN]"
