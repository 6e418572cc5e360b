"""Make docs/metrics.md of the docstrings and parameters of the built-in metrics.

Run `.venv/bin/python scripts/docs_metrics.py` to write the page; tests/house/test_docs.py compares it.
"""

from pathlib import Path
from typing import get_args

from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.evaluator.metrics.base import Metric, metrics, need_text
from lm_eval_so.evaluator.metrics.form.instruction_rules import RULES
from lm_eval_so.evaluator.metrics.form.instructions import Check
from lm_eval_so.pipeline.plugins import LINES, Parameter, describe_metric, gates_of, kind_of

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"

HEAD = """\
---
description: The built-in metrics, exactly; their parameters, and what they do with Korean.
---

# Metrics

A metric is one exact rule. It gives an answer a value, or says why there is none. To choose some, begin with
[which metric for what](which-metric.md); this page is the reference, made from the docstrings of the metrics by `scripts/docs_metrics.py`; `lm-eval-so plugins NAME` shows one metric.

```yaml
metrics:
  - exact_match
  - {id: loose_match, name: exact_match, params: {profile: answer}}
  - {name: keyword_coverage, params: {keywords: [환불, {any_of: [3일, 사흘]}]}, pass_if: ">= 0.8"}
  - {name: regex, params: {pattern: "[가-힣]"}, only: {language: [ko]}}
  - {name: numeric_match, params: {pick: last}, only: {tags: [가격]}}
  - {name: honorific, params: {level: formal}}
  - {name: turns, params: {metric: {name: length, params: {max: 300}}, reduce: min}}
  - {name: latency_ms, params: {max: 3000}}
```

## Which one

| the answer is | metric | note |
| --- | --- | --- |
| short and fixed | `exact_match`, `numeric_match`, `datetime_match`, `choice` | `profile: answer` for particles and 입니다 |
| free text that must say certain things | `contains`, `keyword_coverage`, `regex` | no rule understands a negation |
| free text near a reference | `char_f1`, `token_f1`, `rouge_l`, `chrf`, `edit_similarity`, `bleu` (extra `bleu`) | they compare characters and words: a wrong number costs little, a paraphrase much; they gate only if named |
| in other words, on the same topic | `embedding_similarity` (extra `embed`, or an endpoint) | tells topics, not facts: [measured](korean.md#embeddings) |
| JSON, or calls of tools | `json_schema`, `json_match`, `tool_call` | `tool_call` also checks the order of the calls, unless `order: any` |
| based on retrieved passages | `retrieval`, `citations`; judged: `faithfulness`, `context_recall`, `context_precision` | the chatbot must report them |
| in a required form | `length`, `instructions`, `honorific`, `language_match` | |
| meant to refuse, or to ask back | `refusal`, `behavior`, `toxicity_keyword`, `pii_leak` | as the sample's `behavior` says |
| to be judged for quality | [`llm_judge`, `llm_scale`, `pairwise`, `fact_coverage`, `answer_relevancy`](judges.md) | at least one call per row |
| a conversation | `turns`; judged: `goal`, `conversation` | needs a [scenario](conversations.md) |
| one of several | `consistency` (repeats), `invariance` (a changed question), `composite` (several metrics) | |
| slow or expensive | `latency_ms`, `ttft_ms`, `tokens_per_s`, `cost_usd`, `input_tokens`, `output_tokens` | compared as factors |

## All of them

| metric | kind | better | gates | needs |
| --- | --- | --- | --- | --- |
{index}

## What holds for all

- **Kinds** decide how two runs are compared: binary (0 or 1), bounded (0 … 1), ratio (times and costs), unbounded.
  See [decisions](decisions.md).
- **Gates**: whether a metric decides the verdict without `gate.metrics` (`by default`), only if it is named there
  (`if named`), or only by a `min` or `max`. Metrics that only compare the wording with a reference gate if named, because
  other words are not wrong.
- **Not applicable** depends on the sample alone: it lacks what the metric needs, or `only` leaves it out. Such rows
  count nowhere.
- **Unscored** means that the metric applies but there is no value; the report has the reason code. It is never
  a 0. A row that ended without an answer is `run_error`, `run_timeout`, `run_rate_limited` or `run_filtered`; a row
  that the run does not have is `run_missing`; an exception in a metric is `metric_error`; a value that is no number,
  `invalid_value` or `out_of_range` (beyond ±1e150, if the range is open).
- **Scored rows** ended with {accepted}. An empty answer is an answer.
- **References**: a metric that compares takes the best value over `expected` and `references`.
- **A sample's own parameters** are in its `metrics.<id>` and override those of the config, key by key. Those in
  `metrics.<name>` apply to every metric of that name without parameters under its own id; the two are never mixed. So
  `{id: must, name: keyword_coverage, only: {tags: [must]}}` takes the keywords that `generate` maps. If another kind of
  metric has the name as its id, the parameters are that metric's.
- **`pass_if`** says when an answer passes. Without it, a binary metric passes at 1, and others neither pass nor fail; a
  bounded value under the middle of its range is still shown among the failed cases.
- **The fingerprint** of a metric covers name, version, parameters, normalisation, judge, and the versions of libraries that
  decide its values. Reports with other fingerprints are not compared.
- **A failed answer is a value**, 0 with a code that the report counts in `scored_by`: `no_number`, `no_date`, `no_choice`,
  `ambiguous`, `not_json`, `schema_broken`, `empty_answer`, `pii_found`, `toxic_found`; `order_flip` is 0.5.
- **Vacuous** scores had nothing to check, such as `honorific` of a list of nouns. They count, and the report says how many.
- **Units**: a metric that splits texts names the unit (`char`, `space`, `morph:mecab-ko`, `13a` …) in `details.unit`; the
  report counts the rows of each in `units`, which shows whether a mean mixes two.
- **Extras**: `bleu`, `ko` (mecab-ko), `kiwi` and `embed` are installed on demand, as `pip install -e ".[ko]"` in the clone.
  If one is missing, that is an error before anything is spent, never another way to count. No default needs one.

## Profiles

How texts are normalised before they are compared; records are never changed.

| profile | what it does |
| --- | --- |
| `raw` | nothing |
| `basic` | invisible characters are removed; NFC; full-width and half-width forms, quotes, dashes and … become plain ones; whitespace becomes one space |
| `loose` | `basic`, without case, punctuation, thousands commas and spaces beside Hangul |
| `answer` | several forms of `loose`, with and without particles, copula and a 한자 gloss; equal if one is shared (`exact_match` only) |
| `korquad` | `basic` in lower case without punctuation, as KorQuAD 1.0 does it |
| `korquad_v1` | exactly the published KorQuAD 1.0 script, without NFC |
| `squad` | exactly the published SQuAD script: lower case, no ASCII punctuation, no `a`, `an`, `the` |

## The keyword rule

`contains` and `keyword_coverage` find a text in the answer by this rule. `boundary: auto` looks anywhere and ignores
spaces beside Hangul; a keyword that begins with a Latin letter or digit must not follow one ("AI" is not in "said"),
and a number must not be part of a longer one ("3일" is not in "13일"). `boundary: word` needs a whole word, with
or without a particle ("사과" is in "사과는", not in "사과나무").
"""

