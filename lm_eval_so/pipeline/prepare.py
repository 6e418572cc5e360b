"""A config made ready for a stage: read, its plugins loaded, checked as a whole."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.config_secrets import config_redactor
from lm_eval_so.core.config.load import read_config, require_valid, take_config
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.validate import Validated
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.registry import plugin_problems
from lm_eval_so.core.report_file import read_report
from lm_eval_so.errors import UsageError
from lm_eval_so.evaluator.calibrate import CalibrationInputs
from lm_eval_so.pipeline.check import Stage, check
from lm_eval_so.pipeline.measure.plan import wanted_baseline
from lm_eval_so.runner.run import run_folder

_REPORT_FILE = "report.json"
Values = Mapping[str, Any]
Source = Path | Values
"""A config file, or its content: the same keys, with paths relative to the working folder."""


def prepare(
    source: Source,
    environ: Mapping[str, str],
    *,
    overrides: Sequence[str],
    plugins: Iterable[Path],
    needs: Collection[Stage],
) -> tuple[Config, Resources]:
    """Read a config in which nothing is wrong.

    Args:
        source: The config.
        environ: Environment variables.
        overrides: `key.path=value` texts, over it.
        plugins: Plugin files beside those that the config names.
        needs: Stages that come next.

    Raises:
        ConfigError: With all that is wrong.
    """
    read = _read(source, overrides, environ)
    return _checked(read, plugins, environ, needs=needs)


def _read(
    source: Source, overrides: Sequence[str], environ: Mapping[str, str]
) -> Validated[Config]:
    if isinstance(source, Path):
        return read_config(source, overrides=overrides, environ=environ)
    return take_config(source, overrides=overrides, environ=environ)


def prepare_evaluation(
    source: Source | None,
    environ: Mapping[str, str],
    *,
    values: Values,
    overrides: Sequence[str],
    plugins: Iterable[Path],
) -> tuple[Config, Resources]:
    """Return the config of an evaluation, from values over a config or from values alone.

    Args:
        source: The config.
        environ: Environment variables.
        values: Sections of the config, over the file.
        overrides: `key.path=value` texts, over it.
        plugins: Plugin files beside those that the config names.

    Raises:
        UsageError: If there is neither a config nor a dataset.
        ConfigError: With all that is wrong.
    """
    if source is None and "dataset" not in values:
        raise UsageError("evaluate needs a config, or dataset, runs and metrics")
    if source is None:
        read = take_config({"version": 1, "suite": "default", **values})
    else:
        read = _read(source, overrides, environ)
        if values and not read.problems:
            read = take_config(values, base=read.value)
    return _checked(read, plugins, environ, needs={"evaluate"})


def prepare_comparison(
    source: Source | None, environ: Mapping[str, str], *, overrides: Sequence[str]
) -> tuple[Config | None, Resources]:
    """Return the config of a comparison, if there is one; its metrics are not checked.

    Args:
        source: The config.
        environ: Environment variables.
        overrides: `key.path=value` texts, over it.

    Raises:
        ConfigError: With all that is wrong.
    """
    config = require_valid(_read(source, overrides, environ)) if source is not None else None
    return config, Resources(environ=environ)


def calibration_inputs(
    config: Config, given: CalibrationInputs, *, report: EvaluationReport | Path | None
) -> CalibrationInputs:
    """Return inputs with the config's own run, report and baseline, where none is given.

    Args:
        config: The config.
        given: Inputs as somebody named them, without report and baseline.
        report: Report of the runs, or its file; default: that of the config, if it exists.

    Raises:
        InputError: If report or baseline cannot be read.
    """
    kept = config.resolve(config.report.out) / _REPORT_FILE
    if report is None and kept.exists():
        report = kept
    return replace(
        given,
        runs=given.runs or [run_folder(config)],
        report=read_report(report) if isinstance(report, Path) else report,
        baseline=wanted_baseline(config),
    )


def _checked(
    read: Validated[Config],
    plugins: Iterable[Path],
    environ: Mapping[str, str],
    *,
    needs: Collection[Stage],
) -> tuple[Config, Resources]:
    own = read.value.plugin_files() if read.value else []
    failed = plugin_problems([*own, *((file, None) for file in plugins)])
    found = check(read.value, environ, needs=needs) if read.value else ()
    config = require_valid(read, found, failed=failed)
    redactor = config_redactor(config, environ, runs_code=True)
    return config, Resources(environ=environ, redactor=redactor)
