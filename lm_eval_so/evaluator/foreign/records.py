"""Cases, answers and scores of any tool, whatever the tool calls them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue

from lm_eval_so.core.records.chat import Message, Usage
from lm_eval_so.core.records.enums import MetricKind, RunStatus
from lm_eval_so.core.records.run import BackendInfo
from lm_eval_so.core.records.sample import Passage
from lm_eval_so.evaluator.foreign.foreign_file import Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A metric of another tool."""

    name: str
    """Name as the tool writes it."""
    kind: MetricKind
    range: tuple[float, float] | None = (0.0, 1.0)
    higher_is_better: bool = True
    category: Literal["rule", "heuristic", "model"] = "rule"
    is_for_all: bool = True
    """Whether it applies to every case, and not only to those whose checks name it."""
    measures_overlap: bool = False
    """Whether it measures only how near the wording is to a reference."""
    definition: Mapping[str, JsonValue] = field(default_factory=dict)
    """Facts on how it was measured; two reports compare only if they are the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Score of an answer, or the reason why it has none."""

    value: float | None
    """None or NaN: no score."""
    passed: bool | None = None
    reason: str | None = None

    @property
    def is_scored(self) -> bool:
        """Whether there is a score."""
        return self.value is not None and math.isfinite(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignCase:
    """A test case, as far as the file tells."""

    identity: JsonValue
    """Identity of the case, the same in every run: its question, or the variables of its prompt."""
    own_id: str | None = None
    """Id or name by the user; None if the tool made it."""
    messages: tuple[Message, ...]
    """The question."""
    expected: str | None = None
    references: tuple[str, ...] = ()
    context: tuple[Passage, ...] = ()
    tags: tuple[str, ...] = ()
    judged_by: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)
    """Expectations of its own checks, by name of the metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignAnswer:
    """An answer to a case."""

    status: RunStatus
    text: str | None = None
    error: str | None = None
    """Reason why there is no answer."""
    repeat: int | None = None
    """Number of the answer among those to its case, from 0; None: in the order of the file."""
    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None
    latency_ms: float | None = None
    cached: bool = False
    started_at: str | None = None
    model: str | None = None
    marks: Mapping[str, Mark] = field(default_factory=dict)
    """Scores by name of the metric; a metric that is missing does not apply to the case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignResults:
    """The results of one chatbot, read from a file of another tool."""

    tool: str
    """Name of the tool."""
    version: str | None
    """Version of the tool; None if the file does not tell."""
    name: str | None = None
    """Name of the evaluation."""
    backend: BackendInfo
    """The chatbot, as far as the file tells."""
    measures: tuple[Measure, ...]
    rows: Sequence[tuple[ForeignCase, ForeignAnswer]]
    """Answers with their cases, in the order of the test set."""
    started_at: str | None = None
    finished_at: str | None = None
    commit: str | None = None
    is_complete: bool = True
    """Whether the evaluation ran to its end."""
    notes: tuple[str, ...] = ()
    """Parts of the file that were left out, a line each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool whose results can be read."""

    name: str
    """Name in `--from`."""
    looks_for: str
    """Signs of its files, for people."""
    fits: Callable[[Content], bool]
    """Function that says whether a file is of this tool; the name of the file does not count."""
    read: Callable[[Content, str | None], ForeignResults]
    """Function that reads a file, with the name of the candidate if one is wanted."""
