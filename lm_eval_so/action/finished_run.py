"""The result of a finished run that anybody may have started, found through GitHub.

GitHub alone says whose run it is and which pull request it measured. Its files may hold wrong figures,
and a comment says so. Here they are held to what keeps the reader safe: size, nesting, lengths and
numbers, then the schema, then whether the two belong together.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from lm_eval_so.action.github.artifacts import Artifacts
from lm_eval_so.action.github.connection import GitHub
from lm_eval_so.action.github.failures import RequestFailed
from lm_eval_so.action.github.pulls import Pull
from lm_eval_so.action.github.runs import Run
from lm_eval_so.action.target import pulls_of_run
from lm_eval_so.core.records.codec import from_json, parse_json
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.report_file import ROWS_FILE, refuse_other_report, report_of, rows_among
from lm_eval_so.core.templates.safe import cut
from lm_eval_so.errors import InputError, PublishError, RecordError, Where

COMPARISON: Final = "comparison.json"
REPORT: Final = "report.json"
FILES: Final = (COMPARISON, REPORT)
"""Names of the files in the artifact."""

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SUITE: Final = re.compile(r"[a-z0-9._-]{1,80}")
_METRIC: Final = re.compile(r"[A-Za-z0-9._-]{1,120}")
_DEEPEST: Final = 40
_LONGEST_TEXT: Final = 1_000_000
_LARGEST_WHOLE: Final = 10**15
_MOST_PROBLEMS: Final = 3
_LONGEST_PROBLEM: Final = 300
_COMMIT_DIGITS: Final = 7
_PERMISSIONS: Final = "give the job `permissions: {actions: read, pull-requests: write}`"
_REFUSED: Final = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """The result of a run, as the run itself tells it."""

    comparison: Comparison
    report: EvaluationReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Run of a pull request's head, and that pull request."""

    run: Run
    pull: Pull


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Result of a run."""

    subject: Subject
    records: Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """Reason why there is nothing to tell."""

    why: str
    is_expected: bool = True
    """Whether that happens without a mistake, as when a pull request moves on."""
    failed: Subject | None = None
    """Run that failed without a result."""


def find_result(github: GitHub, run_id: int, artifact_name: str) -> Result | Nothing:
    """Find the result of a run, and the open pull request whose head it measured.

    The run's artifact decides nothing but between several pull requests of one branch, all of them of
    the run's own author.

    Args:
        github: The connection.
        run_id: Id of the run.
        artifact_name: Name of the artifact with its reports.

    Raises:
        PublishError: If GitHub cannot be asked, or the artifact cannot be used.
    """
    try:
        return _find_result(github, run_id, artifact_name)
    except RequestFailed as error:
        hint = _PERMISSIONS if error.status in _REFUSED else None
        raise PublishError(f"run {run_id} cannot be read: {error.what}", hint=hint) from None


def _find_result(github: GitHub, run_id: int, artifact_name: str) -> Result | Nothing:
    run = github.runs.get(run_id)
    pulls = pulls_of_run(run, github.pulls)
    commit = run.head[:_COMMIT_DIGITS]
    if not pulls:
        return Nothing(
            why=f"run {run.id} has no open pull request at {commit}: it is gone or has moved on"
        )
    records = _records_of(run, artifact_name, github.artifacts)
    if records is None:
        has_failed = run.conclusion == "failure" and len(pulls) == 1
        return Nothing(
            why=f'run {run.id} has no artifact "{artifact_name}"',
            failed=Subject(run=run, pull=pulls[0]) if has_failed else None,
        )
    if len(pulls) > 1:
        base = records.report.experiment.base_ref
        pulls = tuple(pull for pull in pulls if pull.base == base)
    if len(pulls) != 1:
        why = (
            f"several pull requests are at {commit}, and nobody knows which one run {run.id} is of"
        )
        return Nothing(why=why, is_expected=False)
    return Result(subject=Subject(run=run, pull=pulls[0]), records=records)


def _records_of(run: Run, name: str, artifacts: Artifacts) -> Records | None:
    artifact = artifacts.find(run.id, name)
    return read_records(artifacts.read(artifact, {*FILES, ROWS_FILE})) if artifact else None


def read_records(files: Mapping[str, bytes]) -> Records:
    """Make records of the files of an artifact.

    Args:
        files: Contents by name, those of `FILES`, and of `ROWS_FILE` if the report has its rows there.

    Raises:
        PublishError: If a file is missing or unfit, or the two are of different runs.
    """
    missing = [name for name in FILES if name not in files]
    if missing:
        what = f"the artifact has no {' and no '.join(missing)} in its root"
        raise PublishError(
            what, hint="upload the folder report_dir itself, without folders above it"
        )
    try:
        values = _values(files[COMPARISON], COMPARISON)
        comparison = from_json(values, Comparison, where=Where(file=COMPARISON))
        report = report_of(
            _values(files[REPORT], REPORT),
            shown_as=REPORT,
            find_rows=rows_among(files.get),
        )
        refuse_other_report(comparison, report)
        _refuse_names(comparison, report)
    except InputError as error:
        told = [
            each.what if each.where is None else f"{each.where}: {each.what}"
            for each in error.problems
        ]
        shown = "; ".join(cut(text, _LONGEST_PROBLEM) for text in told[:_MOST_PROBLEMS])
        raise PublishError(f"the artifact cannot be used: {shown}") from None
    return Records(comparison=comparison, report=report)


def _refuse_names(comparison: Comparison, report: EvaluationReport) -> None:
    """Refuse names that no config permits: they stand as plain words in headings and tables."""
    where = Where(file=COMPARISON, key="suite")
    if not _SUITE.fullmatch(comparison.suite):
        raise RecordError("no name of a suite", where=where)
    if comparison.suite != report.experiment.suite:
        raise RecordError(f"another suite than that of {REPORT}", where=where)
    rules, exempt = comparison.rules, (*comparison.quarantine, *comparison.accept)
    named: list[tuple[str, str, Iterable[str | None]]] = [
        (REPORT, "metrics", report.metrics),
        (COMPARISON, "metrics", comparison.metrics),
        (COMPARISON, "changed", (each.metric for each in comparison.changed)),
        (COMPARISON, "accept", (each.metric for each in exempt)),
        (COMPARISON, "rules", (each.metric for each in (rules.changes if rules else ()))),
        (COMPARISON, "rules", rules.own.not_asked if rules and rules.own else ()),
    ]
    for name, key, metrics in named:
        if not all(_METRIC.fullmatch(each) for each in metrics if each is not None):
            raise RecordError("no id of a metric", where=Where(file=name, key=key))
    if not all(_DAY.fullmatch(each.until) for each in exempt):
        raise RecordError("no day", where=Where(file=COMPARISON, key="accept"))


def _values(data: bytes, name: str) -> object:
    where = Where(file=name)
    values = parse_json(data, where=where)
    if fault := _fault(values):
        raise RecordError(fault, where=where)
    return values


def _fault(values: object) -> str | None:
    """Return what no record of ours has, and a reader might choke on; None if there is nothing."""
    rest: list[tuple[Any, int]] = [(values, 1)]
    while rest:
        value, depth = rest.pop()
        if depth > _DEEPEST:
            return f"nested more than {_DEEPEST} deep"
        if isinstance(value, dict):
            rest += ((each, depth + 1) for each in value)
            rest += ((each, depth + 1) for each in value.values())
        elif isinstance(value, list):
            rest += ((each, depth + 1) for each in value)
        elif isinstance(value, str) and len(value) > _LONGEST_TEXT:
            return f"a text has more than {_LONGEST_TEXT:,} characters"
        elif isinstance(value, int) and abs(value) > _LARGEST_WHOLE:
            return "a number is too large"
    return None
