"""Environment of metrics: judges, embedder, baseline, files."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import JsonValue

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.text.personal_data import Kind
from lm_eval_so.core.words import Wording, say_in_each, told_in

Ask = Callable[[ChatRequest], Awaitable[Answer]]
Vector = tuple[float, ...]
Embed = Callable[[str], Awaitable[Vector]]
"""Function from a text to its vector.

Raises:
    EmbedError: If the text has no vector, for example because it is over the model's limit.
"""


class EmbedError(Exception):
    """A text has no vector: it is too long, or the embedder failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Model that judges."""

    ask: Ask
    """Function that asks the model, with limiter, retries, budget and cache of the evaluation."""
    model: str | None = None
    """Model as configured."""
    params: Mapping[str, JsonValue] = field(default_factory=dict)
    """Parameters as configured; every request has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineAnswers:
    """Answers of the baseline to the same samples."""

    find: Callable[[TestSample, int], str | None] = field(default=lambda _, __: None)
    """Function from sample and repeat to the answer; None if there is none to the sample as it is now."""
    fingerprint: str | None = None
    """Digest of all that decides these answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricEnv:
    """Environment of a metric."""

    language: Language = Language.EN
    """Language of reasons: that of the report."""
    judges: tuple[Judge, ...] = ()
    """Judges: one, or a panel; empty unless the metric has a `backend`."""
    quorum: int | None = None
    """Least number of usable votes of a panel; None: more than half."""
    template: Language = Language.EN
    """Language of the judge's instructions."""
    template_file: str | None = None
    """File beside the config with the instructions, in place of ours."""
    embed: Embed | None = None
    """Embedder: the metric's `backend` if it requires one, else the local model."""
    embedder: str | None = None
    """Local model and version if that embeds; part of the definition."""
    baseline: BaselineAnswers | None = None
    """Answers of the baseline, for pairs; None without a baseline."""
    system: str | None = None
    """System prompt that the config puts before each sample without one."""
    tools: Sequence[Mapping[str, JsonValue]] = ()
    """Tools that the config offers with each sample that has none of its own."""
    folder: Path = field(default_factory=Path)
    """Folder of the config."""
    read_file: Callable[[str], str | None] = field(default=lambda _: None)
    """Function from a path beside the config to the text; None if there is no file."""
    masks: set[Kind] = field(default_factory=set)
    """Kinds of personal data that the report masks; a metric adds the kinds that it looks for."""

    def as_asked(self, sample: TestSample) -> TestSample:
        """Return a sample with the system prompt and the tools that it was asked with."""
        system = self.system if sample.system is None else sample.system
        return replace(sample, system=system, tools=sample.tools or tuple(self.tools))

    def say(self, key: str, **figures: str) -> Wording:
        """Return a text of the topic `metrics` in every language."""
        return say_in_each(f"metrics.{key}", figures)

    def told(self, reason: str | Wording | None) -> tuple[str | None, Wording]:
        """Return a reason in the language of the report, and in each language if it has several."""
        if reason is None or isinstance(reason, str):
            return reason, {}
        return told_in(reason, self.language), reason

    @property
    def ask(self) -> Ask | None:
        """Function that asks the first judge; None without judges."""
        return self.judges[0].ask if self.judges else None
