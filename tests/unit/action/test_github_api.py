"""The fake GitHub holds each call of ours, and each answer of its own, to the published description."""

import httpx2
import pytest

from tests.servers.fake_github import FakeGitHub
from tests.servers.github_api import broken_answer

_COMMENTS = "/repos/o/r/issues/7/comments"


@pytest.mark.parametrize(
    ("method", "path", "body", "told"),
    [
        ("GET", "/repos/o/r/pulls/7", None, None),
        ("GET", f"{_COMMENTS}?per_page=100&page=1", None, None),
        ("POST", _COMMENTS, {"body": "회귀"}, None),
        ("GET", f"{_COMMENTS}?sort=asc", None, "sort is no parameter"),
        ("GET", f"{_COMMENTS}?per_page=ten", None, "per_page: 'ten' is not of type 'integer'"),
        ("GET", "/repos/o/r/pulls?state=merged&head=o:b", None, "'merged' is not one of"),
        ("POST", _COMMENTS, {"body": 3}, "body.body: 3 is not of type 'string'"),
        ("POST", _COMMENTS, {}, "'body' is a required property"),
        ("POST", _COMMENTS, {"body": "x", "event": "COMMENT"}, "body.event is not read"),
        ("DELETE", "/repos/o/r/issues/comments/1", {"body": "x"}, "it takes no body"),
        ("POST", "/repos/o/r/check-runs", {"name": "x"}, "is not in github_openapi.json"),
    ],
)
def test_calls__that_github_would_not_take__fail_the_test(
    method: str, path: str, body: object, told: str | None
) -> None:
    hub = FakeGitHub(prefix="/api/v3")
    hub.add_pull(7, head="a" * 40)
    with hub:
        httpx2.request(method, hub.url + path, json=body)
        broken, hub.broken_rules = hub.broken_rules, []
    assert (told is None) == (not broken)
    assert told is None or told in broken[0]


@pytest.mark.parametrize(
    ("status", "answer", "told"),
    [
        (200, [{"id": 1, "body": "x"}], None),
        (200, [{"id": "1"}], "answer[0].id"),
        (200, {"id": 1}, "is not of type 'array'"),
        (204, None, "204 is no answer of it"),
        (502, None, None),
    ],
)
def test_answers__that_github_would_not_give__are_told(
    status: int, answer: object, told: str | None
) -> None:
    found = broken_answer("GET", _COMMENTS, status, answer)
    assert (told is None) == (not found)
    assert told is None or told in found[0]
