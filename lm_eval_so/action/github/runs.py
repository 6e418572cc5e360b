"""Runs of workflows."""

from dataclasses import dataclass

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
            run = self._repository.get_workflow_run(run_id)
            source = run.head_repository  # null once the fork is deleted
            return Run(
                id=run.id,
                attempt=run.run_attempt,
                event=run.event,
                conclusion=run.conclusion,
                file=run.path.partition("@")[0].rpartition("/")[2],
                head=run.head_sha,
                branch=run.head_branch,
                owner=getattr(getattr(source, "owner", None), "login", None),
                head_repository=getattr(source, "id", None),
                repository=run.repository.id,
            )
