"""The Action's inputs: INPUT_* variables read as config overrides and options of `ci`."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.core.files import leads_out
from lm_eval_so.core.http.hosts import AllowedHosts, entries_of
from lm_eval_so.core.records.enums import Language, Policy
from lm_eval_so.errors import Problem, UsageError, Where, nearest


class CommentMode(StrEnum):
    """Condition under which the pull request gets a comment."""

    ALWAYS = "always"
    ON_CHANGE = "on_change"
    """Verdict or losses differ from those of the comment that is there."""
    ON_FAILURE = "on_failure"
    NEVER = "never"


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


INPUTS: Final[Mapping[str, str]] = {
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
    "baseline": "",
    "baseline_path": "",
    "baseline_ref": "",
    "update_baseline": "never",
    "on_inconclusive": "",
    "on_missing_baseline": "",
    "on_incomparable": "",
    "comment": "always",
    "comment_required": "false",
    "comment_max_chars": "60000",
    "language": "",
    "pr_number": "",
    "job_summary": "true",
    "max_annotations": "10",
    "report_dir": "lm-eval-so-report",
    "on_missing_secrets": "skip",
}
"""Inputs and their defaults. The same stand in action.yml, but those do not apply where the image
is used by itself; "" is not given."""

_OVERRIDES: Final[Mapping[str, str]] = {
    "suite": "suite",
    "dataset": "dataset.path",
    "repeats": "run.repeats",
    "confirm": "gate.confirm",
    "concurrency": "run.concurrency",
    "max_cost_usd": "run.max_cost_usd",
    "timeout_minutes": "run.max_time_s",
    "baseline_path": "baseline.path",
    "baseline_ref": "baseline.ref",
    "on_inconclusive": "gate.on_inconclusive",
    "on_missing_baseline": "gate.on_missing_baseline",
    "on_incomparable": "gate.on_incomparable",
    "language": "language",
}

_CHOICES: Final[Mapping[str, Sequence[str]]] = {
    "generate": list(Generate),
    "update_baseline": list(UpdateBaseline),
    "on_inconclusive": list(Policy),
    "on_missing_baseline": list(Policy),
    "on_incomparable": [Policy.WARN, Policy.FAIL],
    "allow_plugins": ["true", "false"],
    "comment": list(CommentMode),
    "comment_required": ["true", "false"],
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
    "comment_max_chars": (LEAST_CHARS, 65_000),
    "pr_number": (1, 2**31),
    "max_annotations": (0, 10),
}

_AMOUNTS: Final[Mapping[str, int]] = {"max_cost_usd": 1, "timeout_minutes": 60}
"""Inputs above 0 that need not be whole, and how many units of the config's key one of them is."""
_MOST: Final = 1_000_000

