"""`dataset convert`: a dataset for promptfoo, and as a table for a spreadsheet."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import JsonValue

from lm_eval_so.core.config.yaml_lines import dump_yaml
from lm_eval_so.core.dataset import load_dataset
from lm_eval_so.core.records.codec import dump_line, to_json
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.text.spreadsheet import csv_table, guarded
from lm_eval_so.core.words import say
from lm_eval_so.errors import NothingToDo
from lm_eval_so.generator.dataset_tools.verify import main_language
from lm_eval_so.generator.mapping.list_cells import read_cell, read_phrases
from lm_eval_so.generator.review.decisions import phrases_of

Target = Literal["promptfoo", "csv"]
_REFERENCES = "references "
"""Beginning of the names of columns with further answers."""
_READ_BACK = ("expected", "keywords", "forbidden", "behavior", "language", "tags", "group", "ref")
"""Columns that a source reads into the field of the same name."""
_RUNS = re.compile(r"\{[{%#]")
"""Templates, which promptfoo runs; one of them could send a key of the environment."""
_FETCHED = ("file://", "package:", "python:", "exec:")
"""Beginnings of texts that promptfoo takes for files to read or code to run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """A dataset in another format."""

    text: str
    tests: int
    left_out: Mapping[str, int]
    """Tests that have no place there, and parts that others lost: by code, the tests that it befell."""
    map: Mapping[str, JsonValue] | None = None
    """Map by which a source reads the table back."""
    language: Language
    """Language of most tests."""


def convert(path: Path, target: Target) -> Converted:
    """Return a dataset in another format.

    For promptfoo, questions keep their ids when the file is read back as a source. Keywords become
    `icontains-all`, forbidden phrases `not-icontains-any`, rubrics `llm-rubric`, schemas `is-json`; an answer
    without keywords `factuality`, which a model judges. Reference answers and tags stand in `metadata`.

    Args:
        path: Folder of the dataset, or a file of samples.
        target: Format.

    Raises:
        DatasetError: With every problem of its lines.
        NothingToDo: If no test has a place there.
    """
    tests = [*load_dataset(path)]
    lost: Counter[str] = Counter()
    language = main_language(tests)
    asked = [
        test for test in tests if test.scenario is None and not (test.tools or test.tool_results)
    ]
    lost["scenarios"] = len(tests) - len(asked)
    if target == "csv":
        made, columns = _rows(asked, lost)
        text, count = csv_table([*_columns_of(made)], made), len(made)
    else:
        columns = None
        cases = [*_cases(asked, lost)]
        text, count = _promptfoo(path, cases), len(cases)
    if not count:
        raise NothingToDo(f"no test of {path} has a place in {target}")
    left_out = {code: n for code, n in lost.items() if n}
    return Converted(text=text, tests=count, left_out=left_out, map=columns, language=language)


def notes(made: Converted, language: Language) -> Iterator[str]:
    """Yield what was left out, a line each, and how the file is read back."""
    for code, n in made.left_out.items():
        yield say(f"dataset.lost_{code}", language, {"n": n})
    if made.map is not None:
        pairs = ", ".join(f"{field}: {_plain(column)}" for field, column in made.map.items())
        yield say("dataset.read_back", language, {"map": f"map: {{{pairs}}}"})


def _plain(column: JsonValue) -> str:
    return f"[{', '.join(map(str, column))}]" if isinstance(column, list) else str(column)


def _rows(
    tests: Sequence[TestSample], lost: Counter[str]
) -> tuple[list[dict[str, str]], dict[str, JsonValue]]:
    """Return the rows of a table, and the map by which they are read back."""
    rows = [{column: text for column, text in _cells(test, lost) if text} for test in tests]
    if any(len(test.messages) > 1 for test in tests):
        for test, row in zip(tests, rows, strict=True):
            row["messages"] = dump_line([_message(each) for each in test.messages])
    lost["guarded"] = sum(any(guarded(text) != text for text in row.values()) for row in rows)
    there = _columns_of(rows)
    asked = "messages" if "messages" in there else "question"
    columns: dict[str, JsonValue] = {"messages" if asked == "messages" else "input": asked}
    columns |= {column: column for column in there if column in _READ_BACK}
    if references := [column for column in there if column.startswith(_REFERENCES)]:
        columns["references"] = [*references]
    return rows, columns


def _columns_of(rows: Iterable[Mapping[str, str]]) -> list[str]:
    order = ("id", "question", "messages", "expected", "references", *_READ_BACK, "type", "review")
    found = dict.fromkeys(column for row in rows for column in row)
    return sorted(found, key=lambda column: (order.index(column.partition(" ")[0]), column))


