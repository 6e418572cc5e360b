"""The Action's inputs: INPUT_* variables read as config overrides and options of `ci`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lm_eval_so.action.input_values import (
    INPUTS,
    LEAST_CHARS,
    BaselineSource,
    BaselineStore,
    Command,
    CommentMode,
    Generate,
    MissingSecrets,
    ShowAnswers,
    UpdateBaseline,
    as_yaml,
    given_values,
    input_problem,
    value_problems,
)
from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.core.files import leads_out
from lm_eval_so.core.http.hosts import AllowedHosts, entries_of
from lm_eval_so.core.records.enums import Language
from lm_eval_so.errors import Problem, UsageError, nearest

__all__ = [
    "INPUTS",
    "LEAST_CHARS",
    "BaselineInputs",
    "BaselineSource",
    "BaselineStore",
    "Command",
    "CommentMode",
    "Generate",
    "Inputs",
    "MatrixInputs",
    "MissingSecrets",
    "ShowAnswers",
    "UpdateBaseline",
    "read_command",
    "read_inputs",
    "read_usable_inputs",
]

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
    "artifact_name": "baseline.artifact",
    "on_inconclusive": "gate.on_inconclusive",
    "on_missing_baseline": "gate.on_missing_baseline",
    "on_incomparable": "gate.on_incomparable",
    "language": "language",
}

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
    language: Language | None
    """Language over that of the config."""
    answers: ShowAnswers

    @property
    def shortens(self) -> bool:
        """Whether Markdown shortens long texts of cases."""
        return self.answers is not ShowAnswers.FULL


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactInputs:
    """Inputs about artifacts that are read."""

    run_id: int | None
    """Run that holds them, over the one that the event names."""
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixInputs:
    """Inputs of the jobs of a matrix, which ask a dataset together."""

    shard: str | None
    """Part that this job asks, as "2/4"; null: the whole."""
    glob: str | None
    """Pattern of the run folders that this job puts together; null: it asks itself."""
    root: Path
    """Folder from which the pattern leads: the workspace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretInputs:
    """Inputs that hold keys, or say what may be done with them."""

    openai_api_key: str | None = field(repr=False)
    """For OPENAI_API_KEY, where that variable is empty."""
    github_token: str | None = field(repr=False)
    on_missing: MissingSecrets
    hosts: AllowedHosts
    """Hosts that may be asked."""
    own_code: bool
    """Whether code that the config names may run beside them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineInputs:
    """Inputs about the baseline: where it is, and whether this run makes one."""

    report: Path | None
    """Report that the workflow names."""
    source: BaselineSource
    workflow: str
    """File of the workflow whose runs stored baselines; "": this one's."""
    max_ancestors: int
    """Ancestors of the base commit whose runs are looked at."""
    update: UpdateBaseline
    store: BaselineStore | None
    """Place to write to; null: the file if the config names one, else the artifact."""


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
    baseline: BaselineInputs
    publishing: Publishing
    artifact: ArtifactInputs
    matrix: MatrixInputs
    report_dir: Path
    warnings: tuple[str, ...] = ()

    def config_or(self, given: Path) -> Path:
        """Return the command line's config file if it is not the default one, else the input's."""
        return self.config_file if given == CONFIG_FILE else given

    def to_name(self, config: str) -> str | None:
        """Return a config file that a command has to name; None for the default one."""
        return None if Path(config) == CONFIG_FILE else config


def read_command(environ: Mapping[str, str]) -> Command:
    """Return the work of the step; of a bad value `read_inputs` tells."""
    name = given_values(environ)["command"]
    return Command(name) if name in list(Command) else Command.CI


def read_inputs(environ: Mapping[str, str], *, workspace: Path) -> Inputs:
    """Read the inputs from their INPUT_* variables.

    Args:
        environ: The environment.
        workspace: Folder of the checkout; all paths must lie inside it, symlinks followed.

    Raises:
        UsageError: If inputs have bad values; lists them all.
    """
    values = given_values(environ)
    if problems := _problems(values, workspace):
        raise UsageError.of(problems)
    return _inputs(values, environ, workspace)


