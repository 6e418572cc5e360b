"""Files of calibrations, and of the answers that people are to label."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config, MetricSection
from lm_eval_so.core.events import Listener, Noticed, Warned, ignore
from lm_eval_so.core.files import folder_problems, write_all, write_atomic
from lm_eval_so.core.records.calibration import Calibration
from lm_eval_so.core.records.codec import dump_document, loads, to_json
from lm_eval_so.core.words import counted
from lm_eval_so.errors import InputError, Problem, RecordError, Where, refuse
from lm_eval_so.evaluator.binding.bind import bind_labelling
from lm_eval_so.evaluator.calibration.examples import examples_text
from lm_eval_so.evaluator.calibration.label_file import csv_text, has_labels
from lm_eval_so.evaluator.scoring.draws import LabelRows

_FOLDER = Path("calibration")
_LABELS_FILE = "labels_todo.csv"
_EXAMPLES = ".examples.yaml"
_EVALUATE = "evaluate"
_CALIBRATE = "calibrate"


def calibration_path(config: Config, section: MetricSection) -> Path:
    """Return the file of a calibration: `judge.calibration`, else `calibration/<id>.json`."""
    return config.resolve(section.judge.calibration or _FOLDER / f"{section.id}.json")


def calibration_problems(config: Config) -> Iterator[Problem]:
    """Find calibrations that exist and cannot be read."""
    for position, section in enumerate(config.metrics):
        try:
            read_calibration(config, section)
        except InputError as error:
            key = config.where("metrics", position, "judge", "calibration")
            for problem in error.problems:
                place = problem.where or key
                yield Problem(what=problem.what, where=place, hint=problem.hint)


def read_calibration(config: Config, section: MetricSection) -> Calibration | None:
    """Read the calibration that a metric names; None without a name or a file.

    Raises:
        RecordError: If the file is no calibration.
    """
    named = section.judge.calibration
    data = config.read_for(section.id, named) if named is not None else None
    if data is None:
        return None
    path = calibration_path(config, section)
    found = loads(data, Calibration, where=Where(file=str(path)))
    if min(found.tp, found.fn, found.tn, found.fp, found.n) < 0:
        raise RecordError("counts are not below 0", where=Where(file=str(path)))
    if any(share is not None and not 0 <= share <= 1 for share in (found.se, found.sp)):
        raise RecordError("se and sp lie between 0 and 1", where=Where(file=str(path)))
    return found


def read_calibrations(config: Config, tell: Listener = ignore) -> dict[str, Calibration]:
    """Read the calibrations of all metrics, by metric id; errors as of `read_calibration`."""
    found: dict[str, Calibration] = {}
    for section in config.metrics:
        calibration = read_calibration(config, section)
        if calibration is not None:
            found[section.id] = calibration
        elif section.judge.calibration is not None:
            text = f"{section.id}: no calibration at {section.judge.calibration} yet"
            tell(Noticed(stage=_EVALUATE, text=f"{text}; lm-eval-so calibrate makes it"))
    return found


def refuse_folders(config: Config, out: Path | None) -> None:
    """Stop here if a folder of the files to write has a problem.

    Raises:
        ConfigError: With every problem.
    """
    files = [out or calibration_path(config, section) for section in config.metrics]
    refuse(folder_problems(dict.fromkeys(each.parent for each in files)))


def write_calibrations(
    config: Config,
    resources: Resources,
    found: Mapping[str, Calibration],
    *,
    out: Path | None = None,
) -> tuple[Path, ...]:
    """Write each calibration to its file, or the only one to `out`, and return the paths.

    Disagreements that the judge could learn from stand beside it, as YAML for the config.
    """
    sections = [section for section in config.metrics if section.id in found]
    paths = {section.id: out or calibration_path(config, section) for section in sections}
    beside = {key: paths[key].with_suffix(_EXAMPLES) for key in paths if found[key].examples}
    texts = {paths[key]: dump_document(to_json(found[key])) for key in paths}
    texts |= {file: examples_text(found[key], config.language) for key, file in beside.items()}
    written = write_all(texts)
    for section in sections:
        path, named = paths[section.id], section.judge.calibration
        if named is None or config.resolve(named) != path:
            text = f"to use it, give {section.id} judge: {{calibration: {_shown(config, path)}}}"
            resources.listener(Noticed(stage=_CALIBRATE, text=text))
        if section.id in beside:
            n = counted(len(found[section.id].examples), "disagreement")
            file = _shown(config, beside[section.id])
            text = (
                f"{section.id}: {n} as examples for the judge in {file}, to paste into the config"
            )
            told = "labels of the same questions or answers no longer count then"
            resources.listener(Noticed(stage=_CALIBRATE, text=f"{text}; {told}"))
    return written


def open_export(config: Config, folder: Path, *, most: int) -> LabelRows:
    """Return an empty draw of answers to label, once the file may be written.

    Args:
        config: A config that has no problems.
        folder: Folder of the file.
        most: Answers per metric.

    Raises:
        ConfigError: If no metric judges by labels.
        InputError: If the file exists and has labels.
    """
    bind_labelling(config)  # raises if there is nothing to label
    path = folder / _LABELS_FILE
    if has_labels(path):
        what = f"{path} has labels in it, which would be lost"
        raise InputError(what, where=Where(file=str(path)), hint="give it another name first")
    return LabelRows(seed=config.run.seed, most=most)


def write_export(
    labels: LabelRows, folder: Path, config: Config, resources: Resources
) -> tuple[Path, ...]:
    """Write the file and return its path; none if there is nothing to label."""
    counts = labels.counts()
    for metric_id, n in counts.items():
        if not n:
            text = f"{metric_id}: no answer was judged, so there is none to label"
            resources.listener(Warned(stage=_EVALUATE, text=text))
    if not any(counts.values()):
        return ()
    path = folder / _LABELS_FILE
    write_atomic(path, csv_text(labels))
    told = ", ".join(f"{metric_id} {n:,}" for metric_id, n in counts.items() if n)
    file = config.where().file
    text = f"answers to label in {path}: {told}; then: lm-eval-so calibrate {path} -c {file}"
    resources.listener(Noticed(stage=_EVALUATE, text=text))
    return (path,)


def _shown(config: Config, path: Path) -> str:
    """Return a path as the config would name it."""
    is_inside = path.is_relative_to(config.folder)
    return (path.relative_to(config.folder) if is_inside else path.absolute()).as_posix()
