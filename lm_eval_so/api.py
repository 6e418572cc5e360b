"""The stages as functions, with the same arguments as the commands.

They return records, raise the errors of `lm_eval_so.errors`, and never print or exit.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.dataset import DatasetInfo
from lm_eval_so.core.records.enums import Language, ReportFormat
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.records.run import RunInfo
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.errors import UsageError
from lm_eval_so.evaluator import evaluate as evaluating
from lm_eval_so.generator import generate as generating
from lm_eval_so.pipeline.measure.plan import take_baseline, take_report, wanted_baseline
from lm_eval_so.pipeline.measure.verdict import compare_by_default, compare_reports
from lm_eval_so.pipeline.prepare import prepare, prepare_comparison, prepare_evaluation
from lm_eval_so.reporter.content import Style
from lm_eval_so.reporter.render import render as render_records
from lm_eval_so.runner import run as running

__all__ = ["aevaluate", "agenerate", "arun", "compare", "evaluate", "generate", "render", "run"]

AnyPath = str | Path
T = TypeVar("T")


async def agenerate(
    config: AnyPath = CONFIG_FILE,
    *,
    out: AnyPath | None = None,
    force: bool = False,
    overrides: Sequence[str] = (),
    plugins: Sequence[AnyPath] = (),
) -> DatasetInfo:
    """Make the dataset of a config from its sources, and write the tests that it wants from documents.

    Args:
        config: Config file.
        out: Folder of the dataset; default: dataset.path.
        force: Replace samples that were edited by hand, and keep the edited file beside them.
        overrides: `key.path=value` texts, over the file.
        plugins: Python files with backends and metrics.

    Raises:
        InputError: If config or sources cannot be used, or the samples were edited by hand.
        BackendError: If the model that writes cannot be reached or refuses the credentials.
        CannotMeasure: If the sources give no sample, or the budget was spent; what was written is kept.
    """
    found, resources = prepare(
        Path(config),
        os.environ,
        overrides=overrides,
        plugins=map(Path, plugins),
        needs={"generate"},
    )
    edits = generating.Edits.asked(force=force)
    made = await generating.generate_with_model(found, resources, out=_path(out), edits=edits)
    return made.info


def generate(
    config: AnyPath = CONFIG_FILE,
    *,
    out: AnyPath | None = None,
    force: bool = False,
    overrides: Sequence[str] = (),
    plugins: Sequence[AnyPath] = (),
) -> DatasetInfo:
    """Like `agenerate`; where an event loop runs, only for a config without a model that writes."""
    found, resources = prepare(
        Path(config),
        os.environ,
        overrides=overrides,
        plugins=map(Path, plugins),
        needs={"generate"},
    )
    edits = generating.Edits.asked(force=force)
    if not generating.has_model(found):
        return generating.generate(found, resources, out=_path(out), edits=edits).info
    made = _run(
        lambda: generating.generate_with_model(found, resources, out=_path(out), edits=edits),
        "agenerate",
    )
    return made.info


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
    found, resources = prepare(
        Path(config), os.environ, overrides=overrides, plugins=map(Path, plugins), needs={"run"}
    )
    options = running.RunOptions(
        out=_path(out),
        fresh=fresh,
        keep_errors=keep_errors,
        shard=running.Shard.parse(shard) if shard is not None else None,
    )
    return await running.run(found, resources, options)


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
    found, resources = prepare_evaluation(
        _path(config),
        os.environ,
        values=_values(dataset, metrics),
        overrides=overrides,
        plugins=map(Path, plugins),
    )
    folders = [Path(path) for path in runs] or [running.run_folder(found)]
    baseline = wanted_baseline(found)
    inputs = evaluating.EvaluationInputs(runs=folders, baseline=baseline)
    return await evaluating.evaluate(found, resources, inputs)


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
        language: Language of the sentences, if there is no config.

    Raises:
        InputError: If a file cannot be used.
    """
    report = take_report(candidate if isinstance(candidate, EvaluationReport) else Path(candidate))
    found, resources = prepare_comparison(_path(config), os.environ, overrides=overrides)
    given = baseline if isinstance(baseline, EvaluationReport) else _path(baseline)
    stored = take_baseline(found, given, ref=baseline_ref)
    if found is not None:
        return compare_reports(found, resources, report, stored)
    return compare_by_default(report, stored, resources, language=Language(language))


def render(
    report: EvaluationReport | None = None,
    *,
    comparison: Comparison | None = None,
    format: Literal["json", "md", "html", "junit", "csv"] = "md",  # noqa: A002 - as the option
    language: Language = Language.EN,
    examples: int = 20,
) -> str:
    """Render a report, a comparison, or both; for people the comparison comes first.

    Args:
        report: The scores.
        comparison: The verdict.
        format: json, md, html, junit or csv; the last three need the scores.
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


def _values(dataset: AnyPath | None, metrics: Sequence[str | Mapping[str, Any]]) -> dict[str, Any]:
    """Return the arguments that stand over the config, by section."""
    named = {"dataset": {"path": str(Path(dataset).absolute())}} if dataset is not None else {}
    chosen = [each if isinstance(each, str) else dict(each) for each in metrics]
    return {**named, **({"metrics": chosen} if chosen else {})}


def _path(path: AnyPath | None) -> Path | None:
    return Path(path) if path is not None else None
