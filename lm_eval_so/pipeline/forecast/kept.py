"""The forecast as a file: kept out of git, and told by a later report that it fits."""

import re
from collections.abc import Mapping
from pathlib import Path

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.files import keep_out_of_git, read_text, write_atomic
from lm_eval_so.core.records.codec import dump_document, loads, to_json
from lm_eval_so.core.records.comparison import ForecastNote
from lm_eval_so.core.records.forecast import Forecast
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.errors import LMEvalError, Where
from lm_eval_so.pipeline.forecast.foresee import fits_of
from lm_eval_so.pipeline.forecast.subject import FOLDER, subject_of

_FILE = FOLDER / "forecast.json"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def file_of(config: Config) -> Path:
    """Return the file of the forecast."""
    return config.resolve(_FILE)


def keep_forecast(forecast: Forecast, config: Config, redactor: Redactor) -> Path:
    """Write a forecast where the next report finds it, and return the file."""
    file = file_of(config)
    keep_out_of_git(file.parent)
    write_atomic(file, dump_document(redactor.redact_json(to_json(forecast))))
    return file


def fitting_note(config: Config, environ: Mapping[str, str]) -> ForecastNote | None:
    """Return what the kept forecast says of unchanged runs.

    None if there is none, if it is of another chatbot, dataset, metric or gate, or if its share or
    its day is none.

    Args:
        config: The config.
        environ: Environment variables.
    """
    file = file_of(config)
    if not file.is_file():
        return None
    try:
        kept = loads(read_text(file), Forecast, where=Where(file=str(file)))
        subject = subject_of(config, Resources(environ=environ))
    except LMEvalError:  # no report fails for the sake of a note
        return None
    is_fitting = kept.fits == fits_of(subject, subject.chatbot)
    if not (is_fitting and kept.scenarios and kept.answers.days):
        return None
    note = ForecastNote(fails=kept.scenarios[0].fails, day=kept.answers.days[-1])
    return note if 0 <= note.fails <= 1 and _DAY.fullmatch(note.day) else None
