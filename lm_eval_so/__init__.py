"""LM-Eval-SO: tells on the pull request whether a chatbot got worse.

Names are resolved when they are used, so that the import costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lm_eval_so.api import (
        acalibrate,
        aevaluate,
        agenerate,
        arun,
        calibrate,
        compare,
        evaluate,
        generate,
        render,
        run,
    )
    from lm_eval_so.core.records.calibration import Calibration
    from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
    from lm_eval_so.core.records.comparison import Comparison
    from lm_eval_so.core.records.dataset import DatasetInfo
    from lm_eval_so.core.records.report import EvaluationReport
    from lm_eval_so.core.records.run import RunInfo, RunResult
    from lm_eval_so.core.records.sample import TestSample
    from lm_eval_so.core.records.score import Score

__all__ = [
    "Calibration",
    "ChatRequest",
    "ChatResponse",
    "Comparison",
    "DatasetInfo",
    "EvaluationReport",
    "RunInfo",
    "RunResult",
    "Score",
    "TestSample",
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

_RECORD_MODULES = {
    "Calibration": "calibration",
    "ChatRequest": "chat",
    "ChatResponse": "chat",
    "Comparison": "comparison",
    "DatasetInfo": "dataset",
    "EvaluationReport": "report",
    "RunInfo": "run",
    "RunResult": "run",
    "Score": "score",
    "TestSample": "sample",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _RECORD_MODULES.get(name)
    path = f"lm_eval_so.core.records.{module}" if module else "lm_eval_so.api"
    return getattr(importlib.import_module(path), name)


def __dir__() -> list[str]:
    return __all__
