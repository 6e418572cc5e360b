"""What a run is going to be, known before anything is sent or written."""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.run import RunInfo
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.runner.plan.jobs import Asking, Job, Plan, asking_of, jobs, plan_rows
from lm_eval_so.runner.plan.selection import FurtherAnswers, Selection
from lm_eval_so.runner.store.fingerprint import head


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The rows of a run, and its head."""

    samples: Iterable[TestSample]
    asking: Asking
    plan: Plan
    start: RunInfo
    """`run.json` before anything is asked."""

    def todo(self, done: Container[int]) -> Iterator[Job]:
        """Return what is still to be asked, one by one; errors as of `jobs`."""
        return jobs(self.samples, self.plan.keys, done, self.asking)


def outline_run(
    config: Config,
    backend: ChatBackend,
    selection: Selection,
    resources: Resources,
    *,
    only: FurtherAnswers | None = None,
) -> Outline:
    """Look at every sample and say what the run is going to be.

    Args:
        config: The config.
        backend: The chatbot.
        selection: The samples.
        resources: Environment and redactor.
        only: Rows to which the run is limited.

    Raises:
        DatasetError: That names every sample which cannot be asked.
        NothingToDo: If the backend leaves all of them out.
    """
    asking = asking_of(config, backend)
    skips = only.skips(backend.skips) if only else backend.skips
    plan = plan_rows(selection.samples, asking, skips=skips)
    start = head(
        config,
        backend,
        selection.dataset,
        planned=selection.count(plan.keys),
        resources=resources,
        simulates=plan.simulates,
        shard=selection.shard,
    )
    return Outline(samples=selection.samples, asking=asking, plan=plan, start=start)
