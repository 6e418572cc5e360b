"""Values of the Action's inputs as they are written: their names, defaults and what is allowed."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import urlsplit

from lm_eval_so.core.http.hosts import AllowedHosts, entries_of
from lm_eval_so.core.records.enums import Language, Policy
from lm_eval_so.errors import Problem, Where


class Command(StrEnum):
    """The work of a step."""

    CI = "ci"
    """All stages."""
    MERGE = "merge"
    """All stages, with the answers that other jobs of the workflow asked for, each its shard."""
    COMMENT = "comment"
    """Tell the result of a finished run of another workflow."""


class CommentMode(StrEnum):
    """Condition under which the pull request gets a comment."""

    ALWAYS = "always"
    ON_CHANGE = "on_change"
    """Verdict or losses differ from those of the comment that is there."""
    ON_FAILURE = "on_failure"
    NEVER = "never"


class ShowAnswers(StrEnum):
    """Texts of cases in what is written."""

    FULL = "full"
    SHORT = "short"
    """Markdown shortens them."""
    NONE = "none"
    """No question, expected text, answer or reason stands anywhere."""


class Generate(StrEnum):
    """Condition under which the dataset is made."""

    NEVER = "never"
    MISSING = "missing"
    ALWAYS = "always"


class MissingSecrets(StrEnum):
    """Consequence of an empty key, as on a fork's pull request."""

    SKIP = "skip"
    FAIL = "fail"


class BaselineSource(StrEnum):
    """Place in which a baseline is looked for."""

    AUTO = "auto"
    """All of the others in this order; the first one that has a report counts."""
    FILE = "file"
    """The file as it is, if no proposed commit brings it."""
    GIT = "git"
    """The file as the base commit has it."""
    ARTIFACT = "artifact"
    """A report that a workflow run of the base branch stored."""
    NONE = "none"


class UpdateBaseline(StrEnum):
    """Condition under which a run on the default branch makes the baseline."""

    NEVER = "never"
    AUTO = "auto"
    """A report that is refused is told."""
    ALWAYS = "always"
    """A report that is refused fails the step."""


class BaselineStore(StrEnum):
    """Place to which a run on the default branch writes the baseline."""

    ARTIFACT = "artifact"
    """The report itself, for the workflow to upload, says that it may be one."""
    FILE = "file"
    """`baseline.path` in the checkout."""


INPUTS: Final[Mapping[str, str]] = {
    "command": "ci",
    "config": "",
    "working_directory": "",
    "suite": "",
    "suite_id": "",
    "dataset": "",
    "generate": "missing",
    "target_url": "",
    "openai_api_key": "",
    "github_token": "",
    "allowed_hosts": "",
    "allow_plugins": "false",
    "repeats": "",
    "confirm": "",
    "concurrency": "",
    "max_cost_usd": "",
    "timeout_minutes": "",
    "shard": "",
    "baseline": "",
    "baseline_source": "auto",
    "baseline_path": "",
    "baseline_ref": "",
    "baseline_workflow": "",
    "baseline_max_ancestors": "20",
    "update_baseline": "never",
    "baseline_store": "",
    "on_inconclusive": "",
    "on_missing_baseline": "",
    "on_incomparable": "",
    "comment": "always",
    "comment_required": "false",
    "comment_max_chars": "60000",
    "show_answers": "short",
    "language": "",
    "pr_number": "",
    "run_id": "",
    "artifact_name": "",
    "merge_glob": "",
    "job_summary": "true",
    "max_annotations": "10",
    "report_dir": "lm-eval-so-report",
    "on_missing_secrets": "skip",
}
"""Inputs and their defaults. The same stand in action.yml, but those do not apply where the image
is used by itself; "" is not given."""

_CHOICES: Final[Mapping[str, Sequence[str]]] = {
    "command": list(Command),
    "generate": list(Generate),
    "allow_plugins": ["true", "false"],
    "baseline_source": list(BaselineSource),
    "update_baseline": list(UpdateBaseline),
    "baseline_store": list(BaselineStore),
    "on_inconclusive": list(Policy),
    "on_missing_baseline": list(Policy),
    "on_incomparable": [Policy.WARN, Policy.FAIL],
    "comment": list(CommentMode),
    "comment_required": ["true", "false"],
    "show_answers": list(ShowAnswers),
    "language": list(Language),
    "job_summary": ["true", "false"],
    "on_missing_secrets": list(MissingSecrets),
}

LEAST_CHARS: Final = 4000
"""Least size budget of a comment: enough for the verdict and its sentence with any suite id."""

_NUMBERS: Final[Mapping[str, tuple[int, int]]] = {
    "repeats": (1, 1000),
    "confirm": (0, 20),
    "concurrency": (1, 4096),
    "baseline_max_ancestors": (0, 99),
    "comment_max_chars": (LEAST_CHARS, 65_000),
    "pr_number": (1, 2**31),
    "run_id": (1, 2**63 - 1),
    "max_annotations": (0, 10),
}

