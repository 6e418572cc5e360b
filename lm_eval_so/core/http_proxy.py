"""Which proxy a request goes through."""

from ipaddress import ip_address
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from lm_eval_so.core.http_errors import public_url
from lm_eval_so.errors import BackendError, ErrorKind


def environment_proxy(url: str) -> str | None:
    """Give the proxy that the environment names for a URL; None for the own machine.

    Raises:
        BackendError: If it is no proxy that can be used.
    """
    parts = urlsplit(url)
    if _is_own_machine(parts.hostname or "") or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return checked_proxy(proxy) if proxy else None


def _is_own_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def checked_proxy(proxy: str) -> str:
    """Give a proxy as a URL; errors as in `environment_proxy`."""
    url = proxy if "://" in proxy else f"http://{proxy}"
    if urlsplit(url).scheme not in {"http", "https"}:
        raise BackendError(
            ErrorKind.CONNECTION,
            f"cannot use the proxy {public_url(url)}",
            retryable=False,
            hint="give an HTTP proxy, as http://host:port",
            details={"sent": False},
        )
    return url
