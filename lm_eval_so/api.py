"""The stages as functions, with the same arguments as the commands.

They return records, raise the errors of `lm_eval_so.errors`, and never print or exit.
"""

import asyncio
import os
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from lm_eval_so.comparator import compare as comparing
from lm_eval_so.comparator.baseline.find import Place, find_baseline
from lm_eval_so.comparator.terms import Terms, read_terms
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.config_secrets import config_redactor
from lm_eval_so.core.clock import now_text
from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.core.config.load import load_config, read_config, take_config
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.comparison import BaselineRef, Comparison
from lm_eval_so.core.records.dataset import DatasetInfo
from lm_eval_so.core.records.enums import Language, ReportFormat
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.records.run import RunInfo
from lm_eval_so.core.report_file import read_report
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.errors import UsageError
from lm_eval_so.evaluator import evaluate as evaluating
from lm_eval_so.generator import generate as generating
from lm_eval_so.pipeline.check import Stage, checked
from lm_eval_so.pipeline.measure import wanted_baseline
from lm_eval_so.reporter.content import Style
from lm_eval_so.reporter.render import render as render_records
from lm_eval_so.runner import run as running
from lm_eval_so.runner.plan.shards import Shard

__all__ = ["aevaluate", "arun", "compare", "evaluate", "generate", "render", "run"]

AnyPath = str | Path
T = TypeVar("T")


def generate(
    config: AnyPath = CONFIG_FILE,
    *,
    out: AnyPath | None = None,
    overrides: Sequence[str] = (),
    plugins: Sequence[AnyPath] = (),
) -> DatasetInfo:
    """Make the dataset of a config from its sources.

    Args:
        config: Config file.
        out: Folder of the dataset; default: dataset.path.
        overrides: `key.path=value` texts, over the file.
        plugins: Python files with backends and metrics.

    Raises:
        InputError: If config or sources cannot be used.
        CannotMeasure: If they give no sample.
    """
    found = _config(config, overrides, plugins, needs={"generate"})
    return generating.generate(found, _resources(found), out=_path(out)).info


async def arun(
    config: AnyPath = CONFIG_FILE,
    *,
    out: AnyPath | None = None,
    fresh: bool = False,
    keep_errors: bool = False,
    shard: str | None = None,
    overrides: Sequence[str] = (),
    plugins: Sequence[AnyPath] = (),
) -> RunInfo:
    """Ask the chatbot every sample that has no answer yet.

    Args:
        config: Config file.
        out: Folder of the run; default: `<run.out>/<backend.label>`, of a shard with "-2of3".
        fresh: Put an earlier run in that folder aside.
        keep_errors: Do not ask again what failed in an earlier run.
        shard: Ask only this part of the dataset, as "2/3"; default: the whole.
        overrides: `key.path=value` texts, over the file.
        plugins: Python files with backends and metrics.

    Raises:
        InputError: If config or dataset cannot be used.
        BackendError: If the chatbot cannot be reached or refuses the credentials.
        CannotMeasure: If too many rows have no answer.
    """
    found = _config(config, overrides, plugins, needs={"run"})
    return await running.run(
        found,
        _resources(found),
        out=_path(out),
        fresh=fresh,
        keep_errors=keep_errors,
        shard=Shard.parse(shard) if shard is not None else None,
    )


def run(
    config: AnyPath = CONFIG_FILE,
    *,
    out: AnyPath | None = None,
    fresh: bool = False,
    keep_errors: bool = False,
    shard: str | None = None,
    overrides: Sequence[str] = (),
    plugins: Sequence[AnyPath] = (),
) -> RunInfo:
    """Like `arun`, where no event loop runs."""
    return _run(
        lambda: arun(
            config,
            out=out,
            fresh=fresh,
            keep_errors=keep_errors,
            shard=shard,
            overrides=overrides,
            plugins=plugins,
        ),
        "arun",
    )


async def aevaluate(
    config: AnyPath | None = None,
    *,
    dataset: AnyPath | None = None,
    runs: Sequence[AnyPath] = (),
    metrics: Sequence[str | Mapping[str, Any]] = (),
    overrides: Sequence[str] = (),
    plugins: Sequence[AnyPath] = (),
) -> EvaluationReport:
    """Score the answers of one or more runs.

    Args:
        config: Config file; not needed where dataset, runs and metrics are given.
        dataset: Dataset, over the config's.
        runs: Folders of runs; default: that of the config.
        metrics: Names, or mappings as in the config, over the config's.
        overrides: `key.path=value` texts, over the file.
        plugins: Python files with backends and metrics.

    Raises:
        InputError: If config, dataset or runs cannot be used.
        CannotMeasure: If nothing could be scored.
    """
    found = _evaluation(config, dataset, metrics, overrides, plugins)
    folders = [Path(path) for path in runs] or [running.run_folder(found)]
    baseline = wanted_baseline(found)
    inputs = evaluating.EvaluationInputs(runs=folders, baseline=baseline)
    return await evaluating.evaluate(found, _resources(found), inputs)


