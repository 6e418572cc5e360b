"""Make docs/metrics.md of the docstrings and parameters of the built-in metrics.

Run `.venv/bin/python scripts/docs_metrics.py` to write the page; tests/house/test_docs.py compares it.
"""

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.evaluator.metrics.base import Metric, metrics

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
LINES = ("Definition", "Range", "Direction", "Unscored when", "Language notes", "Source")
"""What the docstring of every metric says."""

HEAD = """\
---
description: The built-in metrics, exactly; their parameters, and what they do with Korean.
---

# Metrics

A metric is one exact rule that gives one answer a value, or says why it has none. This page is made from the
docstrings of the metrics by `scripts/docs_metrics.py`.

```yaml
metrics:
  - exact_match
  - {id: loose_match, name: exact_match, params: {profile: answer}}
  - {name: keyword_coverage, params: {keywords: [환불, {any_of: [3일, 사흘]}]}, pass_if: ">= 0.8"}
  - {name: regex, params: {pattern: "[가-힣]"}, only: {language: [ko]}}
  - {name: latency_ms, params: {max: 3000}}
```

| metric | kind | better | needs |
| --- | --- | --- | --- |
{index}

## What holds for all

- **Kinds** decide how two runs are compared: binary (0 or 1), bounded (0 … 1), ratio (times and costs), unbounded.
  See [decisions](decisions.md).
- **Not applicable** is decided by the sample alone: it lacks what the metric needs, or `only` leaves it out. Such rows
  count nowhere.
- **Unscored** means that the metric applies and there is no value; the reason code stands in the report. It is never
  a 0. A row that ended without an answer is `run_error`, `run_timeout`, `run_rate_limited` or `run_filtered`; a row
  that the run does not have is `run_missing`; an exception in a metric is `metric_error`; a value that is none,
  `invalid_value` or `out_of_range`.
- **Scored rows** ended with {accepted}. An empty answer is an answer.
- **References**: a metric that compares takes the best value over `expected` and `references`.
- **A sample's own parameters** stand in its `metrics.<id>` and go over those of the config, key by key.
- **`pass_if`** says when an answer passes. Without it a binary metric passes at 1, others neither pass nor fail; a
  bounded value under the middle of its range is shown among the failed cases all the same.
- **The fingerprint** of a metric covers name, version, parameters, normalisation and judge. Reports with other
  fingerprints are not compared.

## Profiles

How texts are made alike before they are compared; records are never changed.

| profile | what it does |
| --- | --- |
| `raw` | nothing |
| `basic` | invisible characters go; NFC; full-width and half-width forms, quotes, dashes and … become plain ones; whitespace becomes one space |
| `loose` | `basic`, without case, punctuation, thousands commas and spaces beside Hangul |
| `answer` | several forms of `loose`, with and without particles, copula and a 한자 gloss; equal if one is shared (`exact_match` only) |
| `korquad` | `basic` in lower case without punctuation, as KorQuAD 1.0 does it |
| `korquad_v1` | exactly the published KorQuAD 1.0 script, without NFC |

## The keyword rule

`contains` and `keyword_coverage` find a text in the answer by this rule. `boundary: auto` looks anywhere and ignores
spaces beside Hangul; a keyword that begins with a Latin letter or digit must not follow one ("AI" is not in "said"),
and a number must not be part of a longer one ("3일" is not in "13일"). `boundary: word` wants a word of its own, with
or without a particle ("사과" is in "사과는", not in "사과나무").
"""

TAIL = """
Next: [metrics that ask a model](judges.md), or [one of your own](../llms.txt).
"""


def page() -> str:
    """Give the text of the page."""
    known = map(metrics.resolve, metrics.names())
    found = [metric for metric in known if metric.__module__.startswith("lm_eval_so.")]
    accepted = sorted(Metric.accepts_status, key=list(RunStatus).index)
    head = HEAD.replace("{index}", "\n".join(map(_index, found)))
    head = head.replace("{accepted}", ", ".join(f"`{status}`" for status in accepted))
    return "".join([head, *map(_section, found), TAIL])


def _index(metric: type[Metric]) -> str:
    needs = ", ".join(f"`{need}`" for need in sorted(metric.requires)) or "–"
    better = "higher" if metric.higher_is_better else "lower"
    return f"| [`{metric.name}`](#{metric.name}) | {_kind_of(metric)} | {better} | {needs} |"


def _kind_of(metric: type[Metric]) -> str:
    # a judge's kind follows from its labels
    made = metric()
    return "binary or bounded" if metric.category == "model" else made.kind.value


def _section(metric: type[Metric]) -> str:
    doc = inspect.cleandoc(metric.__doc__ or "")
    summary, told = doc.partition("\n")[0], dict(_facts(doc))
    if set(told) != set(LINES):
        raise ValueError(f"the docstring of {metric.name} lacks {set(LINES) - set(told)}")
    facts = "\n".join(f"- **{line}**: {told[line]}" for line in LINES)
    rows = "\n".join(_parameters(metric.Params))
    table = f"\n| parameter | type | default |\n| --- | --- | --- |\n{rows}\n" if rows else ""
    return f"\n## {metric.name}\n\n{summary}\n\n{facts}\n{table}"


def _facts(doc: str) -> Iterator[tuple[str, str]]:
    pattern = rf"^({'|'.join(LINES)}): (.*?)(?=^(?:{'|'.join(LINES)}): |\Z)"
    for name, text in re.findall(pattern, doc, re.MULTILINE | re.DOTALL):
        yield name, " ".join(text.split())


def _parameters(model: type[BaseModel]) -> Iterator[str]:
    for key, field in model.model_json_schema().get("properties", {}).items():
        value = field.get("default")
        default = "–" if value in (None, "", []) else _shown(value)
        yield f"| `{key}` | {_kind(field)} | {default} |"


def _kind(field: dict[str, Any]) -> str:
    match field:
        case {"enum": values}:
            kind = ", ".join(map(_shown, values))
        case {"anyOf": parts}:
            kind = " or ".join(_kind(part) for part in parts if part.get("type") != "null")
        case {"type": "array", "items": items}:
            kind = f"list of {_kind(items)}"
        case {"$ref": _}:
            kind = "`{text or any_of, weight}`"
        case {"type": "string"}:
            kind = "text"
        case {"type": "object"}:
            kind = "mapping"
        case _:
            kind = str(field.get("type", "any value"))
    return kind


def _shown(value: object) -> str:
    return f"`{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
