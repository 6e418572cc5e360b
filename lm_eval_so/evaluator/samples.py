"""What of the samples the report needs, column by column: an object each would take twice that."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFacts:
    """What of a sample the report needs."""

    id: str
    sample_hash: str
    rev: str
    group_id: str | None
    tags: tuple[str, ...]
    language: str | None
    length: int
    """Graphemes of the input."""
    metadata: Mapping[str, JsonValue]
    """Values of the keys in `report.by`."""
    input: str | None
    """None unless the report keeps it."""
    expected: str | None
    ref: str | None = None
    """The user's own id."""


class Samples:
    """The facts of all samples, in dataset order."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.sample_hashes: list[str] = []
        self.revs: list[str] = []
        self.groups: list[str | None] = []
        self.has_groups = False
        """Whether any sample has a group."""
        self.tags: list[tuple[str, ...]] = []
        self.languages: list[str | None] = []
        self.lengths = array("L")
        self.metadata: list[Mapping[str, JsonValue]] = []
        self.inputs: list[str | None] = []
        self.expected: list[str | None] = []
        self.refs: list[str | None] = []

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, facts: SampleFacts) -> None:
        """Add a sample."""
        self.ids.append(facts.id)
        self.sample_hashes.append(facts.sample_hash)
        self.revs.append(facts.rev)
        self.groups.append(facts.group_id)
        self.has_groups = self.has_groups or bool(facts.group_id)
        self.tags.append(facts.tags)
        self.languages.append(facts.language)
        self.lengths.append(facts.length)
        self.metadata.append(facts.metadata)
        self.inputs.append(facts.input)
        self.expected.append(facts.expected)
        self.refs.append(facts.ref)
