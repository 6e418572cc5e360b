"""The stage `forecast`: what a gate does if nothing changes, and if some answers break."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from lm_eval_so.comparator.forecast import Leading, TrialGate
from lm_eval_so.comparator.terms import read_terms
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.clock import now_text
from lm_eval_so.core.config.gate import GateMetricSection
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.files import write_atomic
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.codec import dump_document, to_json
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.records.forecast import (
    Forecast,
    ForecastGate,
    KnownAnswers,
)
from lm_eval_so.core.stats.broken import wrong_needed
from lm_eval_so.core.stats.forecast import Sides
from lm_eval_so.pipeline.forecast.answers import FOLDER, Known, Subject, find_answers, subject_of
from lm_eval_so.pipeline.forecast.ask import Wanted, ask_missing, keep_out_of_git
from lm_eval_so.pipeline.forecast.trials import Rehearsal, suggested
