"""A panel of judges: their prompts, replies and votes, and the base of the metrics that ask them."""

from lm_eval_so.evaluator.metrics.judge.panel.judged import JudgedMetric, Opinion
from lm_eval_so.evaluator.metrics.judge.panel.labels import (
    Labels,
    LabelValues,
    Verdict,
    check_aliases,
    label_key,
    one_line,
)
from lm_eval_so.evaluator.metrics.judge.panel.material import (
    is_blank,
    is_empty,
    shown_beside,
    shown_material,
    steering_flags,
)
from lm_eval_so.evaluator.metrics.judge.panel.prompt import UNKNOWN, Prompt, Row
from lm_eval_so.evaluator.metrics.judge.panel.votes import Decision, Reply, cost_of, vote_of

__all__ = [
    "UNKNOWN",
    "Decision",
    "JudgedMetric",
    "LabelValues",
    "Labels",
    "Opinion",
    "Prompt",
    "Reply",
    "Row",
    "Verdict",
    "check_aliases",
    "cost_of",
    "is_blank",
    "is_empty",
    "label_key",
    "one_line",
    "shown_beside",
    "shown_material",
    "steering_flags",
    "vote_of",
]
