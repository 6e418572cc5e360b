"""The judges of an evaluation, opened together and closed together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Protocol

from lm_eval_so.core.asking.asker import Answer, Asker
from lm_eval_so.core.asking.live import LiveAsker
from lm_eval_so.core.asking.open import ask_first, open_asker
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
    """Asks a judge; the first request goes alone, to prove address and credentials.

    Args:
        asker: How it is asked.
    """

    def __init__(self, asker: LiveAsker) -> None:
        self._asker = asker
        self._params = sent_params(asker.backend)
        self._proving = asyncio.Lock()
        self._is_proved = False

    async def ask(self, request: ChatRequest) -> Answer:
        """Ask until there is an answer, or no more attempts.

        Raises:
            LMEvalError: If it makes no sense to ask on.
        """
        request = replace(request, params={**self._params, **request.params})
        async with self._proving:
            if not self._is_proved:
                answer = await ask_first(self._asker, request)
                self._is_proved = True
                return answer
        return await self._asker.ask(request)


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
