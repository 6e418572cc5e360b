import errno
import json
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from lm_eval_so.core.backends.faults import (
    answered_error,
    connection_error,
    http_error,
    no_json,
    public_url,
    retry_after_s,
)
from lm_eval_so.core.backends.openai.azure import resource_of
from lm_eval_so.core.backends.openai.endpoint import base_of
from lm_eval_so.errors import ErrorKind


@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable"),
    [
        (400, b'{"error": {"message": "bad"}}', ErrorKind.INVALID_REQUEST, False),
        (400, b'{"error": {"code": "content_filter"}}', ErrorKind.FILTERED, False),
        (403, b'{"error": {"code": "content_filter"}}', ErrorKind.FILTERED, False),
        (
            400,
            b'{"error": {"code": "x", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}',
            ErrorKind.FILTERED,
            False,
        ),
        (400, b'{"error": {"code": "context_length_exceeded"}}', ErrorKind.CONTEXT_LENGTH, False),
        (
            400,
            b'{"error": {"type": "exceed_context_size_error"}}',
            ErrorKind.CONTEXT_LENGTH,
            False,
        ),
        (
            400,
            b'{"error": "This model\'s maximum context length is 8192"}',
            ErrorKind.CONTEXT_LENGTH,
            False,
        ),
        (401, b"", ErrorKind.AUTH, False),
        (402, b"", ErrorKind.QUOTA, False),
        (403, b"", ErrorKind.AUTH, False),
        (404, b"", ErrorKind.NOT_FOUND, False),
        (408, b"", ErrorKind.TIMEOUT, True),
        (409, b"", ErrorKind.SERVER, True),
        (413, b"", ErrorKind.TOO_LARGE, False),
        (422, b"", ErrorKind.INVALID_REQUEST, False),
        (425, b"", ErrorKind.SERVER, True),
        (429, b"", ErrorKind.RATE_LIMIT, True),
        (429, b'{"error": {"code": "insufficient_quota"}}', ErrorKind.QUOTA, False),
        (429, b'{"error": {"type": "insufficient_quota"}}', ErrorKind.QUOTA, False),
        (500, b"<html>", ErrorKind.SERVER, True),
        (501, b"", ErrorKind.SERVER, False),
        (503, b"", ErrorKind.SERVER, True),
        (505, b"", ErrorKind.SERVER, False),
        (524, b"", ErrorKind.SERVER, True),
        (529, b"", ErrorKind.RATE_LIMIT, True),
    ],
)
def test_http_error__kind_and_retry(status: int, body: bytes, kind: ErrorKind, retryable: bool):
    error = http_error(status, {}, body)
    assert (error.kind, error.retryable, error.http_status) == (kind, retryable, status)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"error": {"message": "모델이 없습니다"}}'.encode(), "모델이 없습니다"),
        (b'{"detail": "nope"}', "nope"),
        (b'{"error": "flat"}', "flat"),
        (b"plain text", "plain text"),
        (b"[1]", "[1]"),
        (b"", "no reason given"),
        (b"\xff\xfe", "��"),
        (b"x" * 5000, "x" * 2000),
    ],
)
def test_http_error__message(body: bytes, message: str):
    assert http_error(500, {}, body).message == message


@pytest.mark.parametrize(
    ("status", "wish", "retryable"),
    [(500, "false", False), (400, "true", True), (401, "true", False), (500, "perhaps", True)],
)
def test_http_error__server_decides_on_retries(status: int, wish: str, retryable: bool):
    assert http_error(status, {"x-should-retry": wish}, b"").retryable is retryable


def test_http_error__redirect_names_the_target_without_its_query():
    error = http_error(301, {"location": "https://u:p@new.example/v1?token=abc"}, b"")
    assert error.kind is ErrorKind.INVALID_REQUEST
    assert error.message == "redirects are not followed, set base_url to https://new.example/v1"


@pytest.mark.parametrize(
    ("option", "base", "location", "mend"),
    [
        (
            "base_url",
            base_of,
            "https://a.example/v1/chat/completions",
            "set base_url to https://a.example/v1",
        ),
        (
            "url",
            str,
            "https://a.example/v1/responses",
            "set url to https://a.example/v1/responses",
        ),
        (
            "endpoint",
            resource_of,
            "https://r.example/openai/v1/chat/completions",
            "set endpoint to https://r.example",
        ),
        (
            "endpoint_env",
            resource_of,
            "https://r.example/openai/deployments/m/chat/completions?api-version=1",
            "put https://r.example where endpoint_env points to",
        ),
    ],
)
def test_http_error__redirect_says_what_to_change(option: str, base, location: str, mend: str):
    error = http_error(301, {"location": location}, b"", option=option, base_of=base)
    assert error.message == f"redirects are not followed, {mend}"
    assert error.hint == f"{mend}, if you trust it with the key"
    assert error.details["option"] == f"options.{option}"


