"""Whether a plan keeps its word: gates at the margin that it calls provable, after the drop that it finds.

    python benchmarks/outlook.py               the table, as Markdown on stdout (some minutes)
    python benchmarks/outlook.py --runs 500    fewer simulated runs

Simulated with a fixed seed, and decided by the gate's own functions; only the answers are drawn. A plan
promises 80 % in both columns. Its share of flips is the true one of each set of samples. A drop is one of the
mean over these very samples, on as few of them as can hold it; of samples like these it is drawn.
"""

import argparse
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from gate import BINARY, BOUNDED, PASSES, found_in, percent, table, verdict_of
from gate_these import SETS, answered, few_die, same

from lm_eval_so.comparator.effect.interval import Tested
from lm_eval_so.core.records.enums import Verdict
from lm_eval_so.core.stats.fixed_items import Item, ItemPairs
from lm_eval_so.core.stats.outlook import Asked, Noise, Outlook, Rule, look_ahead

MARGIN = 0.05
ANSWERS = ((1, 1, False), (3, 1, False), (3, 3, False), (3, 3, True), (5, 5, True), (5, 2, True))
"""Answers of the baseline and of a run, and whether the verdict is about these samples."""
SIZES = (30, 50, 100, 200)
Rates = Sequence[float]
Fall = Callable[[Rates], Rates]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A test set and how it is asked."""

    samples: str
    """Name of the kind of samples."""
    n: int
    baseline: int
    candidate: int
    is_these: bool

    def outlook(self) -> Outlook:
        """Return what the plan says."""
        asked = Asked(samples=self.n, baseline=self.baseline, candidate=self.candidate)
        noise = Noise(within=flips_of(self.samples))
        return look_ahead(asked, noise, Rule(margin=MARGIN, is_these=self.is_these))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Shares of simulated runs, of which a plan promises 80 %."""

    passes: float
    """Runs without a change that pass at the margin which is called provable."""
    finds: float
    """Runs that fail after the drop which is called found."""


def flips_of(samples: str, *, n: int = 200_000) -> float:
    """Return the share of samples that flip between two runs."""
    rates = SETS[samples](random.Random(1), n)
    return sum(2 * rate * (1 - rate) for rate in rates) / n


def simulate(setting: Setting, runs: int, *, seed: int = 5) -> Kept:
    """Simulate runs at the margin and after the drop that a plan names."""
    plan, dice = setting.outlook(), random.Random(seed)
    if plan.provable is None or plan.detectable is None:
        raise ValueError("the plan names no margin or no drop")
    fall = partial(few_die, drop=plan.detectable)
    if not setting.is_these:
        fall = partial(_drawn, dice=dice, drop=plan.detectable)
    passes = sum(_verdict(setting, dice, same, plan.provable) in PASSES for _ in range(runs))
    finds = sum(_verdict(setting, dice, fall, MARGIN) is Verdict.REGRESSION for _ in range(runs))
    return Kept(passes=passes / runs, finds=finds / runs)


def _drawn(rates: Rates, *, dice: random.Random, drop: float) -> Rates:
    """Let samples die by chance, so that the mean falls by the drop if many are drawn."""
    share = drop * len(rates) / sum(rates)
    return [0.0 if dice.random() < share else rate for rate in rates]


def _verdict(setting: Setting, dice: random.Random, fall: Fall, margin: float) -> Verdict:
    rates = SETS[setting.samples](dice, setting.n)
    before = answered(dice, rates, setting.baseline)
    after = answered(dice, fall(rates), setting.candidate)
    return verdict_of([found_in(_tested(before, after, setting), margin)])


def _tested(before: Sequence[Item], after: Sequence[Item], setting: Setting) -> Tested:
    changes = [new.mean - old.mean for old, new in zip(before, after, strict=True)]
    if setting.is_these:
        given = ItemPairs(before=before, after=after)
        return Tested(changes=changes, groups=None, shape=BINARY, given=given)
    is_single = setting.baseline == setting.candidate == 1
    return Tested(changes=changes, groups=None, shape=BINARY if is_single else BOUNDED)


def row(setting: Setting, runs: int) -> list[str]:
    """Return a line of the table."""
    plan, kept = setting.outlook(), simulate(setting, runs)
    answers = f"{setting.candidate}"
    if setting.baseline != setting.candidate:
        answers += f" (baseline {setting.baseline})"
    return [
        setting.samples,
        str(setting.n),
        answers,
        "these" if setting.is_these else "like these",
        f"{100 * (plan.provable or 0):.1f}",
        percent(kept.passes),
        f"{100 * (plan.detectable or 0):.1f}",
        percent(kept.finds),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=4000)
    runs = parser.parse_args().runs
    head = ["samples", "n", "answers each", "claim", "can prove", "PASS, no change"]
    settings = (
        Setting(samples=name, n=n, baseline=before, candidate=now, is_these=is_these)
        for name in SETS
        for n in SIZES
        for before, now, is_these in ANSWERS
    )
    rows = [row(setting, runs) for setting in settings]
    print(table([*head, "finds", "FAIL after that drop"], rows))


if __name__ == "__main__":
    main()
