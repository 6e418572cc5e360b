"""The assertions of promptfoo as what a sample is judged by; those that are none of ours are kept and told."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from lm_eval_so.core.records.codec import dump_line
from lm_eval_so.generator.sources.base import Noted
from lm_eval_so.generator.sources.json_values import BadJsonError, parse_strict

_CODE: Final = frozenset({"javascript", "python", "ruby", "transform", "postprocess", "webhook"})
_OURS: Final = {
    "answer-relevance": "answer_relevancy",
    "bleu": "bleu",
    "contains-json": "json_schema",
    "context-faithfulness": "faithfulness",
    "context-recall": "context_recall",
    "context-relevance": "context_precision",
    "cost": "cost_usd",
    "factuality": "llm_judge",
    "g-eval": "llm_scale",
    "is-refusal": "refusal",
    "is-valid-openai-tools-call": "tool_call",
    "latency": "latency_ms",
    "levenshtein": "edit_similarity",
    "model-graded-closedqa": "llm_judge",
    "moderation": "toxicity_keyword",
    "pi": "llm_judge",
    "regex": "regex",
    "rouge-n": "rouge_l",
    "select-best": "pairwise",
    "similar": "embedding_similarity",
    "starts-with": "instructions",
    "word-count": "length",
}
"""Assertions for which there is a metric of ours, to be set up by hand."""
_KEPT: Final = ("type", "value", "threshold", "weight", "metric")
"""Keys of an assertion that are kept; models and their keys are not."""
_READ: Final = frozenset({"equals", "factuality", "llm-rubric", "is-json"})
_PHRASES: Final = re.compile(r"(?P<no>not-)?i?contains(?P<which>-all|-any)?")
_TEMPLATE: Final = re.compile(r"\{\{|\{%")
_IN_CELL: Final = re.compile(r"(not-)?([a-z][a-z-]*)(?:\(([0-9.]+)\))?(?::(.*))?", re.DOTALL)
_ALIASES: Final = {"fn": "javascript", "eval": "javascript", "grade": "llm-rubric"}
_TYPES: Final = frozenset(
    {*_CODE, *_OURS, *_READ, "classifier", "guardrails", "is-html", "is-sql", "is-xml", "perplexity",
     "perplexity-score", "contains-sql", "contains-xml", "contains-html", "finish-reason", "gleu", "meteor",
     "is-valid-function-call", "is-valid-openai-function-call", "agent-rubric", "search-rubric"}
    | {f"{kind}contains{which}" for kind in ("", "i") for which in ("", "-all", "-any")}
)  # fmt: skip
"""Words before a colon in a cell that name an assertion; other cells are an answer."""


@dataclass(slots=True)
class Checks:
    """Expectations that the assertions of one test come to."""

    expected: list[str] = field(default_factory=list)
    keywords: list[JsonValue] = field(default_factory=list)
    forbidden: list[str] = field(default_factory=list)
    rubrics: list[str] = field(default_factory=list)
    schema: JsonValue = None
    foreign: list[dict[str, JsonValue]] = field(default_factory=list)
    """Assertions that are kept as they stand."""

    def metrics(self) -> dict[str, JsonValue]:
        """Return the parameters of metrics, by metric."""
        phrases: dict[str, JsonValue] = {}
        if self.keywords:
            phrases["keywords"] = self.keywords
        if self.forbidden:
            phrases["forbidden"] = [*self.forbidden]
        found: dict[str, JsonValue] = {"keyword_coverage": phrases} if phrases else {}
        if self.rubrics:
            found["llm_judge"] = {"rubric": "\n".join(self.rubrics)}
        if self.schema:
            found["json_schema"] = {"schema": self.schema}
        return found


def checks_of(assertions: Sequence[JsonValue], loaded: Callable[[JsonValue], JsonValue]) -> Checks:
    """Return what assertions come to.

    Args:
        assertions: Assertions with their variables filled in.
        loaded: Reader of the files that their values name.

    Raises:
        BadFileError: If a file cannot be read or is outside of the folder.
    """
    checks = Checks()
    for each in assertions:
        if isinstance(each, dict) and not _understood(each, loaded, checks):
            checks.foreign.append(_kept(each))
    return checks


def _kept(assertion: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    kept = {key: assertion[key] for key in _KEPT if assertion.get(key) is not None}
    inner = assertion.get("assert")  # of a set
    several = inner if isinstance(inner, list) else []
    return kept | ({"assert": [_kept(e) for e in several if isinstance(e, dict)]} if inner else {})


def _understood(
    each: Mapping[str, JsonValue], loaded: Callable[[JsonValue], JsonValue], checks: Checks
) -> bool:
    type_, weight = str(each.get("type")), each.get("weight", 1)
    phrases = _PHRASES.fullmatch(type_)
    is_weight = isinstance(weight, int | float) and weight > 0
    if not (phrases or type_ in _READ) or not is_weight or each.get("transform"):
        return False
    value = loaded(each.get("value"))
    if type_ == "is-json":
        is_first, checks.schema = not checks.schema, checks.schema or _schema(value)
        return is_first and bool(checks.schema)
    texts = _texts(value)
    if phrases:
        return _take_phrases(checks, phrases, texts, {} if weight == 1 else {"weight": weight})
    if type_ == "llm-rubric":
        checks.rubrics += texts
    else:
        checks.expected += texts
    # the value of factuality is a reference, but its judge is not ours
    return bool(texts) and type_ != "factuality"


def _take_phrases(
    checks: Checks, kind: re.Match[str], texts: list[str], weight: dict[str, JsonValue]
) -> bool:
    if not texts or (kind["no"] and kind["which"] == "-all"):
        return False
    if kind["no"]:
        checks.forbidden += texts
    elif kind["which"] == "-any":
        checks.keywords.append({"any_of": [*texts], **weight})
    else:
        checks.keywords += [{"text": text, **weight} if weight else text for text in texts]
    return True


def _texts(value: JsonValue) -> list[str]:
    """Return the texts of a value; none if one is blank, or needs a template to be run."""
    items = value if isinstance(value, list) else [value]
    texts = [
        item if isinstance(item, str) else dump_line(item) for item in items if item is not None
    ]
    is_good = all(text.strip() and not _TEMPLATE.search(text) for text in texts)
    return texts if is_good else []


def _schema(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        try:
            value = parse_strict(value)
        except BadJsonError:
            return None
    return value if isinstance(value, dict) else None


def assertion_of(text: str) -> dict[str, JsonValue]:
    """Return the assertion that a cell of `__expected` writes as `type(threshold): value`; else an answer."""
    if text.startswith("file://"):
        return {"type": "python" if ".py" in text else "javascript", "value": text}
    match = _IN_CELL.fullmatch(text)
    type_ = _ALIASES.get(match[2], match[2]) if match else ""
    if match is None or type_ not in _TYPES:
        return {"type": "equals", "value": text}
    value: JsonValue = (match[4] or "").strip() or None
    if type_.endswith(("-all", "-any")) and isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    threshold = {"threshold": float(match[3])} if match[3] and match[3].count(".") < 2 else {}
    return {"type": f"{match[1] or ''}{type_}", "value": value, **threshold}


def not_run(type_: str, tests: int, *, file: str) -> Noted:
    """Return what to do about assertions that are none of ours.

    Args:
        type_: Type of the assertions.
        tests: Number of tests that have one.
        file: Place of the first of them.
    """
    figures: dict[str, object] = {"file": file, "type": type_, "n": tests}
    if type_ in _CODE:
        return Noted(code="foreign_code", figures=figures)
    if type_ in _OURS:
        return Noted(code="foreign_metric", figures={**figures, "metric": _OURS[type_]})
    return Noted(code="foreign", figures=figures)
