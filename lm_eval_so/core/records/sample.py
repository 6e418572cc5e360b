"""`lm-eval-so/sample/1`: the canonical test case, one line of `test.jsonl`."""

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any, Literal

from pydantic import JsonValue

from lm_eval_so.core.records.chat import Message
from lm_eval_so.core.records.enums import Behavior
from lm_eval_so.core.records.record import record


@record
class Passage:
    """A text that an answer rests on, or must not rest on."""

    role: Literal["given", "gold", "distractor"] = "gold"
    """given: sent to the chatbot; gold: evidence for the answer; distractor: neither."""
    text: str
    doc_id: str | None = None
    span: tuple[int, int] | None = None
    """Position of the text in its document, in code points, end exclusive."""
    sha256: str | None = None


@record
class Check:
    """A condition on a conversation."""

    type: Literal["contains", "regex", "tool_called", "judge"]
    text: str


@record
class UserTurn:
    """One scripted turn of the user."""

    user: str
    when: str | None = None
    """Regular expression; the turn is skipped unless the last answer matches."""
    expect: tuple[Mapping[str, JsonValue], ...] = ()
    """Metrics of this turn's answer."""


@record
class Persona:
    """Persona of a simulated user."""

    name: str
    traits: tuple[str, ...] = ()
    style: str | None = None


@record
class SimulatedUser:
    """A user played by a model."""

    goal: str
    opening: str | None = None
    persona: Persona | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


@record
class Stop:
    """Conditions that end a conversation."""

    max_turns: int = 8
    on_match: str | None = None
    give_up_after: int = 3


@record
class Scenario:
    """A conversation to play: scripted turns or a simulated user."""

    turns: tuple[UserTurn, ...] = ()
    simulated_user: SimulatedUser | None = None
    stop: Stop = field(default_factory=Stop)
    success: tuple[Check, ...] = ()
    must_not: tuple[Check, ...] = ()


@record
class Relation:
    """A link to the sample that this one was made from."""

    base: str
    type: str
    expect: Literal["same", "different", "refuse"]


@record
class Review:
    """Review of the sample by people."""

    status: Literal["unreviewed", "accepted", "edited", "imported"]
    note: str | None = None
    edited_from: str | None = None


@record
class SourceRef:
    """Place of a sample in its source."""

    file: str
    """Path relative to the config file, with forward slashes."""
    sha256: str | None = None
    at: Mapping[str, JsonValue] = field(default_factory=dict)
    """Place in the file: line, record, sheet, page, …; counted from 1."""


@record
class PromptRef:
    """Instructions that a model was given."""

    name: str
    """Name and language, as `write.ko`."""
    sha256: str


@record
class Provenance:
    """Origin of a sample."""

    method: str
    """import; for tests written from documents look_up (by rule) or write (by a model)."""
    source: SourceRef | None = None
    parents: tuple[str, ...] = ()
    license: str | None = None
    slot: str | None = None
    """Place in the plan of the tests to write, which no other test takes while this one stands."""
    prompt: PromptRef | None = None
    model: str | None = None
    """Model that wrote it, by the name that it gives itself."""


