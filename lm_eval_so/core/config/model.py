"""Models of `lm-eval-so.yaml`: unknown keys are errors, and every default is defined here."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, PrivateAttr, model_validator

from lm_eval_so.core.config.gate import GateSection
from lm_eval_so.core.config.places import (
    BaselineSection,
    DatasetSection,
    ReadFile,
    ReportSection,
    read_if_there,
)
from lm_eval_so.core.config.section import JudgeSection, OnlySection, Section
from lm_eval_so.core.config.sources import (
    CleanSection,
    PiiSection,
    SourceSection,
    SynthesiseSection,
)
from lm_eval_so.core.config.yaml_lines import Located
from lm_eval_so.core.files import decode_text
from lm_eval_so.core.records.enums import Language
from lm_eval_so.errors import Where


class BackendSection(Section):
    """A chatbot or judge, with its address."""

    name: str
    """openai, azure, http, local, command, python, scripted, replay, a plugin's name, or
    package.module:Class."""
    label: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]+$")
    """Name of the run folder: letters, digits and . _ -; default: <name>_<model>, or the name."""
    params: dict[str, JsonValue] = Field(default_factory=dict)
    """Parameters sent to the model; part of the fingerprint."""
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """Options of the backend, such as its address; not part of the fingerprint."""

    @property
    def model(self) -> str | None:
        """The model named by the parameters; None if there is none."""
        model = self.params.get("model")
        return model if isinstance(model, str) else None

    @property
    def run_label(self) -> str:
        """The label or its default, safe as the name of a folder."""
        text = self.label or "_".join(filter(None, (self.name, self.model)))
        return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-") or "backend"


class GeneratorSection(Section):
    """Settings of `generate`."""

    seed: int = 7
    """Seed, written into metadata.json."""
    backend: BackendSection | None = None
    """Model that writes tests from documents; without one, or with the name extractive, only look-ups are
    written, by rule."""
    check_backend: BackendSection | None = None
    """Model that checks the questions against all documents; default: `backend`."""
    clean: CleanSection = Field(default_factory=CleanSection)
    """Cleaning of the sources."""
    sources: list[SourceSection] = Field(min_length=1)
    """Sources of the samples, in this order."""
    synthesise: SynthesiseSection | None = None
    """Tests to write from documents; absent: none."""

    @property
    def writer(self) -> BackendSection | None:
        """The model that writes tests; None if look-ups alone are wanted."""
        is_model = self.backend is not None and self.backend.name != "extractive"
        return self.backend if is_model else None

    @property
    def checker(self) -> BackendSection | None:
        """The model that checks tests; None if nothing is checked."""
        is_wanted = (
            self.writer is not None and self.synthesise is not None and self.synthesise.check
        )
        return (self.check_backend or self.writer) if is_wanted else None

    def backend_sections(self) -> Iterator[tuple[tuple[str | int, ...], BackendSection]]:
        """Yield each model with its path in this section."""
        if self.writer is not None:
            yield ("backend",), self.writer
        if self.check_backend is not None:
            yield ("check_backend",), self.check_backend


class SimulatorSection(Section):
    """Simulated user of scenarios."""

    backend: BackendSection
    """Model that plays the user."""
    template: Language = Language.EN
    """Language of its instructions."""


class RunSection(Section):
    """Settings of asking the chatbot."""

    out: Path = Path("runs")
    """Folder of runs."""
    concurrency: int = Field(default=16, ge=1, le=4096)
    """Largest number of concurrent requests."""
    repeats: int = Field(default=1, ge=1, le=1000)
    """Answers per sample."""
    seed: int = 7
    """Seed of the rows' seeds and of the jitter of waits."""
    timeout_s: float = Field(default=60, gt=0)
    """Time limit of an attempt, in seconds."""
    max_attempts: int = Field(default=5, ge=1, le=100)
    """Attempts per request, the first included; refusals of the rate limit (429) do not count."""
    row_deadline_s: float = Field(default=300, gt=0)
    """Time limit of a row, attempts and waits included, in seconds."""
    drain_s: float = Field(default=10, ge=0)
    """Seconds left to running requests after Ctrl-C."""
    max_retry_after_s: float = Field(default=120, ge=0)
    """Longest wait accepted from a server's Retry-After, in seconds."""
    max_cost_usd: float | None = Field(default=None, gt=0)
    """Budget of the whole run in US dollars, judges included; asking stops before it is spent."""
    max_requests: int | None = Field(default=None, ge=1)
    """Largest number of requests of the whole run, attempts and judges included."""
    max_time_s: float | None = Field(default=None, gt=0)
    """Time limit of the whole run, judges included, in seconds."""
    max_requests_per_s: float | None = Field(default=None, gt=0)
    """Largest number of requests a second to one endpoint, of all shards together."""
    max_tokens_per_min: float | None = Field(default=None, gt=0)
    """Largest number of tokens a minute to one endpoint, of all shards together."""
    max_tool_rounds: int = Field(default=5, ge=1, le=100)
    """Largest number of rounds of tool calls answered from `tool_results`."""
    cache: Path | Literal[False] = Path(".lm-eval-so/cache.sqlite")
    """Cache file of answers, so that the same request is not paid for twice; or false."""
    keep_raw: bool = False
    """Whether each row keeps the raw response."""
    executor: Literal["live", "batch"] = "live"
    """Way of asking; batch uses the endpoint's batch service for single questions: cheaper, within a day."""
    batch_discount: float = Field(default=0.5, gt=0, le=1)
    """Price of a batch as a share of the usual price."""
    batch_leftovers: Literal["ask", "leave"] = "ask"
    """Rows without an answer from the batch: asked one by one, or left for later."""
    simulator: SimulatorSection | None = None
    """Simulated user, for scenarios with one."""


