"""Settings that differ between two reports, key by key with both values.

The chatbot under test (model, parameters, system prompt, tools) may differ: a comparison is made for
that. The measurement (metrics, their parameters, judges and prompts) may not.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from pydantic import JsonValue

from lm_eval_so.core.hashing import digest_text
from lm_eval_so.core.records.changes import Difference
from lm_eval_so.core.records.report import EvaluationReport, Experiment, MetricSummary
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.core.templates.safe import cut, normalise

Redact = Callable[[str], str]
"""Takes secrets out of a text."""
KEY_SHAPES: Redact = Redactor().redact
"""Takes out whatever looks like a key, where no secrets are known."""
Facts = Mapping[str, JsonValue]

_LONGEST_VALUE = 60
_CONTEXT = 12
"""Characters of a long value that stand before the first one that differs."""
_SHORT_DIGEST = 8
_DATASET_DIGEST = 12
_DIGEST = re.compile(r"[0-9a-f]{40,}")


def differing_settings(
    baseline: EvaluationReport, candidate: EvaluationReport, *, redact: Redact
) -> tuple[Difference, ...]:
    """Return the differences of the chatbot, of the dataset, then of each metric that both have.

    Args:
        baseline: Report compared with.
        candidate: Report under test.
        redact: Function that takes secrets out of a text.
    """
    old, new = baseline.experiment, candidate.experiment
    before, now = _chatbot(old), _chatbot(new)
    if old.fingerprints.get("run") == new.fingerprints.get("run") is not None:
        before["system"] = now["system"]  # the same: only how it was written may differ
    chatbot = list(_named("chatbot", before, now, redact))
    if not chatbot:
        chatbot = list(_by_fingerprint(old.fingerprints, new.fingerprints))
    metrics = [
        replaced
        for key, summary in candidate.metrics.items()
        if (earlier := baseline.metrics.get(key)) is not None
        for replaced in metric_differences(key, earlier, summary, redact=redact)
    ]
    return (*chatbot, *_named("dataset", _dataset(old), _dataset(new), redact), *metrics)


def metric_differences(
    key: str, before: MetricSummary, now: MetricSummary, *, redact: Redact
) -> tuple[Difference, ...]:
    """Return the differences in how a metric was measured; empty if there are none."""
    if before.fingerprint == now.fingerprint:
        return ()
    old, new = (dict(_flat(m.definition)) for m in (before, now))
    found = tuple(_named("metric", old, new, redact, metric=key))
    if found:
        return found
    shown = [each.fingerprint[:_SHORT_DIGEST] for each in (before, now)]
    return (_difference("metric", "fingerprint", shown[0], shown[1], metric=key),)


def _chatbot(experiment: Experiment) -> dict[str, JsonValue]:
    backend, config = experiment.backend, experiment.run_config
    run, tools = config.get("run"), config.get("tools")
    params = {key: value for key, value in backend.params.items() if key != "model"}
    facts: dict[str, JsonValue] = {
        "backend": backend.name,
        "model": backend.model,
        **dict(_flat(params, "params")),
        "system": backend.system,
        **dict(_tools(tools if isinstance(tools, list) else [])),
        "tool_choice": config.get("tool_choice"),
        **dict(_flat(backend.details, "details")),
        "models_answered": list(backend.models_answered),
    }
    if isinstance(run, dict):
        facts["seed"] = run.get("seed")
        facts |= _flat(_simulator(run.get("simulator")), "simulator")
    return facts


def _simulator(section: JsonValue) -> dict[str, JsonValue]:
    """Return the simulated user's settings, without the options of its backend.

    Old reports hold those options with their keys.
    """
    told = dict(section) if isinstance(section, dict) else {}
    backend = told.get("backend")
    if isinstance(backend, dict):
        told["backend"] = {key: value for key, value in backend.items() if key != "options"}
    return told


def _tools(tools: Sequence[JsonValue]) -> Iterator[tuple[str, JsonValue]]:
    for number, tool in enumerate(tools):
        told = tool.get("function", tool) if isinstance(tool, dict) else tool
        name = told.get("name") if isinstance(told, dict) else None
        yield f"tools.{name if isinstance(name, str) else number}", tool


def _dataset(experiment: Experiment) -> dict[str, JsonValue]:
    dataset = experiment.dataset
    return {
        "dataset": dataset.name,
        "dataset.version": dataset.version,
        "dataset.digest": dataset.digest[:_DATASET_DIGEST],
    }


def _by_fingerprint(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Difference]:
    """Yield the fingerprints if no setting tells the chatbots apart, as when only the code changed."""
    for key in ("run", "reach"):
        before, now = old.get(key), new.get(key)
        if before and now and before != now:
            shown = before[:_SHORT_DIGEST], now[:_SHORT_DIGEST]
            yield _difference("chatbot", f"fingerprint.{key}", *shown)


def _flat(facts: Facts, prefix: str = "") -> Iterator[tuple[str, JsonValue]]:
    for key, value in sorted(facts.items()):
        path = f"{prefix}.{key}" if prefix else key
        if isinstance(value, dict) and value:
            yield from _flat(value, path)
        else:
            yield path, value


def _named(
    about: Literal["chatbot", "dataset", "metric"],
    old: Facts,
    new: Facts,
    redact: Redact,
    metric: str | None = None,
) -> Iterator[Difference]:
    for key in dict.fromkeys([*new, *old]):
        before, now = _text(old.get(key), redact), _text(new.get(key), redact)
        if before != now:
            yield _difference(about, redact(key), *_short_pair(before, now), metric=metric)


def _difference(
    about: Literal["chatbot", "dataset", "metric"],
    key: str,
    before: str | None,
    now: str | None,
    metric: str | None = None,
) -> Difference:
    shown = " ".join(cut(key, _LONGEST_VALUE).split())
    return Difference(about=about, metric=metric, key=shown, baseline=before, candidate=now)


def _text(value: JsonValue, redact: Redact) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return redact(text)  # before anything is cut: half a secret is not found


def _short_pair(before: str | None, now: str | None) -> tuple[str | None, str | None]:
    start = _first_difference(before or "", now or "")
    return _short(before, start), _short(now, start)


def _short(text: str | None, start: int) -> str | None:
    """Return a value in one line; of a long value the part that differs, its length and digest."""
    if text is None:
        return None
    if _DIGEST.fullmatch(text):
        return text[:_SHORT_DIGEST]
    shown = " ".join(normalise(text).split())
    if len(shown) <= _LONGEST_VALUE and shown:
        return shown
    first = max(0, start - _CONTEXT)
    part = " ".join(cut(text[first : first + 4 * _LONGEST_VALUE], 10**6).split())
    lead = "…" if first else ""
    tail = "…" if len(part) > _LONGEST_VALUE else ""
    digest = digest_text(text)[:_SHORT_DIGEST]
    return f"“{lead}{part[:_LONGEST_VALUE]}{tail}” ({len(text):,} chars, {digest})"


def _first_difference(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
