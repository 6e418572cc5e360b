"""How often the gate is wrong where its formulas are at their limits: rare failures, skew, lost rows.

python benchmarks/gate_guards.py                 all tables, as Markdown on stdout (some minutes)
python benchmarks/gate_guards.py --part few
python benchmarks/gate_guards.py --runs 500      fewer simulated runs

Tables that say "exact" sum over all outcomes; the others are simulated with a fixed seed.
"""

import argparse
import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache

from gate import (
    ALPHA,
    BINARY,
    BOUNDED,
    LEAST_CHANCE,
    PASSES,
    binomial,
    correlated,
    found,
    judge_reports,
    make_report,
    percent,
    table,
    verdict_of,
)

from lm_eval_so.comparator.effect.interval import estimate_flips
from lm_eval_so.core.records.enums import Verdict
from lm_eval_so.core.stats.diagnostic import Diagnosis, margin_by_judge
from lm_eval_so.core.stats.distributions import normal_quantile, t_cdf, t_quantile
from lm_eval_so.core.stats.groups import lay_out

Z = normal_quantile(1 - ALPHA)


def wrong_passes(_: int) -> str:
    """The worst wrong PASS of right-or-wrong metrics at a true drop of the margin, exact."""
    sizes, rows = range(5, 201), []
    for margin in (0.02, 0.05, 0.1, 0.2):
        cells = []
        for better in (0.0, 0.0005, 0.002, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4):
            if margin + 2 * better > 0.999:
                cells.append("–")
                continue
            shares = [wrong_pass(n, margin, better) for n in sizes]
            cells.append(percent(max(shares)))
        rows.append([f"{margin}", *cells])
    head = ["margin", "flips to right 0%", "0.05%", "0.2%", "1%", "2%", "5%", "10%", "20%", "40%"]
    title = f"worst PASS at a true drop of the margin, n {sizes[0]} to {sizes[-1]}"
    return f"## Right or wrong: {title}\n\n{table(head, rows)}"


def wrong_pass(n: int, margin: float, better: float) -> float:
    """Return the chance of a PASS where the true drop is the margin."""
    return sum(
        chance
        for g, of_better in binomial(n, better)
        for w, of_rest in binomial(n - g, (margin + better) / (1 - better))
        if w <= most_lost(g, n, margin) and (chance := of_better * of_rest) > LEAST_CHANCE
    )


@cache
def most_lost(better: int, n: int, margin: float) -> int:
    """Return how many samples at most may get worse for a PASS; −1 if not one."""
    low, high = -1, n - better
    while low < high:
        middle = (low + high + 1) // 2
        changes = [-1.0] * middle + [1.0] * better + [0.0] * (n - middle - better)
        if found(changes, BINARY, margin).outcome.passes:
            low = middle
        else:
            high = middle - 1
    return low


def few(runs: int) -> str:
    """Fewer than ten scores or groups, of which nothing changed on the whole: the false FAIL."""
    chance, rows = random.Random(6), []
    draws: dict[str, Callable[[], float]] = {
        "normal, SD 0.2": lambda: max(-1.0, min(1.0, chance.gauss(0, 0.2))),
        "± 0.3": lambda: chance.choice((-0.3, 0.3)),
        "uniform on ± 1": lambda: chance.uniform(-1, 1),
    }
    for name, draw in draws.items():
        fails = []
        for n in range(4, 10):
            runs_of_n = ([draw() for _ in range(n)] for _ in range(runs))
            seen = Counter(verdict_of([found(changes, BOUNDED, 0.03)]) for changes in runs_of_n)
            fails.append(percent(seen[Verdict.REGRESSION] / runs))
        rows.append([f"scores, {name}", *fails])
    fails = []
    for count in range(4, 10):
        labels = [group for group in range(count) for _ in range(5)]
        runs_of_n = ([c for _ in range(count) for c in correlated(chance)] for _ in range(runs))
        seen = Counter(verdict_of([found(changes, BINARY, 0.05, labels)]) for changes in runs_of_n)
        fails.append(percent(seen[Verdict.REGRESSION] / runs))
    rows.append(["groups of 5, flips 10%", *fails])
    head = ["changes", *(f"{'n = ' if n == 4 else ''}{n}" for n in range(4, 10))]
    return f"## Few scores or groups: false FAIL, {runs:,} runs per cell\n\n{table(head, rows)}"


