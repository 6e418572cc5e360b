"""What a metric gets from outside."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.text.personal_data import Kind

Ask = Callable[[ChatRequest], Awaitable[Answer]]
Vector = tuple[float, ...]
Embed = Callable[[str], Awaitable[Vector]]
"""Gives the vector of a text.

Raises:
    EmbedError: If there is none for it, as for a text over the model's limit.
"""


class EmbedError(Exception):
    """A text has no vector: it is too long, or the embedder failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """One model that judges, and how it is asked."""

    ask: Ask
    """Asks it, through the engine of the run: limiter, retries, budget, cache."""
    model: str | None = None
    """The model as configured."""
    params: Mapping[str, JsonValue] = field(default_factory=dict)
    """The parameters as configured; they go with every request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineAnswers:
    """What another chatbot, or this one as it was, answered to the same samples."""

    find: Callable[[TestSample, int], str | None] = field(default=lambda _, __: None)
    """Gives the answer to a sample as it is now, by repeat; None if there is none."""
    fingerprint: str | None = None
    """Digest of what decides these answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricEnv:
    """What a metric gets from outside, before `prepare`."""

    language: Language = Language.EN
    """Language of reasons, that of the report."""
    judges: tuple[Judge, ...] = ()
    """The judges: one, or those of a panel; none unless the metric has a `backend`."""
    quorum: int | None = None
    """Usable votes that a panel must give; None: more than half."""
    template: Language = Language.EN
    """Language of the judge's instructions."""
    embed: Embed | None = None
    """Embeds a text: by the metric's `backend` if it needs an embedder, else by the local model."""
    embedder: str | None = None
    """The local model and its version, where it embeds; it is part of the definition."""
    baseline: BaselineAnswers | None = None
    """Answers of the baseline, for pairs; None if nothing names a baseline."""
    read_file: Callable[[str], str | None] = field(default=lambda _: None)
    """Text of a file beside the config, or None if there is none."""
    masks: set[Kind] = field(default_factory=set)
    """Personal data that the report masks in all its texts; a metric adds what it looks for."""

    @property
    def ask(self) -> Ask | None:
        """Asks the judge, the first of a panel; None if there is none."""
        return self.judges[0].ask if self.judges else None
