"""The stages as functions, with the same arguments as the commands.

They return records, raise the errors of `lm_eval_so.errors`, and never exit. In an interactive session, as
a notebook, they show their progress.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lm_eval_so.calling import (
    AnyConfig,
    AnyPath,
    path_of,
    paths_of,
    prepared,
    run_to_end,
    showing,
    source_of,
    values_over,
)
from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Language, ReportFormat
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.evaluator import calibrate as calibrating
from lm_eval_so.evaluator import evaluate as evaluating
from lm_eval_so.evaluator.calibration.calibration_files import write_calibrations
from lm_eval_so.generator import generate as generating
from lm_eval_so.pipeline.measure.plan import take_baseline, take_report, wanted_baseline
from lm_eval_so.pipeline.measure.verdict import compare_by_default, compare_reports
from lm_eval_so.pipeline.prepare import calibration_inputs, prepare_comparison, prepare_evaluation
from lm_eval_so.reporter.content import Style
from lm_eval_so.reporter.render import render as render_records
from lm_eval_so.runner import run as running

if TYPE_CHECKING:
    from lm_eval_so.core.records.calibration import Calibration
    from lm_eval_so.core.records.dataset import DatasetInfo
    from lm_eval_so.core.records.run import RunInfo

__all__ = [
    "acalibrate",
    "aevaluate",
    "agenerate",
    "arun",
    "calibrate",
    "compare",
    "evaluate",
    "generate",
    "render",
    "run",
]


async def agenerate(
    config: AnyConfig = CONFIG_FILE,
    *,
    out: AnyPath | None = None,
    force: bool = False,
    overrides: Sequence[str] = (),
    plugins: Sequence[AnyPath] = (),
    progress: bool | None = None,
) -> "DatasetInfo":
    """Do what `generate` does, as a coroutine; the arguments are the same."""
    found, resources = prepared(config, overrides, plugins, needs="generate")
    edits = generating.Edits.asked(force=force)
    with showing(resources, progress) as told:
        if not generating.has_model(found):
            return generating.generate(found, told, out=path_of(out), edits=edits).info
        made = await generating.generate_with_model(found, told, out=path_of(out), edits=edits)
    return made.info


def generate(
    config: AnyConfig = CONFIG_FILE,
    *,
    out: AnyPath | None = None,
    force: bool = False,
    overrides: Sequence[str] = (),
    plugins: Sequence[AnyPath] = (),
    progress: bool | None = None,
) -> "DatasetInfo":
    """Make the dataset of a config from its sources, and write the tests that it wants from documents.

    Example:
        >>> import lm_eval_so as so
        >>> so.generate("lm-eval-so.yaml").splits

    Args:
        config: Config file, or a mapping with the same keys.
        out: Folder of the dataset; default: dataset.path.
        force: Replace samples that were edited by hand, and keep the edited file beside them.
        overrides: `key.path=value` texts, over the config.
        plugins: Python files with backends and metrics.
        progress: Whether progress goes to stderr; default: in an interactive session.

    Raises:
        InputError: If config or sources cannot be used, or the samples were edited by hand.
        BackendError: If the model that writes cannot be reached or refuses the credentials.
        CannotMeasure: If the sources give no sample, or the budget was spent; what was written is kept.
    """
    return run_to_end(
        lambda: agenerate(
            config, out=out, force=force, overrides=overrides, plugins=plugins, progress=progress
        )
    )


async def arun(
    config: AnyConfig = CONFIG_FILE,
    *,
    out: AnyPath | None = None,
    fresh: bool = False,
    keep_errors: bool = False,
    shard: str | None = None,
    overrides: Sequence[str] = (),
    plugins: Sequence[AnyPath] = (),
    progress: bool | None = None,
) -> "RunInfo":
    """Do what `run` does, as a coroutine; the arguments are the same."""
    found, resources = prepared(config, overrides, plugins, needs="run")
    options = running.RunOptions(
        out=path_of(out),
        fresh=fresh,
        keep_errors=keep_errors,
        shard=running.Shard.parse(shard) if shard is not None else None,
    )
    with showing(resources, progress) as told:
        return await running.run(found, told, options)


def run(
    config: AnyConfig = CONFIG_FILE,
    *,
    out: AnyPath | None = None,
    fresh: bool = False,
    keep_errors: bool = False,
    shard: str | None = None,
    overrides: Sequence[str] = (),
    plugins: Sequence[AnyPath] = (),
    progress: bool | None = None,
) -> "RunInfo":
    """Ask the chatbot every sample that has no answer yet.

    Example:
        >>> import lm_eval_so as so
        >>> so.run("lm-eval-so.yaml", overrides=["backend.params.temperature=0.2"]).counts

    Args:
        config: Config file, or a mapping with the same keys.
        out: Folder of the run; default: `<run.out>/<backend.label>`, of a shard with "-2of3".
        fresh: Put an earlier run in that folder aside.
        keep_errors: Do not ask again what failed in an earlier run.
        shard: Ask only this part of the dataset, as "2/3", within its share of the limits; default: the whole.
        overrides: `key.path=value` texts, over the config.
        plugins: Python files with backends and metrics.
        progress: Whether progress goes to stderr; default: in an interactive session.

    Raises:
        InputError: If config or dataset cannot be used.
        BackendError: If the chatbot cannot be reached or refuses the credentials.
        CannotMeasure: If too many rows have no answer.
    """
    return run_to_end(
        lambda: arun(
            config,
            out=out,
            fresh=fresh,
            keep_errors=keep_errors,
            shard=shard,
            overrides=overrides,
            plugins=plugins,
            progress=progress,
        )
    )


async def aevaluate(
    config: AnyConfig | None = None,
    *,
    dataset: AnyPath | None = None,
    runs: Sequence[AnyPath] = (),
    metrics: Sequence[str | Mapping[str, Any]] = (),
    overrides: Sequence[str] = (),
    plugins: Sequence[AnyPath] = (),
    progress: bool | None = None,
) -> EvaluationReport:
    """Do what `evaluate` does, as a coroutine; the arguments are the same."""
    found, resources = prepare_evaluation(
        None if config is None else source_of(config),
        os.environ,
        values=values_over(dataset, metrics),
        overrides=overrides,
        plugins=paths_of(plugins),
    )
    folders = [Path(path) for path in runs] or [running.run_folder(found)]
    baseline = wanted_baseline(found)
    inputs = evaluating.EvaluationInputs(runs=folders, baseline=baseline)
    with showing(resources, progress) as told:
        return await evaluating.evaluate(found, told, inputs)


def evaluate(
    config: AnyConfig | None = None,
    *,
    dataset: AnyPath | None = None,
    runs: Sequence[AnyPath] = (),
    metrics: Sequence[str | Mapping[str, Any]] = (),
    overrides: Sequence[str] = (),
    plugins: Sequence[AnyPath] = (),
    progress: bool | None = None,
) -> EvaluationReport:
    """Score the answers of one or more runs.

    Example:
        >>> import lm_eval_so as so
        >>> report = so.evaluate("lm-eval-so.yaml")
        >>> report.metrics["facts"].mean

    Args:
        config: Config file, or a mapping with the same keys; not needed where dataset, runs and metrics
            are given.
        dataset: Dataset, over the config's.
        runs: Folders of runs; default: that of the config.
        metrics: Names, or mappings as in the config, over the config's.
        overrides: `key.path=value` texts, over the config.
        plugins: Python files with backends and metrics.
        progress: Whether progress goes to stderr; default: in an interactive session.

    Raises:
        InputError: If config, dataset or runs cannot be used.
        CannotMeasure: If nothing could be scored.
    """
    return run_to_end(
        lambda: aevaluate(
            config,
            dataset=dataset,
            runs=runs,
            metrics=metrics,
            overrides=overrides,
            plugins=plugins,
            progress=progress,
        )
    )


async def acalibrate(
    labels: AnyPath,
    *,
    config: AnyConfig = CONFIG_FILE,
    runs: Sequence[AnyPath] = (),
    report: EvaluationReport | AnyPath | None = None,
    out: AnyPath | None = None,
    positive: Sequence[str] = (),
    overrides: Sequence[str] = (),
    plugins: Sequence[AnyPath] = (),
    progress: bool | None = None,
) -> "dict[str, Calibration]":
    """Do what `calibrate` does, as a coroutine; the arguments are the same."""
    found, resources = prepared(config, overrides, plugins, needs="evaluate")
    given = calibrating.CalibrationInputs(
        labels=Path(labels), runs=paths_of(runs), positive=positive, out=path_of(out)
    )
    kept = report if isinstance(report, EvaluationReport) else path_of(report)
    inputs = calibration_inputs(found, given, report=kept)
    with showing(resources, progress) as told:
        made = await calibrating.calibrate(found, told, inputs)
        write_calibrations(found, told, made, out=inputs.out)
    return made


def calibrate(
    labels: AnyPath,
    *,
    config: AnyConfig = CONFIG_FILE,
    runs: Sequence[AnyPath] = (),
    report: EvaluationReport | AnyPath | None = None,
    out: AnyPath | None = None,
    positive: Sequence[str] = (),
    overrides: Sequence[str] = (),
    plugins: Sequence[AnyPath] = (),
    progress: bool | None = None,
) -> "dict[str, Calibration]":
    """Measure how far judges agree with people, and write the calibration of each metric.

    Example:
        >>> import lm_eval_so as so
        >>> found = so.calibrate("labels-questions.jsonl", config="lm-eval-so.yaml")
        >>> found["helpful"].kappa, found["helpful"].j

    Args:
        labels: File with labels by people, as `evaluate --export-labels` begins it.
        config: Config file, or a mapping with the same keys.
        runs: Folders of the runs whose answers are labelled; default: that of the config.
        report: Report of these runs, or its file; default: report.json of report.out, if it exists.
        out: File of the one metric in the labels; default: its judge.calibration, else
            calibration/METRIC.json beside the config, one per metric.
        positive: Labels of a good answer; default: those worth at least 0.5.
        overrides: `key.path=value` texts, over the config.
        plugins: Python files with backends and metrics.
        progress: Whether progress goes to stderr; default: in an interactive session.

    Raises:
        InputError: If config, dataset, runs, report or labels cannot be used.
        BackendError: If a judge cannot be reached or refuses the credentials.
        CannotMeasure: If no answer has a label by people and by the judge.
    """
    return run_to_end(
        lambda: acalibrate(
            labels,
            config=config,
            runs=runs,
            report=report,
            out=out,
            positive=positive,
            overrides=overrides,
            plugins=plugins,
            progress=progress,
        )
    )


def compare(
    candidate: EvaluationReport | AnyPath,
    *,
    baseline: EvaluationReport | AnyPath | None = None,
    baseline_ref: str | None = None,
    config: AnyConfig | None = None,
    overrides: Sequence[str] = (),
    language: Language = Language.EN,
) -> Comparison:
    """Compare a report with a baseline.

    Example:
        >>> import lm_eval_so as so
        >>> verdict = so.compare("reports/report.json", baseline="baselines/support-qa.json")
        >>> verdict.verdict, verdict.exit_code

    Args:
        candidate: The report under test, or its file.
        baseline: The report to compare with, or its file; default: that of the config.
        baseline_ref: Git revision to read the config's baseline from.
        config: Config file with the gate, or a mapping with the same keys; default: the default gate.
        overrides: `key.path=value` texts, over the config.
        language: Language of the sentences, if there is no config.

    Raises:
        InputError: If a file cannot be used.
    """
    report = take_report(candidate if isinstance(candidate, EvaluationReport) else Path(candidate))
    source = None if config is None else source_of(config)
    found, resources = prepare_comparison(source, os.environ, overrides=overrides)
    given = baseline if isinstance(baseline, EvaluationReport) else path_of(baseline)
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

    Example:
        >>> import lm_eval_so as so
        >>> text = so.render(so.evaluate("lm-eval-so.yaml"), format="html")

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
