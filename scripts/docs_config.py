"""Make docs/config.md of the config's JSON Schema.

Run `.venv/bin/python scripts/docs_config.py` to write the page; tests/house/test_docs.py compares it.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lm_eval_so.core.config.load import config_schema

PAGE = Path(__file__).parents[1] / "docs" / "config.md"

SECTIONS = {
    "": "Top level",
    "DatasetSection": "dataset",
    "GeneratorSection": "generator",
    "CleanSection": "generator.clean",
    "PiiSection": "generator.clean.pii",
    "SourceSection": "generator.sources[]",
    "SynthesiseSection": "generator.synthesise",
    "BackendSection": "backend",
    "RunSection": "run",
    "SimulatorSection": "run.simulator",
    "MetricSection": "metrics[]",
    "OnlySection": "metrics[].only",
    "JudgeSection": "metrics[].judge",
    "BaselineSection": "baseline",
    "GateSection": "gate",
    "MustSection": "gate.must",
    "GateMetricSection": "gate.metrics.<id>",
    "ReportSection": "report",
}
"""Models of the schema by heading, in the order of the file."""

HEAD = """\
---
description: Every key of lm-eval-so.yaml, its type, its default and what it means.
---

# Config

One file, `lm-eval-so.yaml`, describes dataset, chatbot, metrics and gate. This page is made from its
[JSON Schema](schema/config-1.json) by `scripts/docs_config.py`.

```yaml
version: 1
suite: support-qa
language: ko
dataset: {path: dataset/toy_support_qa_v1}
backend:
  name: openai
  params: {model: gpt-4.1-mini, temperature: 0}
  options: {base_url: "${BOT_URL:-https://api.openai.com/v1}", api_key_env: OPENAI_API_KEY}
system: You are the support agent of Example Shop.
metrics:
  - exact_match
  - {name: keyword_coverage, params: {keywords: [환불]}, pass_if: ">= 0.8"}
  - {id: korean, name: regex, params: {pattern: "[가-힣]"}, only: {language: [ko]}}
  - latency_ms
baseline: {path: baselines/support-qa.json}
gate:
  metrics:
    exact_match: {margin: 0.05, min: 0.6}
    latency_ms: {max_increase: 0.25, statistic: p95}
```

## Rules

- Unknown keys are errors, with the nearest known one.
- Every command lists all mistakes of the file at once, each with its line, before anything is sent: keys and values at every
  depth, names and parameters of metrics and backends, the gate, the existing dataset. Only the commands that need it complain about
  what the machine lacks (a key, a package, a source): `run` needs no key of a judge.
- Relative paths start at the folder of the config file.
- `${NAME}` and `${NAME:-default}` insert values of the environment in any text of the file, rubrics and other `params` of metrics
  included; a text of digits counts as a number where one is needed. An unset or empty variable without a default is an error.
  Chatbots and judges get the value. Files and `--dry-run` show [what was written](running.md#secrets).
- A config cannot name the workflow's own variables: `GITHUB_TOKEN`, `INPUT_…` and `ACTIONS_…` are an error in `${…}`, in
  `*_env` options and in lists of variables. Give the step a variable of another name.
- A config can send any other variable that it names to any address, and run programs and plugins. Review one from a pull
  request [as you review a workflow](action.md#permissions).
- `--set key.path=value` overrides the file; the value is YAML, and `${NAME}` in it stays as it is. Items of a list are `metrics[0].params.profile`, if
  the item is written as a mapping.
- YAML is read strictly: only `true` and `false` are booleans (so `language: no` is a text), dates stay texts, a key
  that stands twice, tags, more than 100 levels and more than 100,000 values (with those that aliases repeat) are errors.
- No keys in the file: what looks like one is an error. `*_env` options name the variable that holds it.
- A metric is a name (`exact_match`) or a mapping. Two metrics need two ids.
- Options of a backend are in [backends](backends.md), parameters of a metric in [metrics](metrics.md), fields of
  `map` in [sources](sources.md), what the gate does in [decisions](decisions.md).
"""

TAIL = """
## Environment variables

| variable | what it does |
| --- | --- |
| `OPENAI_API_KEY` | key of the backend `openai`, unless `options.api_key_env` names another variable |
| `OPENAI_BASE_URL` | address of the backend `openai`, where `options.base_url` is not set |
| `GITHUB_TOKEN` | token of `comment`; the Action takes its input `github_token` first |
| `NO_COLOR` | no colour in the terminal |
| `SOURCE_DATE_EPOCH` | fixes the clock of records, in seconds since 1970, so that the same input gives the same bytes |
| `SSL_CERT_FILE` | a certificate authority of your own |

Next: [how the gate decides](decisions.md).
"""


def page() -> str:
    """Return the text of the page."""
    schema = config_schema()
    models = {"": schema, **schema["$defs"]}
    missing = {name for name, model in models.items() if "properties" in model} - set(SECTIONS)
    if missing:
        raise ValueError(f"no heading for {', '.join(sorted(missing))}")
    parts = [HEAD]
    for model, heading in SECTIONS.items():
        title = f"`{heading}`" if model else heading
        rows = "\n".join(_rows(models[model], schema["$defs"]))
        table = "| key | type | default | meaning |\n| --- | --- | --- | --- |"
        parts.append(f"\n## {title}\n\n{table}\n{rows}\n")
    return "".join([*parts, TAIL])


def _rows(model: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[str]:
    for key, field in model["properties"].items():
        meaning = field.get("description") or _section(field, definitions)["description"]
        told = " ".join(meaning.split()).replace("<", "&lt;")
        default = _default(field) if key not in model.get("required", []) else "**required**"
        yield f"| `{key}` | {_kind(field, definitions)} | {default} | {told} |"


def _default(field: Mapping[str, Any]) -> str:
    value = field.get("default")
    return "–" if value in (None, "") else _shown(value)


def _kind(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Say what values a field takes, as people say it."""
    match field:
        case {"$ref": str(ref)}:
            return _kind(definitions[ref.rpartition("/")[2]], definitions)
        case {"properties": _}:
            kind = "section"
        case {"anyOf": parts}:
            kinds = [_kind(part, definitions) for part in parts if part.get("type") != "null"]
            kind = " or ".join(kinds)
        case {"const": value}:
            kind = _shown(value)
        case {"enum": values}:
            kind = ", ".join(map(_shown, values))
        case {"type": "array", "items": items}:
            kind = f"list of {_kind(items, definitions)}"
        case {"type": "object", "additionalProperties": inner}:
            kind = f"mapping to {_kind(inner, definitions)}"
        case {"type": "string"}:
            kind = "path" if field.get("format") == "path" else "text"
        case {"type": other}:
            kind = other + _range(field)
        case _:
            kind = "any value"
    return kind


def _range(field: Mapping[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    return "".join(f" {sign} {field[key]:g}" for key, sign in signs.items() if key in field)


def _shown(value: object) -> str:
    return f"`{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}`"


def _section(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    section: Mapping[str, Any] = definitions[field["$ref"].rpartition("/")[2]]
    return section


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
