"""Commands that measure the baseline again, as the candidate was measured."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from lm_eval_so.comparator.gate.verdicts import Judged
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.comparator.settings import Redact
from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.core.records.comparison import BaselineRef
from lm_eval_so.core.records.enums import Verdict
from lm_eval_so.core.records.report import EvaluationReport, Experiment

_WANTED = frozenset({Code.FINGERPRINT, Code.OVERLAP, Code.METRIC_MISSING_BASELINE})
"""Reasons why a metric cannot be compared that a new baseline removes."""
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_COMMIT_DIGITS = 12
_FOLDER = ".lm-eval-so/baseline"
_LONGEST_SETTING = 200


def rerun_commands(
    judged: Mapping[str, Judged],
    baseline: EvaluationReport,
    candidate: EvaluationReport,
    ref: BaselineRef,
    *,
    redact: Redact,
) -> str | None:
    """Return the commands, to be run in the folder of the config; None if no metric needs them.

    They ask the baseline's chatbot the candidate's questions, from the commit that it was measured
    at, in a worktree beside the present files. If no commit is known, they use the present config
    with the baseline's settings. The present metrics score its answers.

    Args:
        judged: Decided metrics.
        baseline: Report compared with.
        candidate: Report under test.
        ref: Place where the baseline is from.
        redact: Function that takes secrets out of a text.
    """
    if not any(metric.gating and _wants_baseline(metric) for metric in judged.values()):
        return None
    config = candidate.experiment.config or str(CONFIG_FILE)
    report, given = f"{_FOLDER}/reports", _config(config)
    commands = [
        *_run(baseline.experiment, candidate.experiment, ref, config),
        ["lm-eval-so", "evaluate", *given, "--run", f"{_FOLDER}/run", "-o", report],
        [
            *("lm-eval-so", "compare", _report_file(candidate), *given),
            *("--baseline", f"{report}/report.json"),
        ],
    ]
    return redact("\n".join(" ".join(map(_quoted, command)) for command in commands))


def _wants_baseline(metric: Judged) -> bool:
    """Return whether a metric could be judged if the baseline were measured again."""
    if metric.change_code is Code.ERROR_RATE:
        ruling = metric.finding.ruling
        return ruling is not None and ruling.figures.get("side") == "baseline"
    return metric.change is Verdict.INCOMPARABLE and metric.change_code in _WANTED


class _Raw(str):
    """A word that the shell fills in."""

    __slots__ = ()


def _quoted(word: str) -> str:
    return word if isinstance(word, _Raw) else shlex.quote(word)


def _run(
    baseline: Experiment, candidate: Experiment, ref: BaselineRef, config: str
) -> Iterator[list[str]]:
    commit = next((c for c in (baseline.commit, ref.ref) if c and _COMMIT.fullmatch(c)), None)
    out = ["-o", f"{_FOLDER}/run"]
    if commit is None:
        settings = [word for each in _settings(baseline, candidate) for word in ("--set", each)]
        yield ["lm-eval-so", "run", *_config(config), *out, *settings]
        return
    tree = f"{_FOLDER}/tree"
    yield ["git", "worktree", "add", "--detach", tree, commit[:_COMMIT_DIGITS]]
    there = _Raw(f'"{tree}/$(git rev-parse --show-prefix)"{shlex.quote(config)}')
    yield ["lm-eval-so", "run", "-c", there, *out, *_same_samples(candidate)]
    yield ["git", "worktree", "remove", "--force", tree]  # else it could not be done twice


def _same_samples(candidate: Experiment) -> list[str]:
    path = candidate.dataset.path
    if path is None:
        return []
    if path.startswith("/"):
        return ["--set", f"dataset.path={path}"]
    return ["--set", _Raw(f'dataset.path="$PWD"/{shlex.quote(path)}')]


def _settings(baseline: Experiment, candidate: Experiment) -> Iterator[str]:
    """Yield the settings of the baseline's chatbot that differ."""
    old, new = _settable(baseline), _settable(candidate)
    for key in sorted({*old, *new}):
        value = old.get(key)
        text = json.dumps(value, ensure_ascii=False)
        names_variables = "${" in text  # which only a file fills in
        if value != new.get(key) and len(text) <= _LONGEST_SETTING and not names_variables:
            yield f"{key}={text}"


def _settable(experiment: Experiment) -> dict[str, JsonValue]:
    backend = experiment.backend
    params = {f"backend.params.{key}": value for key, value in backend.params.items()}
    return {"backend.name": backend.name, **params, "system": backend.system}


def _config(config: str) -> list[str]:
    return [] if config == str(CONFIG_FILE) else ["-c", config]


def _report_file(candidate: EvaluationReport) -> str:
    kept = candidate.experiment.evaluator_config.get("report")
    folder = kept.get("out") if isinstance(kept, dict) else None
    return f"{folder if isinstance(folder, str) else 'reports'}/report.json"
