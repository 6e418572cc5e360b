"""Runs of workflows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from github.Repository import Repository

from lm_eval_so.action.github.failures import translated


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run of a workflow, as GitHub tells it: nothing of it is said by the code that ran."""

    id: int
    attempt: int
    event: str
    conclusion: str | None
    """Null while it runs."""
    file: str
    """File of the workflow, as evaluate.yml."""
    head: str
    """Commit that started it; of a pull request its head."""
    branch: str | None
    """Branch of `head`, in the repository that it comes from."""
    owner: str | None
    """Owner of that repository; null if it is gone."""
    head_repository: int | None
    """Id of that repository."""
    repository: int
    """Id of the repository that the run belongs to."""

    @property
    def is_foreign(self) -> bool:
        """Whether the code that ran is another repository's."""
        return self.head_repository != self.repository


class Runs:
    """The runs of a repository's workflows."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def get(self, run_id: int) -> Run:
        """Return a run.

        Raises:
            RequestFailed: If GitHub cannot be asked, or knows no such run.
        """
        with translated():
            return _run(self._repository.get_workflow_run(run_id).raw_data)

    def good_ones(self, workflow: str, branch: str) -> tuple[Run, ...]:
        """Return the last 100 runs of a workflow that succeeded for a branch of this name, the newest first.

        A branch of a fork may have the same name.

        Args:
            workflow: File of the workflow, as evaluate.yml.
            branch: Name of the branch.

        Raises:
            RequestFailed: If GitHub cannot be asked, or knows no such workflow.
        """
        url = f"{self._repository.url}/actions/workflows/{quote(workflow, safe='')}/runs"
        asked = {"branch": branch, "status": "success", "per_page": "100"}
        with translated():
            _, answer = self._repository.requester.requestJsonAndCheck("GET", url, parameters=asked)
            return tuple(_run(each) for each in answer["workflow_runs"])


def _run(facts: Mapping[str, Any]) -> Run:
    source = facts.get("head_repository") or {}  # null once the fork is deleted
    return Run(
        id=facts["id"],
        attempt=facts.get("run_attempt", 1),
        event=facts["event"],
        conclusion=facts.get("conclusion"),
        file=facts["path"].partition("@")[0].rpartition("/")[2],
        head=facts["head_sha"],
        branch=facts.get("head_branch"),
        owner=(source.get("owner") or {}).get("login"),
        head_repository=source.get("id"),
        repository=facts["repository"]["id"],
    )