def read_usable_inputs(environ: Mapping[str, str], *, workspace: Path) -> Inputs:
    """Read the inputs as `read_inputs` does, but with the default in the place of a bad value."""
    values = given_values(environ)
    bad = {problem.where.key for problem in _problems(values, workspace) if problem.where}
    usable = {name: INPUTS[name] if name in bad else value for name, value in values.items()}
    return _inputs(usable, environ, workspace)


def _root(workspace: Path) -> Path:
    # where the runner starts us in the workspace, paths are shown as people there write them
    return Path() if workspace.resolve() == Path.cwd() else workspace


def _paths(values: Mapping[str, str], workspace: Path) -> tuple[Path, dict[str, Path]]:
    """Return the working folder, and the path of each input that names one."""
    root = _root(workspace)
    folder = root / values["working_directory"]
    paths = {name: (root if name == "report_dir" else folder) / values[name] for name in _PATHS}
    return folder, paths


def _problems(values: Mapping[str, str], workspace: Path) -> list[Problem]:
    return [
        *value_problems(values),
        *_path_problems(_paths(values, workspace)[1], workspace, values),
    ]


def _inputs(values: Mapping[str, str], environ: Mapping[str, str], workspace: Path) -> Inputs:
    folder, paths = _paths(values, workspace)
    return Inputs(
        overrides=tuple(
            f"{key}={as_yaml(name, values[name])}"
            for name, key in _OVERRIDES.items()
            if values[name]
        )
        + (('report.answers="none"',) if values["show_answers"] == ShowAnswers.NONE else ()),
        folder=folder,
        config_file=paths["config"] if values["config"] else folder / CONFIG_FILE,
        suite_id=values["suite_id"] or None,
        generate=Generate(values["generate"]),
        secrets=SecretInputs(
            openai_api_key=values["openai_api_key"] or None,
            github_token=values["github_token"] or None,
            on_missing=MissingSecrets(values["on_missing_secrets"]),
            hosts=AllowedHosts(entries_of(values["allowed_hosts"])),
            own_code=values["allow_plugins"] == "true",
        ),
        target_url=values["target_url"] or None,
        baseline=BaselineInputs(
            report=paths["baseline"] if values["baseline"] else None,
            source=BaselineSource(values["baseline_source"]),
            workflow=values["baseline_workflow"].rpartition("/")[2],
            max_ancestors=int(values["baseline_max_ancestors"]),
            update=UpdateBaseline(values["update_baseline"]),
            store=BaselineStore(values["baseline_store"]) if values["baseline_store"] else None,
        ),
        publishing=Publishing(
            comment=CommentMode(values["comment"]),
            is_comment_required=values["comment_required"] == "true",
            max_chars=int(values["comment_max_chars"]),
            pr_number=int(values["pr_number"]) if values["pr_number"] else None,
            job_summary=values["job_summary"] == "true",
            max_annotations=int(values["max_annotations"]),
            language=Language(values["language"]) if values["language"] else None,
            answers=ShowAnswers(values["show_answers"]),
        ),
        artifact=ArtifactInputs(
            run_id=int(values["run_id"]) if values["run_id"] else None,
            name=values["artifact_name"] or None,
        ),
        matrix=MatrixInputs(
            shard=values["shard"] or None,
            glob=values["merge_glob"] if values["command"] == Command.MERGE else None,
            root=_root(workspace),
        ),
        report_dir=paths["report_dir"],
        warnings=tuple(_unknown(environ)),
    )


def _path_problems(
    paths: Mapping[str, Path], workspace: Path, values: Mapping[str, str]
) -> list[Problem]:
    return [
        input_problem(name, f'"{values[name]}" is outside the workspace', "use a path inside it")
        for name, path in paths.items()
        if values[name] and leads_out(path, workspace)
    ]


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