def evaluate(
    config: AnyPath | None = None,
    *,
    dataset: AnyPath | None = None,
    runs: Sequence[AnyPath] = (),
    metrics: Sequence[str | Mapping[str, Any]] = (),
    overrides: Sequence[str] = (),
    plugins: Sequence[AnyPath] = (),
) -> EvaluationReport:
    """Like `aevaluate`, where no event loop runs."""
    return _run(
        lambda: aevaluate(
            config,
            dataset=dataset,
            runs=runs,
            metrics=metrics,
            overrides=overrides,
            plugins=plugins,
        ),
        "aevaluate",
    )


def compare(
    candidate: EvaluationReport | AnyPath,
    *,
    baseline: EvaluationReport | AnyPath | None = None,
    baseline_ref: str | None = None,
    config: AnyPath | None = None,
    overrides: Sequence[str] = (),
    language: Language = Language.EN,
) -> Comparison:
    """Compare a report with a baseline.

    Args:
        candidate: The report under test, or its file.
        baseline: The report to compare with, or its file; default: that of the config.
        baseline_ref: Git revision to read the config's baseline from.
        config: Config file with the gate; default: the default gate.
        overrides: `key.path=value` texts, over the file.
        language: Language of the sentences, where there is no config.

    Raises:
        InputError: If a file cannot be used.
    """
    report = candidate if isinstance(candidate, EvaluationReport) else read_report(Path(candidate))
    found = load_config(Path(config), overrides=overrides, environ=os.environ) if config else None
    if isinstance(baseline, EvaluationReport):
        stored: EvaluationReport | None = baseline
        where = BaselineRef(source="file")
    elif found is not None:
        stored, where = find_baseline(found, Place(report=_path(baseline), ref=baseline_ref))
    elif baseline is not None:
        stored = read_report(Path(baseline))
        where = BaselineRef(source="file", path=str(baseline))
    else:
        raise UsageError("compare needs a baseline, or a config that names one")
    now = now_text(os.environ)
    if found is not None:
        terms = read_terms(found, now=now)
    else:
        terms = Terms(compared_at=now, language=Language(language))
    return comparing.compare(report, stored, terms, baseline_ref=where)


def render(
    report: EvaluationReport | None = None,
    *,
    comparison: Comparison | None = None,
    format: Literal["json", "md", "html"] = "md",  # noqa: A002 - as the option
    language: Language = Language.EN,
    examples: int = 20,
) -> str:
    """Render a report, a comparison, or both; for people the comparison comes first.

    Args:
        report: The scores.
        comparison: The verdict.
        format: json, md or html; html needs the scores.
        language: Language of fixed texts.
        examples: Cases shown in full, at most.

    Raises:
        InputError: If the comparison is about another report.
    """
    return render_records(
        report,
        comparison,
        format=ReportFormat(format),
        style=Style(
            language=Language(language), examples=examples, redactor=make_redactor(os.environ)
        ),
    )


def _run(work: Callable[[], Coroutine[Any, Any, T]], twin: str) -> T:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    what = f"{twin.removeprefix('a')} cannot be called where an event loop runs, as in a notebook"
    raise UsageError(what, hint=f"write await {twin}(…)")


def _config(
    file: AnyPath, overrides: Sequence[str], plugins: Sequence[AnyPath], *, needs: Collection[Stage]
) -> Config:
    read = read_config(Path(file), overrides=overrides, environ=os.environ)
    return checked(read, map(Path, plugins), os.environ, needs=needs)


def _evaluation(
    file: AnyPath | None,
    dataset: AnyPath | None,
    metrics: Sequence[str | Mapping[str, Any]],
    overrides: Sequence[str],
    plugins: Sequence[AnyPath],
) -> Config:
    if file is None and dataset is None:
        raise UsageError("evaluate needs a config, or dataset, runs and metrics")
    given = {
        **({"dataset": {"path": str(Path(dataset).absolute())}} if dataset is not None else {}),
        **({"metrics": [m if isinstance(m, str) else dict(m) for m in metrics]} if metrics else {}),
    }
    if file is None:
        read = take_config({"version": 1, "suite": "default", **given})
    else:
        read = read_config(Path(file), overrides=overrides, environ=os.environ)
        if given and not read.problems:
            read = take_config(given, base=read.value)
    return checked(read, map(Path, plugins), os.environ, needs={"evaluate"})


def _resources(config: Config) -> Resources:
    redactor = config_redactor(config, os.environ, runs_code=True)
    return Resources(environ=os.environ, redactor=redactor)


def _path(path: AnyPath | None) -> Path | None:
    return Path(path) if path is not None else None
