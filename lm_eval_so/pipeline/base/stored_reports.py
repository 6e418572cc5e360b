"""Reports that workflow runs of the base branch stored: the one nearest to the base commit is the baseline."""

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from lm_eval_so.action.github.artifacts import Artifact
from lm_eval_so.action.github.connection import GitHub
from lm_eval_so.action.github.failures import RequestFailed
from lm_eval_so.action.github.runs import Run
from lm_eval_so.comparator.baseline.find import Found
from lm_eval_so.core.events import Listener, Noticed, Warned
from lm_eval_so.core.records.comparison import BaselineRef, Reason
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.report_file import ROWS_FILE, parse_report, rows_among
from lm_eval_so.core.words import counted
from lm_eval_so.errors import LMEvalError
from lm_eval_so.pipeline.base.base_commit import Connect

_STAGE: Final = "baseline"
_REPORT: Final = "report.json"
_TRUSTED: Final = frozenset({"push", "schedule", "workflow_dispatch"})
"""Events that run what the branch itself holds, and nothing that is only proposed."""
_DIGITS: Final = 7
_PERMISSION: Final = "give the job permissions: {actions: read}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Place of reports that workflow runs stored."""

    connect: Connect
    workflow: str
    """File of the workflow."""
    branch: str
    """The base branch."""
    artifact: str
    """Name of the artifact."""
    base: str
    """The base commit."""
    max_ancestors: int
    """Ancestors of the base commit whose runs are looked at."""
    is_named: bool
    """Whether the workflow wants nothing else, so that the reason for none is told with the verdict."""
    tell: Listener

    def find(self) -> Found:
        """Return the report nearest to the base commit that may be a baseline, and its place.

        It counts only if GitHub says that the run is one of the base branch itself, of this repository,
        by a push, a schedule or by hand, and that it succeeded; and if the report says that it is fit.
        """
        try:
            with self.connect() as github:
                found = next(self._fitting(github), None)
        except RequestFailed as error:
            return None, self._none("artifacts_refused", problem=error.what)
        if found is None:
            return None, self._none("no_artifact") if self.is_named else BaselineRef(source="none")
        distance, run, report = found
        where = f"{counted(distance, 'commit')} before the base" if distance else "the base"
        text = f"the baseline is {_REPORT} of {self.artifact} at {run.head[:_DIGITS]}, {where}"
        self.tell(Noticed(stage=_STAGE, text=text))
        return report, BaselineRef(
            source="artifact", path=self.artifact, ref=run.head, distance=distance
        )

    def _fitting(self, github: GitHub) -> Iterator[tuple[int, Run, EvaluationReport]]:
        runs = [run for run in self._runs(github) if self._trusts(run)]
        line = github.commits.line(self.base, most=self.max_ancestors) if runs else ()
        for distance, commit in enumerate(line):
            for run in runs:
                if run.head == commit and (
                    artifact := github.artifacts.find(run.id, self.artifact)
                ):
                    report = self._report(github, artifact, run)
                    if report is not None and report.experiment.eligible:
                        yield distance, run, report

    def _runs(self, github: GitHub) -> tuple[Run, ...]:
        """Return the runs that GitHub lists; a job that may not list them stores none, unless it says so."""
        try:
            return github.runs.good_ones(self.workflow, self.branch)
        except RequestFailed as error:
            if error.status == HTTPStatus.NOT_FOUND:  # the workflow is new
                return ()
            if self.is_named or error.is_rate_limit or error.status != HTTPStatus.FORBIDDEN:
                raise
            text = f"no baseline from an artifact: {error.what}; {_PERMISSION}"
            self.tell(Noticed(stage=_STAGE, text=text))
            return ()

    def _trusts(self, run: Run) -> bool:
        is_own = run.head_repository == run.repository and run.branch == self.branch
        return is_own and run.event in _TRUSTED and run.conclusion == "success"

    def _report(self, github: GitHub, artifact: Artifact, run: Run) -> EvaluationReport | None:
        """Read the report of an artifact; None if it has none that can be read, which is told."""
        try:
            files = github.artifacts.read(artifact, {_REPORT, ROWS_FILE})
            data, shown_as = files.get(_REPORT), f"{self.artifact} of run {run.id}"
            if data is None:
                return None
            return parse_report(data, shown_as=shown_as, find_rows=rows_among(files.get))
        except RequestFailed:
            raise
        except LMEvalError as error:
            text = f"no baseline: the artifact {self.artifact} of run {run.id}: {error}"
            self.tell(Warned(stage=_STAGE, text=text))
            return None

    def _none(self, code: str, **figures: str) -> BaselineRef:
        about = {"name": self.artifact, "workflow": self.workflow, "branch": self.branch}
        reason = Reason(code=code, figures={**about, **figures})
        return BaselineRef(source="none", path=self.artifact, reason=reason)