def test_http_error__quota_is_not_retried_whatever_the_server_says():
    body = b'{"error": {"code": "insufficient_quota"}}'
    assert not http_error(429, {"x-should-retry": "true"}, body).retryable


DATE = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "1"}, 1.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
        (
            {
                "date": format_datetime(DATE, usegmt=True),
                "retry-after": format_datetime(DATE + timedelta(seconds=2), usegmt=True),
            },
            2.0,
        ),
        (
            {
                "date": format_datetime(DATE, usegmt=True),
                "retry-after": format_datetime(DATE - timedelta(seconds=9), usegmt=True),
            },
            0.0,
        ),
    ],
)
def test_retry_after_s__three_forms(headers: dict[str, str], seconds: float | None):
    assert retry_after_s(headers) == seconds


def test_retry_after_s__date_without_the_servers_clock():
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 55 < (retry_after_s({"retry-after": until}) or 0) <= 60


def test_connection_error__certificate_is_not_retried():
    error = connection_error(ssl.SSLCertVerificationError("no"), "https://u:pw@host/v1")
    assert (error.kind, error.retryable) == (ErrorKind.TLS, False)
    assert "pw" not in error.message


def test_connection_error__names_the_reason():
    error = OSError("all attempts failed")
    error.__cause__ = ConnectionRefusedError(errno.ECONNREFUSED, "whatever")
    told = connection_error(error, "http://127.0.0.1:8080/v1?key=abc")
    assert told.message == "cannot reach http://127.0.0.1:8080 (connection refused)"
    assert told.retryable


def test_public_url__drops_credentials():
    assert public_url("https://me:pw@host:1/v1?api_key=x#y") == "https://host:1/v1"


def test_connection_error__whether_it_was_sent():
    assert connection_error(OSError("x"), "http://a", sent=False).details == {"sent": False}
    assert connection_error(OSError("x"), "http://a").details == {"sent": True}


def test_http_error__redirect_names_the_option_of_the_backend():
    headers = {"location": "https://new.example/chat/completions"}
    error = http_error(308, headers, b"", option="url")
    assert error.message.endswith("set url to https://new.example/chat/completions")


def test_http_error__details_of_filter_and_parameter():
    categories = {"hate": {"filtered": True}}
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": categories}
    body = json.dumps({"error": {"param": "prompt", "innererror": inner}}).encode()
    assert http_error(400, {}, body).details == {"param": "prompt", "categories": categories}


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        ({"code": 429}, ErrorKind.RATE_LIMIT, 429),
        ({"code": "503"}, ErrorKind.SERVER, 503),
        ({"type": "overloaded_error"}, ErrorKind.RATE_LIMIT, 200),
        ({"type": "BadRequestError", "code": 400}, ErrorKind.INVALID_REQUEST, 400),
        ({"code": "invalid_api_key"}, ErrorKind.AUTH, 200),
        ({"code": "insufficient_quota"}, ErrorKind.QUOTA, 200),
        ({"code": 7}, ErrorKind.SERVER, 200),
        ({"code": None}, ErrorKind.SERVER, 200),
        ("flat", ErrorKind.SERVER, 200),
    ],
)
def test_answered_error__its_code_decides(error: object, kind: ErrorKind, status: int):
    told = answered_error(200, {}, {"error": error})
    assert (told.kind, told.http_status) == (kind, status)


def test_http_error__of_a_web_page_the_title():
    page = b"<html>\r\n<head><title>502 Bad\n Gateway &amp; Co</title></head>" + b"<p>x" * 999
    error = http_error(502, {}, page)
    assert error.message == "502 Bad Gateway & Co"
    assert (error.partial_text or "").startswith("<html>")
    assert http_error(502, {}, b"<!DOCTYPE html><h1>Sorry</h1>, later").message == "Sorry , later"


def test_http_error__google_puts_it_into_a_list():
    body = b'[{"error": {"code": 400, "message": "API key not valid", "status": "INVALID"}}]'
    error = http_error(400, {}, body)
    assert (error.message, error.code) == ("API key not valid", "INVALID")


def test_http_error__a_message_that_is_no_text_as_json():
    body = '{"detail": [{"loc": ["본문"], "msg": "없음"}]}'.encode()
    assert http_error(422, {}, body).message == '[{"loc": ["본문"], "msg": "없음"}]'


@pytest.mark.parametrize(
    ("body", "kind", "hint"),
    [
        ("<html>", "text/html", "a web page came; is options.base_url right?"),
        ("data: {}", "", "a stream came, though none was asked for; set options.stream"),
        ("plain", "text/plain", "else"),
        (" ", "application/json", "is options.base_url right?"),
    ],
)
def test_no_json__says_what_it_is(body: str, kind: str, hint: str | None):
    headers = {"content-type": kind} if kind else {}
    error = no_json(headers, body, option="base_url", hint="else")
    assert (error.hint, error.retryable) == (hint, True)
