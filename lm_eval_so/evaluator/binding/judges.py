"""The judges of an evaluation, opened and closed together."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Protocol

from pydantic import JsonValue

from lm_eval_so.core.asking.answer.redact import clean_error
from lm_eval_so.core.asking.asker import Answer, Asker
from lm_eval_so.core.asking.open import open_asker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.asking.retry import SILENCE
from lm_eval_so.core.backends.build import sent_params
from lm_eval_so.core.config.model import BackendSection, Config
from lm_eval_so.core.events import Warned
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.errors import BackendError
from lm_eval_so.evaluator.metrics.env import Ask, Judge


class OpenJudge(Protocol):
    """Opener of the judge of a metric."""

    def __call__(
        self, section: BackendSection, *, config: Config, resources: Resources
    ) -> AbstractAsyncContextManager[Asker]:
        """Return an asker that lives as long as the context."""
        ...


class ParamsAsker:
    """Asker that adds the parameters of the config and the backend's defaults to a request's own.

    Args:
        ask: Function that asks the judge's backend.
        params: Parameters that the backend sends.
    """

    def __init__(self, ask: Ask, params: Mapping[str, JsonValue]) -> None:
        self._ask = ask
        self._params = params

    async def ask(self, request: ChatRequest) -> Answer:
        """Ask until there is an answer or no attempt is left.

        Raises:
            LMEvalError: If no further request can succeed.
        """
        params = {**self._params, **request.params}
        return await self._ask(replace(request, params=params))


@asynccontextmanager
async def open_judge(
    section: BackendSection, *, config: Config, resources: Resources
) -> AsyncIterator[ParamsAsker]:
    """Open the judge that a section of the config names.

    Raises:
        InputError: With every problem of the section.
        BackendError: If the backend cannot get ready.
    """
    async with open_asker(section, config=config, resources=resources) as asker:
        yield ParamsAsker(asker.ask, sent_params(asker.backend))


@asynccontextmanager
async def open_judges(
    config: Config, resources: Resources, opens: OpenJudge
) -> AsyncIterator[dict[str, tuple[Judge, ...]]]:
    """Open the judges of each metric that has any, by metric id."""
    async with AsyncExitStack() as stack:
        judges: dict[str, tuple[Judge, ...]] = {}
        for metric in config.metrics:
            opened = []
            for section in metric.judges:
                context = opens(section, config=config, resources=resources)
                asker = await stack.enter_async_context(context)
                opened.append(Judge(ask=asker.ask, model=section.model, params=section.params))
            judges[metric.id] = (
                _panel(opened, metric.id, resources) if len(opened) > 1 else tuple(opened)
            )
        yield judges


def _panel(judges: Sequence[Judge], metric_id: str, resources: Resources) -> tuple[Judge, ...]:
    """Return judges of a panel: one whose endpoint goes away loses its own votes, no others.

    The evaluation still ends if the first request of a judge already fails this way, if a judge
    refuses the credentials, or if all judges are gone.
    """
    there, gone = set[int](), set[int]()

    def member(at: int, judge: Judge) -> Judge:
        async def ask(request: ChatRequest) -> Answer:
            try:
                answer = await judge.ask(request)
            except BackendError as error:
                if at not in there or error.kind not in SILENCE or len({*gone, at}) == len(judges):
                    raise
                if at not in gone:
                    gone.add(at)
                    text = f"{metric_id}: {error}; its votes are missing from here on"
                    resources.listener(Warned(stage="evaluate", text=text))
                info = clean_error(error, resources.redactor)
                return Answer(status=RunStatus.ERROR, error=info)
            if not answer.cached:
                there.add(at)
            return answer

        return replace(judge, ask=ask)

    return tuple(member(at, judge) for at, judge in enumerate(judges))