_AMOUNTS: Final[Mapping[str, int]] = {"max_cost_usd": 1, "timeout_minutes": 60}
"""Inputs above 0 that need not be whole, and how many units of the config's key one of them is."""
_MOST: Final = 1_000_000

_AMOUNT: Final = re.compile(r"[0-9]{1,7}(\.[0-9]{1,6})?")
_SHARD: Final = re.compile(r"([1-9][0-9]{0,4})/([1-9][0-9]{0,4})")
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#\s]+\S*")


def given_values(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the text of each input from its INPUT_* variable; the default of one that is not given."""
    given = {name: environ.get(f"INPUT_{name.upper()}", "").strip() for name in INPUTS}
    return {name: given[name] or default for name, default in INPUTS.items()}


def value_problems(values: Mapping[str, str]) -> Iterator[Problem]:
    """Find the values that are not allowed.

    Args:
        values: Text of each input, as of `given_values`.
    """
    yield from _choice_problems(values)
    yield from _number_problems(values)
    yield from _amount_problems(values)
    yield from _address_problems(values)
    yield from _host_problems(values)
    yield from _combined_problems(values)


def input_problem(name: str, what: str, hint: str) -> Problem:
    """Return the problem of an input."""
    return Problem(what=f"input {name}: {what}", where=Where(key=name), hint=hint)


def as_yaml(name: str, value: str) -> str:
    """Return a value as the config takes it: a number as it is, any other text in quotes."""
    if name in _AMOUNTS:
        return f"{_AMOUNTS[name] * Decimal(value):f}"
    return value if name in _NUMBERS else json.dumps(value, ensure_ascii=False)


def _choice_problems(values: Mapping[str, str]) -> list[Problem]:
    return [
        input_problem(name, f'"{values[name]}" is not allowed', f"use {', '.join(allowed)}")
        for name, allowed in _CHOICES.items()
        if values[name] and values[name] not in allowed
    ]


def _number_problems(values: Mapping[str, str]) -> list[Problem]:
    return [
        input_problem(
            name, f'"{values[name]}" is not allowed', f"use a whole number, {low} to {high}"
        )
        for name, (low, high) in _NUMBERS.items()
        if values[name] and not (_is_number(values[name]) and low <= int(values[name]) <= high)
    ]


def _amount_problems(values: Mapping[str, str]) -> list[Problem]:
    hint = f"use a number above 0, at most {_MOST:,}, as 5 or 0.25"
    return [
        input_problem(name, f'"{values[name]}" is not allowed', hint)
        for name in _AMOUNTS
        if values[name]
        and not (_AMOUNT.fullmatch(values[name]) and 0 < float(values[name]) <= _MOST)
    ]


def _combined_problems(values: Mapping[str, str]) -> Iterator[Problem]:
    shard, glob = values["shard"], values["merge_glob"]
    found = _SHARD.fullmatch(shard)
    if shard and not (found and int(found[1]) <= int(found[2])):
        yield input_problem("shard", f'"{shard}" is no shard', "write i/n with 1 ≤ i ≤ n, as 2/4")
    if shard and values["command"] != Command.CI:
        yield input_problem("shard", "only command: ci asks a shard", "leave one of the two out")
    if shard and values["show_answers"] == ShowAnswers.NONE:
        what = "its answers are written for command: merge, and show_answers: none forbids that"
        yield input_problem("shard", what, "leave one of the two out")
    if values["command"] == Command.COMMENT and values["show_answers"] == ShowAnswers.NONE:
        what = "command: comment shows what its artifact has"
        yield input_problem("show_answers", what, "give it to the step that measures")
    if values["command"] == Command.MERGE and not glob:
        hint = "name the run folders of the shards, as shards/*/run"
        yield input_problem("merge_glob", "command: merge needs it", hint)
    if PurePosixPath(glob).is_absolute() or ".." in PurePosixPath(glob).parts:
        hint = "write a pattern relative to the workspace, as shards/*/run"
        yield input_problem("merge_glob", f'"{glob}" is outside the workspace', hint)


def _address_problems(values: Mapping[str, str]) -> list[Problem]:
    url = values["target_url"]
    # an input names no variable
    if not url or (_ADDRESS.fullmatch(url) and "${" not in url and _has_a_host(url)):
        return []
    return [
        input_problem(
            "target_url", "that is no address", "write it as https://host or http://host:port/path"
        )
    ]


def _host_problems(values: Mapping[str, str]) -> list[Problem]:
    hint = "write a name, as api.openai.com, or *.example.com for all names below; one a line"
    bad = AllowedHosts(entries_of(values["allowed_hosts"])).problems
    return [input_problem("allowed_hosts", f'"{entry}" is no host', hint) for entry in bad]


def _has_a_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.hostname is not None and parts.port != 0
    except ValueError:  # half a bracket, a port of words
        return False


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()