_CHAT_MODELS = frozenset({"openai", "azure", "local"})
"""Backends whose models take a temperature; an endpoint that refuses it is asked without it."""


class MetricSection(Section):
    """One metric of the evaluation."""

    id: str = Field(default="", pattern=r"^[A-Za-z0-9._-]*$")
    """Id: letters, digits and . _ -; default: the name. Different ids allow one metric twice. A
    sample's parameters for the name apply to the id, too."""
    name: str
    """A built-in metric, a plugin's, or package.module:Class."""
    params: dict[str, JsonValue] = Field(default_factory=dict)
    """Parameters of the metric."""
    pass_if: str | None = Field(default=None, pattern=r"^\s*(>=|<=|>|<|==)\s*-?[0-9.]+\s*$")
    """Condition of passing, as ">= 0.8"; default: a binary metric passes at 1."""
    only: OnlySection = Field(default_factory=OnlySection)
    """Filter of samples."""
    backend: BackendSection | None = None
    """Model of the judge, for metrics that need one; embedder of `embedding_similarity`."""
    panel: list[BackendSection] = Field(default_factory=list)
    """Several judges instead of one: an odd number, from different families."""
    judge: JudgeSection = Field(default_factory=JudgeSection)
    """Settings of asking the judge."""

    _shares_name: bool = PrivateAttr(default=False)

    @model_validator(mode="before")
    @classmethod
    def _id_defaults_to_name(cls, values: Any) -> Any:
        name = values.get("name") if isinstance(values, Mapping) else None
        return (
            {**values, "id": values.get("id") or _id_of(name)} if isinstance(name, str) else values
        )

    @model_validator(mode="after")
    def _judges_are_steady(self) -> Self:
        """Set the temperature of judging models to 0 unless the config says one."""
        for _, section in self.backend_sections():
            is_chat = section.name in _CHAT_MODELS and section.options.get("api") != "embeddings"
            if is_chat and "temperature" not in section.params:
                section.params["temperature"] = 0
        return self

    @property
    def sample_keys(self) -> tuple[str, ...]:
        """Keys of a sample's parameters for this metric: its id, then its name."""
        name = _id_of(self.name)
        return (self.id, name) if self._shares_name and name != self.id else (self.id,)

    def asked_live(self) -> Self:
        """Return this metric with judges that are asked one by one."""
        judge = self.judge.model_copy(update={"executor": "live"})
        return self.model_copy(update={"judge": judge})

    def share_name(self, names: Mapping[str, str]) -> None:
        """Accept parameters under the metric's name, too, unless that is the id of another metric.

        Args:
            names: Names of all metrics of the config, by id.
        """
        self._shares_name = names.get(_id_of(self.name), self.name) == self.name

    @property
    def judges(self) -> tuple[BackendSection, ...]:
        """The judging models: the panel, or `backend`; none for a rule."""
        return tuple(self.panel) if self.panel else (self.backend,) if self.backend else ()

    def backend_sections(self) -> Iterator[tuple[tuple[str | int, ...], BackendSection]]:
        """Yield each judge with its path in this section."""
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