def unequal_groups(runs: int) -> str:
    """Groups of unequal sizes that flip together: the PASS at a true drop of the margin."""
    chance, rows = random.Random(7), []
    sizes = {
        "40 of 6": [6] * 40,
        "20 of 2, 20 of 8": [2] * 20 + [8] * 20,
        "Zipf, 60/r": [round(60 / rank) for rank in range(1, 41)],
        "Zipf, 120/r": [round(120 / rank) for rank in range(1, 61)],
        "lognormal": sorted(max(1, round(chance.lognormvariate(1, 1.2))) for _ in range(60)),
        "one with half": [60] + [2] * 30,
    }
    for name, each in sizes.items():
        labels = [group for group, size in enumerate(each) for _ in range(size)]
        layout, cells = lay_out(range(len(labels)), labels), []
        for correlation in (0.5, 1.0):
            passes = sum(
                found(together(chance, each, correlation), BINARY, 0.05, labels).outcome.passes
                for _ in range(runs)
            )
            cells.append(percent(passes / runs))
        rows.append([name, str(len(each)), f"{layout.effective_units:.1f}", *cells])
    head = ["sizes", "groups", "effective", "PASS, correlation 0.5", "correlation 1"]
    title = f"Unequal groups: true drop of the margin 0.05, flips 10%, {runs:,} runs per cell"
    return f"## {title}\n\n{table(head, rows)}"


def together(dice: random.Random, sizes: Sequence[int], correlation: float) -> list[float]:
    """Return the changes of groups, of which each sample takes its group's with some chance."""
    drawn = []
    for size in sizes:
        shared = fallen(dice)
        drawn += [shared if dice.random() ** 2 < correlation else fallen(dice) for _ in range(size)]
    return drawn


def fallen(dice: random.Random) -> float:
    """Return a change where a tenth flips both ways, and a twentieth more goes wrong."""
    return dice.choice((-1.0, -1.0, 1.0, *[0.0] * 17))


