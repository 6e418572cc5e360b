"""The assertions of promptfoo as what a sample is judged by; those that are none of ours are kept and told."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

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
_TEMPLATE: Final = re.compile(r"\{\{|\{%")
_IN_CELL: Final = re.compile(r"(not-)?([a-z][a-z-]*)(?:\(([0-9.]+)\))?(?::(.*))?", re.DOTALL)
_TYPES: Final = frozenset(
    {*_CODE, *_OURS, "classifier", "equals", "guardrails", "is-html", "is-sql", "is-xml", "perplexity",
     "perplexity-score", "contains-sql", "contains-xml", "llm-rubric", "is-json", "contains-html", "finish-reason",
     "is-valid-function-call", "is-valid-openai-function-call", "gleu", "meteor", "agent-rubric", "search-rubric"}
    | {f"{kind}contains{which}" for kind in ("", "i") for which in ("", "-all", "-any")}
)  # fmt: skip
"""Words before a colon in a cell that name an assertion; other cells are an answer."""


class Loader(Protocol):
    """Reader of the files that assertions name."""

    def loaded(self, value: JsonValue) -> JsonValue:
        """Return a value, or what the file holds that it names."""
        ...


@dataclass(slots=True)
class Checks:
    """Expectations that the assertions of one test come to."""

    expected: list[str] = field(default_factory=list)
    keywords: list[JsonValue] = field(default_factory=list)
    forbidden: list[str] = field(default_factory=list)
    rubrics: list[str] = field(default_factory=list)
    schema: JsonValue = None
    foreign: list[JsonValue] = field(default_factory=list)
    """Assertions that are kept as they stand."""

    def metrics(self) -> dict[str, JsonValue]:
        """Return the parameters of metrics, by metric."""
        phrases: dict[str, JsonValue] = {}
        if self.keywords:
            phrases["keywords"] = [*self.keywords]
        if self.forbidden:
            phrases["forbidden"] = [*self.forbidden]
        found: dict[str, JsonValue] = {"keyword_coverage": phrases} if phrases else {}
        if self.rubrics:
            found["llm_judge"] = {"rubric": "\n".join(self.rubrics)}
        if self.schema is not None:
            found["json_schema"] = {"schema": self.schema}
        return found

    def types(self) -> tuple[str, ...]:
        """Return the types of the assertions that are kept as they stand, each once."""
        found = (each.get("type") for each in self.foreign if isinstance(each, dict))
        return tuple(dict.fromkeys(type_ for type_ in found if isinstance(type_, str)))


def checks_of(assertions: Sequence[JsonValue], files: Loader, also: Sequence[str] = ()) -> Checks:
    """Return what assertions come to.

    Args:
        assertions: Assertions with their variables filled in.
        files: Reader of the files that they name.
        also: Further settings of the test on which only promptfoo acts.

    Raises:
        BadFileError: If a file cannot be read or is outside of the folder.
    """
    checks = Checks()
    for each in _flat(assertions):
        if not _understood(each, files, checks):
            checks.foreign.append({key: each[key] for key in _KEPT if each.get(key) is not None})
    checks.foreign += [{"type": name} for name in also]
    return checks


def _flat(assertions: Sequence[JsonValue]) -> Iterator[dict[str, JsonValue]]:
    """Yield assertions, also those of a set of which all must hold."""
    for each in assertions:
        inner = each.get("assert") if isinstance(each, dict) else None
        if (
            isinstance(each, dict)
            and isinstance(inner, list)
            and each.get("threshold") in (None, 1)
        ):
            yield from _flat(inner)
        elif isinstance(each, dict):
            yield {**each, "value": inner} if isinstance(inner, list) else each


def _understood(each: dict[str, JsonValue], files: Loader, checks: Checks) -> bool:
    type_, weight = each.get("type"), each.get("weight", 1)
    if not isinstance(type_, str) or each.get("transform") or weight == 0:
        return False
    is_weighed = isinstance(weight, int | float) and weight != 1 and weight > 0
    value = each.get("value")
    if type_ in _TYPES - _CODE:
        value = files.loaded(value)
    texts = _texts(value)
    if texts is None and type_ != "is-json":
        return False
    match type_.removeprefix("not-").removeprefix("i") if "contains" in type_ else type_:
        case "equals":
            checks.expected += texts or []
        case "factuality" if texts:  # its value is a reference, its judge is not ours
            checks.expected += texts
            return False
        case "llm-rubric" if texts:
            checks.rubrics += texts
        case "is-json" if (schema := _schema(value)) is not None:
            checks.schema = schema
        case "contains" | "contains-any" if type_.startswith("not-") and texts:
            checks.forbidden += texts
        case "contains" | "contains-all" if texts and not type_.startswith("not-"):
            plain: list[JsonValue] = [*texts]
            checks.keywords += (
                [{"text": t, "weight": weight} for t in texts] if is_weighed else plain
            )
        case "contains-any" if texts:
            some: dict[str, JsonValue] = {"any_of": [*texts]}
            checks.keywords.append({**some, "weight": weight} if is_weighed else some)
        case _:
            return False
    return True


def _texts(value: JsonValue) -> list[str] | None:
    """Return the texts of a value; None if one is blank, or needs a template to be run."""
    items = value if isinstance(value, list) else [value]
    texts = [
        item if isinstance(item, str) else dump_line(item) for item in items if item is not None
    ]
    is_good = all(text.strip() and not _TEMPLATE.search(text) for text in texts)
    return texts if texts and is_good else None


def _schema(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        try:
            value = parse_strict(value)
        except BadJsonError:
            return None
    return value if isinstance(value, dict) else None


def assertion_of(text: str) -> dict[str, JsonValue]:
    """Return the assertion that a cell of `__expected` writes as `type(threshold): value`; else an answer."""
    match = _IN_CELL.fullmatch(text)
    aliases = {"fn": "javascript", "eval": "javascript", "grade": "llm-rubric"}
    type_ = aliases.get(match[2], match[2]) if match else ""
    if text.startswith("file://"):
        return {"type": "python" if ".py" in text else "javascript", "value": text}
    if match is None or type_ not in _TYPES:
        return {"type": "equals", "value": text}
    value: JsonValue = (match[4] or "").strip() or None
    if type_.endswith(("-all", "-any")) and isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    threshold = {"threshold": float(match[3])} if match[3] and match[3].count(".") < 2 else {}
    return {"type": f"{match[1] or ''}{type_}", "value": value, **threshold}


def not_run(type_: str, tests: int) -> Noted:
    """Return what to do about assertions that are none of ours.

    Args:
        type_: Type of the assertions.
        tests: Number of tests that have one.
    """
    figures = {"type": type_, "n": tests}
    if type_ in _CODE:
        return Noted(code="foreign_code", figures=figures)
    if type_ in _OURS:
        return Noted(code="foreign_metric", figures={**figures, "metric": _OURS[type_]})
    return Noted(code="foreign", figures=figures)