@record
class TestSample:
    """One test case: the question, and the expectations of a good answer."""

    __test__ = False  # pytest must not collect it

    schema: Literal["lm-eval-so/sample/1"] = "lm-eval-so/sample/1"
    id: str
    """Id, unique in the dataset; `generate` derives it from the content."""
    group_id: str | None = None
    """Id shared by the samples of one passage or conversation, for clustered intervals."""
    language: str | None = None
    """Language of the user's side, BCP 47."""
    messages: tuple[Message, ...] = ()
    """The question: a conversation that ends with the user's turn or a tool's result."""
    input: str | None = None
    """Short form by hand for one user message; reading turns it into `messages`."""
    scenario: Scenario | None = None
    """A conversation to play, instead of `messages`."""
    system: str | None = None
    """System prompt of this sample; overrides the config's."""
    tools: tuple[Mapping[str, JsonValue], ...] = ()
    tool_results: tuple[Mapping[str, JsonValue], ...] = ()
    expected: str | None = None
    """The reference answer."""
    references: tuple[str, ...] = ()
    """Alternative answers, equally good."""
    behavior: Behavior = Behavior.ANSWER
    """Expected behavior."""
    context: tuple[Passage, ...] = ()
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    metrics: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)
    """Parameters of metrics for this sample, by metric id or name; the id takes precedence."""
    relation: Relation | None = None
    weight: float = 1.0
    split: str | None = None
    ref: str | None = None
    """Id in the source."""
    flags: tuple[str, ...] = ()
    review: Review | None = None
    provenance: Provenance | None = None
    rev: str | None = None
    """Revision: digest of question and expectations, 16 hexadecimal digits."""

    @property
    def question(self) -> str:
        """Text of the last user message; "" if there is none."""
        return next((m.content for m in reversed(self.messages) if m.role == "user"), "")

    @property
    def user_texts(self) -> tuple[str, ...]:
        """Texts of the user's messages or scripted turns."""
        scripted = self.scenario.turns if self.scenario else ()
        said = (message.content for message in self.messages if message.role == "user")
        return (*said, *(turn.user for turn in scripted))

    @property
    def answers(self) -> tuple[str, ...]:
        """The reference answer and its alternatives; empty if there is none."""
        return (() if self.expected is None else (self.expected,)) + self.references


@record
class SourcePlace:
    """Place in a file that a sample is from."""

    file: str
    """Path relative to the config file, with forward slashes."""
    at: Mapping[str, JsonValue] = field(default_factory=dict)
    """Sheet, page, row, line or path in the file, as far as they are known; counted from 1."""
    quote: str | None = None
    """Start of the passage that its answer rests on, at most 300 characters; null if it has none."""


def without_quote(place: SourcePlace | None) -> SourcePlace | None:
    """Return a place without the passage that stands there."""
    return place and replace(place, quote=None)


def place_values(place: SourcePlace | None) -> dict[str, JsonValue] | None:
    """Return a place as JSON values, without what is not known."""
    if place is None:
        return None
    found = {"file": place.file, "at": dict(place.at), "quote": place.quote}
    return {key: value for key, value in found.items() if value}


def place_of(values: Mapping[str, Any] | None) -> SourcePlace | None:
    """Return the place of the values that `place_values` gave."""
    return None if values is None else SourcePlace(**values)


@record
class RowsFile:
    """File that has the rows of a report, a line each, in dataset order."""

    name: str
    """Name of the file, beside the report."""
    rows: int
    bytes: int
    sha256: str


UNWRITTEN = RowsFile(name="samples.jsonl", rows=0, bytes=0, sha256="")
"""File of a report that gets its rows there once it is written."""


@record
class ReportRow:
    """A line of `samples.jsonl`: one sample and repeat; what is not known is left out."""

    schema: Literal["lm-eval-so/report-row/1"] = "lm-eval-so/report-row/1"
    sample_id: str
    sample_hash: str
    rev: str
    repeat: int = 0
    group_id: str | None = None
    status: str
    scores: Mapping[str, float] = field(default_factory=dict)
    """Values by metric id; a metric without a value is left out."""
    not_applicable: tuple[str, ...] = ()
    """Metrics that do not apply to the row."""
    cached: bool = False
    """Whether the times of the row were not measured in this run."""
    failure: str | None = None
    """Cause of a row without an answer, as "HTTP 500"."""
    ref: str | None = None
    """The user's own id."""
    source: SourcePlace | None = None
    tags: tuple[str, ...] = ()
    language: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of further slices: length, and the metadata keys of `report.by`."""
    input: str = ""
    expected: str | None = None
    references: tuple[str, ...] = ()
    answer: str | None = None
    """Answer, or its SHA-256, depending on `report.answers`."""
