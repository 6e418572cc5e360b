"""OpenAI's hosted Evals: rows, whose columns an eval or a run beside them tells, and graders as metrics to paste.

The service ended in November 2026; what teams hold are files. A configuration of promptfoo that it exported is read
as one of promptfoo.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

from pydantic import JsonValue

from lm_eval_so.generator.sources.base import (
    BadFileError,
    Item,
    Noted,
    ProposedMetrics,
    RawItem,
    Reason,
    Shaped,
    SourceFile,
    listed,
)
from lm_eval_so.generator.sources.json_file import records_of
from lm_eval_so.generator.sources.json_values import EVERY, BadJsonError, Tree, parse_strict, walk

_Object = Mapping[str, JsonValue]
_ROW_KEYS: Final = ("item", "datasource_item")
"""Keys of a row that hold its columns: as uploaded, and as an output item of a run."""
_COLUMN: Final = re.compile(r"\{\{\s*item\.([^{}|\s]+)\s*\}\}")
_SAMPLE: Final = re.compile(r"\{\{\s*sample\.[\w.]+\s*\}\}")
_ROWS: Final = ("data_source", "source", "content")
_TEMPLATE: Final = ("data_source", "input_messages", "template", EVERY)
_QUESTIONS: Final = ("question", "input", "query", "prompt", "user_input", "messages", "질문")
_LARGEST_BESIDE: Final = 20_000_000
_SIMILAR: Final = {
    "rouge_l": "rouge_l",
    "bleu": "bleu",
    "fuzzy_match": "char_f1",
    "meteor": "char_f1",
    "gleu": "bleu",
    **{f"rouge_{n}": "rouge_l" for n in range(1, 6)},
}
"""Nearest metric of each measure of similarity."""


def is_eval(value: JsonValue) -> bool:
    """Return whether a file's value is an eval with its graders, or a run with its source of data."""
    return isinstance(value, dict) and (
        isinstance(value.get("testing_criteria"), list)
        or isinstance(value.get("data_source"), dict)
    )


def is_row(first: Item) -> bool:
    """Return whether a record holds its columns as the rows of an eval do."""
    return isinstance(first, RawItem) and any(
        isinstance(first.payload.get(key), dict) for key in _ROW_KEYS
    )


def read_eval(file: SourceFile, tree: Tree) -> Iterator[Item]:
    """Yield the rows that a run holds, and the graders of an eval as metrics.

    Args:
        file: The file.
        tree: Value of the file.
    """
    value = tree.value if isinstance(tree.value, dict) else {}
    graders = _graders(value)
    if next(walk(value, _ROWS), None) is not None:
        yield from read_rows(records_of(file, tree, f"$.{'.'.join(_ROWS)}"), file, also=[value])
    elif not graders:
        yield Noted(code="run_alone")
    yield from _metrics(graders, file)


def read_rows(
    items: Iterable[Item], file: SourceFile, *, also: Sequence[_Object] = ()
) -> Iterator[Item]:
    """Yield rows, after what their columns are by the template of a run and the references of graders.

    Args:
        items: Rows, each with its columns in `item` or `datasource_item`.
        file: File of the rows; evals and runs are looked for beside it.
        also: Evals or runs that are known.

    Raises:
        BadFileError: If nothing tells which column is the question.
    """
    stream = iter(items)
    ahead: list[Item] = []
    for item in stream:
        ahead.append(item)
        if isinstance(item, RawItem) and item.payload:
            yield Shaped(shape="OpenAI Evals", map=_map(item.payload, [*also, *_beside(file)]))
            break
    yield from chain(ahead, stream)


def _beside(file: SourceFile) -> Iterator[_Object]:
    """Yield the evals and runs among the other files of the source."""
    for path in file.beside:
        try:
            if path.suffix.lower() == ".json" and path.stat().st_size <= _LARGEST_BESIDE:
                value = parse_strict(path.read_text("utf-8-sig"))
                if isinstance(value, dict) and is_eval(value):
                    yield value
        except (OSError, UnicodeDecodeError, BadJsonError):  # told where it is read itself
            continue


def _map(row: _Object, setups: Sequence[_Object]) -> dict[str, str | list[str]]:
    """Return what the columns of a row are."""
    inside = next((key for key in _ROW_KEYS if isinstance(row.get(key), dict)), _ROW_KEYS[0])
    columns = row.get(inside)
    names = list(columns) if isinstance(columns, dict) else []
    answers = _answers([grader for setup in setups for grader in _graders(setup)])
    templates = (
        _columns(message)
        for setup in setups
        for _, message in reversed([*walk({**setup}, _TEMPLATE)])
    )
    told = [c for c in next(filter(None, templates), []) if c.split(".")[0] in names]
    asked = told or [name for name in names if name in _QUESTIONS][:1]
    question: str | list[str] = [f"{inside}.{column}" for column in asked]
    if not asked and "sample" in row:
        question = "sample.input"
    if not question:
        what = f"nothing tells which column of {listed(names)} is the question"
        remedy = f"name it: map: {{input: {inside}.COLUMN}}"
        hint = f"put the run's JSON into the same source, or {remedy}"
        raise BadFileError(Reason.MISSING_FIELD, what, hint)
    expected = [a if a.startswith("=") else f"{inside}.{a}" for a in answers]
    rest = [name for name in names if name not in {*asked, *answers} and "." not in name]
    return {
        "input": question,
        **({"expected": expected} if expected else {}),
        **{f"metadata.{name}": f"{inside}.{name}" for name in rest},
    }


