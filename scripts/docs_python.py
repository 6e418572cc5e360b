"""Make docs/python.md of the signatures and docstrings of what `lm_eval_so` exports.

Run `.venv/bin/python scripts/docs_python.py` to write the page; tests/house/test_docs.py compares it.
"""

import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from types import FunctionType
from typing import Any

import lm_eval_so
from lm_eval_so import errors
from lm_eval_so.core.records.field_texts import field_texts

PAGE = Path(__file__).parents[1] / "docs" / "python.md"

FUNCTIONS = ("generate", "run", "evaluate", "calibrate", "compare", "render")
"""Functions in the order of the work; those that ask have a twin that is awaited."""
RECORDS = {
    "TestSample": "sample",
    "DatasetInfo": "dataset",
    "RunInfo": "run-info",
    "RunResult": "run",
    "Score": "scores-and-votes",
    "EvaluationReport": "report",
    "Comparison": "comparison",
    "Calibration": None,
    "ChatRequest": None,
    "ChatResponse": None,
}
"""Records in the order of the work, with their heading in docs/records.md."""

HEAD = """\
---
description: The Python functions and records of lm_eval_so, with every argument, field and error.
---

# Python

What `import lm_eval_so` offers. [Notebooks](notebooks.md) shows it at work; [extending](extending.md) has the classes to derive
backends and metrics from. This page is made from signatures and docstrings by `scripts/docs_python.py`.

```python
import lm_eval_so as so

{examples}
```

Everything that other modules hold may change without notice, except what [extending](extending.md) uses.

## Functions

A config is a file or a mapping with the same keys; a path is a text or a `Path`. Functions return records and never exit.
"""

RECORDS_HEAD = """
## Records

Frozen dataclasses. `dataclasses.replace` changes a copy, `lm_eval_so.core.records.codec` has `dumps` and `loads` for files.
"""

ERRORS_HEAD = """
## Errors

All derive from `lm_eval_so.errors.LMEvalError`. `error.problems` lists what is wrong, where, and what to do; the exit code is the
[command's](cli.md#exit-codes).

| error | means | exit code |
| --- | --- | --- |
"""

TAIL = """
Next: [records](records.md), the same as files, or [notebooks](notebooks.md).
"""


def page() -> str:
    """Return the text of the page."""
    twins = {f"a{name}" for name in FUNCTIONS}
    if set(lm_eval_so.__all__) - twins != {*FUNCTIONS, *RECORDS}:
        raise ValueError("FUNCTIONS and RECORDS are not what lm_eval_so exports")
    functions = map(_function, FUNCTIONS)
    records = [_record(getattr(lm_eval_so, name), heading) for name, heading in RECORDS.items()]
    rows = "".join(f"{row}\n" for row in _errors(errors.LMEvalError, depth=0))
    head = HEAD.replace("{examples}", "\n".join(_examples()))
    return "".join([head, *functions, RECORDS_HEAD, *records, ERRORS_HEAD, rows, TAIL])


def _function(name: str) -> str:
    function: FunctionType = getattr(lm_eval_so, name)
    summary, parts = _parts(function)
    texts = _entries(parts["Args"])
    signature = inspect.signature(function)
    rows = [
        f"| `{each.name}` | {_type(each.annotation)} | {_default(each.default)} | {texts[each.name]} |\n"
        for each in signature.parameters.values()
    ]
    raised = "".join(f"- `{error}`: {text}\n" for error, text in _entries(parts["Raises"]).items())
    twin = f" `await a{name}(…)` does the same." if f"a{name}" in lm_eval_so.__all__ else ""
    return (
        f"\n### {name}\n\n{summary} Returns {_type(signature.return_annotation)}.{twin}\n\n"
        f"| argument | type | default | meaning |\n| --- | --- | --- | --- |\n{''.join(rows)}\n"
        f"Raises:\n\n{raised}"
    )


def _parts(function: FunctionType) -> tuple[str, dict[str, str]]:
    """Return the first line of a docstring, and its sections by name."""
    summary, _, rest = inspect.cleandoc(function.__doc__ or "").partition("\n\n")
    return summary, dict(re.findall(r"^(\w+):\n((?:    .*\n?|\n)+)", rest, re.MULTILINE))


def _examples() -> Iterator[str]:
    """Yield the lines of the examples that run in the quickstart; people's labels are not there."""
    for name in FUNCTIONS:
        if name == "calibrate":
            continue
        _, parts = _parts(getattr(lm_eval_so, name))
        lines = re.findall(r"^    >>> (.*)$", parts["Example"], re.MULTILINE)
        yield from (line for line in lines if not line.startswith("import "))


def _entries(section: str) -> dict[str, str]:
    """Return the texts of a section of a docstring by name, each in one line."""
    found = re.findall(r"^    (\w+): ((?:.*\n?)(?:^     .*\n?)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def _record(record: type[Any], heading: str | None) -> str:
    summary = inspect.cleandoc(record.__doc__ or "").partition("\n\n")[0]
    texts = field_texts(record)
    rows = [
        f"| `{each.name}` | {_type(each.type)} | {_field_default(each)} | {_cell(texts.get(each.name, ''))} |\n"
        for each in fields(record)
    ]
    computed = [
        f"- `{name}`: {_cell((found.__doc__ or '').partition(chr(10))[0])}\n"
        for name, found in vars(record).items()
        if isinstance(found, property) and found.__doc__
    ]
    file = f" [As a file](records.md#{heading})." if heading else ""
    return (
        f"\n### {record.__name__}\n\n{' '.join(summary.split())}{file}\n\n"
        f"| field | type | default | meaning |\n| --- | --- | --- | --- |\n{''.join(rows)}"
        + (f"\nComputed:\n\n{''.join(computed)}" if computed else "")
    )


def _type(annotation: Any) -> str:
    """Return an annotation as people read it, as code."""
    annotation = (
        getattr(annotation, "__origin__", annotation)
        if hasattr(annotation, "__metadata__")
        else annotation
    )
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    text = re.sub(r"\b(?:[a-z_]\w*\.)+(?=[A-Z_]\w*)", "", text).replace("str | Path", "path")
    return f"`{text}`".replace("|", "\\|")


def _default(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return "**required**"
    if isinstance(value, Path):
        value = str(value)
    return f"`{getattr(value, 'value', value)!r}`"


def _field_default(each: Field[Any]) -> str:
    if each.default is not MISSING:
        return _default(each.default)
    return "**required**" if each.default_factory is MISSING else "empty"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _errors(error: type[errors.LMEvalError], *, depth: int) -> Iterator[str]:
    told = _cell(inspect.cleandoc(error.__doc__ or "").partition("\n\n")[0])
    yield f"| {'· ' * depth}`{error.__name__}` | {told} | {int(error.exit_code)} |"
    for each in error.__subclasses__():
        if each.__name__ in errors.__all__:
            yield from _errors(each, depth=depth + 1)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
