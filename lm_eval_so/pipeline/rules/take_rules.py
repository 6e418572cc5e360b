"""The rules of a measurement: main's gate, metrics, baseline, repeats, budgets and simulated user over what a pull request brings.

Code is never main's: where a metric's plugin was changed, its fingerprint is another one, and the metric is
incomparable. What main lets nobody measure here (its plugin is gone, the judge's key is) is incomparable, too,
whatever the pull request's own definition of it says.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Literal

from lm_eval_so.comparator.baseline.find import Place
from lm_eval_so.core.config.gate import GateMetricSection, GateSection
from lm_eval_so.core.config.model import Config, MetricSection
from lm_eval_so.core.config.yaml_lines import Located, Path_
from lm_eval_so.core.git import CommitFiles, NotServed
from lm_eval_so.core.records.comparison import Reason
from lm_eval_so.evaluator import evaluation_plan as evaluation
from lm_eval_so.evaluator.binding.bind import sound_metrics
from lm_eval_so.pipeline.rules.base_config import RefusedError, Source, read_base_config
from lm_eval_so.pipeline.rules.case_list import Cases, MainCases, main_cases
from lm_eval_so.pipeline.rules.metric_code import changed_code
from lm_eval_so.pipeline.rules.rule_changes import RUN_RULES, config_changes

Limits = Mapping[str, GateMetricSection]
_OF_METRIC = re.compile(r"metrics\[(\d+)\]")
_QUARANTINE = "quarantine"
_SECTIONS = frozenset({"suite", "metrics", "gate", "baseline"})
"""Sections of the config that are main's as a whole; by the suite a stored baseline is found."""
_SIMULATOR = "simulator"
_USER: Path_ = ("run", _SIMULATOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Rules of a pull request's measurement, and those that it brings itself."""

    by: Literal["base", "strict", "head"]
    """Side whose rules decide."""
    config: Config
    """Config by which it is measured and judged."""
    head: Config
    """Config that the pull request brings."""
    main: Config | None = None
    """Main's config, with main's files; None if it could not be read."""
    commit: str | None = None
    """The base commit; None if it is not known."""
    cases_of_main: MainCases | None = None
    """Main's test cases; None if main has none that can be read."""
    why: Reason | None = None
    """Reason why main's config could not be read."""
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    """Metrics of main that cannot be measured here, by id, with the problem."""
    code: Mapping[str, tuple[Path, str]] = field(default_factory=dict)
    """Metrics of main whose code the pull request changes, by id: a file, and a digest of it."""
    own_place: Place | None = None
    """Place of the baseline that the pull request names; None: that of main."""
    cases: Cases | None = None
    """Differences between the cases of both; None until the dataset is there, or if there is none."""

    @property
    def lost(self) -> Limits:
        """Limits of main's metrics that are not measured at all."""
        given = (self.main.gate.metrics if self.main else None) or {}
        return {key: limits for key, limits in given.items() if key in self.unmeasured}

    @property
    def own_metrics(self) -> frozenset[str]:
        """Ids of metrics that are not main's: added ones, and those that only the pull request can measure."""
        if self.main is None:
            return frozenset()
        known = {metric.id for metric in self.main.metrics} - self.unmeasured.keys()
        return frozenset(metric.id for metric in self.head.metrics if metric.id not in known)


def take_rules(
    head: Config,
    source: Source,
    base: CommitFiles | None,
    *,
    why: Reason | None = None,
    scores: bool = True,
) -> Rules | None:
    """Take the rules of the base commit for a pull request's measurement.

    Args:
        head: Config of the pull request, without problems, its plugins loaded.
        source: Everything else that it was read from.
        base: The base commit, of which a pull request chooses nothing; None if nobody knows it.
        why: Reason why it is not known.
        scores: Whether answers are scored here, so that judges must be within reach.

    Returns:
        None if main lets each pull request bring its own rules.
    """
    if base is None:
        return Rules(by="head", config=head, head=head, why=why)
    commit = base.commit
    try:
        main = read_base_config(source, base)
        if main.gate.rules == "head":
            return None
        return _rules(head, main, base, source.environ if scores else None)
    except RefusedError as refused:
        why = refused.why
    except NotServed as error:
        why = Reason(code="base_refused", figures={"problem": str(error)})
    return Rules(by="head", config=head, head=head, commit=commit, why=why)


def _rules(
    head: Config, main: Config, base: CommitFiles, environ: Mapping[str, str] | None
) -> Rules:
    """Return main's rules over a config; a file that is not served is found here, before anything is asked."""
    read = cache(base.read)
    readers = dict.fromkeys([_QUARANTINE, *(metric.id for metric in main.metrics)], read)
    main.reading(readers)
    config, unmeasured = head, dict[str, str]()
    file = main.gate.quarantine
    is_other = main.read_for(_QUARANTINE, file) != head.read_for(_QUARANTINE, file)
    if is_other or config_changes(main, head):
        unmeasured = _unmeasured(main, environ)
        kept = {user: each for user, each in readers.items() if user not in unmeasured}
        config = _ruled(head, main, unmeasured).reading(kept)
    return Rules(
        by="strict" if main.gate.rules == "strict" else "base",
        config=config,
        head=head,
        main=main,
        commit=base.commit,
        unmeasured=unmeasured,
        code=changed_code(
            (metric for metric in main.metrics if metric.id not in unmeasured),
            read,
            folder=head.folder,
        ),
        cases_of_main=main_cases(main, base.read),
    )


def _unmeasured(main: Config, environ: Mapping[str, str] | None) -> dict[str, str]:
    """Return the metrics of main that cannot be measured here, with the first problem of each."""
    ungated = main.model_copy(update={"gate": GateSection()})
    found: dict[str, str] = {}
    for problem in evaluation.check(ungated, environ=environ):
        place = _OF_METRIC.match(problem.where.key or "") if problem.where else None
        if place is not None and int(place[1]) < len(main.metrics):
            found.setdefault(main.metrics[int(place[1])].id, problem.what)
    parts = {each.id: each.metric.part_ids for _, each in sound_metrics(main)}
    while of_parts := {
        key: f"{part}: {found[part]}"
        for key, ids in parts.items()
        for part in ids
        if part in found and key not in found
    }:
        found |= of_parts
    return found


def _ruled(head: Config, main: Config, unmeasured: Collection[str]) -> Config:
    """Return the config of a pull request with the rules of main."""
    own = {metric.id: place for place, metric in enumerate(head.metrics)}
    chosen: list[tuple[Config, int]] = [
        (head, own[metric.id]) if metric.id in unmeasured else (main, place)
        for place, metric in enumerate(main.metrics)
        if metric.id not in unmeasured or metric.id in own
    ]
    known = {metric.id for metric in main.metrics}
    chosen += [(head, place) for key, place in own.items() if key not in known]
    metrics = _together(chosen, main)
    keys = {*RUN_RULES} | ({_SIMULATOR} if main.run.simulator else set())
    run = head.run.model_copy(update={key: getattr(main.run, key) for key in keys})
    is_by_batch = any(metric.judge.executor == "batch" for metric in metrics)
    can_stop = head.run.executor != "batch" and not is_by_batch
    gate = _gate(main, unmeasured, can_stop=can_stop)
    update = {"suite": main.suite, "metrics": metrics, "gate": gate, "run": run}
    update["baseline"] = main.baseline
    return head.model_copy(update=update).placed(_located(head, main, chosen), head.folder)


def _gate(main: Config, unmeasured: Collection[str], *, can_stop: bool) -> GateSection:
    """Return main's gate as it can be asked: of metrics that are measured, and in no rounds by a batch service."""
    gate, limits = main.gate, main.gate.metrics
    if limits is not None:
        limits = {key: each for key, each in limits.items() if key not in unmeasured}
    return gate.model_copy(update={"metrics": limits, "stop": gate.stop if can_stop else "never"})


def _together(chosen: Sequence[tuple[Config, int]], main: Config) -> list[MetricSection]:
    """Return metrics of two configs as those of one; those of main keep the parameters that samples give them."""
    copies = [config.metrics[place].model_copy() for config, place in chosen]
    names = {metric.id: metric.name for metric in copies}
    for (config, _), metric in zip(chosen, copies, strict=True):
        if config is not main:
            metric.share_name(names)
    return copies


def _located(head: Config, main: Config, metrics: Sequence[tuple[Config, int]]) -> Located:
    """Return the values of both files, the places that the head's has, and the texts that variables replaced."""
    to = {(config is main, old): new for new, (config, old) in enumerate(metrics)}

    has_user = main.run.simulator is not None

    def moved(path: Path_, *, is_main: bool) -> Path_ | None:
        if path[:1] == ("metrics",) and len(path) > 1 and isinstance(path[1], int):
            place = to.get((is_main, path[1]))
            return None if place is None else ("metrics", place, *path[2:])
        of_main = not _SECTIONS.isdisjoint(path[:1]) or (has_user and path[:2] == _USER)
        return path if of_main is is_main else None

    written = {
        at: text
        for config in (head, main)
        for path, text in config.located.written.items()
        if (at := moved(path, is_main=config is main)) is not None
    }
    places = {
        at: place
        for path, place in head.located.places.items()
        if (at := moved(path, is_main=False)) is not None
    }
    given = head.located.values
    values = {key: each for key, each in given.items() if key not in _SECTIONS}
    values |= {key: each for key, each in main.located.values.items() if key in _SECTIONS}
    if has_user:
        told = main.located.values["run"][_SIMULATOR]
        values["run"] = {**(given.get("run") or {}), _SIMULATOR: told}
    values["metrics"] = [config.located.values["metrics"][place] for config, place in metrics]
    return replace(head.located, values=values, written=written, places=places)
