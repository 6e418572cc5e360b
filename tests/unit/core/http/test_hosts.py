import pytest

from lm_eval_so.core.http.hosts import AllowedHosts, entries_of, host_of


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.openai.com/v1", "api.openai.com"),
        ("HTTPS://API.OpenAI.com./v1", "api.openai.com"),
        ("https://api.openai.com:443", "api.openai.com"),
        ("http://bot:8080/v1", "bot:8080"),
        ("https://api.openai.com@evil.example/v1", "evil.example"),
        ("https://api.openai.com:443@evil.example:80/", "evil.example:80"),
        ("https://evil.example?api.openai.com", "evil.example"),
        ("https://evil.example#@api.openai.com", "evil.example"),
        ("https://аpi.openai.com/", "xn--pi-6kc.openai.com"),  # a Cyrillic а
        ("https://faß.example", "xn--fa-hia.example"),  # older rules would say fass.example
        ("https://챗봇.회사.kr", "xn--7n3b13z.xn--vf4b131b.kr"),
        ("http://[::1]:80/", "[::1]"),
        ("http://[::FFFF:127.0.0.1]/", "127.0.0.1"),
        ("http://2130706433/", "2130706433"),
        ("https://good.example\\@evil.example/", None),
        ("https://good.example\t@evil.example/", None),
        ("https://good.example\n@evil.example/", None),
        ("https://good.example%2eevil.example/", None),
        ("https://{{ host }}/", None),
        ("https://a..b/", None),
        ("https://a:99999/", None),
        ("https://a:0/", None),
        (" https://a", None),
        ("ftp://a", None),
        ("//a", None),
        ("https://", None),
        ("", None),
    ],
)
def test_host_of__is_where_the_request_goes_or_nowhere(url: str, host: str | None) -> None:
    found = host_of(url)
    assert (str(found) if found else None) == host


@pytest.mark.parametrize(
    ("name", "is_private"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("[::1]", True),
        ("10.0.0.1", True),
        ("192.168.1.1", True),
        ("[fd00::1]", True),
        ("localhost", True),
        ("bot", True),
        ("bot.staging.svc.cluster.local", True),
        ("host.docker.internal", True),
        ("bot.example.com", False),
        ("8.8.8.8", False),
        ("134744072", False),  # 8.8.8.8, too
        ("0x8080808", False),
        ("127.1", False),
        ("[::ffff:8.8.8.8]", False),
        ("169.254.169.254", False),  # where clouds tell the machine's credentials
        ("[fe80::1]", False),
        ("evil-local", True),  # a name without a dot is looked up in this network alone
        ("evil.notlocal", False),
    ],
)
def test_host__is_private_where_no_stranger_can_answer(name: str, is_private: bool) -> None:
    found = host_of(f"http://{name}/v1")
    assert found is not None
    assert found.is_private is is_private


LIST = "api.openai.com, bot.example.com:8443\n*.preview.example.com\n\n챗봇.회사.kr ::1 [::2]:80"


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("https://api.openai.com/v1", True),
        ("https://API.OPENAI.COM.:8443/v1", True),
        ("http://api.openai.com/v1", True),  # whether keys may go by http is another question
        ("https://api.openai.com.evil.example", False),
        ("https://evil-api.openai.com", False),
        ("https://x.api.openai.com", False),
        ("https://openai.com", False),
        ("https://bot.example.com:8443/", True),
        ("https://bot.example.com/", False),
        ("https://pr-7.preview.example.com", True),
        ("https://a.b.preview.example.com:99", True),
        ("https://preview.example.com", False),
        ("https://evilpreview.example.com", False),
        ("https://xn--7n3b13z.xn--vf4b131b.kr", True),
        ("http://[::1]:9", True),
        ("http://[::2]", True),
        ("http://[::2]:81", False),
    ],
)
def test_allowed_hosts__has_what_it_names(url: str, is_allowed: bool) -> None:
    allowed = AllowedHosts(entries_of(LIST))
    assert not allowed.problems
    found = host_of(url)
    assert found is not None
    assert allowed.has(found) is is_allowed
    assert AllowedHosts().has(found)


def test_allowed_hosts__names_entries_that_are_none() -> None:
    bad = [
        "*",
        "*.com",
        "*.1.2.3.4",
        "https://a.example",
        "a.example/v1",
        "u@a.example",
        "a:0",
        "a..b",
    ]
    bad += ["*.*.example.com", "a\\b"]
    assert AllowedHosts((*bad, "a.example")).problems == tuple(bad)
