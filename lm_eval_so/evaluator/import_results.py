"""The stage `import`: results of another tool become a report, as if they had been evaluated here."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import JsonValue

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Warned
from lm_eval_so.core.records.report import EvaluationReport, Experiment
from lm_eval_so.evaluator.foreign.open_results import open_results
from lm_eval_so.evaluator.foreign.records import ForeignResults
from lm_eval_so.evaluator.foreign.which_tool import read_results
from lm_eval_so.evaluator.scoring.score_rows import score_rows
from lm_eval_so.evaluator.summary.experiment import Origin
from lm_eval_so.evaluator.summary.make_report import make_report

__all__ = ["STAGE", "Origin", "import_results"]

STAGE = "import"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignFile:
    """A file of another tool, and how to read it."""

    file: Path
    tool: str | None = None
    """Name of the tool; None: the one whose signs the file bears."""
    candidate: str | None = None
    """Name of the chatbot, if the file holds several."""
    names_suite: bool = False
    """Whether the suite is called like the evaluation in the file, and not like that of the config."""


async def import_results(
    given: ForeignFile, config: Config, resources: Resources
) -> EvaluationReport:
    """Make a report of the results of another tool.

    What the tool gave no score has none here, and what only a run of our own could tell is left out: the
    fingerprint of the chatbot, the settings of the run.

    Args:
        given: The file.
        config: Config with the gate, the settings of reports, and the suite.
        resources: Environment, listener, stop event, redactor.

    Raises:
        InputError: With every problem of the file.
        CannotMeasure: If no answer has a score.
        Interrupted: If the user stopped it.
    """
    results = read_results(given.file, tool=given.tool, candidate=given.candidate)
    for note in results.notes:
        resources.listener(Warned(stage=STAGE, text=note))
    with open_results(results, config, file=given.file, names_suite=given.names_suite) as opened:
        gathered = await score_rows(opened.config, resources, opened.bound, opened.rows)
        report = make_report(opened.config, resources, gathered, {}, Origin(commit=results.commit))
    return replace(report, experiment=_experiment(report.experiment, results, given.file))


def _experiment(made: Experiment, results: ForeignResults, file: Path) -> Experiment:
    """Return the head of the report, without what only a run of our own could tell."""
    known = {key: made.fingerprints[key] for key in ("dataset", "metrics", "evaluator_config")}
    imported: Mapping[str, JsonValue] = {
        "tool": results.tool,
        "version": results.version,
        "file": file.name,
    }
    tool = {results.tool: results.version} if results.version else {}
    return replace(
        made,
        dataset=replace(made.dataset, path=None),
        run_config={"imported": dict(imported)},
        evaluator_config={**made.evaluator_config, "metrics": []},
        fingerprints=known,
        versions={**made.versions, **tool},
        started_at=made.started_at or None,
        runs=(file.name,),
        budget={},
    )
