"""The commit whose baseline is wanted: what the event says, and git knows."""

from pathlib import Path

from lm_eval_so.action.event import Base, BaseRule
from lm_eval_so.core import git


def find_base(base: Base, *, cwd: Path) -> str | None:
    """Give the base commit, or None where git does not know it (no repository, a shallow clone).

    Args:
        base: What the event knows of it.
        cwd: A folder of the checkout.
    """
    here = git.head(cwd)
    if here is None:
        return None
    above = git.parents(here, cwd=cwd)
    match base.rule:
        case BaseRule.HEAD:
            return here
        case BaseRule.PULL_REQUEST if len(above) > 1:
            return above[0]  # the merge commit that GitHub checks out: its first parent is the base
        case BaseRule.PULL_REQUEST | BaseRule.MERGE_BASE:
            branch = f"origin/{base.ref}" if base.ref else "origin/HEAD"
            return git.merge_base(here, branch, cwd=cwd)
        case BaseRule.COMMIT:
            known = base.commit and git.merge_base(base.commit, here, cwd=cwd) == base.commit
            return base.commit if known else next(iter(above), None)