def _columns(message: JsonValue) -> list[str]:
    return list(dict.fromkeys(_COLUMN.findall(json.dumps(message, ensure_ascii=False))))


def _graders(setup: _Object) -> list[dict[str, JsonValue]]:
    found = setup.get("testing_criteria")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _answers(graders: Iterable[_Object]) -> list[str]:
    """Return the columns, or the texts as `=TEXT`, that graders hold an answer against."""
    found: list[str] = []
    for grader in graders:
        reference = grader.get("reference")
        is_answer = grader.get("operation") in ("eq", "like", "ilike")
        is_answer |= grader.get("type") == "text_similarity"
        if is_answer and isinstance(reference, str) and reference.strip():
            found += _COLUMN.findall(reference) or ([] if "{{" in reference else [f"={reference}"])
    return list(dict.fromkeys(found))


def _metrics(graders: Sequence[_Object], file: SourceFile) -> Iterator[Item]:
    """Yield the items of `metrics` as YAML, and what is to be said of graders."""
    lines: dict[str, str] = {}
    told: list[Noted] = []
    answers = _answers(graders)
    for number, grader in enumerate(graders, start=1):
        name = str(grader.get("name") or f"grader {number}")
        metric, code = _metric(grader, answers)
        if code:
            figures = {"name": name, "type": str(grader.get("type")), "metric": metric.get("name")}
            measure = str(grader.get("evaluation_metric"))
            told.append(Noted(code=code, figures={**figures, "measure": measure}))
        if metric:
            slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or str(metric["name"])
            id_ = f"{slug}__{number}" if slug in lines else slug
            values = {"id": id_, **metric}.items()
            filled = [f"{key}: {json.dumps(v, ensure_ascii=False)}" for key, v in values if v]
            lines[id_] = "  - " + "\n    ".join(filled) + "\n"
    if lines:
        yield ProposedMetrics(file=file, yaml="".join(lines.values()))
    yield from told


def _metric(grader: _Object, answers: Collection[str]) -> tuple[dict[str, JsonValue], str | None]:
    """Return the metric that does what a grader did, if any, and the code of what is to be said of it."""
    measure, told = str(grader.get("evaluation_metric")), None
    metric: dict[str, JsonValue] = {}
    match grader.get("type"):
        case "string_check" if grader.get("operation") == "ne":
            told = "grader_ne"
        case "string_check":
            metric = {"name": "exact_match" if grader.get("operation") == "eq" else "contains"}
        case "text_similarity" if measure in _SIMILAR:
            metric = {"name": _SIMILAR[measure], "pass_if": _at_least(grader.get("pass_threshold"))}
            told = None if measure == metric["name"] else "grader_nearest"
        case "text_similarity":
            told = "grader_embedding"
        case "label_model":
            metric = _label_model(grader, answers)
        case "score_model":
            metric = _score_model(grader, answers)
        case type_:
            told = "grader_code" if type_ == "python" else "grader_unknown"
    return metric, told


def _label_model(grader: _Object, answers: Collection[str]) -> dict[str, JsonValue]:
    labels, passing = grader.get("labels"), grader.get("passing_labels")
    good = passing if isinstance(passing, list) else []
    values: dict[str, JsonValue] = {
        str(label): float(label in good) for label in (labels if isinstance(labels, list) else [])
    }
    return _judge("llm_judge", grader, answers, {"labels": values}) | {"pass_if": ">= 1"}


def _score_model(grader: _Object, answers: Collection[str]) -> dict[str, JsonValue]:
    given = grader.get("range")
    bounds = [n for n in given if isinstance(n, int | float)] if isinstance(given, list) else []
    low, high = bounds if len(bounds) == 2 and bounds[0] < bounds[1] else (0, 1)
    steps = [f"{low + (high - low) * step / 4:g}" for step in range(5)]
    anchors: list[JsonValue] = [f"a score of {step} from {low:g} to {high:g}" for step in steps]
    threshold = _at_least(grader.get("pass_threshold"), low, high)
    return _judge("llm_scale", grader, answers, {"anchors": anchors}) | {"pass_if": threshold}


def _at_least(score: JsonValue, low: float = 0, high: float = 1) -> str | None:
    """Return the condition that a metric from 0 to 1 passes; the score is one from low to high."""
    if isinstance(score, bool) or not isinstance(score, int | float):
        return None
    return ">= " + f"{(score - low) / (high - low):.6f}".rstrip("0").rstrip(".")


def _judge(
    name: str, grader: _Object, answers: Collection[str], params: dict[str, JsonValue]
) -> dict[str, JsonValue]:
    """Return a judge that is told what the grader was; what it was shown is named, since every judge is shown it."""
    said = [text for _, each in walk({**grader}, ("input", EVERY)) for text in _texts(each)]
    told = _SAMPLE.sub("(the answer)", "\n\n".join(said))
    rubric = _COLUMN.sub(lambda m: "(expected)" if m[1] in answers else f"({m[1]})", told).strip()
    shown: dict[str, JsonValue] = {"show": ["expected"]} if "(expected)" in rubric else {}
    model = grader.get("model")
    return {
        "name": name,
        "params": {"rubric": rubric or "Is the answer good?", **shown, **params},
        "backend": {"name": "openai", "params": {"model": model}}
        if isinstance(model, str)
        else None,
    }


def _texts(message: JsonValue) -> list[str]:
    content = message.get("content") if isinstance(message, dict) else None
    parts = content if isinstance(content, list) else [content]
    found = [part.get("text") if isinstance(part, dict) else part for part in parts]
    return [text for text in found if isinstance(text, str)]