class Config(Section, title="lm-eval-so.yaml"):
    """The whole config file, `lm-eval-so.yaml`."""

    version: Literal[1]
    """Version of the format."""
    suite: str = Field(pattern=r"^[a-z0-9._-]+$", max_length=80)
    """Name for baseline and pull request comment: lower-case letters, digits and . _ -"""
    language: Language = Language.EN
    """Language of reports and comments."""
    plugins: list[Path] = Field(default_factory=list)
    """Files with backends and metrics of your own."""
    dataset: DatasetSection
    """The dataset to ask, and the metadata that `generate` writes."""
    generator: GeneratorSection | None = None
    """Settings of `generate`."""
    backend: BackendSection | None = None
    """The chatbot under test."""
    system: str | None = None
    """System prompt before each sample."""
    tools: list[dict[str, JsonValue]] = Field(default_factory=list)
    """Tools that the chatbot may call, in OpenAI's shape; a sample's own tools override them."""
    tool_choice: JsonValue = None
    """auto, none, required, or the tool that must be called."""
    run: RunSection = Field(default_factory=RunSection)
    """Settings of asking the chatbot."""
    metrics: list[AnyMetric] = Field(default_factory=list)
    """Metrics: names, or mappings."""
    baseline: BaselineSection = Field(default_factory=BaselineSection)
    """Location of the baseline."""
    gate: GateSection = Field(default_factory=GateSection)
    """Rules by which a change fails."""
    report: ReportSection = Field(default_factory=ReportSection)
    """Settings of the report."""

    _located: Located = PrivateAttr(default_factory=lambda: Located(values={}))
    _folder: Path = PrivateAttr(default=Path())
    _readers: Mapping[str, ReadFile] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _share_names(self) -> Self:
        names = {metric.id: metric.name for metric in self.metrics}
        for metric in self.metrics:
            metric.share_name(names)
        return self

    @property
    def located(self) -> Located:
        """Values of the file with the places of its keys."""
        return self._located

    @property
    def sources(self) -> list[SourceSection]:
        """Sources of the `generator` section; none without it."""
        return self.generator.sources if self.generator else []

    @property
    def pii(self) -> PiiSection:
        """Handling of personal data in the sources."""
        return self.generator.clean.pii if self.generator else PiiSection()

    @property
    def folder(self) -> Path:
        """Folder of the config file, the base of relative paths."""
        return self._folder

    def resolve(self, path: Path) -> Path:
        """Return a path of the config, made relative to the working directory."""
        return path if path.is_absolute() else self._folder / path

    def read_for(self, user: str, path: Path) -> str | None:
        """Return the text of a file that the config names; None if there is none.

        Args:
            user: Reader of it: the id of a metric, or quarantine, or accept.
            path: The path as the config has it.

        Raises:
            InputError: If it cannot be read, or is not UTF-8.
        """
        file, read = self.resolve(path), self._readers.get(user, read_if_there)
        data = read(file)
        return None if data is None else decode_text(data, file)

    def reading(self, readers: Mapping[str, ReadFile]) -> Self:
        """Return this config, with its files read elsewhere, as in another commit.

        Args:
            readers: Readers of files by what reads them, as in `read_for`.
        """
        self._readers = readers
        return self

    @property
    def baseline_repeats(self) -> int:
        """Answers per sample when a baseline is made."""
        return self.baseline.repeats or self.run.repeats

    def with_repeats(self, repeats: int) -> Self:
        """Return this config with another number of answers per sample."""
        return self.model_copy(update={"run": self.run.model_copy(update={"repeats": repeats})})

    def backend_sections(self) -> Iterator[tuple[tuple[str | int, ...], BackendSection]]:
        """Yield every backend of the config with its path: chatbot, simulator, judges, writers of tests."""
        if self.backend is not None:
            yield ("backend",), self.backend
        if self.run.simulator is not None:
            yield ("run", "simulator", "backend"), self.run.simulator.backend
        for number, metric in enumerate(self.metrics):
            for key, section in metric.backend_sections():
                yield ("metrics", number, *key), section
        if self.generator is not None:
            for key, section in self.generator.backend_sections():
                yield ("generator", *key), section

    def plugin_files(self) -> list[tuple[Path, Where]]:
        """Return the resolved plugin files, each with its place in the config."""
        return [(self.resolve(p), self.where("plugins", n)) for n, p in enumerate(self.plugins)]

    def where(self, *path: str | int) -> Where:
        """Return the place of a key in the file."""
        return self._located.where(path)

    def placed(self, located: Located, folder: Path) -> Self:
        """Return this config, with the places of its keys and the folder of its file set."""
        self._located, self._folder = located, folder
        return self
