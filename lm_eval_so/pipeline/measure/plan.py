"""The plan of a measurement: folders, baseline and subject."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lm_eval_so.comparator.baseline.find import AS_CONFIGURED, Place, find_baseline
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.comparison import BaselineRef
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.report_file import read_report
from lm_eval_so.errors import UsageError
from lm_eval_so.evaluator.binding.baseline_answers import needs_baseline
from lm_eval_so.evaluator.evaluate import Origin
from lm_eval_so.runner.run import RunOptions, run_folder

__all__ = [
    "Baseline",
    "Origin",
    "Place",
    "Plan",
    "again_folder",
    "asked_config",
    "how_to_name_one",
    "makes_baseline",
    "read_baseline",
    "run_folder",
    "take_baseline",
    "take_report",
    "wanted_baseline",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A baseline that was looked for."""

    report: EvaluationReport | None
    """The report; null if there is none."""
    ref: BaselineRef
    """Source of the report, or the reason why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Folders of a measurement, and the baseline that it is compared with."""

    run: Path
    """Folder of the run."""
    reports: Path
    """Folder of reports."""
    make_dataset: bool = False
    """Make the dataset first."""
    fresh: bool = False
    """Put an earlier run in that folder aside, even one that was begun for this verdict."""
    baseline: Place = AS_CONFIGURED
    """Place of the baseline."""
    may_be_baseline: bool = True
    """Whether the report may become a baseline, if it is complete and did not get worse."""
    makes_baseline: Literal["never", "if_missing", "always"] = "never"
    """Condition under which the run is to be the baseline, and asks `baseline.repeats` times."""
    origin: Origin = field(default_factory=Origin)
    """Identity of the measured code, as the report records it."""

    @property
    def run_options(self) -> RunOptions:
        """Options of the stage `run`."""
        return RunOptions(out=self.run, fresh=self.fresh)


def again_folder(run: Path) -> Path:
    """Return the folder of further answers: beside the run's, so that none of its rows changes."""
    folder = run if run.name not in {"", ".."} else run.resolve()
    return folder.with_name(f"{folder.name}-again")


def read_baseline(
    config: Config, place: Place = AS_CONFIGURED, *, is_demanded: bool = False
) -> Baseline:
    """Read the baseline; arguments and errors as of `find_baseline`."""
    report, ref = find_baseline(config, place, is_demanded=is_demanded)
    return Baseline(report=report, ref=ref)


def makes_baseline(plan: Plan, baseline: Baseline) -> bool:
    """Return whether a run is to be the baseline; one that stopped when it was good would be lucky."""
    if plan.makes_baseline == "if_missing":
        return baseline.report is None and baseline.ref.reason is None
    return plan.makes_baseline == "always"


def asked_config(config: Config, plan: Plan, baseline: Baseline) -> Config:
    """Return the config as a plan asks: `baseline.repeats` answers if the run is to be the baseline."""
    if config.baseline_repeats == config.run.repeats or not makes_baseline(plan, baseline):
        return config
    return config.with_repeats(config.baseline_repeats)


def how_to_name_one(config: Config) -> str:
    """Return the advice to name a baseline in the config."""
    return f"name a file of the repository, as baseline: {{path: baselines/{config.suite}.json}}"


def take_report(given: EvaluationReport | Path) -> EvaluationReport:
    """Return a report that is given by itself or by its file.

    Raises:
        InputError: If the file cannot be read.
    """
    return given if isinstance(given, EvaluationReport) else read_report(given)


def take_baseline(
    config: Config | None, given: EvaluationReport | Path | None, *, ref: str | None = None
) -> Baseline:
    """Return a baseline that is given by itself, or that of a config.

    Args:
        config: The config, where there is one.
        given: The report or its file; it wins over the config's.
        ref: Git revision to read the config's file from.

    Raises:
        UsageError: If neither names a baseline.
        InputError: If the baseline cannot be read.
    """
    if isinstance(given, EvaluationReport):
        return Baseline(report=given, ref=BaselineRef(source="file"))
    if config is not None:
        return read_baseline(config, Place(report=given, ref=ref))
    if given is None:
        raise UsageError("compare needs a baseline, or a config that names one")
    return Baseline(report=read_report(given), ref=BaselineRef(source="file", path=str(given)))


def wanted_baseline(config: Config) -> EvaluationReport | None:
    """Return the config's baseline if a metric compares answers with it; None if there is none yet.

    Raises:
        InputError: If it cannot be read.
    """
    return find_baseline(config)[0] if needs_baseline(config) else None
