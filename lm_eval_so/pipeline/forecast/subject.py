"""The subject of a forecast: samples, deciding metrics, and the answers of each side."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.base import backends
from lm_eval_so.core.config.gate import GateMetricSection
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.dataset import Dataset, load_dataset
from lm_eval_so.core.hashing import revision
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.stats.trials import Sides
from lm_eval_so.errors import ConfigError
from lm_eval_so.evaluator.binding.bind import bind_metrics, gating_ids, unasked_judges
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.pipeline.check import gate_problems
from lm_eval_so.pipeline.measure.further import is_alone
from lm_eval_so.pipeline.measure.plan import answers_of_baseline
from lm_eval_so.runner.dry_run import head_of
from lm_eval_so.runner.plan.selection import backend_section, run_folder

FOLDER = Path(".lm-eval-so/forecast")
"""Folder of further answers and of the forecast, relative to that of the config."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Subject of a forecast: samples, and the metrics that decide about them."""

    config: Config
    dataset: Dataset
    metrics: tuple[BoundMetric, ...]
    """Deciding metrics that score an answer by itself."""
    left_out: tuple[str, ...]
    """Deciding metrics that hold an answer against others, so that answers cannot be shuffled."""
    chatbot: str
    """Fingerprint of the chatbot as it is now."""
    held: int
    """Answers to a sample that the baseline at hand holds; 0 without one."""

    @cached_property
    def revs(self) -> Mapping[str, str]:
        """Revision of each sample."""
        return {sample.id: sample.rev or revision(sample) for sample in self.dataset}

    @cached_property
    def groups(self) -> int | None:
        """Number of groups of samples; None if all stand alone."""
        labels = [sample.group_id for sample in self.dataset]
        named = [label for label in labels if label is not None]
        found = len(set(named))
        return found + len(labels) - len(named) if found < len(named) else None

    @property
    def sides(self) -> Sides:
        """Answers to a sample on each side of a comparison; of the baseline the larger of now and next."""
        baseline = max(self.config.baseline_repeats, self.held)
        return Sides(baseline=baseline, candidate=self.config.run.repeats)

    @property
    def wanted(self) -> int:
        """Answers to a sample that a forecast is made from: one more than a comparison takes."""
        return self.sides.total + 1

    @property
    def is_recorded(self) -> bool:
        """Whether answers are read from a record, so that none can be asked anew."""
        name = backend_section(self.config).name
        return backends.resolve(name).capabilities.recorded

    @property
    def has_judges(self) -> bool:
        """Whether scores take a judge."""
        return any(each.section.judges for each in self.metrics)

    @property
    def folder(self) -> Path:
        """Folder of runs that were asked for a forecast."""
        return self.config.resolve(FOLDER) / run_folder(self.config).name


def subject_of(config: Config, resources: Resources) -> Subject:
    """Return the subject of a forecast, of a config without problems.

    Raises:
        InputError: If the dataset cannot be used, or nothing decides that can be forecast.
    """
    told = config.dataset
    dataset = load_dataset(
        config.resolve(told.path), name=told.name, version=told.version, shown_as=told.path
    )
    bound = bind_metrics(config, unasked_judges(config))
    gating = gating_ids(config, bound)
    deciding = [each for each in bound if each.id in gating]
    alone = tuple(each for each in deciding if is_alone(each))
    if not alone:
        what = "no metric gates that scores an answer by itself, so there is nothing to forecast"
        hint = "name one under gate.metrics, with a margin or a bound"
        raise ConfigError(what, where=config.where("metrics"), hint=hint)
    return Subject(
        config=config,
        dataset=dataset,
        metrics=alone,
        left_out=tuple(each.id for each in deciding if not is_alone(each)),
        chatbot=head_of(config, resources).fingerprint,
        held=answers_of_baseline(config),
    )


def with_margins(subject: Subject, margin: float, resources: Resources) -> Subject:
    """Return a subject whose deciding metrics all have a margin, except costs, times and counts.

    Raises:
        ConfigError: If the margin does not fit a metric.
    """
    config = subject.config
    named = config.gate.metrics
    if named is None:
        named = {each.id: GateMetricSection() for each in subject.metrics}
    scores = {each.id for each in subject.metrics if each.metric.kind is not MetricKind.RATIO}
    changed = {
        key: section.model_copy(update={"margin": margin}) if key in scores else section
        for key, section in named.items()
    }
    gate = config.gate.model_copy(update={"metrics": changed})
    config = config.model_copy(update={"gate": gate})
    problems = list(gate_problems(config, resources.environ))
    if problems:
        raise ConfigError.of(problems)
    return replace(subject, config=config)
