"""Settings by which a pull request would be judged otherwise, each with whether more passes by it."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from lm_eval_so.core.config.gate import GateMetricSection, GateSection
from lm_eval_so.core.config.model import Config, MetricSection
from lm_eval_so.core.records.measured_with import RuleChange
from lm_eval_so.core.templates.safe import one_line

Effect = Literal["looser", "other", "tighter"]
Facts = Mapping[str, JsonValue]
_ORDER: tuple[Effect, ...] = ("looser", "other", "tighter")
_POLICIES = ("pass", "warn", "fail")
_LADDERS: Mapping[str, tuple[JsonValue, ...]] = {
    "on_inconclusive": _POLICIES,
    "on_missing_baseline": _POLICIES,
    "on_incomparable": _POLICIES,
    "on_drift": _POLICIES,
    "broken": ("off", "warn", "fail", "strict"),
    "rules": ("head", "base", "strict"),
    "rule": ("point", "bound"),
}
"""Values of a key, from the one by which most passes."""
_MORE_IS_LOOSER = frozenset({"confirm", "of", "margin", "max", "max_increase"})
_BUDGETS = ("max_cost_usd", "max_requests", "max_time_s")
"""Keys of `run` that end it early; without one all is measured."""
_LESS_IS_LOOSER = frozenset({"alpha", "right", "min", "repeats", *_BUDGETS})
_BOTH_WAYS = frozenset({"alpha"})
"""Keys of which more proves a fall sooner, and a pass, too."""
_NONE_IS_LOOSEST = frozenset({"min", "max", "margin", "must", "path", "anchor"})
"""Keys without which there is no such limit."""
_BESIDE = frozenset({"metrics", "accept"})
"""Keys of the gate that are no single setting, or that a pull request may bring."""
_HIDDEN = frozenset({"options", "panel"})
"""Keys whose values may hold an address with a password."""
RUN_RULES = ("repeats", *_BUDGETS, "batch_discount")
"""Keys of `run` that are rules: how much is measured, what may be spent, and what a batch costs."""
_NO_LIMITS = GateMetricSection().model_dump(mode="json")
_LONGEST_VALUE = 60
_FILE = re.compile(r"[^\n\r\0]{1,200}\.\w{1,8}")


def config_changes(
    base: Config,
    head: Config,
    margins: Mapping[str, float] | None = None,
    redact: Callable[[str], str] = str,
) -> tuple[RuleChange, ...]:
    """Return the settings that differ in suite, gate, baseline, the rules of `run` and metrics, the looser ones first.

    Args:
        base: Config of the base commit, with its files.
        head: Config of the pull request.
        margins: Default margin of each metric that has one.
        redact: Function that takes secrets out of a text.
    """
    baselines = [each.baseline.model_dump(mode="json") for each in (base, head)]
    found = chain(
        _of_gate(base.gate, head.gate, margins or {}),
        _setting("suite", base.suite, head.suite),
        _of_mappings("baseline", *baselines),
        *(
            _setting(f"run.{key}", getattr(base.run, key), getattr(head.run, key))
            for key in RUN_RULES
        ),
        _of_simulator(base, head),
        _setting("backend.options.price", *map(_price, (base, head))),
        _of_metrics(base, head),
    )
    return in_order(_readable(change, redact) for change in found)


def in_order(changes: Iterable[RuleChange]) -> tuple[RuleChange, ...]:
    """Return changes, the looser ones first; those of one effect keep their order."""
    return tuple(sorted(changes, key=lambda change: _ORDER.index(change.effect)))


def _of_gate(
    base: GateSection, head: GateSection, margins: Mapping[str, float]
) -> Iterator[RuleChange]:
    old, new = (each.model_dump(mode="json") for each in (base, head))
    given_before, given_now = old["metrics"], new["metrics"]
    before, now = given_before or {}, given_now or {}
    if (given_before is None) is not (given_now is None):
        effect: Effect = "looser" if given_before is None else "other"  # the others gate no more
        names = [", ".join(each) or None for each in (before, now)]
        yield RuleChange(
            kind="setting", effect=effect, key="gate.metrics", base=names[0], head=names[1]
        )
    for metric in dict.fromkeys([*before, *now]):
        if given_now is not None and given_before is not None and metric not in now:
            yield RuleChange(kind="setting", effect="looser", key=f"gate.metrics.{metric}")
            continue
        default = {"margin": margins.get(metric)}
        limits = [
            {key: default.get(key) if value is None else value for key, value in each.items()}
            for each in (before.get(metric, _NO_LIMITS), now.get(metric, _NO_LIMITS))
        ]
        for each in _of_mappings("", *limits):
            yield RuleChange(
                kind="setting",
                effect=each.effect,
                key=each.key,
                metric=metric,
                base=each.base,
                head=each.head,
            )
    rest = ({key: each[key] for key in each if key not in _BESIDE} for each in (old, new))
    yield from _of_mappings("gate", *rest)


def _of_metrics(base: Config, head: Config) -> Iterator[RuleChange]:
    now = {metric.id: metric for metric in head.metrics}
    for metric in base.metrics:
        key, other = metric.id, now.pop(metric.id, None)
        if other is None:
            yield RuleChange(kind="metric_dropped", effect="looser", key=key)
            continue
        yield from _of_mappings(f"metrics.{key}", *map(_dumped, (metric, other)))
        for file in dict.fromkeys([*_files(metric), *_files(other)]):
            if base.read_for(key, Path(file)) != head.read_for(key, Path(file)):
                yield RuleChange(kind="file", effect="other", key=as_value(file), metric=key)
    for key in now:
        yield RuleChange(kind="metric_added", effect="tighter", key=key)


def _price(config: Config) -> JsonValue:
    """Return the price of the chatbot as the config has it: what it costs is measured by that."""
    return config.backend.options.get("price") if config.backend else None


def _of_simulator(base: Config, head: Config) -> Iterator[RuleChange]:
    """Yield how main's simulated user differs; where main has none, one is what new cases need."""
    if base.run.simulator is not None:
        now = head.run.simulator
        before = base.run.simulator.model_dump(mode="json")
        yield from _of_mappings("run.simulator", before, now.model_dump(mode="json") if now else {})


