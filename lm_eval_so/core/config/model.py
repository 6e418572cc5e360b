"""The models of `lm-eval-so.yaml`. Unknown keys are errors; defaults stand here and nowhere else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

from pydantic import ConfigDict, Field, JsonValue, PrivateAttr, field_validator

from lm_eval_so.core.config.generator import DatasetSection, GeneratorSection, SourceSection
from lm_eval_so.core.config.metric import AnyMetric, JudgeSection, MetricSection, OnlySection
from lm_eval_so.core.config.run import BackendSection, RunSection, SimulatorSection
from lm_eval_so.core.config.section import Section
from lm_eval_so.core.records.enums import Language, Policy, ReportFormat
from lm_eval_so.core.yaml_lines import Located
from lm_eval_so.errors import Where

__all__ = [
    "SCHEMA_ID",
    "AnyMetric",
    "BackendSection",
    "BaselineSection",
    "Config",
    "DatasetSection",
    "GateMetricSection",
    "GateSection",
    "GeneratorSection",
    "JudgeSection",
    "MetricSection",
    "OnlySection",
    "ReportSection",
    "RunSection",
    "SimulatorSection",
    "SourceSection",
]

SCHEMA_ID = "https://mackim-3768.github.io/lm-eval-so/schema/config-1.json"


class BaselineSection(Section):
    """Where the baseline is."""

    path: Path | None = None
    """A report.json in the repository."""
    ref: str = ""
    """Git revision to read it from; "" is the base commit of a pull request, else the file itself. On a
    pull request the base must have it, too."""


class GateMetricSection(Section):
    """What one gating metric must keep."""

    margin: float | None = Field(default=None, gt=0)
    """Largest true fall that is accepted, in score units."""
    min: float | None = None
    """Lowest mean that is accepted."""
    max: float | None = None
    """Highest mean that is accepted."""
    rule: Literal["point", "bound"] = "point"
    """Whether the mean or its 95 % bound is held against min and max."""
    max_increase: float | None = Field(default=None, gt=0)
    """Largest true growth of a cost, latency or token count; 0.10 is 10 %."""
    statistic: Literal["mean", "p50", "p95"] = "mean"
    """What of a cost, latency or token count is compared."""


class GateSection(Section):
    """When a change fails."""

    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """One-sided error rate."""
    on_inconclusive: Policy = Policy.WARN
    """fail exits 3; warn exits 0 with a warning, pass without."""
    on_missing_baseline: Policy = Policy.WARN
    """fail exits 3 before anything is asked; warn exits 0 with a warning, pass without."""
    on_incomparable: Literal[Policy.WARN, Policy.FAIL] = Policy.FAIL
    """fail exits 3, warn exits 0 with a warning."""
    confirm: int = Field(default=0, ge=0, le=20)
    """Times that `ci` asks each sample that changed again, before a regression counts; `compare`
    alone cannot ask."""
    quarantine: Path = Path(".lm-eval-so/quarantine.yaml")
    """Known flaky samples, each with a reason and a date: reported, not gating."""
    accept: Path = Path(".lm-eval-so/accept.yaml")
    """Changes that are accepted on purpose, each with a reason, a date and the largest drop."""
    metrics: dict[str, GateMetricSection] | None = None
    """Those named here gate, the others are reported; without it every binary and bounded metric
    gates with its default margin, but for measures of wording (token_f1, char_f1, rouge_l, bleu, chrf,
    edit_similarity, embedding_similarity): other words are no fault."""


class ReportSection(Section):
    """What is written about the evaluation."""

    out: Path = Path("reports")
    """Folder of reports."""
    formats: tuple[ReportFormat, ...] = (ReportFormat.JSON, ReportFormat.MD, ReportFormat.HTML)
    """json is always written."""
    examples: int = Field(default=20, ge=0)
    """Cases shown in full."""
    by: list[str] = Field(default_factory=list)
    """Metadata keys to break figures down by."""
    answers: Literal["full", "hash", "none"] = "full"
    """How much of the answers the report keeps."""


class Config(Section):
    """The whole of `lm-eval-so.yaml`."""

    model_config = ConfigDict(title="lm-eval-so.yaml")

    version: Literal[1]
    """Version of this format."""
    suite: str = Field(pattern=r"^[a-z0-9._-]+$", max_length=80)
    """Names the baseline and the pull request comment: lower-case letters, digits and . _ -"""
    language: Language = Language.EN
    """Language of reports and comments."""
    plugins: list[Path] = Field(default_factory=list)
    """Files with backends and metrics of your own."""
    dataset: DatasetSection
    """Which dataset is asked, and what `generate` calls it."""
    generator: GeneratorSection | None = None
    """How `generate` makes the dataset."""
    backend: BackendSection | None = None
    """The chatbot under test."""
    system: str | None = None
    """System prompt put before each sample."""
    tools: list[dict[str, JsonValue]] = Field(default_factory=list)
    """Tools that the chatbot may call, in OpenAI's shape; a sample's own go over them."""
    tool_choice: JsonValue = None
    """auto, none, required, or the tool that must be called."""
    run: RunSection = Field(default_factory=RunSection)
    """How the chatbot is asked."""
    metrics: list[AnyMetric] = Field(default_factory=list)
    """What is scored: names, or mappings."""
    baseline: BaselineSection = Field(default_factory=BaselineSection)
    """Where the baseline is."""
    gate: GateSection = Field(default_factory=GateSection)
    """When a change fails."""
    report: ReportSection = Field(default_factory=ReportSection)
    """What is written."""

    _located: Located = PrivateAttr(default_factory=lambda: Located(values={}))
    _folder: Path = PrivateAttr(default=Path())

    @field_validator("metrics")
    @classmethod
    def _share_names(cls, metrics: list[MetricSection]) -> list[MetricSection]:
        names = {metric.id: metric.name for metric in metrics}
        for metric in metrics:
            metric.share_name(names)
        return metrics

    @property
    def located(self) -> Located:
        """The values of the file and the places of its keys."""
        return self._located

    @property
    def sources(self) -> list[SourceSection]:
        """The sources of the `generator` section; none without it."""
        return self.generator.sources if self.generator else []

    @property
    def folder(self) -> Path:
        """Folder of the config file: relative paths start here."""
        return self._folder

    def resolve(self, path: Path) -> Path:
        """Return a path of the config as one that can be opened from here."""
        return path if path.is_absolute() else self._folder / path

    def backend_sections(self) -> Iterator[tuple[tuple[str | int, ...], BackendSection]]:
        """Yield every backend of the config and where it stands: chatbot, simulator, judges."""
        if self.backend is not None:
            yield ("backend",), self.backend
        if self.run.simulator is not None:
            yield ("run", "simulator", "backend"), self.run.simulator.backend
        for number, metric in enumerate(self.metrics):
            for key, section in metric.backend_sections():
                yield ("metrics", number, *key), section

    def plugin_files(self) -> list[tuple[Path, Where]]:
        """Return the plugin files, as they can be opened from here, and where each is named."""
        return [(self.resolve(p), self.where("plugins", n)) for n, p in enumerate(self.plugins)]

    def where(self, *path: str | int) -> Where:
        """Return the place of a key in the file."""
        return self._located.where(path)

    def placed(self, located: Located, folder: Path) -> Self:
        """Return this config with the places of its keys and the folder of its file."""
        self._located, self._folder = located, folder
        return self
