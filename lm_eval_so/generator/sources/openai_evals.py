"""OpenAI's hosted Evals: rows, whose columns an eval or a run beside them tells, and graders as metrics to paste.

The service ended in November 2026; what teams hold are files. A configuration of promptfoo that it exported is read
as one of promptfoo.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
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

_ROW_KEYS: Final = ("item", "datasource_item")
"""Keys of a row that hold its columns: as uploaded, and as an output item of a run."""
_NAME: Final = "OpenAI Evals"
_COLUMN: Final = re.compile(r"\{\{\s*item\.([^{}|\s]+)\s*\}\}")
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
_SAME: Final = frozenset({"rouge_l", "bleu"})


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
    if next(walk(value, _ROWS), None) is not None:
        yield from read_rows(records_of(file, tree, f"$.{'.'.join(_ROWS)}"), file, also=value)
    elif not _graders(value):
        yield Noted(code="run_alone")
    if graders := _graders(value):
        proposed, told = _metrics(graders)
        if proposed:
            yield ProposedMetrics(file=file, yaml=proposed)
        yield from told


def read_rows(
    items: Iterable[Item], file: SourceFile, *, also: Mapping[str, JsonValue] | None = None
) -> Iterator[Item]:
    """Yield rows, after what their columns are by the template of a run and the references of graders.

    Args:
        items: Rows, each with its columns in `item` or `datasource_item`.
        file: File of the rows; evals and runs are looked for beside it.
        also: An eval or run that is known.

    Raises:
        BadFileError: If nothing tells which column is the question.
    """
    stream = iter(items)
    ahead: list[Item] = []
    first: RawItem | None = None
    while first is None and (item := next(stream, None)) is not None:
        ahead.append(item)
        first = item if isinstance(item, RawItem) and item.payload else None
    if first is not None:
        setups = [*([] if also is None else [also]), *_beside(file)]
        yield Shaped(shape=_NAME, map=_map(first.payload, setups))
    yield from chain(ahead, stream)


def _beside(file: SourceFile) -> Iterator[Mapping[str, JsonValue]]:
    """Yield the evals and runs among the other files of the source."""
    for path in file.beside:
        if path.suffix.lower() == ".json" and path.stat().st_size <= _LARGEST_BESIDE:
            value = _parsed(path)
            if isinstance(value, dict) and is_eval(value):
                yield value


def _parsed(path: Path) -> JsonValue:
    try:
        return parse_strict(path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError, BadJsonError):  # told where it is read itself
        return None


def _map(
    row: Mapping[str, JsonValue], setups: Sequence[Mapping[str, JsonValue]]
) -> dict[str, str | list[str]]:
    """Return what the columns of a row are."""
    inside = next((key for key in _ROW_KEYS if isinstance(row.get(key), dict)), _ROW_KEYS[0])
    columns = row[inside]
    names = list(columns) if isinstance(columns, dict) else []
    graders = [grader for setup in setups for grader in _graders(setup)]
    answers = list(dict.fromkeys(a for grader in graders for a in _reference(grader)))
    known = {a for a in answers if not a.startswith("=")}
    told = _asked(setups, graders, known)
    usual = [name for name in names if name in _QUESTIONS]
    asked = [column for column in told if column.split(".")[0] in names] or usual[:1]
    if asked:
        question: str | list[str] = [f"{inside}.{column}" for column in asked]
    elif "sample" in row:
        question = "sample.input"
    else:
        what = f"nothing tells which column of {listed(names)} is the question"
        hint = (
            f"put the run's JSON into the same source, or name it: map: {{input: {inside}.COLUMN}}"
        )
        raise BadFileError(Reason.MISSING_FIELD, what, hint)
    expected = [a if a.startswith("=") else f"{inside}.{a}" for a in answers]
    rest = {
        f"metadata.{n}": f"{inside}.{n}"
        for n in names
        if n not in {*asked, *known} and "." not in n
    }
    return {"input": question, **({"expected": expected} if expected else {}), **rest}


def _asked(
    setups: Sequence[Mapping[str, JsonValue]],
    graders: Sequence[Mapping[str, JsonValue]],
    answers: set[str],
) -> list[str]:
    """Return the columns of the last message of a run's template that has any, else of what judges see."""
    for setup in setups:
        reference = next(
            walk(dict(setup), ("data_source", "input_messages", "item_reference")), None
        )
        if reference is not None and isinstance(reference[1], str):
            return [reference[1].removeprefix("item.")]
        found = [_columns(message) for _, message in walk(dict(setup), _TEMPLATE)]
        if any(found):
            return next(columns for columns in reversed(found) if columns)
    judged = [_columns(message) for g in graders for _, message in walk(dict(g), ("input", EVERY))]
    return [column for column in dict.fromkeys(chain(*judged)) if column not in answers][:1]


def _columns(message: JsonValue) -> list[str]:
    return list(dict.fromkeys(_COLUMN.findall(json.dumps(message, ensure_ascii=False))))


def _graders(setup: Mapping[str, JsonValue]) -> list[dict[str, JsonValue]]:
    found = setup.get("testing_criteria")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _reference(grader: Mapping[str, JsonValue]) -> list[str]:
    """Return the column, or the text, that a grader holds an answer against."""
    reference = grader.get("reference")
    is_answer = grader.get("type") == "text_similarity" or grader.get("operation") in (
        "eq",
        "like",
        "ilike",
    )
    if not isinstance(reference, str) or not is_answer:
        return []
    columns = _COLUMN.findall(reference)
    return columns or ([] if "{{" in reference or not reference.strip() else [f"={reference}"])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proposal:
    """A metric that does what a grader did, or what to do where there is none."""

    name: str = ""
    params: Mapping[str, JsonValue] | None = None
    at_least: float | None = None
    """Score from which an answer passes."""
    model: JsonValue = None
    told: str | None = None
    """Code of what is to be said of it."""
    measure: str = ""


