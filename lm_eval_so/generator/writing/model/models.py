"""The models that write and check: opened from the config, or the cache alone; asked many things at once."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from lm_eval_so.core.asking.answer.json_answer import Ask, Unusable, ask_for_json
from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.asking.live import LiveAsker
from lm_eval_so.core.asking.open import open_asker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.build import sent_params
from lm_eval_so.core.config.model import BackendSection, Config
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.workers import drain, until_stopped
from lm_eval_so.errors import CannotMeasure, Interrupted, LMEvalError
from lm_eval_so.generator.writing.model.prompts import language_for, repair_prompt

_SHOWN = 3


@dataclass(slots=True, kw_only=True)
class Asking:
    """Use of the models so far: requests and tokens, answers of the cache included."""

    models: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = 0.0
    """None once an answer has no known price."""

    def add(self, answer: Answer) -> None:
        """Count one answer."""
        self.requests += 1
        usage = answer.usage
        self.input_tokens += usage.input_tokens or 0
        self.output_tokens += usage.output_tokens or 0
        cost = answer.cost_saved_usd if answer.cached else answer.cost_usd
        self.usd = None if cost is None or self.usd is None else self.usd + cost
        if answer.response and answer.response.model:
            self.models[answer.response.model] += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that is asked."""

    ask: Ask
    params: Mapping[str, JsonValue]
    name: str
    """Name for answers that tell none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request for JSON."""

    request: ChatRequest
    language: str
    """Language of the passages in it."""
    read: Callable[[str], Any]
    """Function that reads an output, or says why it is `Unusable`."""

    def repair(self, why: Unusable) -> str:
        """Return the message that asks for a usable output."""
        schema = self.request.response_format or {}
        return repair_prompt(language_for(self.language), why, schema)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Reply to a question."""

    said: Any
    """The value that was read; or why there is none, as `ask_for_json` returns it."""
    model: str | None
    """Name of the model."""


class Models:
    """Open models, and what they were asked so far.

    Args:
        writer: The model that proposes.
        checker: The model that checks; None: nothing is checked.
        missed: Requests that the cache had no answer to, when offline.
        config: The config.
        resources: Resources of the command.
    """

    def __init__(
        self,
        writer: Model,
        checker: Model | None,
        missed: Sequence[ChatRequest],
        config: Config,
        resources: Resources,
    ) -> None:
        self.writer, self.checker = writer, checker
        self._missed, self._run, self._stop = missed, config.run, resources.stop
        self.asking = Asking()
        """Use of the models so far."""
        self.failure: LMEvalError | None = None
        """The error that ended the asking; None if nothing did."""

    async def ask(self, model: Model, questions: Sequence[Question]) -> list[Reply | None]:
        """Ask all at once, and return the replies in order; None for what was cut off."""
        found: dict[int, tuple[Any, Sequence[Answer]]] = {}

        async def one(number: int) -> None:
            if self.failure is not None or self._stop.is_set():
                return
            each = questions[number]
            try:
                found[number] = await ask_for_json(
                    model.ask, each.request, read=each.read, repair=each.repair
                )
            except LMEvalError as error:
                if self.failure is None:  # the first one tells why
                    self.failure = error

        numbers = range(len(questions))
        work = drain(iter(numbers), one, workers=self._run.concurrency)
        await until_stopped(work, self._stop, grace_s=self._run.drain_s)
        if self.failure is None:
            self.failure = self._end()
        return [self._reply(model, *found[n]) if n in found else None for n in numbers]

    def _end(self) -> LMEvalError | None:
        """Return the error that makes further asking useless."""
        if self._missed:
            first = ", ".join(request.sample_id for request in self._missed[:_SHOWN])
            more = ", …" if len(self._missed) > _SHOWN else ""
            what = f"{len(self._missed)} answers are not in the cache: {first}{more}"
            return CannotMeasure(what, hint="run it without --offline, which asks for these alone")
        if self._stop.is_set():
            hint = "the same command goes on with what came back"
            return Interrupted("stopped before all tests were written", hint=hint)
        return None

    def _reply(self, model: Model, said: Any, answers: Sequence[Answer]) -> Reply:
        name = model.name
        for answer in answers:
            self.asking.add(answer)
            name = (answer.response and answer.response.model) or name
        return Reply(said=said, model=name or None)


@asynccontextmanager
async def open_models(
    config: Config, resources: Resources, *, offline: bool
) -> AsyncIterator[Models]:
    """Open the models of the `generator` section, and close them in the end.

    Args:
        config: The config, with a model that writes.
        resources: Resources of the command.
        offline: Whether only the cache is asked.

    Raises:
        InputError: With every problem of a section.
        BackendError: If a backend cannot get ready.
    """
    section = config.generator
    assert section is not None and section.writer is not None  # noqa: S101, PT018 - the caller looked
    missed: list[ChatRequest] = []

    def model(asker: LiveAsker, section: BackendSection) -> Model:
        async def from_cache(request: ChatRequest) -> Answer:
            answer = asker.known(asker.key_of(request))
            if answer is None:
                missed.append(request)
                return Answer(status=RunStatus.ERROR)
            return answer

        return Model(
            ask=from_cache if offline else asker.ask,
            params=sent_params(asker.backend),
            name=section.model or section.name,
        )

    async with AsyncExitStack() as stack:
        asker = await stack.enter_async_context(
            open_asker(section.writer, config=config, resources=resources)
        )
        writer = checker = model(asker, section.writer)
        if section.checker is not None and section.checker is not section.writer:
            asker = await stack.enter_async_context(
                open_asker(section.checker, config=config, resources=resources)
            )
            checker = model(asker, section.checker)
        is_checked = section.checker is not None
        yield Models(writer, checker if is_checked else None, missed, config, resources)
