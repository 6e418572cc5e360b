"""Permits of the workflow for a pull request's config: code that runs, and hosts that get keys."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from lm_eval_so.core import git
from lm_eval_so.core.backends.build import named_hosts
from lm_eval_so.core.backends.credentials import host_problem
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Event, Noticed
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
        if keys := _keys_beside_a_fork(config, around):
            what = f"allow_plugins: true would let a fork's code read {', '.join(keys)}"
            hint = "leave allow_plugins out where forks are measured, or give the step no key"
            yield Problem(what=what, where=Where(key="allow_plugins"), hint=hint)
        return
    found = [(each.what, each.where) for each in find_own_code(config)]
    for what, where in (*found, *((str(file), Where(file="--plugin")) for file in plugins)):
        told = f"{what} is code of your own, which may not run"
        yield Problem(what=told, where=where, hint=_PERMIT)


def host_problems(config: Config, around: Surroundings) -> Iterator[Problem]:
    """Find the hosts that the config names and the workflow does not allow.

    Args:
        config: The config; its plugins have run.
        around: The surroundings.
    """
    if around.inputs is None:
        return
    allowed = around.inputs.secrets.hosts
    if not allowed.entries and (keys := _keys_beside_a_fork(config, around)):
        what = f"a fork's config would choose where {', '.join(keys)} is sent"
        hint = "name the hosts in the workflow by allowed_hosts"
        yield Problem(what=what, where=Where(key="allowed_hosts"), hint=hint)
    for named in named_hosts(config, around.environ):
        problem = host_problem(named, allowed)
        if problem is not None:
            yield problem


def tell_permits(config: Config, around: Surroundings) -> Iterator[Event]:
    """Tell where keys may go if the workflow does not say, and what code of the config runs."""
    if around.inputs is None:
        return
    hosts = sorted({str(each.host) for each in named_hosts(config, around.environ)})
    if hosts and not around.inputs.secrets.hosts.entries:
        text = f"keys may go to the hosts that the config names: {', '.join(hosts)}"
        yield Noticed(stage="ci", text=f"{text}; the input allowed_hosts limits them")
    if code := sorted({each.what for each in find_own_code(config)}):
        yield Noticed(stage="ci", text=f"code of the config runs: {', '.join(code)}")


def _keys_beside_a_fork(config: Config, around: Surroundings) -> list[str]:
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