def _metrics(graders: Sequence[Mapping[str, JsonValue]]) -> tuple[str, list[Noted]]:
    """Return the items of `metrics` as YAML, and what cannot stand in them."""
    lines, told, ids = [], [], set[str]()
    answers = {answer for grader in graders for answer in _reference(grader)}
    for number, grader in enumerate(graders, start=1):
        type_, name = str(grader.get("type")), str(grader.get("name") or f"grader {number}")
        make = _MAKERS.get(type_)
        made = make(grader, answers) if make else _Proposal(told="grader_unknown")
        if made.told:
            figures = {"name": name, "type": type_, "measure": made.measure, "metric": made.name}
            told.append(Noted(code=made.told, figures=figures))
        if not made.name:
            continue
        slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or made.name
        id_ = slug if slug not in ids else f"{slug}_{number}"
        ids.add(id_)
        values: dict[str, JsonValue] = {
            "id": id_,
            "name": made.name,
            "params": {**(made.params or {})},
        }
        values |= {"pass_if": _at_least(made.at_least)}
        if isinstance(made.model, str):
            values["backend"] = {"name": "openai", "params": {"model": made.model}}
        filled = [f"{k}: {json.dumps(v, ensure_ascii=False)}" for k, v in values.items() if v]
        lines.append("  - " + "\n    ".join(filled))
    return "".join(f"{line}\n" for line in lines), told


def _string_check(grader: Mapping[str, JsonValue], _: Collection[str]) -> _Proposal:
    if grader.get("operation") == "ne":
        return _Proposal(told="grader_ne")
    return _Proposal(name="exact_match" if grader.get("operation") == "eq" else "contains")


def _text_similarity(grader: Mapping[str, JsonValue], _: Collection[str]) -> _Proposal:
    measure = str(grader.get("evaluation_metric"))
    if measure not in _SIMILAR:
        return _Proposal(told="grader_embedding", measure=measure)
    return _Proposal(
        name=_SIMILAR[measure],
        at_least=_number(grader.get("pass_threshold")),
        told=None if measure in _SAME else "grader_nearest",
        measure=measure,
    )


def _label_model(grader: Mapping[str, JsonValue], answers: Collection[str]) -> _Proposal:
    labels, passing = grader.get("labels"), grader.get("passing_labels")
    good = passing if isinstance(passing, list) else []
    values: dict[str, JsonValue] = {
        str(label): float(label in good) for label in (labels if isinstance(labels, list) else [])
    }
    return _Proposal(
        name="llm_judge",
        params={**_rubric(grader, answers), "labels": values},
        at_least=1,
        model=grader.get("model"),
    )


def _score_model(grader: Mapping[str, JsonValue], answers: Collection[str]) -> _Proposal:
    given = grader.get("range")
    bounds = [n for n in given if isinstance(n, int | float)] if isinstance(given, list) else []
    low, high = bounds if len(bounds) == 2 and bounds[0] < bounds[1] else (0, 1)
    steps = [f"{low + (high - low) * step / 4:g}" for step in range(5)]
    anchors: list[JsonValue] = [f"a score of {step} from {low:g} to {high:g}" for step in steps]
    threshold = _number(grader.get("pass_threshold"))
    share = None if threshold is None else (threshold - low) / (high - low)
    return _Proposal(
        name="llm_scale",
        params={**_rubric(grader, answers), "anchors": anchors},
        at_least=share,
        model=grader.get("model"),
    )


def _python(_: Mapping[str, JsonValue], __: Collection[str]) -> _Proposal:
    return _Proposal(told="grader_code")


_Maker = Callable[[Mapping[str, JsonValue], Collection[str]], _Proposal]
_MAKERS: Final[Mapping[str, _Maker]] = {
    "string_check": _string_check,
    "text_similarity": _text_similarity,
    "label_model": _label_model,
    "score_model": _score_model,
    "python": _python,
}


def _number(value: JsonValue) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _at_least(score: float | None) -> str | None:
    return None if score is None else f">= {score:.6f}".rstrip("0").rstrip(".")


def _rubric(grader: Mapping[str, JsonValue], answers: Collection[str]) -> dict[str, JsonValue]:
    """Return what the judge was told; what it was shown is named, since every judge is shown it."""
    texts = [
        text for _, message in walk(dict(grader), ("input", EVERY)) for text in _texts(message)
    ]
    whole = "\n\n".join(texts)
    said = re.sub(r"\{\{\s*sample\.[\w.]+\s*\}\}", "(the answer)", whole)
    rubric = _COLUMN.sub(
        lambda match: "(expected)" if match[1] in answers else f"({match[1]})", said
    )
    shown: dict[str, JsonValue] = {"show": ["expected"]} if "(expected)" in rubric else {}
    return {"rubric": rubric.strip() or "Is the answer good?", **shown}


def _texts(message: JsonValue) -> list[str]:
    content = message.get("content") if isinstance(message, dict) else None
    parts = content if isinstance(content, list) else [content]
    found = [part.get("text") if isinstance(part, dict) else part for part in parts]
    return [text for text in found if isinstance(text, str)]
