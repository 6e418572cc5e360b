"""Views of a report's origin: versions, digests, time, and the commands that make it again."""

import re
import shlex
from collections.abc import Iterator

from lm_eval_so.core.clock import parse_time
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.reporter.views.view import ABSENT, Words

COMMIT_DIGITS = 7

_DIGEST_DIGITS = 12
_HEX = re.compile(r"[0-9a-f]+")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_OF_RUN = "run."


def report_footer(report: EvaluationReport, words: Words) -> Iterator[tuple[str, str]]:
    """Yield the facts that decide the figures, as names and values."""
    experiment = report.experiment
    yield "lm-eval-so", experiment.versions.get("lm-eval-so", ABSENT)
    if experiment.commit:
        yield words("evaluated"), short_hash(experiment.commit, COMMIT_DIGITS)
    yield words("dataset"), short_hash(experiment.dataset.digest, _DIGEST_DIGITS)
    models = ", ".join(experiment.backend.models_answered) or experiment.backend.model
    if models:
        yield words("model"), models
    judges = (each.model for each in report.judges.values() if each.model)
    if named := dict.fromkeys(name for models in judges for name in models.split(", ")):
        yield words("footer_judge"), ", ".join(named)
    for name in ("sent_to", "own_code"):
        if told := getattr(experiment, name):
            yield words(name), ", ".join(told)
    for name in ("metrics", "run"):
        if digest := experiment.fingerprints.get(name):
            yield words(f"fingerprint_{name}"), short_hash(digest, _DIGEST_DIGITS)


def report_origin(report: EvaluationReport, words: Words) -> Iterator[tuple[str, str]]:
    """Yield the footer, versions and configs: all that is needed to measure the report again."""
    experiment = report.experiment
    yield from report_footer(report, words)
    for name in ("run_config", "evaluator_config"):
        if digest := experiment.fingerprints.get(name):
            yield words(f"fingerprint_{name}"), short_hash(digest, _DIGEST_DIGITS)
    if experiment.dataset.version:
        yield words("dataset_version"), experiment.dataset.version
    here = experiment.versions
    for name, text in here.items():
        told = name.removeprefix(_OF_RUN)
        if name == "lm-eval-so" or (name.startswith(_OF_RUN) and here.get(told) == text):
            continue
        yield (told if told == name else words("of_run", name=told)), text


def commands(report: EvaluationReport) -> str | None:
    """Return the commands that make a report again, in the config's folder; None if unknown."""
    experiment = report.experiment
    if experiment.config is None or not experiment.runs:
        return None
    runs = [part for run in experiment.runs for part in ("--run", run)]
    again = shlex.join(["lm-eval-so", "evaluate", "-c", experiment.config, *runs])
    commit = experiment.commit
    if commit and _COMMIT.fullmatch(commit):
        return f"git checkout {commit[:12]}\n{again}"
    return again


def minute(time: str) -> str:
    """Return a time of a record to the minute."""
    at = parse_time(time)
    return time if at is None else f"{at:%Y-%m-%d %H:%M} UTC"


def short_hash(text: str, digits: int) -> str:
    """Shorten a commit or digest; any other text stays whole until secrets are out of it."""
    return text[:digits] if _HEX.fullmatch(text) else text
