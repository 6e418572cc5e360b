"""Code that the config of a pull request names: whether the workflow lets it run."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from lm_eval_so.core import git
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.registry import without_own_code
from lm_eval_so.core.secrets import secret_variables
from lm_eval_so.errors import Problem, Where
from lm_eval_so.evaluator.own_code import find_own_code
from lm_eval_so.pipeline.github.surroundings import Surroundings

_PERMIT = "if you trust everyone who can change it, give the step allow_plugins: true"
_OF_GITHUB = frozenset(
    {
        *("GITHUB_TOKEN", "INPUT_GITHUB_TOKEN"),
        *("ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
    }
)
"""GitHub's own tokens: those of a fork's pull request may change nothing."""


def own_code_as_permitted(around: Surroundings) -> AbstractContextManager[None]:
    """Return a context in which code of the user's own runs only if the workflow permits it."""
    inputs = around.inputs
    if inputs is None or inputs.secrets.own_code:
        return nullcontext()
    return without_own_code(_PERMIT)


def code_problems(
    config: Config, around: Surroundings, plugins: Sequence[Path] = ()
) -> Iterator[Problem]:
    """Find the code that may not run, before any of it does.

    Args:
        config: The config; no plugin of it has run.
        around: The surroundings.
        plugins: Plugin files of the command line.
    """
    inputs = around.inputs
    if inputs is None:
        return
    if inputs.secrets.own_code:
        if keys := keys_beside_a_fork(config, around):
            what = f"allow_plugins: true would let a fork's code read {', '.join(keys)}"
            hint = "leave allow_plugins out where forks are measured, or give the step no key"
            yield Problem(what=what, where=Where(key="allow_plugins"), hint=hint)
        return
    found = [(each.what, each.where) for each in find_own_code(config)]
    for what, where in (*found, *((str(file), Where(file="--plugin")) for file in plugins)):
        told = f"{what} is code of your own, which may not run"
        yield Problem(what=told, where=where, hint=_PERMIT)


def keys_beside_a_fork(config: Config, around: Surroundings) -> list[str]:
    """Return the variables with keys if the checkout may be a fork's; none if it is surely not.

    GitHub's own tokens are none on a fork's pull request, where they can change nothing.
    """
    is_proposed = around.activity.event == "pull_request"
    spared = _OF_GITHUB if is_proposed else frozenset()
    keys = [name for name in secret_variables(around.environ) if name not in spared]
    return keys if keys and _is_of_a_fork(config, around) else []


def _is_of_a_fork(config: Config, around: Surroundings) -> bool:
    """Return whether the checkout may be a fork's.

    A workflow that is started by hand may check out anything, as `refs/pull/7/head`; only the commit
    that it was started for, and what that contains, is surely the repository's own.
    """
    activity, cwd = around.activity, config.folder
    if not activity.takes_pull_number:
        return activity.is_of_fork
    here, own = git.head(cwd), activity.commit
    return here is None or own is None or git.merge_base(here, own, cwd=cwd) != here
