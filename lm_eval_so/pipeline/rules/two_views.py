"""One report as main's rules see it and as the pull request's own do, and the record of both verdicts."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, Literal

from lm_eval_so.comparator.effect.finding import shape_of
from lm_eval_so.comparator.exemptions.files import Entry, read_exceptions
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.clock import now_text
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.measured_with import MeasuredWith, OwnVerdict, RuleChange
from lm_eval_so.core.records.report import EvaluationReport, MetricSummary
from lm_eval_so.core.report_file import digest_report, with_rows
from lm_eval_so.core.templates.safe import one_line
from lm_eval_so.errors import InputError
from lm_eval_so.evaluator.binding.bind import sound_metrics
from lm_eval_so.pipeline.rules.case_list import MOST_NAMED
from lm_eval_so.pipeline.rules.metric_code import with_code
from lm_eval_so.pipeline.rules.rule_changes import Effect, as_value, config_changes, in_order
from lm_eval_so.pipeline.rules.take_rules import Rules

Compare = Callable[[Config, EvaluationReport], Comparison]
"""Comparison of a report under the gate of a config."""
_Entries = Mapping[tuple[str | None, str | None], Entry]
_Kind = Literal["quarantined", "released", "gone", "edited"]
_OF_JUDGE: Final = re.compile(r"metrics\.(.+)\.(?:backend|panel|judge)(?:\.|$)")
_LONGEST_WHY: Final = 120


def seen_by_main(rules: Rules | None, report: EvaluationReport) -> EvaluationReport:
    """Return a report without the cases and metrics that main does not have, and with what changed code measures.

    Args:
        rules: The rules; None: the report stays as it is.
        report: Report under test.
    """
    if rules is None:
        return report
    added, own = rules.cases.added if rules.cases else frozenset(), rules.own_metrics
    report = _without(report, added)
    if not (own | rules.code.keys()) & report.metrics.keys():
        return report
    kept = {key: summary for key, summary in report.metrics.items() if key not in own}
    return replace(report, metrics=with_code(kept, rules.code))


def told_with_rules(
    comparison: Comparison,
    rules: Rules | None,
    report: EvaluationReport,
    resources: Resources,
    compare: Compare,
) -> Comparison:
    """Return a comparison with the rules that differ, and the verdict by the pull request's own.

    Args:
        comparison: Comparison by the rules that decide.
        rules: The rules; None: the comparison stays as it is.
        report: Report under test, with all that was measured.
        resources: Environment and redactor.
        compare: Comparison by the rules of another config.
    """
    if rules is None:
        return comparison
    if rules.why is not None:
        why = rules.why
        told = MeasuredWith(by="head", commit=rules.commit, why=why.code, figures=why.figures)
        return replace(comparison, rules=told)
    changes = in_order([*_changes(rules, report, resources), *_of_baseline(rules, comparison)])
    if not changes:
        return comparison
    added = [name for name in dict.fromkeys(report.samples.ids) if _is_added(name, rules)]
    pairing = replace(
        comparison.pairing,
        added=(*comparison.pairing.added, *added),
        removed=tuple(each for each in comparison.pairing.removed if each not in {*added}),
    )
    told = MeasuredWith(
        by=rules.by,
        commit=rules.commit,
        changes=changes,
        own=_own_verdict(rules, report, changes, compare),
    )
    digest = digest_report(report)
    return replace(comparison, rules=told, pairing=pairing, candidate_digest=digest)


def _is_added(name: str, rules: Rules) -> bool:
    return rules.cases is not None and name in rules.cases.added


def _own_verdict(
    rules: Rules, report: EvaluationReport, changes: Iterable[RuleChange], compare: Compare
) -> OwnVerdict | None:
    seen, anew = _seen_by_head(rules, report)
    try:
        found = compare(_own_config(rules.head, anew), seen)
    except InputError:  # its gate does not fit what was measured
        return None
    return OwnVerdict(
        verdict=found.verdict,
        exit_code=found.exit_code,
        sentence=found.sentence,
        sentence_in=found.sentence_in,
        not_asked=tuple(sorted(anew.union(filter(None, map(_judged_otherwise, changes))))),
    )


def _judged_otherwise(change: RuleChange) -> str | None:
    """Return the metric whose judge a change is about, even if it is the same model elsewhere."""
    place = _OF_JUDGE.match(change.key)
    return place[1] if place else None


def _own_config(head: Config, anew: frozenset[str]) -> Config:
    """Return the config of the pull request without fixed bounds of metrics that were not measured its way."""
    limits = head.gate.metrics
    if not limits or anew.isdisjoint(limits):
        return head
    unbound = {
        key: each.model_copy(update={"min": None, "max": None}) if key in anew else each
        for key, each in limits.items()
    }
    gate = head.gate.model_copy(update={"metrics": unbound})
    return head.model_copy(update={"gate": gate})


def _seen_by_head(
    rules: Rules, report: EvaluationReport
) -> tuple[EvaluationReport, frozenset[str]]:
    """Return a report as the pull request's rules see it, and the metrics that it defines anew.

    These are incomparable with main's baseline whatever they would say, so they are not measured twice.
    """
    cases = rules.cases
    if cases is not None:
        report = _without(report, cases.deleted)
        columns, ids = report.samples, report.samples.ids
        if cases.own_tags and columns.tags:
            tags = zip(ids, columns.tags, strict=True)
            own = tuple(cases.own_tags.get(name, given) for name, given in tags)
            columns = replace(columns, tags=own)
        if cases.own_groups:
            groups = zip(ids, columns.groups, strict=True)
            own_groups = tuple(cases.own_groups.get(name, given) for name, given in groups)
            columns = replace(columns, groups=own_groups)
        report = replace(report, samples=columns)
    definitions = {each.id: each for _, each in sound_metrics(rules.head)}
    metrics: dict[str, MetricSummary] = {}
    anew = set[str]()
    for key, summary in report.metrics.items():
        bound = definitions.get(key)
        if bound is None:
            continue
        if bound.fingerprint != summary.fingerprint:
            anew.add(key)
        definition = bound.definition()
        metrics[key] = replace(summary, fingerprint=bound.fingerprint, definition=definition)
    report = replace(report, metrics=metrics)
    return _meant_only(report, rules.head), frozenset(anew)


def _meant_only(report: EvaluationReport, head: Config) -> EvaluationReport:
    """Return a report whose metrics apply to no sample that `only` of a config leaves out."""
    columns = report.samples
    out = dict(columns.not_applicable)
    rows = list(enumerate(zip(columns.tags or (), columns.languages or (), strict=True)))
    for metric in head.metrics:
        tags, languages = {*metric.only.tags}, {*metric.only.language}
        if metric.id not in report.metrics or not (tags or languages):
            continue
        left_out = {
            row
            for row, (own, language) in rows
            if (tags and tags.isdisjoint(own)) or (languages and language not in languages)
        }
        out[metric.id] = tuple(sorted(left_out.union(out.get(metric.id, ()))))
    return replace(report, samples=replace(columns, not_applicable=out))


def _without(report: EvaluationReport, ids: frozenset[str]) -> EvaluationReport:
    if not ids:
        return report
    rows = [row for row, name in enumerate(report.samples.ids) if name not in ids]
    return with_rows(report, rows) if len(rows) < len(report.samples.ids) else report


def _changes(rules: Rules, report: EvaluationReport, resources: Resources) -> Iterator[RuleChange]:
    if rules.main is None:
        return
    redact = resources.redactor.redact
    yield from config_changes(rules.main, rules.head, _margins(report.metrics), redact)
    for key, why in rules.unmeasured.items():
        told = one_line(redact(why), _LONGEST_WHY)
        yield RuleChange(kind="metric_unmeasured", effect="other", key=key, base=told)
    for key, (file, _) in rules.code.items():
        yield RuleChange(kind="file", effect="other", key=as_value(file.name), metric=key)
    yield from _of_quarantine(rules, resources)
    yield from rules.cases.changes if rules.cases else ()


def _margins(metrics: Mapping[str, MetricSummary]) -> dict[str, float]:
    found = {key: shape_of(summary).default_margin for key, summary in metrics.items()}
    return {key: margin for key, margin in found.items() if margin is not None}


def _of_quarantine(rules: Rules, resources: Resources) -> Iterator[RuleChange]:
    day = datetime.fromisoformat(now_text(resources.environ)).date()
    before, now = (
        {(each.sample_id, each.metric): each for each in entries.quarantine}
        for entries in (read_exceptions(config, day=day) for config in (rules.config, rules.head))
    )
    if more := _longer(now, before):
        yield _of_cases("quarantined", "looser", "gate.quarantine", more)
    if less := _longer(before, now):
        yield _of_cases("released", "tighter", "gate.quarantine", less)


def _of_baseline(rules: Rules, comparison: Comparison) -> Iterator[RuleChange]:
    """Yield what a comparison leaves out where main's list of cases is nowhere but in its baseline."""
    if rules.main is None or rules.cases_of_main is not None:
        return
    if gone := comparison.pairing.removed:
        yield _of_cases("gone", "looser", "gone", gone)
    if edited := comparison.pairing.changed:
        yield _of_cases("edited", "other", "edited", edited)


def _longer(one: _Entries, other: _Entries) -> list[str]:
    """Return the cases that one side leaves out, and the other not, or not as long."""
    found = (each for key, each in one.items() if key not in other or each.until > other[key].until)
    return sorted({each.sample_id or "" for each in found})


def _of_cases(kind: _Kind, effect: Effect, key: str, ids: Sequence[str]) -> RuleChange:
    cases = tuple(ids[:MOST_NAMED])
    return RuleChange(kind=kind, effect=effect, key=key, n=len(ids), cases=cases)
