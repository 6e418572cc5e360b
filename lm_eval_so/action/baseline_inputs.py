"""The Action's inputs about the baseline: where it is, and whether a run makes one."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class BaselineSource(StrEnum):
    """Place in which a baseline is looked for."""

    AUTO = "auto"
    """All of the others in this order; the first one that has a report counts."""
    FILE = "file"
    """The file as it is, if no proposed commit brings it."""
    GIT = "git"
    """The file as the base commit has it."""
    ARTIFACT = "artifact"
    """A report that a workflow run of the base branch stored."""
    NONE = "none"


class UpdateBaseline(StrEnum):
    """Condition under which a run on the default branch makes the baseline."""

    NEVER = "never"
    AUTO = "auto"
    """A report that is refused is told."""
    ALWAYS = "always"
    """A report that is refused fails the step."""


class BaselineStore(StrEnum):
    """Place to which a run on the default branch writes the baseline."""

    ARTIFACT = "artifact"
    """The report itself, for the workflow to upload, says that it may be one."""
    FILE = "file"
    """`baseline.path` in the checkout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineInputs:
    """Inputs about the baseline: where it is, and whether this run makes one."""

    report: Path | None
    """Report that the workflow names."""
    source: BaselineSource
    workflow: str
    """File of the workflow whose runs stored baselines; "": this one's."""
    max_ancestors: int
    """Ancestors of the base commit whose runs are looked at."""
    update: UpdateBaseline
    store: BaselineStore | None
    """Place to write to; null: the file if the config names one, else the artifact."""


def read_baseline_inputs(values: Mapping[str, str], report: Path) -> BaselineInputs:
    """Return the inputs about the baseline.

    Args:
        values: Checked inputs by name, or their defaults.
        report: Path of the report that `baseline` names, if it names one.
    """
    return BaselineInputs(
        report=report if values["baseline"] else None,
        source=BaselineSource(values["baseline_source"]),
        workflow=values["baseline_workflow"].rpartition("/")[2],
        max_ancestors=int(values["baseline_max_ancestors"]),
        update=UpdateBaseline(values["update_baseline"]),
        store=BaselineStore(values["baseline_store"]) if values["baseline_store"] else None,
    )
