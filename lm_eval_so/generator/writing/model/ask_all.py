"""Many requests at once: what they took, and the error that ends the asking."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.workers import drain, until_stopped
from lm_eval_so.errors import Interrupted, LMEvalError


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
class Terms:
    """Terms of writing tests."""

    attempts: int
    concurrency: int
    grace_s: float
    """Seconds left to running requests after Ctrl-C."""
    style: Mapping[str, Sequence[str]]
    """Questions of real users by language."""
    stop: asyncio.Event
    tell: Callable[[int, int], None] = lambda *_: None
    """Takes the numbers of tests written, and of proposals thrown away."""
    failed: Callable[[], LMEvalError | None] = lambda: None
    """Returns an error that makes further rounds useless."""


class AskAll:
    """Asks models for many things at once.

    Args:
        terms: Terms of writing.
    """

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self.asking = Asking()
        """Use of the models so far."""
        self.failure: LMEvalError | None = None
        """The error that ended the asking; None if nothing did."""

    async def ask(self, count: int, ask: Callable[[int], Any]) -> list[Any]:
        """Ask all at once, and return what came back in order; None for what was cut off.

        Args:
            count: Number of things to ask for.
            ask: Function that asks for one by its number; gives what was read, and all answers.
        """
        found: list[Any] = [None] * count

        async def one(number: int) -> None:
            if self.failure is not None or self._terms.stop.is_set():
                return
            try:
                found[number] = await ask(number)
            except LMEvalError as error:
                if self.failure is None:  # the first one tells why
                    self.failure = error

        work = drain(iter(range(count)), one, workers=self._terms.concurrency)
        await until_stopped(work, self._terms.stop, grace_s=self._terms.grace_s)
        if self.failure is None:
            self.failure = self._terms.failed()
        if self.failure is None and self._terms.stop.is_set():
            hint = "the same command goes on with what came back"
            self.failure = Interrupted("stopped before all tests were written", hint=hint)
        for reply in found:
            for answer in reply[1] if reply is not None else ():
                self.asking.add(answer)
        return found
