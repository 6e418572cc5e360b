"""The one place that makes an HTTP client."""

from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2

_CONNECT_S = 10.0
_KEEPALIVE_S = 30.0


def make_client(*, concurrency: int, timeout_s: float) -> httpx2.AsyncClient:
    """Make a client for one endpoint.

    Redirects are not followed, since a key must not travel to another host, and cookies are not
    kept, since rows must not know of each other. Proxies come from the environment, certificates
    from the system's store.

    Args:
        concurrency: Most connections at once.
        timeout_s: Seconds without a byte; the whole attempt is bounded by the asker.
    """
    limits = httpx2.Limits(
        max_connections=concurrency,
        max_keepalive_connections=concurrency,
        keepalive_expiry=_KEEPALIVE_S,
    )
    timeout = httpx2.Timeout(timeout_s, connect=min(_CONNECT_S, timeout_s), pool=None)
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    return httpx2.AsyncClient(
        limits=limits, timeout=timeout, cookies=no_cookies, follow_redirects=False
    )
