"""What asking the baseline several times helps, and what an anchor does against a slow fall.

    python benchmarks/repeats.py               both tables, as Markdown on stdout (some minutes)
    python benchmarks/repeats.py --part creep
    python benchmarks/repeats.py --runs 500    fewer simulated runs

Simulated with a fixed seed, and decided by the gate's own functions; only the answers are drawn. 80 % of
the samples are right with 0.98 and the others with any rate, so that two runs of the same chatbot differ
on 10 % of them; margin 0.05. A run asks once. Chains have 200 samples.
"""

import argparse
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gate import BINARY, BOUNDED, PASSES, found_in, percent, table
from gate_these import MARGIN, Rates, all_fall, eighty_twenty, few_die

from lm_eval_so.comparator.effect.finding import Finding
from lm_eval_so.comparator.effect.interval import Tested
from lm_eval_so.comparator.gate.verdicts import judge, run_verdict
from lm_eval_so.core.records.enums import Verdict

N = 200
ALPHA = 0.05
PULLS = 10
"""Pull requests of a chain."""
STEP = 0.01
"""True drop of each of them."""
A_RUN = 100
"""Simulated runs against each baseline."""
LUCKIEST = 0.01
"""Share of the baselines that count as the luckiest."""
METRIC = "right"


def asked(dice: random.Random, rates: Rates, k: int) -> list[float]:
    """Draw the share of right ones among k answers to each sample."""
    draw = dice.random
    return [sum(draw() < rate for _ in range(k)) / k for rate in rates]


def found(before: Sequence[float], now: Sequence[float], *, is_plain: bool) -> Finding:
    """Return what the gate finds about a run against a report.

    Args:
        before: Share of right answers in the report, by sample.
        now: The same of the run.
        is_plain: Whether both were asked once.
    """
    changes = [new - old for old, new in zip(before, now, strict=True)]
    tested = Tested(changes=changes, groups=None, shape=BINARY if is_plain else BOUNDED)
    return found_in(tested, MARGIN)


def verdict_against(baseline: Finding, anchor: Finding | None = None) -> Verdict:
    """Return the verdict of a run against its baseline, and an anchor if there is one."""
    anchored = {METRIC: anchor} if anchor is not None else None
    judged = judge({METRIC: baseline}, {METRIC: None}, [METRIC], alpha=ALPHA, anchored=anchored)
    return run_verdict(judged, has_baseline=True)


def no_fall(rates: Rates, _: float) -> list[float]:
    """Leave the samples as they are."""
    return list(rates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Luck:
    """Shares of the verdicts on an unchanged chatbot."""

    passes: float
    fails: float
    luckiest: float
    """Share of the runs that fail against the luckiest hundredth of the baselines."""


def simulate_luck(k: int, baselines: int, *, runs: int = A_RUN, n: int = N, seed: int = 7) -> Luck:
    """Simulate runs of an unchanged chatbot against baselines that were asked k times."""
    dice, verdicts, failed = random.Random(seed), Counter[Verdict](), list[float]()
    for _ in range(baselines):
        rates = eighty_twenty(dice, n)
        before = asked(dice, rates, k)
        of_it = Counter(
            verdict_against(found(before, asked(dice, rates, 1), is_plain=k == 1))
            for _ in range(runs)
        )
        failed.append(of_it[Verdict.REGRESSION] / runs)
        verdicts += of_it
    failed.sort(reverse=True)
    top = failed[: max(1, round(LUCKIEST * baselines))]
    return Luck(
        passes=sum(verdicts[each] for each in PASSES) / verdicts.total(),
        fails=verdicts[Verdict.REGRESSION] / verdicts.total(),
        luckiest=sum(top) / len(top),
    )


def simulate_wrong_pass(k: int, runs: int, *, n: int = N, seed: int = 7) -> float:
    """Return how often a true drop as large as the margin passes, spread in the worst way."""
    dice, shares = random.Random(seed), list[float]()
    for fall in (all_fall, few_die):
        passed = 0
        for _ in range(runs):
            rates = eighty_twenty(dice, n)
            before, now = asked(dice, rates, k), asked(dice, fall(rates, MARGIN), 1)
            passed += verdict_against(found(before, now, is_plain=k == 1)) in PASSES
        shares.append(passed / runs)
    return max(shares)


@dataclass(frozen=True, slots=True, kw_only=True)
class Creep:
    """Shares of chains of pull requests."""

    unblocked: float
    """Chains in which none of the pull requests fails."""
    by_tenth: float
    """Chains in which one fails, the last at the latest."""
    at_tenth: float
    """Chains whose last pull request fails."""


def simulate_creep(
    k: int,
    chains: int,
    *,
    fall: Callable[[Rates, float], list[float]],
    of_anchor: int = 0,
    seed: int = 7,
) -> Creep:
    """Simulate chains of pull requests that each make the chatbot a little worse, and are merged.

    Args:
        k: Answers of each baseline, which is measured after each merge.
        chains: Number of chains.
        fall: How a drop of the mean is spread over the samples.
        of_anchor: Answers of the anchor, measured before the first of them; 0: there is none.
        seed: Seed of the answers.
    """
    dice, free, last = random.Random(seed), 0, 0
    for _ in range(chains):
        rates = eighty_twenty(dice, N)
        anchor = asked(dice, rates, of_anchor) if of_anchor else None
        failed = []
        for _ in range(PULLS):
            before = asked(dice, rates, k)
            rates = fall(rates, STEP)
            now = asked(dice, rates, 1)
            since = found(anchor, now, is_plain=of_anchor == 1) if anchor else None
            verdict = verdict_against(found(before, now, is_plain=k == 1), since)
            failed.append(verdict is Verdict.REGRESSION)
        free += not any(failed)
        last += failed[-1]
    return Creep(unblocked=free / chains, by_tenth=1 - free / chains, at_tenth=last / chains)


def luck(runs: int) -> str:
    """Return the table of an unchanged chatbot, by answers of its baseline."""
    rows = []
    for n in (50, 100, N):
        for k in (1, 3, 5):
            shown = simulate_luck(k, max(1, runs // 5), n=n)
            wrong = simulate_wrong_pass(k, 2 * runs, n=n)
            shares = (shown.passes, shown.fails, shown.luckiest, wrong)
            rows.append([str(n), str(k), *map(percent, shares)])
    head = [
        "samples",
        "baseline asked",
        "pass",
        "regression",
        "against the luckiest 1 %",
        "wrong pass",
    ]
    return table(head, rows)


def creep(runs: int) -> str:
    """Return the table of chains of ten pull requests, with and without an anchor."""
    rows = []
    falls: Mapping[str, Callable[[Rates, float], list[float]]] = {
        "none": no_fall,
        "1 point each, of all samples": all_fall,
        "1 point each, of few samples": few_die,
    }
    for name, fall in falls.items():
        for k, of_anchor in ((1, 0), (5, 0), (1, 1), (1, 5), (5, 5)):
            shown = simulate_creep(k, max(1, runs // 2), fall=fall, of_anchor=of_anchor)
            shares = (shown.unblocked, shown.by_tenth, shown.at_tenth)
            rows.append([name, str(k), str(of_anchor or "–"), *map(percent, shares)])
    head = ["drop", "baseline asked", "anchor asked", "unblocked", "one fails", "tenth fails"]
    return table(head, rows)


PARTS: Mapping[str, Callable[[int], str]] = {"luck": luck, "creep": creep}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--runs", type=int, default=2000)
    given = parser.parse_args()
    for name in given.part or PARTS:
        print(f"## {name}\n\n{PARTS[name](given.runs)}\n")


if __name__ == "__main__":
    main()
