"""From a section of the config to an asker that is ready, and back to nothing left open."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.asking.live import LiveAsker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.asking.retry import Policy
from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.backends.build import build_backend
from lm_eval_so.core.config.model import BackendSection, Config
from lm_eval_so.core.events import Warned
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.yaml_lines import Path_
from lm_eval_so.errors import BackendError, ErrorKind, LMEvalError

_PROVES = frozenset({ErrorKind.AUTH, ErrorKind.NOT_FOUND, ErrorKind.CONNECTION, ErrorKind.TLS})


@asynccontextmanager
async def open_asker(
    section: BackendSection, *, config: Config, resources: Resources
) -> AsyncIterator[LiveAsker]:
    """Build and open the backend of a section, and close it in the end.

    Askers of one endpoint share a limiter, whoever opens them.

    Raises:
        InputError: With every problem of the section.
        BackendError: If the backend cannot get ready.
    """
    at = section_path(section, config)
    backend = build_backend(section, config=config, where_path=at, environ=resources.environ)
    own_timeout_s = getattr(backend.options, "timeout_s", None)
    policy = Policy(
        timeout_s=own_timeout_s or config.run.timeout_s,
        max_attempts=config.run.max_attempts,
        row_deadline_s=config.run.row_deadline_s,
        max_retry_after_s=config.run.max_retry_after_s,
    )
    await _get_ready(backend)
    try:
        yield LiveAsker(
            backend,
            policy=policy,
            limiter=resources.limiters.get(backend.limiter_key(), backend.most_at_once()),
            resources=resources,
            seed=config.run.seed,
            stage="evaluate" if at[0] == "metrics" else "run",
        )
    finally:
        await _let_go(backend, resources)


async def ask_first(asker: LiveAsker, request: ChatRequest) -> Answer:
    """Ask the first request of a stage, alone: it proves address and credentials.

    Raises:
        BackendError: If the endpoint cannot be reached, refuses the credentials or does not know
            the model; nothing else was sent.
        LMEvalError: As `LiveAsker.ask`.
    """
    answer = await asker.ask(request, only_once=frozenset({ErrorKind.CONNECTION}))
    error = answer.error
    if error is None or error.kind not in _PROVES or asker.backend.capabilities.offline:
        return answer
    hint = f"{error.hint} Nothing else was sent." if error.hint else "nothing else was sent"
    raise BackendError(
        error.kind, error.message, retryable=False, http_status=error.http_status, hint=hint
    )


async def _get_ready(backend: ChatBackend) -> None:
    try:
        await backend.open()
    except LMEvalError:
        raise
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        name = backend.name or type(backend).__name__
        what = f"the backend {name} cannot get ready: {type(error).__name__}: {error}"
        raise BackendError(ErrorKind.CALLABLE, what, retryable=False) from None


async def _let_go(backend: ChatBackend, resources: Resources) -> None:
    try:
        await backend.close()
    except Exception as error:  # noqa: BLE001 - a plugin's; what was answered is worth more
        name = backend.name or type(backend).__name__
        text = f"the backend {name} does not close: {type(error).__name__}: {error}"
        resources.listener(Warned(stage="run", text=resources.redactor.redact(text)))


def section_path(section: BackendSection, config: Config) -> Path_:
    """Give where a backend's section stands in the config."""
    for number, metric in enumerate(config.metrics):
        if metric.backend is section:
            return ("metrics", number, "backend")
    return ("backend",)
