"""Names that a config may use: backends and metrics, with their parameters."""

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from lm_eval_so.core.backends.base import ChatBackend, backends
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.errors import InputError, UnknownName
from lm_eval_so.evaluator.metrics.base import Metric, metrics, need_text

__all__ = ["LINES", "Parameter", "Plugin", "describe_metric", "find_plugins", "gates_of", "kind_of"]

LINES = ("Definition", "Range", "Direction", "Unscored when", "Language notes", "Source")
"""Fixed lines in the docstring of every built-in metric."""
SHAPES = {
    "ExpectedCall": "{name, arguments}",
    "Fact": "{text, required}",
    "Keyword": "{text or any_of, weight}",
    "OfTurn": "{name, id, params, pass_if}",
    "Price": "{input_per_mtok, output_per_mtok, cached_per_mtok}",
}
"""Parameters that have keys of their own."""

_NOTHING: tuple[object, ...] = (None, "", [], {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter, as people read it."""

    name: str
    type: str
    default: str | None = None
    """None if there is none, or if it is empty."""
    help: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """A backend or a metric."""

    kind: Literal["backend", "metric"]
    name: str
    summary: str
    """The first line of its docstring."""
    facts: dict[str, str] = field(default_factory=dict)
    """Further lines of the docstring by their word; for a metric also its kind and needs."""
    params: tuple[Parameter, ...] = ()
    options: tuple[Parameter, ...] = ()
    """Options of a backend."""
    problem: str | None = None
    """Reason why it cannot be loaded."""


def find_plugins(name: str | None = None) -> tuple[Plugin, ...]:
    """Return all backends and metrics, or those of a name.

    Raises:
        UnknownName: If the name is unknown; names the nearest known one.
    """
    known = [("backend", each) for each in backends.names()]
    known += [("metric", each) for each in metrics.names()]
    wanted = [each for each in known if name in {None, each[1]}]
    if name is not None and not wanted:
        raise UnknownName("plugin", name, dict.fromkeys(each for _, each in known))
    return tuple(_describe(kind, each) for kind, each in wanted)


def describe_metric(metric: type[Metric]) -> Plugin:
    """Describe a metric by its docstring and parameters."""
    doc = inspect.cleandoc(metric.__doc__ or "")
    needs = ", ".join(map(need_text, sorted(metric.requires))) or "nothing"
    facts = {"Kind": f"{kind_of(metric)}, {metric.category}", "Needs": needs}
    facts |= {"Gates": gates_of(metric)}
    return Plugin(
        kind="metric",
        name=metric.name,
        summary=doc.partition("\n")[0],
        facts={**facts, **dict(_told(doc))},
        params=tuple(_parameters(metric.Params)),
    )


def kind_of(metric: type[Metric]) -> str:
    """Name the kind of a metric; a judge's follows from its labels."""
    has_labels = metric.category == "model" and "labels" in metric.Params.model_fields
    return "binary or bounded" if has_labels else metric.kind.value


def gates_of(metric: type[Metric]) -> str:
    """Return the condition under which a metric decides the verdict."""
    if "baseline" in metric.requires:  # its values are a comparison already
        return "by a bound"
    is_score = metric.kind in {MetricKind.BINARY, MetricKind.BOUNDED}
    return "by default" if is_score and not metric.measures_overlap else "if named"


def _describe(kind: str, name: str) -> Plugin:
    try:
        if kind == "metric":
            return describe_metric(metrics.resolve(name))
        return _describe_backend(name, backends.resolve(name))
    except InputError as error:  # one that cannot be imported must not hide the others
        return Plugin(
            kind="metric" if kind == "metric" else "backend",
            name=name,
            summary="cannot be loaded",
            problem=str(error),
        )


def _describe_backend(name: str, backend: type[ChatBackend]) -> Plugin:
    doc = inspect.cleandoc(backend.__doc__ or "")
    return Plugin(
        kind="backend",
        name=name,
        summary=doc.partition("\n")[0],
        params=tuple(_parameters(backend.Params)),
        options=tuple(_parameters(backend.Options)),
    )


def _told(doc: str) -> Iterator[tuple[str, str]]:
    pattern = rf"^({'|'.join(LINES)}): (.*?)(?=^(?:{'|'.join(LINES)}): |\Z)"
    for name, text in re.findall(pattern, doc, re.MULTILINE | re.DOTALL):
        yield name, " ".join(text.split())


def _parameters(model: type[BaseModel]) -> Iterator[Parameter]:
    for key, schema in model.model_json_schema().get("properties", {}).items():
        value = schema.get("default")
        yield Parameter(
            name=key,
            type=_type(schema),
            default=None if value in _NOTHING else _shown(value),
            help=schema.get("description"),
        )


def _type(schema: dict[str, Any]) -> str:
    match schema:
        case {"const": value}:
            kind = _shown(value)
        case {"enum": values}:
            kind = ", ".join(map(_shown, values))
        case {"anyOf": parts}:
            kind = " or ".join(_type(part) for part in parts if part.get("type") != "null")
        case {"type": "array", "items": items}:
            kind = f"list of {_type(items)}"
        case {"oneOf": _}:
            kind = "check"
        case {"$ref": str(ref)}:
            name = ref.rpartition("/")[2]
            kind = SHAPES.get(name, name)
        case {"type": "string"}:
            kind = "text"
        case {"type": "object"}:
            kind = "mapping"
        case _:
            kind = str(schema.get("type", "any value"))
    return kind


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
