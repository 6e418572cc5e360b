"""Texts for people stay as they are, to the letter."""

import pytest

from lm_eval_so.core.backends.error_texts import TEXTS, Case, in_words

FACTS = {
    "status": 403,
    "told": "{no}",
    "blamed": "the key in KEY may not do this",
    "key": "the key in KEY",
    "thing": "model",
    "name": "m",
    "where": "https://a.example/v1",
    "url": "https://a.example/v1/chat/completions",
    "mend": "set base_url to https://a.example/v1",
    "option": "options.base_url",
    "type": "text/html",
    "byte": 12345,
    "encoding": "UTF-8",
    "place": " (byte 12)",
}
WORDED = {
    Case.FORBIDDEN: (
        "the endpoint refuses the request (403: {no})",
        "either the key in KEY may not do this, or a firewall refuses what was sent",
    ),
    Case.KEY_REFUSED: (
        "the endpoint refused the key in KEY (403: {no})",
        "check it: it is wrong or revoked, or of another account or endpoint",
    ),
    Case.KEY_MISSING: (
        "the endpoint wants a key (403: {no})",
        "set backend.options.api_key_env to the variable that holds it",
    ),
    Case.HEADER_MISSING: (
        "the endpoint refused a request without key (403: {no})",
        "name the variable that holds it: headers_env",
    ),
    Case.MODEL_UNKNOWN: ('model "m" not found at https://a.example/v1 (403: {no})', None),
    Case.PATH_UNKNOWN: (
        "nothing is at https://a.example/v1/chat/completions (403: {no})",
        "check the address: it ends before /chat/completions, often in /v1",
    ),
    Case.URL_UNKNOWN: (
        "nothing found at https://a.example/v1/chat/completions (403: {no})",
        "is options.base_url right?",
    ),
    Case.SEED_REFUSED: ("{no}", "set backend.options.seed: off if the endpoint takes none"),
    Case.REDIRECT: (
        "redirects are not followed, set base_url to https://a.example/v1",
        "set base_url to https://a.example/v1, if you trust it with the key",
    ),
    Case.EMPTY: ("the response is empty", "is options.base_url right?"),
    Case.WEB_PAGE: (
        "the response is no JSON (text/html)",
        "a web page came; is options.base_url right?",
    ),
    Case.UNASKED_STREAM: (
        "the response is no JSON (text/html)",
        "a stream came, though none was asked for; set options.stream",
    ),
    Case.NO_JSON: ("the response is no JSON (text/html)", None),
    Case.NO_UTF8: (
        "the response is not UTF-8 (byte 12,345)",
        "JSON is UTF-8; the endpoint, or a proxy before it, writes another encoding",
    ),
    Case.OTHER_ENCODING: ("the response is not UTF-8 (byte 12)", None),
}


@pytest.mark.parametrize("case", Case)
def test_in_words__message_and_hint(case: Case):
    assert in_words(case, **FACTS) == WORDED[case]


def test_texts__of_every_case():
    assert set(TEXTS) == set(Case)
