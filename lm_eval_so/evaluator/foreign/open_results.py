"""Results of another tool, opened as a dataset, a run of it and metrics whose scores are known."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lm_eval_so.core.config.load import make_config
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.dataset import SAMPLES_FILE
from lm_eval_so.core.files import write_atomic
from lm_eval_so.core.records.codec import dump_row, dumps
from lm_eval_so.core.records.run import RunInfo
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.foreign.foreign_rows import FINGERPRINT, ForeignRow, make_rows
from lm_eval_so.evaluator.foreign.records import ForeignResults
from lm_eval_so.evaluator.foreign.stored_metrics import bind_measures, ids_of
from lm_eval_so.evaluator.rows.join import (
    INFO_FILE,
    RESULTS_FILE,
    JoinedRows,
    load_samples,
    open_rows,
)

_LONGEST_SUITE: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenResults:
    """Results that can be scored like a run of our own."""

    config: Config
    """A config of nothing but that dataset, with the suite and the settings of reports of the given one."""
    rows: JoinedRows
    bound: tuple[BoundMetric, ...]


@contextmanager
def open_results(
    results: ForeignResults, config: Config, *, file: Path, names_suite: bool
) -> Iterator[OpenResults]:
    """Open results for scoring; what is written for that is gone afterwards.

    Args:
        results: The results.
        config: Config with the gate, the settings of reports, and the suite.
        file: The file that they were read from.
        names_suite: Whether the results name the suite, and not the config.

    Raises:
        InputError: If there are no answers, or two have the same place.
    """
    ids = ids_of(results.measures)
    rows = make_rows(results, ids, file=str(file))
    with tempfile.TemporaryDirectory(prefix="lm-eval-so-") as name:
        folder = Path(name)
        samples = {row.sample.id: row.sample for row in rows}
        write_atomic(folder / SAMPLES_FILE, (f"{dumps(each)}\n" for each in samples.values()))
        write_atomic(folder / RESULTS_FILE, (f"{dump_row(row.run)}\n" for row in rows))
        suite = _suite(results) if names_suite else config.suite
        made = _config(results, config, folder / SAMPLES_FILE, suite)
        write_atomic(folder / INFO_FILE, dumps(_info(results, made, rows)))
        with open_rows(made, [folder]) as joined:
            bound = bind_measures(results, rows, ids)
            yield OpenResults(config=made, rows=joined, bound=bound)


def _config(results: ForeignResults, config: Config, dataset: Path, suite: str) -> Config:
    told = {"path": str(dataset), "name": results.name or results.tool}
    made = make_config({"version": 1, "suite": suite, "dataset": told})
    kept = {"language": config.language, "report": config.report, "gate": config.gate}
    return made.model_copy(update=kept)


def _suite(results: ForeignResults) -> str:
    """Return the name of the evaluation as a suite, or the tool's where it has none of ASCII letters."""
    name = re.sub(r"[^a-z0-9._-]+", "-", (results.name or "").lower()).strip("-.")
    return name[:_LONGEST_SUITE] or results.tool


def _info(results: ForeignResults, config: Config, rows: Sequence[ForeignRow]) -> RunInfo:
    # with the digest of the file that was asked, rows that no case has are not missing
    return RunInfo(
        state="complete" if results.is_complete else "interrupted",
        suite=config.suite,
        config_digest="",
        fingerprint=FINGERPRINT,
        reach="",
        backend=results.backend,
        dataset=load_samples(config).ref,
        repeats=1 + max(row.run.repeat for row in rows),
        seed=0,
        planned=len(rows),
        counts={},
        requests=0,
        started_at=results.started_at or "",
        finished_at=results.finished_at,
    )
