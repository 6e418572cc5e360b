"""GitHub's environment and event, read as an `Activity`. Pure but for `read_event`."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal

from lm_eval_so.errors import UsageError

_NO_COMMIT: Final = "0" * 40
_LONGEST_SUITE_ID: Final = 120
_NO_NUMBER: Final = "the event names no pull request number, so no comment is written"
_UNSUPPORTED: Final = frozenset({"pull_request_target", "issue_comment"})
_TELLING: Final = frozenset({"workflow_run", "workflow_dispatch"})
"""Events on which the result of another run is told: their workflow is that of the default branch,
or was started by hand."""


class BaseRule(StrEnum):
    """Rule by which git finds the commit whose baseline is wanted."""

    PULL_REQUEST = "pull_request"
    """First parent of the merge commit; if the head is checked out, the merge-base with `ref`."""
    COMMIT = "commit"
    """`commit`, if it is an ancestor of HEAD; else HEAD's first parent."""
    MERGE_BASE = "merge_base"
    """Merge-base of HEAD and `ref`."""
    HEAD = "head"
    """HEAD itself: the same code, so a difference is the model's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """Facts of the event about the base commit; only git can tell the rest."""

    rule: BaseRule
    commit: str | None = None
    ref: str | None = None
    """Branch of the base, without "refs/heads/"; null if not known, as the default branch at a desk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRun:
    """Run of a workflow, and its job."""

    id: int = 0
    attempt: int = 1
    job: str = ""
    runner: str = ""
    """Name of the machine, which tells the jobs of a matrix apart."""
    file: str = ""
    """File of the workflow, as evaluate.yml."""
    ref: str = ""
    """Branch or tag that it runs for, as refs/heads/main."""
    server_url: str = "https://github.com"
    api_url: str = "https://api.github.com"

    @property
    def job_name(self) -> str:
        """Name of the job that no other job of the run has."""
        return f"{self.job} {self.runner}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Task that an event sets."""

    event: str
    """Name of the event, or "local"."""
    base: Base
    repository: str | None = None
    """owner/name."""
    commit: str | None = None
    """The commit that was checked out, as far as GitHub says."""
    head: str | None = None
    """Head of the pull request, else `commit`; a comment is written for this commit only. Where the
    checkout may be another commit (`workflow_dispatch`), git's HEAD takes its place."""
    pull: int | None = None
    """Pull request to comment on."""
    pull_branch: str | None = None
    """owner:branch; if exactly one pull request of the branch is open, it gets the comment."""
    takes_pull_number: bool = False
    """Whether the input `pr_number` may name the pull request."""
    is_proposal: bool = False
    """Whether the checkout is only proposed (a pull request, a merge group, a branch beside the default
    one), so that a baseline in it does not count, nor do its rules."""
    may_be_baseline: bool = False
    """Whether a report of this event may become a baseline."""
    code_of: Literal["repository", "dependabot", "fork"] = "repository"
    """Author of the code: that of a fork or of Dependabot runs without secrets."""
    skip: str | None = None
    """Reason to do nothing; null if there is work."""
    warnings: tuple[str, ...] = ()
    workflow: WorkflowRun = field(default_factory=WorkflowRun)

    @property
    def is_foreign(self) -> bool:
        """Whether the event gets no secrets."""
        return self.code_of != "repository"

    @property
    def is_of_fork(self) -> bool:
        """Whether a stranger may have written the code."""
        return self.code_of == "fork"

    @property
    def has_lost_number(self) -> bool:
        """Whether the event is of a pull request and does not say of which."""
        return self.event == "pull_request" and self.pull is None

    @property
    def is_of_main(self) -> bool:
        """Whether main is measured without a change of it, on a schedule or on demand."""
        is_asked = self.event in {"schedule", "workflow_dispatch"}
        return is_asked and self.base.rule is BaseRule.HEAD

    @property
    def run_url(self) -> str | None:
        """Address of the workflow run."""
        if not self.repository or not self.workflow.id:
            return None
        return f"{self.workflow.server_url}/{self.repository}/actions/runs/{self.workflow.id}"

    def suite_id(self, suite: str) -> str:
        """Return the identity that comments and baselines of a suite have unless told otherwise."""
        parts = (self.workflow.file, self.workflow.job, suite)
        return plain_suite_id("/".join(part for part in parts if part))

    @property
    def suite_prefix(self) -> str | None:
        """Beginning of all suite ids of this job; None if nothing of the job is known."""
        parts = [part for part in (self.workflow.file, self.workflow.job) if part]
        return "/".join((*parts, "")).lower() if parts else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """Address of a finished run, whose result another workflow tells."""

    repository: str
    """owner/name."""
    id: int
    server_url: str
    api_url: str

    @property
    def url(self) -> str:
        """Address of the run for people."""
        return f"{self.server_url}/{self.repository}/actions/runs/{self.id}"


