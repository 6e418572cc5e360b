"""Client and headers that the shared options of a backend ask for."""

from collections.abc import Mapping

from lm_eval_so.core.backends.base import BackendEnv, SharedOptions
from lm_eval_so.core.backends.credentials import find_secret, shared_headers
from lm_eval_so.core.http.client import HttpClient


def make_http(options: SharedOptions, env: BackendEnv) -> HttpClient:
    """Make the client that a backend's options ask for."""
    verify = options.verify if options.verify is True else env.folder / options.verify
    return HttpClient(
        concurrency=env.concurrency,
        connect_timeout_s=options.connect_timeout_s,
        idle_timeout_s=options.idle_timeout_s,
        verify=verify,
        proxy=find_secret(options, "proxy", env).value or None,
    )


def with_shared(
    headers: Mapping[str, str], options: SharedOptions, env: BackendEnv
) -> dict[str, str]:
    """Return the headers of the options over those of the endpoint; names in lower case."""
    merged = {**headers, **{k.lower(): v for k, v in shared_headers(options, env).items()}}
    return {name.lower(): value for name, value in merged.items() if value}


def wants_stream(options: SharedOptions, env: BackendEnv) -> bool:
    """Return whether answers are streamed."""
    return env.wants_ttft if options.stream == "auto" else options.stream
