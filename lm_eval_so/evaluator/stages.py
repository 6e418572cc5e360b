"""Which metric is scored when: with its row, in a batch, with all answers to its sample, or last."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lm_eval_so.core.config.model import Config
from lm_eval_so.errors import Problem, nearest
from lm_eval_so.evaluator.bound import BoundMetric
from lm_eval_so.evaluator.metrics.base import Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """Metrics by when they are scored, each after what it is built from."""

    row: tuple[BoundMetric, ...]
    """Row by row, as rows come."""
    batch: tuple[BoundMetric, ...]
    """Many rows at once."""
    joined: tuple[BoundMetric, ...]
    """Row by row, once the batches are scored that they are built from."""
    sample: tuple[BoundMetric, ...]
    """Once all answers to a sample are scored."""
    late: tuple[BoundMetric, ...]
    """Once all samples are scored, since they hold one against another."""


def make_stages(bound: Sequence[BoundMetric]) -> Stages:
    """Sort metrics that have no problems by when they are scored."""
    names = {each.id: _stage(each) for each in bound}
    ordered = [each for each in in_order(bound) if names.get(each.id)]

    def of(name: str) -> tuple[BoundMetric, ...]:
        return tuple(each for each in ordered if names[each.id] == name)

    return Stages(
        row=of("row"),
        batch=of("batch"),
        joined=of("joined"),
        sample=of("sample"),
        late=of("late"),
    )


def in_order(bound: Sequence[BoundMetric]) -> list[BoundMetric]:
    """Return metrics so that each stands after those that it is built from."""
    found: dict[str, BoundMetric] = {}

    def add(each: BoundMetric) -> None:
        for part in each.parts:
            add(part)
        found.setdefault(each.id, each)

    for each in bound:
        add(each)
    return list(found.values())


def with_parts(bound: Sequence[BoundMetric]) -> tuple[BoundMetric, ...]:
    """Bind metrics without problems to those that they are built from."""
    plain = {each.id: each for each in bound}
    made: dict[str, BoundMetric] = {}

    def of(metric_id: str) -> BoundMetric:
        if metric_id not in made:
            each = plain[metric_id]
            parts = tuple(of(part) for part in each.metric.part_ids)
            made[metric_id] = BoundMetric(
                metric=each.metric, section=each.section, passes=each.passes, parts=parts
            )
        return made[metric_id]

    return tuple(of(each.id) for each in bound)


def part_problems(config: Config, bound: Mapping[int, BoundMetric]) -> Iterator[Problem]:
    """Find what is wrong with what metrics are built from: ids, circles, kinds.

    Args:
        config: The config.
        bound: Its metrics by position, without their parts, as far as they could be made.
    """
    by_id = {each.id: each for each in bound.values()}
    known = [section.id for section in config.metrics]
    for position, each in bound.items():
        where = config.where("metrics", position, "params")
        for part in each.metric.part_ids:
            if part not in known:
                close = nearest(part, [name for name in known if name != each.id])
                what = f'{each.id} is built from "{part}", which is no metric here'
                yield Problem(
                    what=what + (f' (did you mean "{close}"?)' if close else ""),
                    where=where,
                    hint=None if close else f"metrics here: {', '.join(known)}",
                )
                continue
            circle = _circle(each.id, part, by_id)
            if circle:
                what = f"{each.id} is built from itself: {' → '.join(circle)}"
                yield Problem(what=what, where=where)
            elif part in by_id:
                yield from _fit(each.metric, by_id[part], config, position)


def _fit(metric: Metric, part: BoundMetric, config: Config, position: int) -> Iterator[Problem]:
    why = metric.check_part(part.metric, decides=part.decides)
    if why is not None:
        what = f"{metric.id} cannot be built from {part.id}: it {why}"
        yield Problem(what=what, where=config.where("metrics", position, "params"))


def _circle(start: str, part: str, by_id: Mapping[str, BoundMetric]) -> list[str]:
    """Return the way from a metric by a part back to itself; empty if there is none."""
    ways = [[start, part]]
    seen = {part}
    while ways:
        way = ways.pop()
        if way[-1] == start:
            return way
        each = by_id.get(way[-1])
        for following in each.metric.part_ids if each else ():
            if following == start or following not in seen:
                seen.add(following)
                ways.append([*way, following])
    return []


def _stage(each: BoundMetric) -> str:
    if each.is_late:
        return "late"
    below = {_stage(part) for part in each.parts}
    if each.is_over_repeats or "sample" in below:
        return "sample"
    if each.is_batched:
        return "batch"
    return "joined" if below & {"batch", "joined"} else "row"
