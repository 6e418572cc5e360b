from typing import Any

import pytest

from lm_eval_so.core.backends.faults import http_error
from lm_eval_so.core.backends.openai.dialect import Dialect, adapted
from lm_eval_so.errors import BackendError, ErrorKind

PARAMS = {"model": "m", "temperature": 0, "max_tokens": 9}


def refusal(message: str, **details: Any) -> BackendError:
    return BackendError(ErrorKind.INVALID_REQUEST, message, retryable=False, details=details)


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ("Unrecognized request argument supplied: seed", "seed"),
        ("[{'loc': ['body', 'stream_options'], 'msg': 'Extra inputs'}]", "stream_options"),
        (
            (
                "Unsupported value: 'temperature' does not support 0 with this model. "
                "Only the default (1) value is supported."
            ),
            "temperature",
        ),
        (
            (
                "Unsupported parameter: 'max_tokens' is not supported with this model. "
                "Use 'max_completion_tokens' instead."
            ),
            "max_tokens",
        ),
    ],
)
def test_adapted__what_the_message_names(message: str, part: str):
    changed = adapted(Dialect(), refusal(message), PARAMS)
    assert changed is not None
    narrow, told = changed
    assert narrow == Dialect(**{part: False})
    assert part in told
    assert adapted(narrow, refusal(message), PARAMS) is None


@pytest.mark.parametrize(
    "message",
    [
        "temperature must be between 0 and 2, got 3",  # a value of the user's
        "max_tokens is too large: 100000. This model supports at most 16384 completion tokens",
        "messages must not be empty",
        "seeds and seedlings",
    ],
)
def test_adapted__not_what_the_user_has_to_mend(message: str):
    assert adapted(Dialect(), refusal(message), PARAMS) is None


def test_adapted__only_what_was_sent():
    told = "Unsupported parameter: 'temperature' is not supported"
    assert adapted(Dialect(), refusal(told), {"model": "m"}) is None


def test_adapted__the_named_parameter_goes_before_the_message():
    error = refusal("Unsupported value near seed", param="response_format")
    changed = adapted(Dialect(), error, PARAMS)
    assert changed is not None
    assert changed[0] == Dialect(response_format="json_object")


def test_adapted__a_schema_then_any_object_then_nothing():
    error = refusal("This model does not support response_format of type json_schema")
    dialect, forms = Dialect(), []
    while changed := adapted(dialect, error, PARAMS):
        dialect, _ = changed
        forms.append(dialect.response_format)
    assert forms == ["json_object", None]


def test_adapted__other_errors_are_none_of_its_business():
    assert adapted(Dialect(), http_error(500, {}, b"seed"), PARAMS) is None
    assert adapted(Dialect(), http_error(404, {}, b"seed"), PARAMS) is None