CHECKS_HEAD = """
An entry of `checks` is `{type: …, …}` with its parameters, as `{type: bullets, min: 3}`. "So many" is
`min` … `max`, both included; without either at least one. Lines, sentences and highlights in fenced code do not count.

| check | parameters | holds if |
| --- | --- | --- |"""

TAIL = """
Next: [metrics that ask a model](judges.md), or [one of your own](extending.md).
"""


def page() -> str:
    """Return the text of the page."""
    known = map(metrics.resolve, metrics.names())
    found = [metric for metric in known if metric.__module__.startswith("lm_eval_so.")]
    accepted = sorted(Metric.accepts_status, key=list(RunStatus).index)
    head = HEAD.replace("{index}", "\n".join(map(_index, found)))
    head = head.replace("{accepted}", ", ".join(f"`{status}`" for status in accepted))
    return "".join([head, *map(_section, found), TAIL])


def _index(metric: type[Metric]) -> str:
    needs = ", ".join(f"`{need_text(need)}`" for need in sorted(metric.requires)) or "–"
    better = "higher" if metric.higher_is_better else "lower"
    kind, gates = kind_of(metric), gates_of(metric)
    return f"| [`{metric.name}`](#{metric.name}) | {kind} | {better} | {gates} | {needs} |"


def _section(metric: type[Metric]) -> str:
    told = describe_metric(metric)
    if lacking := set(LINES) - set(told.facts):
        raise ValueError(f"the docstring of {metric.name} lacks {lacking}")
    facts = "\n".join(f"- **{line}**: {told.facts[line]}" for line in LINES)
    rows = "\n".join(map(_row, told.params))
    table = f"\n| parameter | type | default |\n| --- | --- | --- |\n{rows}\n" if rows else ""
    checks = _checks() if metric.name == "instructions" else ""
    return f"\n## {metric.name}\n\n{told.summary}\n\n{facts}\n{table}{checks}"


def _row(parameter: Parameter) -> str:
    default = f"`{parameter.default}`" if parameter.default is not None else "–"
    return f"| `{parameter.name}` | {_type(parameter.type)} | {default} |"


def _type(text: str) -> str:
    """Set values and shapes as code: what is no word of a type."""
    words = text.replace("list of ", "").replace(" or ", ", ").split(", ")
    plain = {"text", "mapping", "check", "any value", "number", "integer", "boolean"}
    if "{" in text:
        before, brace, after = text.partition("{")
        return f"{before}`{brace}{after}`"
    if plain & {*words}:
        return text
    before = "list of " if text.startswith("list of ") else ""
    return before + ", ".join(f"`{word}`" for word in words)


def _checks() -> str:
    models = get_args(get_args(Check)[0])
    params = {
        kind: ", ".join(f"`{key}`" for key in model.model_fields if key != "type") or "–"
        for model in models
        for kind in get_args(model.model_fields["type"].annotation)
    }
    rows = [f"| `{kind}` | {params[kind]} | {rule.__doc__} |" for kind, rule in RULES.items()]
    return "\n".join([CHECKS_HEAD, *rows, ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
