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
    called_tools,
    is_blank,
    is_empty,
    shown_beside,
    shown_material,
    shown_tools,
)
from lm_eval_so.evaluator.metrics.judge.panel.prompt import UNKNOWN, Prompt, Row
from lm_eval_so.evaluator.metrics.judge.panel.replies import Decision, Reply, cost_of, vote_of
from lm_eval_so.evaluator.metrics.judge.panel.statements import (
    CLAIMS_SCHEMA,
    MOST_CLAIMS,
    Check,
    Claim,
    Claims,
    checks_schema,
    numbered,
    quote_finder,
    read_checks,
    read_claims,
    read_object,
    shown,
)

__all__ = [
    "CLAIMS_SCHEMA",
    "MOST_CLAIMS",
    "UNKNOWN",
    "Check",
    "Claim",
    "Claims",
    "Decision",
    "JudgedMetric",
    "LabelValues",
    "Labels",
    "Opinion",
    "Prompt",
    "Reply",
    "Row",
    "Verdict",
    "called_tools",
    "check_aliases",
    "checks_schema",
    "cost_of",
    "is_blank",
    "is_empty",
    "label_key",
    "numbered",
    "one_line",
    "quote_finder",
    "read_checks",
    "read_claims",
    "read_object",
    "shown",
    "shown_beside",
    "shown_material",
    "shown_tools",
    "vote_of",
]