def judges(runs: int) -> str:
    """A calibrated judge: the PASS at a true drop of the margin, with and without room for J."""
    dice, rows = random.Random(8), []
    for labels, n in ((100, 500), (200, 500), (200, 2000), (200, 10_000), (1000, 10_000)):
        shares: Counter[str] = Counter()
        for _ in range(runs):
            tp, tn = (sum(dice.random() < 0.8 for _ in range(labels // 2)) for _ in range(2))
            found_j = Diagnosis(tp=tp, fn=labels // 2 - tp, tn=tn, fp=labels // 2 - tn)
            j, error = found_j.youden or 0.0, found_j.youden_error or 0.0
            worse, better = (near_binomial(dice, n, share) for share in (0.11, 0.05))
            seen = estimate_flips(worse, better, n, alpha=ALPHA)
            se = (seen.value - seen.low) / Z
            room = margin_by_judge(0.1, j, error=error, se=se, alpha=ALPHA)
            shares["with"] += seen.low > -room
            shares["without"] += seen.low > -j * 0.1
        told = (percent(shares[key] / runs) for key in ("without", "with"))
        rows.append([f"{labels:,}", f"{n:,}", *told])
    head = ["labels", "n", "PASS, J taken as exact", "PASS"]
    title = f"Judge of J 0.6: true drop of the margin 0.1, flips 10%, {runs:,} runs per row"
    return f"## {title}\n\n{table(head, rows)}"


def skewed(runs: int) -> str:
    """Scores whose changes are skewed: the PASS at a true drop of the margin, and the false FAIL."""
    dice, margin, rows = random.Random(9), 0.05, []
    shapes: dict[str, Callable[[float], float]] = {
        "few lose all, the others nothing": lambda drop: -float(dice.random() < drop),
        "few lose much, the others gain": lambda drop: few_lose(dice) - drop,
        "few gain much, the others lose": lambda drop: -few_lose(dice) - drop,
        "a long tail of losses": lambda drop: 0.1 - dice.expovariate(10) - drop,
        "a long tail of gains": lambda drop: dice.expovariate(10) - 0.1 - drop,
    }
    for name, draw in shapes.items():
        for n in (30, 50, 100, 200):
            shares: Counter[str] = Counter()
            for _ in range(runs):
                for kind, drop in (("wrong", margin), ("still", 0.0)):
                    changes = [max(-1.0, min(1.0, draw(drop))) for _ in range(n)]
                    verdict, (low, p) = verdict_of([found(changes, BOUNDED, margin)]), of_t(changes)
                    shares[f"{kind} pass"] += verdict in PASSES
                    shares[f"{kind} fail"] += verdict is Verdict.REGRESSION
                    shares[f"{kind} t pass"] += low > -margin
                    shares[f"{kind} t fail"] += p <= ALPHA
            kinds = ("wrong pass", "wrong t pass", "still fail", "still t fail")
            rows.append([name, str(n), *(percent(shares[kind] / runs) for kind in kinds)])
    head = ["changes", "n", "wrong PASS", "by a t interval", "false FAIL", "paired t, p ≤ 0.05"]
    return f"## Skewed scores: margin {margin}, {runs:,} runs per row\n\n{table(head, rows)}"


def few_lose(dice: random.Random) -> float:
    """Return a change of which one in 20 is a large loss, 0 on average."""
    return -0.9 if dice.random() < 0.05 else 0.9 * 0.05 / 0.95


def of_t(changes: Sequence[float]) -> tuple[float, float]:
    """Return the lower end of the usual t interval of the mean, and p of a fall."""
    n, mean = len(changes), math.fsum(changes) / len(changes)
    se = math.sqrt(math.fsum((change - mean) ** 2 for change in changes) / (n - 1) / n)
    low = mean - t_quantile(1 - ALPHA, n - 1) * se
    return low, t_cdf(mean / se, n - 1) if se else float(mean >= 0)


def missing(runs: int) -> str:
    """Rows of the candidate without a score, lost at random or since their answers are wrong."""
    dice, margin, n, rows = random.Random(10), 0.05, 200, []
    for drop, named in ((0.0, "0"), (margin, "margin")):
        for lost in (0, 2, 5, 10):
            for only_wrong in (False, True) if lost else (False,):
                shares: Counter[str] = Counter()
                for _ in range(max(50, runs // 4)):
                    before, now = answers(dice, n, drop)
                    told = without(dice, now, lost, only_wrong=only_wrong)
                    kept = [(b, c) for b, c in zip(before, told, strict=True) if c is not None]
                    changes = [c - b for b, c in kept]
                    counted = [(c or 0.0) - b for b, c in zip(before, told, strict=True)]
                    verdict = judge_reports(
                        *(make_report({"m": side}) for side in (before, told)),
                        gate={"metrics": {"m": {"margin": margin}}},
                    ).verdict
                    shares["pass"] += verdict in PASSES
                    shares["fail"] += verdict is Verdict.REGRESSION
                    shares["left out"] += verdict_of([found(changes, BINARY, margin)]) in PASSES
                    as_wrong = verdict_of([found(counted, BINARY, margin)])
                    shares["as wrong"] += as_wrong is Verdict.REGRESSION
                which = "wrong answers" if only_wrong else "any" if lost else "–"
                kinds = ("pass", "left out", "fail", "as wrong")
                told_shares = (percent(shares[kind] / max(50, runs // 4)) for kind in kinds)
                rows.append([named, str(lost), which, *told_shares])
    head = ["true drop", "rows lost", "which", "PASS", "lost rows left out: PASS"]
    head += ["FAIL", "lost rows as wrong: FAIL"]
    title = f"Missing rows: n {n}, margin {margin}, flips 10%, {max(50, runs // 4):,} runs per row"
    return f"## {title}\n\n{table(head, rows)}"


def answers(dice: random.Random, n: int, drop: float) -> tuple[list[float], list[float]]:
    """Return answers of both sides, right or wrong, of which a tenth flips and a share more goes wrong."""
    kinds = ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.0, 0.0))
    pairs = dice.choices(kinds, (0.05 + drop, 0.05, 0.75 - drop, 0.15), k=n)
    return [old for old, _ in pairs], [new for _, new in pairs]


def without(
    dice: random.Random, now: Sequence[float], lost: int, *, only_wrong: bool
) -> list[float | None]:
    """Return answers of which some have no score."""
    places = [place for place, score in enumerate(now) if not (only_wrong and score)]
    gone = frozenset(dice.sample(places, lost))
    return [None if place in gone else score for place, score in enumerate(now)]


def near_binomial(dice: random.Random, n: int, share: float) -> int:
    return round(dice.gauss(n * share, (n * share * (1 - share)) ** 0.5))


PARTS: dict[str, Callable[[int], str]] = {
    part.__name__: part for part in (wrong_passes, few, skewed, unequal_groups, missing, judges)
}


def main() -> None:
    told = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    told.add_argument("--part", action="append", choices=PARTS)
    told.add_argument("--runs", type=int, default=4000)
    arguments = told.parse_args()
    print("\n\n".join(PARTS[name](arguments.runs) for name in arguments.part or PARTS))


if __name__ == "__main__":
    main()