def plain_suite_id(text: str) -> str:
    """Make a suite id lower case and at most 120 characters; a longer one ends in its digest."""
    lower = text.lower()
    if len(lower) <= _LONGEST_SUITE_ID:
        return lower
    digest = hashlib.sha256(lower.encode()).hexdigest()[:8]
    return f"{lower[: _LONGEST_SUITE_ID - 9]}-{digest}"


def read_event(environ: Mapping[str, str]) -> Mapping[str, Any] | None:
    """Read the payload of the event; None if it is missing or unreadable."""
    path = environ.get("GITHUB_EVENT_PATH")
    if not path:
        return None
    try:
        payload = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return payload if isinstance(payload, dict) else None


def find_activity(environ: Mapping[str, str], payload: Mapping[str, Any] | None) -> Activity:
    """Return the task that GitHub's event sets.

    Args:
        environ: The environment; outside GitHub Actions the activity is local.
        payload: The event, from `read_event`.

    Raises:
        UsageError: If the event runs a stranger's code with the repository's secrets.
    """
    if environ.get("GITHUB_ACTIONS") != "true":
        return Activity(event="local", base=Base(rule=BaseRule.MERGE_BASE))
    name = environ.get("GITHUB_EVENT_NAME", "")
    if name in _UNSUPPORTED:
        what = f"the event {name} is not supported: it would run foreign code with your secrets"
        raise UsageError(what, hint="use pull_request")
    if name == "workflow_run":
        what = "the event workflow_run has nothing to evaluate"
        hint = "set command: comment to tell the result of the run that triggered it"
        raise UsageError(what, hint=hint)
    is_proposal = name.startswith("pull_request") or name == "merge_group"
    facts = {**_facts(environ), "is_proposal": is_proposal}
    find = _FINDERS.get(name)
    if find is None or payload is None:
        why = f"the event {name or '(none)'} is not known" if find is None else "no event file"
        warning = f"{why}; treated as a local run, without a comment"
        base = Base(rule=BaseRule.MERGE_BASE)
        return Activity(event="local", base=base, warnings=(warning,), **facts)
    return Activity(event=name, **{**facts, **find(environ, payload)})


def find_finished_run(
    environ: Mapping[str, str], payload: Mapping[str, Any] | None, run_id: int | None
) -> FinishedRun:
    """Return the run whose result the command `comment` tells.

    Args:
        environ: GitHub's environment.
        payload: The event, from `read_event`.
        run_id: The input, over the run that the event names.

    Raises:
        UsageError: If the event is another than `workflow_run` or `workflow_dispatch`, or names no run.
    """
    name = environ.get("GITHUB_EVENT_NAME", "")
    found = run_id or _at(payload or {}, "workflow_run", "id")
    facts = _facts(environ)
    if name not in _TELLING or not facts["repository"]:
        what = f"command: comment has no place on the event {name or '(none)'}"
        raise UsageError(what, hint="start its workflow by workflow_run")
    if not isinstance(found, int):
        raise UsageError("command: comment knows no run to tell of", hint="give the step run_id")
    workflow = facts["workflow"]
    return FinishedRun(
        repository=facts["repository"],
        id=found,
        server_url=workflow.server_url,
        api_url=workflow.api_url,
    )


def _facts(environ: Mapping[str, str]) -> dict[str, Any]:
    file = environ.get("GITHUB_WORKFLOW_REF", "").partition("@")[0].rpartition("/")[2]
    urls = {"server_url": "GITHUB_SERVER_URL", "api_url": "GITHUB_API_URL"}
    workflow = WorkflowRun(
        id=_number(environ.get("GITHUB_RUN_ID")) or 0,
        attempt=_number(environ.get("GITHUB_RUN_ATTEMPT")) or 1,
        job=environ.get("GITHUB_JOB", ""),
        runner=environ.get("RUNNER_NAME", ""),
        file=file or environ.get("GITHUB_WORKFLOW", ""),
        ref=environ.get("GITHUB_REF", ""),
        **{key: environ[name].rstrip("/") for key, name in urls.items() if environ.get(name)},
    )
    return {
        "repository": environ.get("GITHUB_REPOSITORY") or None,
        "commit": environ.get("GITHUB_SHA") or None,
        "head": environ.get("GITHUB_SHA") or None,
        "workflow": workflow,
    }


