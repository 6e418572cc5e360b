"""Hosts that the config of a pull request names: whether the workflow lets them be asked."""

from collections.abc import Iterator

from lm_eval_so.core.backends.build import named_hosts
from lm_eval_so.core.backends.credentials import host_problem
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Event, Noticed
from lm_eval_so.errors import Problem, Where
from lm_eval_so.evaluator.own_code import find_own_code
from lm_eval_so.pipeline.github.surroundings import Surroundings
from lm_eval_so.pipeline.permits.permitted_code import keys_beside_a_fork


def host_problems(config: Config, around: Surroundings) -> Iterator[Problem]:
    """Find the hosts that the config names and the workflow does not allow.

    Args:
        config: The config; its plugins have run.
        around: The surroundings.
    """
    if around.inputs is None:
        return
    allowed = around.inputs.secrets.hosts
    if not allowed.entries and (keys := keys_beside_a_fork(config, around)):
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
