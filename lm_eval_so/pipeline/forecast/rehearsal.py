"""Trials of a gate on known answers: scenarios, and what other settings would change."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from lm_eval_so.comparator.trial_gate import Leading, TrialGate
from lm_eval_so.core.config.gate import GateMetricSection, GateSection
from lm_eval_so.core.hashing import u64
from lm_eval_so.core.records.enums import Claim
from lm_eval_so.core.records.forecast import ForecastOption, ForecastScenario, OptionName, Source
from lm_eval_so.core.stats.outlook import Asked, Noise, Rule, chances
from lm_eval_so.core.stats.trials import (
    ENOUGH,
    Effort,
    Pool,
    Rows,
    Shares,
    Sides,
    Splitter,
    WithoutNoisy,
    must_redraw,
)

MANY_ANSWERS = 5
"""Answers of a baseline that is asked often."""
EACH = 3
"""Answers on both sides of a verdict about these questions."""
_SPARE = 3
"""Answers that a trial must leave over to choose the noisiest samples by."""
_GOAL = 0.8
"""Share of runs that should pass unchanged, and fail where answers broke."""
_DEAREST = 3
"""Most requests of a suggested setting, as a multiple of today's."""
_CLOSE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """Known answers, and the gate that they are tried on."""

    gate: TrialGate
    noise: Sequence[tuple[Leading, float]]
    """Deciding metrics with a margin and a closed range, each with its noise, for formulas. Answers break
    by the first; if there is none, nothing can break."""
    rows: Sequence[Rows]
    """Known answers to each sample of the dataset."""
    days: Sequence[Sequence[Rows]]
    """The same by day."""
    sides: Sides
    effort: Effort
    usd: float | None = None
    """Price of an answer with its scores, in US dollars."""

    @property
    def leading(self) -> Leading | None:
        """Metric by which answers break; None if there is none."""
        return self.noise[0][0] if self.noise else None

    @cached_property
    def n(self) -> int:
        """Samples of a comparison."""
        return len(self.rows)

    @cached_property
    def seed(self) -> int:
        """Seed that follows from the answers."""
        columns = self.gate.report.samples
        scores = {key: list(columns.scores[key]) for key in self.gate.report.metrics}
        return u64(columns.ids, scores) >> 32

    def can_split(self, total: int) -> bool:
        """Return whether at least 80 % of the samples have so many answers."""
        return sum(len(own) >= total for own in self.rows) >= ENOUGH * self.n

    @property
    def source(self) -> Source:
        """Way of the forecast, where answers can be split."""
        return self._source(self.sides)

    def scenarios(self) -> Iterator[ForecastScenario]:
        """Yield the scenarios: nothing breaks, then what makes the margin, then twice that."""
        splitter = self._splitter(self.sides)
        counted = self._counted(splitter.pool)
        for broken in self._broken(splitter.pool):
            fall = self._fall(broken, counted)
            found = splitter.scenario(self.gate, self._seen(fall), self.effort)
            yield ForecastScenario(
                broken=broken,
                of=counted,
                drop=fall,
                passes=found.shares.passes,
                inconclusive=found.shares.unclear,
                fails=found.shares.fails,
                ranges={"pass": found.passes, "fail": found.fails},
            )

    def options(self, scenarios: Sequence[ForecastScenario]) -> Iterator[ForecastOption]:
        """Yield the gate as it is, then under other settings; nothing if no answer can break."""
        if self.leading is None or not scenarios[-1].broken:
            return
        sides, twice = self.sides, scenarios[-1].drop
        now = Shares(passes=scenarios[0].passes, fails=scenarios[-1].fails)
        yield self._option("as_is", None, now, sides, self.source)
        if sides.baseline < MANY_ANSWERS:
            more = Sides(baseline=MANY_ANSWERS, candidate=sides.candidate)
            yield self._tried("baseline", MANY_ANSWERS, more, twice)
        if not (self._is_these and min(sides.baseline, sides.candidate) >= EACH):
            yield self._tried_about_these(twice)
        yield self._tried_on_more(twice)
        yield from self._tried_without_noisy(twice)
        yield self._tried_with_margin(twice)

    def _counted(self, pool: Pool) -> int:
        """Return the number of samples that the leading metric applies to."""
        return round(pool.counted * self.n / len(pool.rows))

    def _broken(self, pool: Pool) -> list[int]:
        """Return the numbers of answers that break in the scenarios that are possible."""
        if self.leading is None:
            return [0]
        counted = self._counted(pool)
        exact = self.leading.margin * counted / self.leading.step
        # of few samples the margin and twice of it may be the same one
        numbers = sorted({0, *(math.ceil(times * exact - _CLOSE) for times in (1, 2))})
        falls = [self._seen(self._fall(number, counted)) for number in numbers]
        return [n for n, fall in zip(numbers, falls, strict=True) if pool.may_fall(fall)]

    def _fall(self, broken: int, counted: int) -> float:
        """Return the fall of the mean if so many answers break, in score units."""
        return broken * self.leading.step / counted if self.leading and counted else 0.0

    def _seen(self, fall: float) -> float:
        """Return what the metric shows of a true fall, as a share of its range."""
        return 0.0 if self.leading is None else fall * self.leading.shown / self.leading.width

    def _source(self, sides: Sides) -> Source:
        return "split_questions" if self._redraws(sides) else "split"

    def _redraws(self, sides: Sides) -> bool:
        return must_redraw([len(own) for own in self.rows if len(own) >= sides.total], sides)

    def _splitter(self, sides: Sides, scale: int = 1) -> Splitter:
        redraws = self._redraws(sides)
        return Splitter(
            pool=self._pool(sides), sides=sides, seed=self.seed, redraws=redraws, scale=scale
        )

    def _pool(self, sides: Sides) -> Pool:
        places = [at for at, own in enumerate(self.rows) if len(own) >= sides.total]
        labels = self.gate.report.samples.groups
        groups = [labels[self.rows[at][0]] or at for at in places]
        size = len(self.gate.report.samples.ids)
        losses = self.gate.losses(self.leading) if self.leading else [0.0] * size
        return Pool(
            rows=[self.rows[at] for at in places],
            losses=losses,
            n=self.n,
            groups=groups if len(set(groups)) < len(groups) else None,
            days=[[day[at] for at in places] for day in self.days],
        )

    def _both(self, splitter: Splitter, gate: TrialGate, fall: float) -> Shares:
        """Return the share that passes if nothing changes, and that fails after a fall."""
        trials = self.effort.trials // 2
        kept = splitter.shares(gate, 0.0, trials)
        lost = splitter.shares(gate, self._seen(fall), trials)
        return Shares(passes=kept.passes, fails=lost.fails)

    @property
    def _is_these(self) -> bool:
        return self.gate.terms.gate.claim is Claim.THESE

    def _tried(self, name: OptionName, value: float, sides: Sides, fall: float) -> ForecastOption:
        """Return an option with other numbers of answers, by formula where too few are known."""
        if self.can_split(sides.total):
            shares = self._both(self._splitter(sides), self.gate, fall)
            return self._option(name, value, shares, sides, self._source(sides))
        shares = self._by_formula(sides, fall, is_these=self._is_these)
        return self._option(name, value, shares, sides, "formula")

    def _tried_about_these(self, fall: float) -> ForecastOption:
        sides = Sides(baseline=EACH, candidate=EACH)
        if self.can_split(sides.total):
            changed = self.gate.terms.gate.model_copy(update={"claim": Claim.THESE})
            gate = with_section(self.gate, changed)
            shares = self._both(self._splitter(sides), gate, fall)
            return self._option("these", EACH, shares, sides, "split")
        shares = self._by_formula(sides, fall, is_these=True)
        return self._option("these", EACH, shares, sides, "formula")

    def _by_formula(self, sides: Sides, fall: float, *, is_these: bool) -> Shares:
        """Return about how often all metrics pass, at most as the hardest, and the first one finds."""
        asked = Asked(samples=self.n, baseline=sides.baseline, candidate=sides.candidate)
        found = [
            chances(
                asked,
                Noise(within=noise, is_binary=each.is_share, width=each.width),
                Rule(
                    margin=each.margin * each.shown,
                    is_these=is_these,
                    alpha=self.gate.terms.gate.alpha,
                ),
                drop=min(fall * each.shown, each.width),
                is_counted=True,
            )
            for each, noise in self.noise
        ]
        passes, finds = min(each.passes for each in found), found[0].finds
        return Shares(passes=max(0.0, passes), fails=max(0.0, finds))  # sums of floats

    def _tried_on_more(self, fall: float) -> ForecastOption:
        shares = self._both(self._splitter(self.sides, scale=2), self.gate, fall)
        return self._option("questions", 2 * self.n, shares, self.sides, "split_questions")

    def _tried_without_noisy(self, fall: float) -> Iterator[ForecastOption]:
        needed = self.sides.total + _SPARE
        if self.leading is None or not all(len(own) >= needed for own in self.rows):
            return
        column = self.gate.report.samples.scores[self.leading.metric]
        trials, pool = self.effort.trials // 2, self._pool(self.sides)
        tried = WithoutNoisy(pool=pool, sides=self.sides, seed=self.seed, scores=column)
        kept, share = tried.shares(self.gate, 0.0, trials)
        lost, _ = tried.shares(self.gate, self._seen(fall), trials)
        if share < 1:
            shares = Shares(passes=kept.passes, fails=lost.fails)
            noisy = self.n - round(share * self.n)
            yield self._option("without_noisy", noisy, shares, self.sides, "split")

    def _tried_with_margin(self, fall: float) -> ForecastOption:
        assert self.leading is not None  # noqa: S101 - asked by `options` alone
        margin = 2 * self.leading.margin
        shares = self._both(
            self._splitter(self.sides), with_margin(self.gate, self.leading.metric, margin), fall
        )
        return self._option("margin", margin, shares, self.sides, self.source)

    def _option(
        self, name: OptionName, value: float | None, shares: Shares, sides: Sides, source: Source
    ) -> ForecastOption:
        samples = self.n
        if value is not None and name in {"questions", "without_noisy"}:
            samples = int(value) if name == "questions" else self.n - int(value)
        requests = samples * sides.candidate
        return ForecastOption(
            name=name,
            value=value,
            passes=shares.passes,
            detect=shares.fails,
            requests_run=requests,
            requests_merge=samples * sides.baseline if sides.baseline != sides.candidate else 0,
            usd=None if self.usd is None else requests * self.usd,
            source=source,
        )


def with_section(gate: TrialGate, section: GateSection) -> TrialGate:
    """Return a gate with another section of the config."""
    return TrialGate(report=gate.report, terms=replace(gate.terms, gate=section))


def with_margin(gate: TrialGate, metric: str, margin: float) -> TrialGate:
    """Return a gate with another margin of one metric."""
    section = gate.terms.gate
    metrics = section.metrics
    if metrics is None:
        metrics = {key: GateMetricSection() for key in gate.report.metrics}
    own = metrics[metric].model_copy(update={"margin": margin})
    return with_section(gate, section.model_copy(update={"metrics": {**metrics, metric: own}}))


def suggested(options: Sequence[ForecastOption]) -> OptionName | None:
    """Return the cheapest setting that passes and finds in 80 % of runs, else the best affordable."""
    if not options:
        return None
    good = [each for each in options if min(each.passes, each.detect) >= _GOAL]
    if good:
        return min(good, key=lambda each: each.requests_run).name
    most = _DEAREST * options[0].requests_run
    affordable = [each for each in options if each.requests_run <= most]
    return max(affordable, key=lambda each: each.passes + each.detect).name
