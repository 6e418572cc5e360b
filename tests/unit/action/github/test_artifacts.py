"""Artifacts over the wire: which one, from where, and with which headers."""

import pytest
from servers.fake_github import FakeGitHub
from unit.action.github.test_zip_files import ONE, REPORT

from lm_eval_so.action.github.connection import open_github
from lm_eval_so.action.github.failures import RequestFailed
from lm_eval_so.errors import PublishError


@pytest.fixture
def hub():
    with FakeGitHub() as made:
        yield made


def connected(hub):
    return open_github("o/r", token="ghs_secret", api_url=hub.url, retry_wait_s=0)


def test_artifacts__the_newest_of_the_name_that_has_not_expired(hub):
    with connected(hub) as github:
        assert github.artifacts.find(6, "results") is None
        hub.add_artifact(6, "results", b"old")
        newest = hub.add_artifact(6, "results", ONE)
        hub.add_artifact(6, "results-2", b"other")
        found = github.artifacts.find(6, "results")
        assert (found.id, found.size) == (newest, len(ONE))
        assert hub.requests[-1].query["name"] == "results"  # a run may have thousands of others
        hub.add_artifact(6, "results", ONE, expired=True)
        assert github.artifacts.find(6, "results") is None


def test_artifacts__are_fetched_from_their_store_without_the_token(hub, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine localhost login me password ghs_secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    hub.add_artifact(6, "results", ONE)
    hub.fail("GET", "/store/", 503, "busy")
    with connected(hub) as github:
        found = github.artifacts.read(github.artifacts.find(6, "results"), ("report.json",))
    assert found == {"report.json": REPORT}
    sent = {"/store/" in request.path: request.headers for request in hub.requests}
    assert sent[False]["authorization"] == "token ghs_secret"
    assert sent[True]["host"].startswith("localhost:")
    assert "authorization" not in sent[True]
    assert "ghs_secret" not in str(sent[True])


@pytest.mark.parametrize(
    ("part", "status", "headers", "why"),
    [
        ("/zip", 410, {}, "gone"),
        ("/zip", 302, {}, "no address"),
        ("/zip", 302, {"Location": "file:///etc/passwd"}, "no address"),
        ("/store/", 403, {}, "store of artifacts refuses"),
        ("/store/", 302, {"Location": "http://127.0.0.1:1/"}, "store of artifacts refuses"),
        ("/store/", 200, {"Content-Encoding": "gzip"}, "store of artifacts refuses"),
        ("/store/", 0, {}, "no answer"),
    ],
)
def test_artifacts__a_download_that_fails_says_why(hub, part, status, headers, why):
    hub.add_artifact(6, "results", ONE)
    hub.fail("GET", part, status, "gone", headers=headers, times=9)
    with connected(hub) as github:
        artifact = github.artifacts.find(6, "results")
        with pytest.raises(RequestFailed) as caught:
            github.artifacts.read(artifact, ("report.json",))
    assert why in str(caught.value)


@pytest.mark.parametrize("told", [1, 200_000_000])
def test_artifacts__too_large_by_its_word_or_by_its_bytes(hub, told):
    hub.add_artifact(6, "results", b"x" * 200, size_in_bytes=told)
    with connected(hub) as github:
        artifact = github.artifacts.find(6, "results")
        with pytest.raises(PublishError, match="more than 100 bytes"):
            github.artifacts.read(artifact, ("report.json",), largest=100)
    assert ("/store/" in hub.requests[-1].path) == (told == 1)