def _pull_request(environ: Mapping[str, str], payload: Mapping[str, Any]) -> dict[str, Any]:
    head = _text(payload, "pull_request", "head", "sha")
    fork = _at(payload, "pull_request", "head", "repo", "id") != _at(
        payload, "pull_request", "base", "repo", "id"
    )
    is_bot = environ.get("GITHUB_ACTOR") == "dependabot[bot]"
    number = _at(payload, "pull_request", "number")
    closed = (
        payload.get("action") == "closed" or _text(payload, "pull_request", "state") == "closed"
    )
    return {
        "base": Base(
            rule=BaseRule.PULL_REQUEST,
            commit=_text(payload, "pull_request", "base", "sha"),
            ref=_text(payload, "pull_request", "base", "ref"),
        ),
        "head": head,
        "pull": number if isinstance(number, int) else None,
        "warnings": () if isinstance(number, int) else (_NO_NUMBER,),
        "code_of": "fork" if fork else "dependabot" if is_bot else "repository",
        "skip": "the pull request is closed" if closed else None,
    }


def _push(environ: Mapping[str, str], payload: Mapping[str, Any]) -> dict[str, Any]:
    default = _default_branch(payload)
    ref = environ.get("GITHUB_REF", "")
    branch = ref.removeprefix("refs/heads/")
    if payload.get("deleted") is True:
        return {"base": Base(rule=BaseRule.HEAD), "skip": "the branch was deleted"}
    if default is not None and branch == default:
        before = _text(payload, "before")
        commit = before if before != _NO_COMMIT else None
        base = Base(rule=BaseRule.COMMIT, commit=commit, ref=default)
        return {"base": base, "may_be_baseline": True}
    owner = environ.get("GITHUB_REPOSITORY", "").partition("/")[0]
    is_branch = ref.startswith("refs/heads/")
    return {
        "base": Base(rule=BaseRule.MERGE_BASE, ref=default),
        "is_proposal": is_branch,
        "pull_branch": f"{owner}:{branch}" if owner and is_branch else None,
    }


def _dispatch(environ: Mapping[str, str], payload: Mapping[str, Any]) -> dict[str, Any]:
    default = _default_branch(payload)
    if default is not None and environ.get("GITHUB_REF") == f"refs/heads/{default}":
        return {
            "base": Base(rule=BaseRule.HEAD, ref=default),
            "may_be_baseline": True,
            "takes_pull_number": True,
        }
    base = Base(rule=BaseRule.MERGE_BASE, ref=default)
    return {"base": base, "is_proposal": True, "takes_pull_number": True}


def _schedule(environ: Mapping[str, str], _: Mapping[str, Any]) -> dict[str, Any]:
    branch = _branch(environ.get("GITHUB_REF"))
    return {"base": Base(rule=BaseRule.HEAD, ref=branch), "may_be_baseline": True}


def _merge_group(_: Mapping[str, str], payload: Mapping[str, Any]) -> dict[str, Any]:
    base = _text(payload, "merge_group", "base_sha")
    branch = _branch(_text(payload, "merge_group", "base_ref"))
    return {"base": Base(rule=BaseRule.COMMIT, commit=base, ref=branch)}


_FINDERS = {
    "pull_request": _pull_request,
    "push": _push,
    "workflow_dispatch": _dispatch,
    "schedule": _schedule,
    "merge_group": _merge_group,
}


def _branch(ref: str | None) -> str | None:
    """Return the branch that a ref names; None if it names none."""
    kind, _, branch = (ref or "").partition("refs/heads/")
    return branch if branch and not kind else None


def _default_branch(payload: Mapping[str, Any]) -> str | None:
    return _text(payload, "repository", "default_branch")


def _at(payload: Mapping[str, Any], *path: str) -> Any:
    value: Any = payload
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _text(payload: Mapping[str, Any], *path: str) -> str | None:
    value = _at(payload, *path)
    return value if isinstance(value, str) and value else None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None
