"""The plan of a gate: what a config can prove and find with its dataset, before anything is asked."""

import math
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from lm_eval_so.comparator.baseline.find import AS_CONFIGURED, Place
from lm_eval_so.comparator.effect.finding import Shape, make_shape
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.dataset import load_dataset
from lm_eval_so.core.events import Listener
from lm_eval_so.core.records.enums import Claim, Direction
from lm_eval_so.core.records.gate_plan import GatePlan, PlanNeeds, PlanRow
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.stats.groups import lay_out
from lm_eval_so.core.stats.outlook import Asked, Rule, look_ahead, needed_repeats, needed_samples
from lm_eval_so.evaluator.binding.bind import bind_metrics, gating_ids
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.pipeline.gate_noise import (
    Earlier,
    Known,
    Tried,
    known_noise,
    read_earlier,
    repeats_of,
    shown_by_judge,
)

_REPEATS = (1, 3, 5)
"""Answers to each sample that every plan looks at."""


@dataclass(frozen=True, kw_only=True)
class _Case:
    """A deciding metric with all that its plan rests on."""

    tried: Tried
    known: Known
    rule: Rule
    """Rule of the gate, with the margin in units of the score."""
    shown: float
    """Share of a true difference that the score shows: less than 1 for a judge that errs."""

    def scaled(self, size: float | None) -> float | None:
        """Return a size in units of the score as a true one; None if there is none so large."""
        if size is None or size > self.shown * self.known.noise.width:
            return None
        return size / self.shown

    @property
    def share(self) -> float:
        """Smallest margin that is proven, as a share of the one that is allowed."""
        found = look_ahead(self.tried.asked, self.known.noise, self.rule).provable
        return float("inf") if found is None else found / self.rule.margin


def plan_gate(config: Config, listener: Listener, *, place: Place | None = None) -> GatePlan | None:
    """Return the plan of a gate by the deciding metric that has the most to prove; nothing is asked.

    Args:
        config: Config without problems.
        listener: Gets a warning for each earlier result that cannot be read.
        place: Place of the baseline, over the config's.

    Returns:
        None if there is no dataset, or no metric decides by a margin.

    Raises:
        InputError: If the dataset cannot be used.
    """
    if not config.resolve(config.dataset.path).exists():
        return None
    tried = list(_tried(config))
    if not tried:
        return None
    earlier = read_earlier(config, place or AS_CONFIGURED, listener)
    cases = [_case(each, earlier, config) for each in tried]
    hardest = max(cases, key=lambda case: case.share)
    return _plan(hardest, earlier)


def _tried(config: Config) -> Iterator[Tried]:
    """Yield the metrics that decide by a margin, with the samples that each applies to."""
    bound = bind_metrics(config, {})
    gating = gating_ids(config, bound)
    margins = {each.id: _margin(each, config) for each in bound if each.id in gating}
    deciding = [each for each in bound if margins.get(each.id)]
    groups: dict[str, list[str | None]] = {each.id: [] for each in deciding}
    told = config.dataset
    path = config.resolve(told.path)
    for sample in load_dataset(path, name=told.name, version=told.version) if deciding else ():
        for each in deciding:
            if each.always_applies or each.not_applicable(sample) is None:
                groups[each.id].append(sample.group_id)
    for each in deciding:
        margin, own = margins[each.id], groups[each.id]
        if margin and own:
            asked = _grouped(own, config.run.repeats)
            yield Tried(metric=each.id, shape=_shape(each), margin=margin, asked=asked)


def _shape(bound: BoundMetric) -> Shape:
    metric = bound.metric
    direction = Direction.HIGHER if metric.higher_is_better else Direction.LOWER
    return make_shape(metric.kind, direction, metric.range)


def _margin(bound: BoundMetric, config: Config) -> float | None:
    """Return the margin of a gating metric; None if it decides by none, or by no single answers."""
    shape, section = _shape(bound), (config.gate.metrics or {}).get(bound.id)
    if shape.width is None or bound.is_over_repeats or "baseline" in bound.metric.requires:
        return None
    return section.margin if section and section.margin else shape.default_margin


def _grouped(labels: Sequence[str | None], repeats: int) -> Asked:
    """Return samples with their groups; those without a label stand alone."""
    asked = Asked(samples=len(labels), baseline=repeats, candidate=repeats)
    own: list[Hashable] = [at if label is None else label for at, label in enumerate(labels)]
    layout = lay_out(range(len(own)), own)
    if layout.units == len(own):
        return asked
    return replace(asked, groups=layout.units, effective_groups=layout.effective_units)


def _case(tried: Tried, earlier: Earlier, config: Config) -> _Case:
    """Return a metric with the answers of its baseline, its noise and its judge."""
    repeats = config.baseline_repeats
    if earlier.baseline is not None:
        repeats = repeats_of(earlier.baseline, tried.metric) or repeats
    tried = replace(tried, asked=replace(tried.asked, baseline=repeats))
    shown = shown_by_judge(tried, earlier)
    return _Case(
        tried=tried,
        known=known_noise(tried, earlier),
        rule=Rule(
            margin=shown * tried.margin,
            is_these=config.gate.claim is Claim.THESE,
            alpha=config.gate.alpha,
        ),
        shown=shown,
    )


def price_of_answer(reports: Iterable[EvaluationReport]) -> float | None:
    """Return the price of one answer in US dollars, judges included; None if none is known.

    Args:
        reports: Reports to look in, the first with a known price counts.
    """
    prices = (report.cost.price_per(len(report.samples.ids)) for report in reports)
    return next((price for price in prices if price is not None), None)


def _plan(case: _Case, earlier: Earlier) -> GatePlan:
    tried, noise, rule = case.tried, case.known.noise, case.rule
    asked, is_binary = tried.asked, noise.is_binary
    price = price_of_answer(report for _, report in earlier.reports)
    within = noise.within
    return GatePlan(
        metric=tried.metric,
        kind=tried.shape.kind,
        direction=tried.shape.direction,
        width=noise.width,
        margin=tried.margin,
        n=asked.samples,
        groups=asked.groups,
        flips=within if is_binary else None,
        deviation=None if is_binary else math.sqrt(within),
        source=case.known.source,
        answers=case.known.answers,
        price_per_sample=price,
        rows=tuple(_rows(case, price)),
        needed=PlanNeeds(
            n=needed_samples(asked, noise, rule),
            least_n=needed_samples(asked, replace(noise, within=0.0, between=0.0), rule),
            repeats=needed_repeats(asked.samples, noise, rule),
        ),
    )


def _rows(case: _Case, price: float | None) -> Iterator[PlanRow]:
    """Yield the gate as configured, and with other numbers of answers, by these numbers."""
    now, is_these = case.tried.asked, case.rule.is_these
    configured = (
        int(now.candidate),
        int(now.baseline),
        is_these and min(now.baseline, now.candidate) > 1,
    )
    settings = {configured, *((k, k, k > 1) for k in _REPEATS)}
    for repeats, of_baseline, about_these in sorted(settings):
        asked = replace(now, baseline=of_baseline, candidate=repeats)
        found = look_ahead(asked, case.known.noise, replace(case.rule, is_these=about_these))
        requests = now.samples * repeats
        yield PlanRow(
            repeats=repeats,
            baseline_repeats=of_baseline,
            claim=Claim.THESE if about_these else Claim.LIKE_THESE,
            provable_margin=case.scaled(found.provable),
            detectable_drop=case.scaled(found.detectable),
            requests=requests,
            usd=None if price is None else requests * price,
            is_configured=(repeats, of_baseline, about_these) == configured,
        )
