"""The outputs of the Action's step, also where nothing is measured on purpose."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from lm_eval_so.action.event import plain_suite_id
from lm_eval_so.action.inputs import Inputs
from lm_eval_so.action.outputs import Outputs, add_to_summary, write_outputs
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Warned
from lm_eval_so.core.records.enums import Verdict
from lm_eval_so.core.templates.safe import escape_data, prose
from lm_eval_so.core.words import say
from lm_eval_so.pipeline.github.posting import STAGE, Job, to_summary


def write_to(environ: Mapping[str, str], outputs: Outputs) -> str | None:
    """Write the Action's outputs, where GitHub takes them; return why that fails, or None."""
    if file := environ.get("GITHUB_OUTPUT"):
        try:
            write_outputs(Path(file), outputs)
        except OSError as error:
            return error.strerror or str(error)
    return None


def write_last(resources: Resources, outputs: Outputs) -> None:
    """Write the outputs that stay, and warn if they cannot be: no result is lost by that."""
    if reason := write_to(resources.environ, outputs):
        resources.listener(Warned(stage=STAGE, text=f"no outputs: {reason}"))


def tell_dry(config: Config, resources: Resources, job: Job) -> str:
    """Return where the comment would go, and under which name; nothing is sent.

    Args:
        config: The config.
        resources: Environment and listener.
        job: The job that would measure.
    """
    write_last(resources, Outputs(verdict=Verdict.SKIPPED, passed=True))
    suite_id = plain_suite_id(job.inputs.suite_id or job.activity.suite_id(config.suite))
    return resources.redactor.redact(f"{job.place}; suite_id {suite_id}")


def tell_skipped(config: Config, resources: Resources, inputs: Inputs, reason: str) -> str:
    """Tell GitHub that nothing is measured by outputs and job summary; return a notice for the log.

    Args:
        config: The config.
        resources: Environment, listener and redactor.
        inputs: Inputs of the step.
        reason: The reason to skip the event.
    """
    write_last(resources, Outputs(verdict=Verdict.SKIPPED, passed=True))
    why = resources.redactor.redact(reason)
    text = prose(say("comment.skipped", config.language, {"why": why}))
    to_summary(resources, inputs, partial(add_to_summary, text=f"### ⚪ {text}\n"))
    return f"::notice title=ci::{escape_data(f'skipped: {why}')}"