def _files(metric: MetricSection) -> Iterator[str]:
    """Yield the files that a metric may read: calibration, template, parameters that look like a name."""
    if metric.judge.calibration is not None:
        yield metric.judge.calibration.as_posix()
    if metric.judge.template_file is not None:
        yield metric.judge.template_file
    yield from (
        each for each in metric.params.values() if isinstance(each, str) and _FILE.fullmatch(each)
    )


def _of_mappings(prefix: str, before: Facts, now: Facts) -> Iterator[RuleChange]:
    for name in dict.fromkeys([*before, *now]):
        key = f"{prefix}.{as_value(name)}" if prefix else name
        old, new = before.get(name), now.get(name)
        if isinstance(old, dict) and isinstance(new, dict) and name != "options":
            yield from _of_mappings(key, old, new)
        else:
            yield from _setting(key, old, new)


def _setting(key: str, before: JsonValue, now: JsonValue) -> Iterator[RuleChange]:
    if before == now:
        return
    name = key.rpartition(".")[2]
    shown = (None, None) if name in _HIDDEN else (_text(before), _text(now))
    if ".only." in key and isinstance(before, list) and isinstance(now, list):
        effect = _effect_of_filter(before, now)
    else:
        effect = _effect(name, before, now)
    yield RuleChange(kind="setting", effect=effect, key=key, base=shown[0], head=shown[1])


def _effect(name: str, before: JsonValue, now: JsonValue) -> Effect:
    """Return whether more passes by a setting as it is now."""
    ladder = _LADDERS.get(name, ())
    if before in ladder and now in ladder:
        return _looser_if(ladder.index(now) < ladder.index(before))
    if None in (before, now) and name in _NONE_IS_LOOSEST.union(_BUDGETS):
        return _looser_if((now is None) is (name in _NONE_IS_LOOSEST))
    if not (isinstance(before, int | float) and isinstance(now, int | float)):
        return "other"
    if name in _MORE_IS_LOOSER:
        return _looser_if(now > before)
    if name not in _LESS_IS_LOOSER:
        return "other"
    return "other" if name in _BOTH_WAYS and now > before else _looser_if(now < before)


def _effect_of_filter(before: list[JsonValue], now: list[JsonValue]) -> Effect:
    """Return whether a metric is for fewer samples; an empty list is for all."""
    if not before or not now:
        return _looser_if(not before)
    is_less, is_more = (
        all(each in other for each in one) for one, other in ((now, before), (before, now))
    )
    return "other" if is_less is is_more else _looser_if(is_less)


def _looser_if(is_looser: bool) -> Effect:
    return "looser" if is_looser else "tighter"


def as_value(text: str) -> str:
    """Return a text of a config as it stands among words of ours: several words in quotes, so that none says more."""
    return json.dumps(text, ensure_ascii=False) if len(text.split()) != 1 else text


def _text(value: JsonValue) -> str | None:
    if value is None or value == []:
        return None
    if isinstance(value, dict):
        return ", ".join(f"{as_value(key)} {_text(each)}" for key, each in value.items())
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(as_value(str(each)) for each in value)
    return as_value(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _readable(change: RuleChange, redact: Callable[[str], str]) -> RuleChange:
    """Return a change with its values on one line, cut, and without secrets."""
    base, head = (
        None if value is None else one_line(redact(value), _LONGEST_VALUE)
        for value in (change.base, change.head)
    )
    return replace(change, key=one_line(redact(change.key), _LONGEST_VALUE), base=base, head=head)


def _dumped(metric: MetricSection) -> dict[str, JsonValue]:
    return metric.model_dump(mode="json", exclude={"id"})