_AMOUNT: Final = re.compile(r"[0-9]{1,7}(\.[0-9]{1,6})?")
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#\s]+\S*")
_PATHS: Final = ("config", "baseline", "report_dir", "working_directory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """Inputs about telling the result on GitHub."""

    comment: CommentMode
    is_comment_required: bool
    max_chars: int
    """Size budget of the comment, in UTF-16 units."""
    pr_number: int | None
    """Pull request, for events that have none of their own."""
    job_summary: bool
    max_annotations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Permits:
    """Inputs about what a config may do beside the keys of the step."""

    hosts: AllowedHosts
    """Hosts that may be asked."""
    own_code: bool
    """Whether code that the config names may run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretInputs:
    """Inputs that hold keys, and the consequence of one that is empty."""

    openai_api_key: str | None = field(repr=False)
    """For OPENAI_API_KEY, where that variable is empty."""
    github_token: str | None = field(repr=False)
    on_missing: MissingSecrets


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Inputs of the workflow's step."""

    overrides: tuple[str, ...]
    """`--set` texts, over the config file."""
    folder: Path
    """Working folder of the program."""
    config_file: Path
    suite_id: str | None
    generate: Generate
    secrets: SecretInputs
    target_url: str | None = None
    """Address of the chatbot; the backend of the config knows which option is its address."""
    baseline: Path | None
    update_baseline: UpdateBaseline
    publishing: Publishing
    report_dir: Path
    permits: Permits
    warnings: tuple[str, ...] = ()

    def config_or(self, given: Path) -> Path:
        """Return the command line's config file if it is not the default one, else the input's."""
        return self.config_file if given == CONFIG_FILE else given


def read_inputs(environ: Mapping[str, str], *, workspace: Path) -> Inputs:
    """Read the inputs from their INPUT_* variables.

    Args:
        environ: The environment.
        workspace: Folder of the checkout; all paths must lie inside it, symlinks followed.

    Raises:
        UsageError: If inputs have bad values; lists them all.
    """
    values = _values(environ)
    if problems := _problems(values, workspace):
        raise UsageError.of(problems)
    return _inputs(values, environ, workspace)


def read_usable_inputs(environ: Mapping[str, str], *, workspace: Path) -> Inputs:
    """Read the inputs as `read_inputs` does, but with the default in the place of a bad value."""
    values = _values(environ)
    bad = {problem.where.key for problem in _problems(values, workspace) if problem.where}
    usable = {name: INPUTS[name] if name in bad else value for name, value in values.items()}
    return _inputs(usable, environ, workspace)


def _values(environ: Mapping[str, str]) -> dict[str, str]:
    given = {name: environ.get(f"INPUT_{name.upper()}", "").strip() for name in INPUTS}
    return {name: given[name] or default for name, default in INPUTS.items()}


def _paths(values: Mapping[str, str], workspace: Path) -> tuple[Path, dict[str, Path]]:
    """Return the working folder, and the path of each input that names one."""
    # where the runner starts us in the workspace, paths are shown as people there write them
    root = Path() if workspace.resolve() == Path.cwd() else workspace
    folder = root / values["working_directory"]
    paths = {name: (root if name == "report_dir" else folder) / values[name] for name in _PATHS}
    return folder, paths


def _problems(values: Mapping[str, str], workspace: Path) -> list[Problem]:
    return [
        *_choice_problems(values),
        *_number_problems(values),
        *_amount_problems(values),
        *_path_problems(_paths(values, workspace)[1], workspace, values),
        *_address_problems(values),
        *_host_problems(values),
    ]


def _inputs(values: Mapping[str, str], environ: Mapping[str, str], workspace: Path) -> Inputs:
    folder, paths = _paths(values, workspace)
    return Inputs(
        overrides=tuple(
            f"{key}={_as_yaml(name, values[name])}"
            for name, key in _OVERRIDES.items()
            if values[name]
        ),
        folder=folder,
        config_file=paths["config"] if values["config"] else folder / CONFIG_FILE,
        suite_id=values["suite_id"] or None,
        generate=Generate(values["generate"]),
        secrets=SecretInputs(
            openai_api_key=values["openai_api_key"] or None,
            github_token=values["github_token"] or None,
            on_missing=MissingSecrets(values["on_missing_secrets"]),
        ),
        target_url=values["target_url"] or None,
        baseline=paths["baseline"] if values["baseline"] else None,
        update_baseline=UpdateBaseline(values["update_baseline"]),
        publishing=Publishing(
            comment=CommentMode(values["comment"]),
            is_comment_required=values["comment_required"] == "true",
            max_chars=int(values["comment_max_chars"]),
            pr_number=int(values["pr_number"]) if values["pr_number"] else None,
            job_summary=values["job_summary"] == "true",
            max_annotations=int(values["max_annotations"]),
        ),
        report_dir=paths["report_dir"],
        permits=Permits(
            hosts=AllowedHosts(entries_of(values["allowed_hosts"])),
            own_code=values["allow_plugins"] == "true",
        ),
        warnings=tuple(_unknown(environ)),
    )


def _choice_problems(values: Mapping[str, str]) -> list[Problem]:
    return [
        _problem(name, f'"{values[name]}" is not allowed', f"use {', '.join(allowed)}")
        for name, allowed in _CHOICES.items()
        if values[name] and values[name] not in allowed
    ]


def _number_problems(values: Mapping[str, str]) -> list[Problem]:
    return [
        _problem(name, f'"{values[name]}" is not allowed', f"use a whole number, {low} to {high}")
        for name, (low, high) in _NUMBERS.items()
        if values[name] and not (_is_number(values[name]) and low <= int(values[name]) <= high)
    ]


def _amount_problems(values: Mapping[str, str]) -> list[Problem]:
    hint = f"use a number above 0, at most {_MOST:,}, as 5 or 0.25"
    return [
        _problem(name, f'"{values[name]}" is not allowed', hint)
        for name in _AMOUNTS
        if values[name]
        and not (_AMOUNT.fullmatch(values[name]) and 0 < float(values[name]) <= _MOST)
    ]


def _path_problems(
    paths: Mapping[str, Path], workspace: Path, values: Mapping[str, str]
) -> list[Problem]:
    return [
        _problem(name, f'"{values[name]}" is outside the workspace', "use a path inside it")
        for name, path in paths.items()
        if values[name] and leads_out(path, workspace)
    ]


def _address_problems(values: Mapping[str, str]) -> list[Problem]:
    url = values["target_url"]
    # an input names no variable
    if not url or (_ADDRESS.fullmatch(url) and "${" not in url and _has_a_host(url)):
        return []
    return [
        _problem(
            "target_url", "that is no address", "write it as https://host or http://host:port/path"
        )
    ]


def _host_problems(values: Mapping[str, str]) -> list[Problem]:
    hint = "write a name, as api.openai.com, or *.example.com for all names below; one a line"
    bad = AllowedHosts(entries_of(values["allowed_hosts"])).problems
    return [_problem("allowed_hosts", f'"{entry}" is no host', hint) for entry in bad]


def _has_a_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.hostname is not None and parts.port != 0
    except ValueError:  # half a bracket, a port of words
        return False


def _problem(name: str, what: str, hint: str) -> Problem:
    return Problem(what=f"input {name}: {what}", where=Where(key=name), hint=hint)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _as_yaml(name: str, value: str) -> str:
    if name in _AMOUNTS:
        return f"{_AMOUNTS[name] * Decimal(value):f}"
    return value if name in _NUMBERS else json.dumps(value, ensure_ascii=False)


def _unknown(environ: Mapping[str, str]) -> list[str]:
    names = sorted(
        key.removeprefix("INPUT_").lower() for key in environ if key.startswith("INPUT_")
    )
    warnings = []
    for name in names:
        if name not in INPUTS:
            close = nearest(name, INPUTS)
            hint = f' (did you mean "{close}"?)' if close else ""
            warnings.append(f'unknown input "{name}"{hint}; it is not used')
    return warnings
