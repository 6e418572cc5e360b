"""The plan of a measurement: folders, baseline and subject."""

from dataclasses import dataclass, field
from pathlib import Path

from lm_eval_so.comparator.baseline.find import find_baseline
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.comparison import BaselineRef, Reason
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.evaluator.baseline import needs_baseline


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A baseline that was looked for."""

    report: EvaluationReport | None
    """The report; null if there is none."""
    ref: BaselineRef
    """Source of the report, or the reason why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Place of a baseline; without any field set, the file that the config names."""

    file: Path | None = None
    """Report that wins over everything else."""
    path: Path | None = None
    """File to read from `ref` instead of the config's `baseline.path`."""
    ref: str | None = None
    """Git revision to read from."""
    else_file: bool = False
    """Read the config's file itself where `ref` has none."""
    none: Reason | None = None
    """Reason why no baseline can be read."""

    def read(self, config: Config, *, is_demanded: bool = False) -> Baseline:
        """Read the baseline.

        Args:
            config: The config.
            is_demanded: Whether a missing baseline is an error if `gate.on_missing_baseline` is
                fail.

        Raises:
            InputError: If the file cannot be read, or git does not know the revision.
            NoBaseline: If the baseline is demanded and there is none.
        """
        report, ref = find_baseline(
            config,
            explicit=self.file,
            path=self.path,
            ref=self.ref,
            else_file=self.else_file,
            none=self.none,
            is_demanded=is_demanded,
        )
        return Baseline(report=report, ref=ref)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Identity of the measured code, as the report records it."""

    suite_id: str | None = None
    commit: str | None = None
    base_ref: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where the pipeline reads and writes, and the baseline that it compares with."""

    run: Path
    """Folder of the run."""
    reports: Path
    """Folder of reports."""
    make_dataset: bool = False
    """Make the dataset first."""
    fresh: bool = False
    """Put an earlier run in that folder aside, even one that was begun for this verdict."""
    baseline: Place = field(default_factory=Place)
    may_be_baseline: bool = True
    """Whether the report may become a baseline, if it is complete and did not get worse."""
    subject: Subject = field(default_factory=Subject)


def again_folder(run: Path) -> Path:
    """Return the folder of further answers: beside the run's, so that none of its rows changes."""
    folder = run if run.name not in {"", ".."} else run.resolve()
    return folder.with_name(f"{folder.name}-again")


def wanted_baseline(config: Config) -> EvaluationReport | None:
    """Return the config's baseline if a metric compares answers with it; None if there is none yet.

    Raises:
        InputError: If it cannot be read.
    """
    return Place().read(config).report if needs_baseline(config) else None
