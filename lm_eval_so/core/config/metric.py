"""The section `metrics` of `lm-eval-so.yaml`: what is scored, and by whom."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, JsonValue, PrivateAttr, model_validator

from lm_eval_so.core.config.run import BackendSection
from lm_eval_so.core.config.section import Section
from lm_eval_so.core.records.enums import Language

__all__ = ["AnyMetric", "JudgeSection", "MetricSection", "OnlySection"]


class JudgeSection(Section):
    """How a judge is asked, and checked."""

    template: Language = Language.EN
    """Language of the judge's instructions."""
    quorum: int | None = Field(default=None, ge=1)
    """Usable votes that a panel must give; default: more than half."""
    retest: int = Field(default=0, ge=0)
    """Rows that are judged once more, past the cache, to see whether the judge repeats itself."""
    calibration: Path | None = None
    """The calibration.json of `calibrate`."""


class OnlySection(Section):
    """Samples that a metric is limited to: one of each list."""

    tags: list[str] = Field(default_factory=list)
    """Samples with at least one of these tags."""
    language: list[str] = Field(default_factory=list)
    """Samples whose language is exactly one of these."""


class MetricSection(Section):
    """One metric of the evaluation."""

    id: str = Field(default="", pattern=r"^[A-Za-z0-9._-]*$")
    """Letters, digits and . _ -; default: the name. Lets one metric stand twice. What a sample has for
    the name holds for the id, too."""
    name: str
    """A built-in metric, a plugin's, or package.module:Class."""
    params: dict[str, JsonValue] = Field(default_factory=dict)
    """Parameters of the metric."""
    pass_if: str | None = Field(default=None, pattern=r"^\s*(>=|<=|>|<|==)\s*-?[0-9.]+\s*$")
    """When an answer passes, as ">= 0.8"; default: a binary metric passes at 1."""
    only: OnlySection = Field(default_factory=OnlySection)
    """Samples that the metric is limited to."""
    backend: BackendSection | None = None
    """The judge's model, for metrics that need one; the embedder of `embedding_similarity`."""
    panel: list[BackendSection] = Field(default_factory=list)
    """Several judges instead of one; an odd number, of different families."""
    judge: JudgeSection = Field(default_factory=JudgeSection)
    """How the judge is asked."""

    _shares_name: bool = PrivateAttr(default=False)

    @model_validator(mode="before")
    @classmethod
    def _id_defaults_to_name(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and not values.get("id"):
            name = values.get("name")
            if isinstance(name, str):
                return {**values, "id": _id_of(name)}
        return values

    @property
    def sample_keys(self) -> tuple[str, ...]:
        """Where a sample's parameters for it stand: under its id, else under its name."""
        name = _id_of(self.name)
        return (self.id, name) if self._shares_name and name != self.id else (self.id,)

    def share_name(self, names: Mapping[str, str]) -> None:
        """Take parameters under its name, too, unless a metric of another kind has it as its id.

        Args:
            names: The names of all metrics of the config, by id.
        """
        self._shares_name = names.get(_id_of(self.name), self.name) == self.name

    @property
    def judges(self) -> tuple[BackendSection, ...]:
        """The models that judge: those of the panel, or the one of `backend`; none for a rule."""
        return tuple(self.panel) if self.panel else (self.backend,) if self.backend else ()

    def backend_sections(self) -> Iterator[tuple[tuple[str | int, ...], BackendSection]]:
        """Yield each judge and where it stands in this section."""
        if self.backend is not None:
            yield ("backend",), self.backend
        for number, section in enumerate(self.panel):
            yield ("panel", number), section


def _id_of(name: str) -> str:
    """Return the id of a metric that has none of its own."""
    return name.rpartition(":")[2]


def _short_metric(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


AnyMetric = Annotated[
    MetricSection,
    BeforeValidator(_short_metric, json_schema_input_type=str | MetricSection),
]
"""A metric in its long form, or its name alone."""
