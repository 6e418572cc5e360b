"""The judges of an evaluation, opened together and closed together."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Protocol

from lm_eval_so.core.asking.answer.redact import clean_error
from lm_eval_so.core.asking.asker import Answer, Asker
from lm_eval_so.core.asking.live import LiveAsker
from lm_eval_so.core.asking.open import backend_problems, open_asker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.asking.retry import SILENCE
from lm_eval_so.core.backends.build import sent_params
from lm_eval_so.core.config.model import BackendSection, Config
from lm_eval_so.core.events import Warned
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.errors import BackendError, Problem
from lm_eval_so.evaluator.metrics.env import Judge


class OpenJudge(Protocol):
    """Opens the judge of a metric."""

    def __call__(
        self, section: BackendSection, *, config: Config, resources: Resources
    ) -> AbstractAsyncContextManager[Asker]:
        """Return what asks it, for as long as the context lasts."""
        ...


class ParamsAsker:
    """Asks with the parameters of the config, the backend's defaults included, under a request's own.

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
) -> AsyncIterator[ParamsAsker]:
    """Open the judge that a section of the config names.

    Raises:
        InputError: With every problem of the section.
        BackendError: If the backend cannot get ready.
    """
    async with open_asker(section, config=config, resources=resources) as asker:
        yield ParamsAsker(asker)


def judge_problems(config: Config, environ: Mapping[str, str] | None) -> list[Problem]:
    """Find what is wrong with the backends of judges, before anything is spent.

    Arguments as of `backend_problems`.
    """
    problems: list[Problem] = []
    for metric in config.metrics:
        for section in metric.judges:
            problems += backend_problems(section, config=config, environ=environ)
    return problems


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
    """Return judges of which one whose endpoint goes away costs its own votes and no other.

    The evaluation still ends if the first request of one already shows that it cannot be asked, if
    one refuses the credentials, or if all are gone.
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