def _cells(test: TestSample, lost: Counter[str]) -> Iterator[tuple[str, str]]:
    yield "id", test.id
    yield "question", test.question
    yield "expected", test.expected or ""
    yield from ((f"{_REFERENCES}{n}", text) for n, text in enumerate(test.references, start=1))
    own = test.metrics.get("keyword_coverage", {})
    for name in ("keywords", "forbidden"):
        texts, found = phrases_of(test, name), own.get(name)
        lost["alternatives"] += isinstance(found, list) and len(texts) < len(found)
        yield name, _cell(texts, name)
    yield "behavior", "" if test.behavior.value == "answer" else test.behavior.value
    yield "language", test.language or ""
    yield "tags", _cell(test.tags, "tags")
    yield "group", test.group_id or ""
    yield "ref", test.ref or ""
    yield "type", str(test.metadata.get("type") or "")
    yield "review", test.review.status if test.review else ""
    lost["passages"] += bool(test.context)
    lost["system"] += test.system is not None
    lost["metrics"] += bool(test.metrics.keys() - {"keyword_coverage"})


def _cell(texts: Sequence[str], field: str) -> str:
    """Return several texts in one cell, as a source reads them: with ; between them, else as JSON."""
    plain = "; ".join(texts)
    read = read_phrases(plain) if field == "keywords" else read_cell(plain, field)
    return plain if not texts or read == [*texts] else dump_line([*texts])


def _promptfoo(path: Path, cases: Sequence[Mapping[str, Any]]) -> str:
    """Return a configuration; its questions are all texts, or all conversations."""
    variables = [case["vars"] for case in cases]
    is_chat = any("messages" in each for each in variables)
    question = "{{messages}}" if is_chat else "{{question}}"
    given = "{{context}}\n\n" if any("context" in each for each in variables) else ""
    values: dict[str, Any] = {
        "description": path.name,
        "prompts": [f"{given}{question}"],
        "providers": ["echo"],
        "tests": [*cases],
    }
    return f"# Name your chatbot under providers; `echo` repeats the question.\n{dump_yaml(values)}"


def _cases(tests: Sequence[TestSample], lost: Counter[str]) -> Iterator[dict[str, Any]]:
    is_chat = any(len(test.messages) > 1 or test.system is not None for test in tests)
    for test in tests:
        case = _case(test, is_chat=is_chat)
        if any(_RUNS.search(text) or text.startswith(_FETCHED) for text in _texts(case)):
            lost["templates"] += 1
            continue
        lost["evidence"] += any(passage.role != "given" for passage in test.context)
        yield case


def _case(test: TestSample, *, is_chat: bool) -> dict[str, Any]:
    messages = [_message(each) for each in test.messages]
    if test.system is not None:
        messages.insert(0, {"role": "system", "content": test.system})
    variables: dict[str, JsonValue] = (
        {"messages": dump_line([*messages])} if is_chat else {"question": test.question}
    )
    if given := [passage.text for passage in test.context if passage.role == "given"]:
        variables["context"] = dump_line([*given])
    metadata = {
        "expected": test.expected,
        "references": [*test.references],
        "behavior": None if test.behavior.value == "answer" else test.behavior.value,
        "language": test.language,
        "tags": [*test.tags],
        **test.metadata,
    }
    return {
        "description": test.ref or test.id,
        "vars": variables,
        "assert": [*_assertions(test)],
        "metadata": {key: value for key, value in metadata.items() if value not in (None, [])},
    }


def _assertions(test: TestSample) -> Iterator[dict[str, JsonValue]]:
    phrases = test.metrics.get("keyword_coverage", {})
    keywords, forbidden = phrases.get("keywords"), phrases.get("forbidden")
    if plain := phrases_of(test):
        yield {"type": "icontains-all", "value": [*plain]}
    for each in keywords if isinstance(keywords, list) else ():
        if isinstance(each, dict):
            is_choice = "any_of" in each
            weight = {"weight": each["weight"]} if "weight" in each else {}
            value = each["any_of"] if is_choice else each.get("text")
            yield {"type": "icontains-any" if is_choice else "icontains", "value": value, **weight}
    if isinstance(forbidden, list) and forbidden:
        yield {"type": "not-icontains-any", "value": forbidden}
    if (rubric := test.metrics.get("llm_judge", {}).get("rubric")) is not None:
        yield {"type": "llm-rubric", "value": rubric}
    if (schema := test.metrics.get("json_schema", {}).get("schema")) is not None:
        yield {"type": "is-json", "value": schema}
    if test.behavior.value != "answer":
        rubric = say(f"review_page.behavior_{test.behavior.value}", main_language([test]))
        yield {"type": "llm-rubric", "value": rubric}
    elif test.expected is not None and not keywords:
        yield {"type": "factuality", "value": test.expected}


def _message(message: Any) -> dict[str, JsonValue]:
    values = to_json(message)
    return {key: value for key, value in values.items() if value not in (None, [], ())}


def _texts(value: JsonValue | Mapping[str, Any]) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
