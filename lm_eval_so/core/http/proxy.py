"""Choice of the proxy of a request."""

import os
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from lm_eval_so.core.http.errors import is_own_machine, public_url
from lm_eval_so.errors import BackendError, ErrorKind


def proxy_for(url: str, given: str | None = None) -> str | None:
    """Return the proxy of a request; None if it connects directly.

    Args:
        url: URL of the request.
        given: Proxy for all requests; default: from the environment, except for this machine.

    Raises:
        BackendError: If the proxy cannot be used.
    """
    if given:
        hint = "name an HTTP proxy, as http://host:port"
        return _checked(given, "", hint)
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_own_machine(host) or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxies = getproxies()
    scheme = parts.scheme if proxies.get(parts.scheme) else "all"
    proxy = proxies.get(scheme)
    if not proxy:
        return None
    hint = f"name an HTTP proxy, as http://host:port, or put {host} into NO_PROXY"
    return _checked(proxy, _variable(f"{scheme}_proxy"), hint)


def _variable(name: str) -> str:
    """Return the spelling of a variable in the environment; "" for a setting of the system."""
    return next((each for each in (name, name.upper()) if os.environ.get(each)), "")


def _checked(proxy: str, variable: str, hint: str) -> str:
    """Return a proxy as a URL, if it is not SOCKS, which aiohttp does not support."""
    url = proxy if "://" in proxy else f"http://{proxy}"
    if urlsplit(url).scheme in {"http", "https"}:
        return url
    named = f" of {variable}" if variable else ""
    what = f"cannot use the proxy {public_url(url)}{named}: only HTTP proxies are supported"
    details = {"sent": False}
    raise BackendError(ErrorKind.CONNECTION, what, retryable=False, hint=hint, details=details)
