"""The models of `lm-eval-so.yaml`. Unknown keys are errors; defaults stand here and nowhere else."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, JsonValue, PrivateAttr, model_validator

from lm_eval_so.core.config.yaml_lines import Located
from lm_eval_so.core.records.enums import Language, Policy, ReportFormat
from lm_eval_so.errors import Where


class Section(
    BaseModel,
    extra="forbid",
    frozen=True,
    use_attribute_docstrings=True,
    populate_by_name=True,
    allow_inf_nan=False,
):
    """A part of the config: no unknown keys, frozen, described by the texts under its fields."""


class DatasetSection(Section):
    """Which dataset is asked, and what `generate` calls it."""

    path: Path
    """Folder with test.jsonl and metadata.json, or a .jsonl file; relative to the config file."""
    name: str | None = None
    """Name in metadata.json; default: the folder's name."""
    version: str | None = None
    """Version in metadata.json."""
    license: str | None = None
    """License in metadata.json."""
    description: str | None = None
    """Description in metadata.json."""


class SourceSection(Section):
    """One source of samples."""

    id: str = Field(pattern=r"^[A-Za-z0-9._-]+$")
    """Names the source in metadata.json and rejected.jsonl: letters, digits and . _ -"""
    path: str | list[str]
    """File or glob, or several; relative to the config file."""
    use: Literal["samples"] = Field(default="samples", alias="as")
    """What rows become: samples."""
    format: Literal["csv", "tsv", "jsonl", "json"] | None = None
    """Default: by the file's ending."""
    encoding: str | None = None
    """Default: found out per file (UTF-8, UTF-16 by BOM, CP949)."""
    records: str | None = None
    """Where the records of a JSON file are, as `$.data` or `$.groups[*].items`."""
    map: dict[str, str | list[str]] = Field(default_factory=dict)
    """Field of the sample to column (a name, a dotted path, or a constant written "=text"); default:
    common names are tried and the choice is told."""
    license: str | None = None
    """License of the source, written into its samples."""


class GeneratorSection(Section):
    """How `generate` makes the dataset."""

    seed: int = 7
    """Written into metadata.json."""
    sources: list[SourceSection] = Field(min_length=1)
    """Where the samples come from, in this order."""


class BackendSection(Section):
    """A chatbot or judge, and how it is reached."""

    name: str
    """openai, azure, http, local, command, python, scripted, replay, a plugin's name, or
    package.module:Class."""
    label: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]+$")
    """Names the run folder, by letters, digits and . _ -; default: <name>_<model>, or the name."""
    params: dict[str, JsonValue] = Field(default_factory=dict)
    """Sent to the model; part of the fingerprint."""
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """How to reach it; not part of the fingerprint."""

    @property
    def model(self) -> str | None:
        """The model that is asked for, if the parameters name one."""
        model = self.params.get("model")
        return model if isinstance(model, str) else None

    @property
    def run_label(self) -> str:
        """The label, or what stands for it; safe as a folder's name."""
        text = self.label or "_".join(filter(None, (self.name, self.model)))
        return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-") or "backend"


class SimulatorSection(Section):
    """Who plays the user in scenarios with a simulated user."""

    backend: BackendSection
    """The model that plays the user."""
    template: Language = Language.EN
    """Language of its instructions."""


class RunSection(Section):
    """How the chatbot is asked."""

    out: Path = Path("runs")
    """Folder of runs."""
    concurrency: int = Field(default=16, ge=1, le=4096)
    """Most requests under way at once."""
    repeats: int = Field(default=1, ge=1, le=1000)
    """Answers per sample."""
    seed: int = 7
    """Decides the seed of each row and the jitter of waits."""
    timeout_s: float = Field(default=60, gt=0)
    """Seconds an attempt may take."""
    max_attempts: int = Field(default=5, ge=1, le=100)
    """Attempts per request, the first included; refusals for asking too much (429) do not count."""
    row_deadline_s: float = Field(default=300, gt=0)
    """Seconds a row may take, attempts and waits included."""
    drain_s: float = Field(default=10, ge=0)
    """Seconds that requests under way get after Ctrl-C."""
    max_retry_after_s: float = Field(default=120, ge=0)
    """Longest wait that a server may ask for, in seconds."""
    max_cost_usd: float | None = Field(default=None, gt=0)
    """Budget of the whole run in US dollars, judges included; asking stops before it is spent."""
    max_requests: int | None = Field(default=None, ge=1)
    """Most requests of the whole run, attempts and judges included."""
    max_time_s: float | None = Field(default=None, gt=0)
    """Seconds the whole run may take, judges included."""
    max_requests_per_s: float | None = Field(default=None, gt=0)
    """Most requests a second to one endpoint."""
    max_tokens_per_min: float | None = Field(default=None, gt=0)
    """Most tokens a minute to one endpoint."""
    max_tool_rounds: int = Field(default=5, ge=1, le=100)
    """Most rounds of tool calls that are answered from `tool_results`."""
    cache: Path | Literal[False] = Path(".lm-eval-so/cache.sqlite")
    """File that keeps answers, so that the same request is not paid for twice; or false."""
    keep_raw: bool = False
    """Whether each row keeps the response as it came."""
    executor: Literal["live", "batch"] = "live"
    """batch hands single questions to the endpoint's batch service: cheaper, within a day."""
    batch_discount: float = Field(default=0.5, gt=0, le=1)
    """What a batch costs of the usual price."""
    batch_leftovers: Literal["ask", "leave"] = "ask"
    """What becomes of rows that a batch did not answer: asked one by one, or left for later."""
    simulator: SimulatorSection | None = None
    """Who plays the user, for scenarios with a simulated user."""


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
        name = values.get("name") if isinstance(values, Mapping) else None
        return (
            {**values, "id": values.get("id") or _id_of(name)} if isinstance(name, str) else values
        )

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


AnyMetric = Annotated[
    MetricSection,
    BeforeValidator(
        lambda value: {"name": value} if isinstance(value, str) else value,
        json_schema_input_type=str | MetricSection,
    ),
]
"""A metric in its long form, or its name alone."""


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


class Config(Section, title="lm-eval-so.yaml"):
    """The whole of `lm-eval-so.yaml`."""

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

    @model_validator(mode="after")
    def _share_names(self) -> Self:
        names = {metric.id: metric.name for metric in self.metrics}
        for metric in self.metrics:
            metric.share_name(names)
        return self

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
