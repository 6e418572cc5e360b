"""The judges of an evaluation, opened together and closed together."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Protocol

from lm_eval_so.core.asking.asker import Answer, Asker
from lm_eval_so.core.asking.live import LiveAsker
from lm_eval_so.core.asking.open import open_asker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.build import sent_params
from lm_eval_so.core.config.model import BackendSection, Config
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.evaluator.bind import Ask


class OpenJudge(Protocol):
    """Opens the judge of a metric."""

    def __call__(
        self, section: BackendSection, *, config: Config, resources: Resources
    ) -> AbstractAsyncContextManager[Asker]:
        """Give what asks it, for as long as the context lasts."""
        ...


class Judge:
    """Asks a judge with the parameters of the config, unless a request has others.

    Args:
        asker: How it is asked.
    """

    def __init__(self, asker: LiveAsker) -> None:
        self._asker = asker
        self._params = sent_params(asker.backend)

    async def ask(self, request: ChatRequest) -> Answer:
        """Ask until there is an answer, or no more attempts.

        Raises:
            LMEvalError: If it makes no sense to ask on.
        """
        params = {**self._params, **request.params}
        return await self._asker.ask(replace(request, params=params))


@asynccontextmanager
async def open_judge(
    section: BackendSection, *, config: Config, resources: Resources
) -> AsyncIterator[Judge]:
    """Open the judge that a section of the config names.

    Raises:
        InputError: With every problem of the section.
        BackendError: If the backend cannot get ready.
    """
    async with open_asker(section, config=config, resources=resources) as asker:
        yield Judge(asker)


@asynccontextmanager
async def open_judges(
    config: Config, resources: Resources, opens: OpenJudge
) -> AsyncIterator[dict[str, Ask]]:
    """Open the judge of each metric that has one, by metric id."""
    async with AsyncExitStack() as stack:
        asks: dict[str, Ask] = {}
        for section in config.metrics:
            if section.backend is not None:
                context = opens(section.backend, config=config, resources=resources)
                asks[section.id] = (await stack.enter_async_context(context)).ask
        yield asks
