"""How often the gate is wrong, and how often it finds a drop, compared with common rules.

    python benchmarks/gate.py                 all tables, as Markdown on stdout (some minutes)
    python benchmarks/gate.py --part binary --part sweep
    python benchmarks/gate.py --runs 500      fewer simulated runs

Right-or-wrong metrics are enumerated: every outcome is decided by the gate's own functions and
weighted with its chance. The rest is simulated with a fixed seed. "Flips 10 %" means that between two
runs of the same chatbot 5 % of the samples go from right to wrong and 5 % back; a true drop adds more
of the first. The rules beside it call everything a pass that they do not fail.
"""

import argparse
import math
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

from lm_eval_so.comparator.compare import changed_samples
from lm_eval_so.comparator.effect.finding import (
    Finding,
    Interval,
    Limits,
    Outcome,
    Shape,
    make_shape,
)
from lm_eval_so.comparator.effect.interval import Tested, estimate_change, falls_by_margin, holds
from lm_eval_so.comparator.gate.verdicts import judge, run_verdict
from lm_eval_so.comparator.pairing import Groups
from lm_eval_so.comparator.terms import Terms
from lm_eval_so.core.records.enums import Direction, MetricKind, Verdict
from lm_eval_so.core.stats.distributions import t_cdf

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from comparing import judge as judge_reports
from factories import make_report

ALPHA = 0.05
LEAST_CHANCE = 1e-9
BINARY = make_shape(MetricKind.BINARY, Direction.HIGHER, None)
BOUNDED = make_shape(MetricKind.BOUNDED, Direction.HIGHER, (0.0, 1.0))
PASSES = (Verdict.PASS, Verdict.IMPROVED)
Draw = tuple[float, int, int]
"""Chance, samples that got worse, samples that got better."""


def found(
    differences: Sequence[float], shape: Shape, margin: float, groups: Sequence[int] | None = None
) -> Finding:
    """Return what the gate finds in the changes of the samples."""
    grouped = Groups(groups) if groups is not None else None
    return found_in(Tested(changes=differences, groups=grouped, shape=shape), margin)


def found_in(tested: Tested, margin: float, pass_alpha: float = ALPHA) -> Finding:
    """Return what the gate finds, with an error of a pass of its own where a run has several looks."""
    seen, shape = estimate_change(tested, alpha=ALPHA), tested.shape
    lower = seen if pass_alpha == ALPHA else estimate_change(tested, alpha=pass_alpha)
    passes = holds(tested, lower, margin=margin, alpha=pass_alpha)
    return Finding(
        shape=shape,
        limits=Limits(margin=margin),
        interval=Interval(
            delta=seen.value, low=lower.low, high=seen.high, p=seen.p_worse, method="benchmark"
        ),
        outcome=Outcome(
            passes=passes,
            gained=passes and lower.low > 0,
            falls_by_limit=falls_by_margin(seen.value, shape, margin=margin),
        ),
    )


def verdict_of(findings: Sequence[Finding]) -> Verdict:
    """Decide a run by all its metrics."""
    named = {str(number): finding for number, finding in enumerate(findings)}
    judged = judge(named, dict.fromkeys(named), list(named), alpha=ALPHA)
    return run_verdict(judged, has_baseline=True)


@cache
def binary_verdict(worse: int, better: int, n: int, margin: float) -> Verdict:
    differences = [-1.0] * worse + [1.0] * better + [0.0] * (n - worse - better)
    return verdict_of([found(differences, BINARY, margin)])


def outcomes(n: int, worse: float, better: float) -> Iterator[Draw]:
    """Yield every outcome that is not all but impossible: a multinomial of three classes."""
    for w, chance in binomial(n, worse):
        for g, of_rest in binomial(n - w, better / (1 - worse)):
            if chance * of_rest > LEAST_CHANCE:
                yield chance * of_rest, w, g


def binomial(n: int, share: float) -> Iterator[tuple[int, float]]:
    if n == 0 or share <= 0:
        yield 0, 1.0
        return
    reach = 6 * math.sqrt(n * share * (1 - share)) + 6
    for k in range(max(0, int(n * share - reach)), min(n, int(n * share + reach)) + 1):
        ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        yield k, math.exp(ways + k * math.log(share) + (n - k) * math.log1p(-share))


def paired_t_fails(mean: float, squares: float, n: int) -> bool:
    """Return whether the one-sided paired t-test calls the drop proven."""
    variance = (squares - n * mean * mean) / (n - 1)
    if variance <= 0:
        return mean < 0
    return t_cdf(mean / math.sqrt(variance / n), n - 1) <= ALPHA


HEAD = [
    "true drop",
    "n",
    "PASS",
    "INCONCLUSIVE",
    "FAIL",
    "score fell",
    "fell by more than the margin",
    "paired t, p ≤ 0.05",
]


def percent(share: float) -> str:
    return f"{abs(share) * 100:.1f}%"  # 1 less its parts may be a hair below 0


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def binary_row(n: int, flips: float, margin: float, drop: float, named: str) -> list[str]:
    shares: Counter[str] = Counter()
    total = 0.0
    for chance, w, g in outcomes(n, flips / 2 + drop, flips / 2):
        total += chance
        verdict = binary_verdict(w, g, n, margin)
        mean = (g - w) / n
        shares["pass"] += chance * (verdict in PASSES)
        shares["fail"] += chance * (verdict is Verdict.REGRESSION)
        shares["fell"] += chance * (mean < 0)
        shares["margin"] += chance * (mean < -margin)
        shares["t"] += chance * paired_t_fails(mean, w + g, n)
    of = {key: value / total for key, value in shares.items()}
    unclear = 1 - of["pass"] - of["fail"]
    return [
        named,
        str(n),
        *map(percent, (of["pass"], unclear, of["fail"], of["fell"], of["margin"], of["t"])),
    ]


def binary(_: int) -> str:
    """Right-or-wrong metrics, exact."""
    texts = []
    for flips, margin in ((0.10, 0.05), (0.02, 0.05), (0.10, 0.02)):
        drops = [
            (0.0, "0"),
            (margin / 2, "margin / 2"),
            (margin, "margin"),
            (2 * margin, "2 × margin"),
        ]
        rows = [
            binary_row(n, flips, margin, drop, named)
            for drop, named in drops
            for n in (30, 50, 100, 200, 500, 1000)
        ]
        texts.append(
            f"## Right or wrong: flips {flips:.0%}, margin {margin}\n\n{table(HEAD, rows)}"
        )
    return "\n\n".join(texts)


def sweep(_: int) -> str:
    """The worst false FAIL of right-or-wrong metrics from 30 to 5,000 samples, exact."""
    rows = []
    for n in (30, 40, 50, 75, 100, 150, 200, 300, 500, 1000, 2000, 5000):
        shares = []
        for flips in (0.01, 0.02, 0.05, 0.10, 0.20, 0.40):
            fails = sum(
                chance
                for chance, w, g in outcomes(n, flips / 2, flips / 2)
                if binary_verdict(w, g, n, 0.05) is Verdict.REGRESSION
            )
            shares.append(fails)
            binary_verdict.cache_clear()
        rows.append([f"{n:,}", *map(percent, shares), f"**{percent(max(shares))}**"])
    head = ["n", "flips 1%", "2%", "5%", "10%", "20%", "40%", "worst"]
    return f"## Right or wrong: false FAIL, nothing changed, margin 0.05\n\n{table(head, rows)}"


def bounded(runs: int) -> str:
    """Scores between 0 and 1, simulated: half of the samples tie, the others change by SD 0.2."""
    chance, margin, rows = random.Random(1), 0.03, []
    for drop, named in ((0.0, "0"), (margin, "margin"), (2 * margin, "2 × margin")):
        for n in (50, 100, 200, 500, 1000):
            shares: Counter[str] = Counter()
            for _ in range(runs):
                changes = [
                    0.0
                    if chance.random() < 0.5
                    else max(-1.0, min(1.0, chance.gauss(-2 * drop, 0.2)))
                    for _ in range(n)
                ]
                mean = math.fsum(changes) / n
                verdict = verdict_of([found(changes, BOUNDED, margin)])
                shares["pass"] += verdict in PASSES
                shares["fail"] += verdict is Verdict.REGRESSION
                shares["fell"] += mean < 0
                shares["margin"] += mean < -margin
                shares["t"] += paired_t_fails(mean, math.fsum(x * x for x in changes), n)
            of = {key: shares[key] / runs for key in ("pass", "fail", "fell", "margin", "t")}
            unclear = 1 - of["pass"] - of["fail"]
            rows.append(
                [
                    named,
                    str(n),
                    *map(
                        percent,
                        (of["pass"], unclear, of["fail"], of["fell"], of["margin"], of["t"]),
                    ),
                ]
            )
    return f"## Scores from 0 to 1: margin {margin}, {runs:,} runs per row\n\n{table(HEAD, rows)}"


def few_changes(runs: int) -> str:
    """Scores of which few change, and nothing on the whole: the false FAIL."""
    chance, rows = random.Random(2), []
    shapes: dict[str, Callable[[], float]] = {
        "± 0.3": lambda: chance.choice((-0.3, 0.3)),
        "uniform on ± 1": lambda: chance.uniform(-1, 1),
    }
    for name, draw in shapes.items():
        for share in (0.02, 0.05, 0.10, 0.20):
            fails = []
            for n in (20, 50, 100, 200):
                seen = Counter(
                    verdict_of(
                        [
                            found(
                                [draw() if chance.random() < share else 0.0 for _ in range(n)],
                                BOUNDED,
                                0.03,
                            )
                        ]
                    )
                    for _ in range(runs)
                )
                fails.append(percent(seen[Verdict.REGRESSION] / runs))
            rows.append([name, f"{share:.0%}", *fails])
    head = ["changes", "of the samples", "n = 20", "50", "100", "200"]
    return f"## Scores with few changes: false FAIL, {runs:,} runs per cell\n\n{table(head, rows)}"


def metrics(runs: int) -> str:
    """Several independent right-or-wrong metrics, nothing changed, n = 200, flips 10 %."""
    chance, n, rows = random.Random(3), 200, []
    for count in (1, 3, 5, 10):
        shares: Counter[str] = Counter()
        for _ in range(runs):
            flips = [
                (
                    sum(chance.random() < 0.05 for _ in range(n)),
                    sum(chance.random() < 0.05 for _ in range(n)),
                )
                for _ in range(count)
            ]
            findings = [
                found([-1.0] * w + [1.0] * g + [0.0] * (n - w - g), BINARY, 0.05) for w, g in flips
            ]
            shares["gate"] += verdict_of(findings) is Verdict.REGRESSION
            shares["alone"] += any(
                verdict_of([finding]) is Verdict.REGRESSION for finding in findings
            )
            shares["fell"] += any(g < w for w, g in flips)
            shares["t"] += any(paired_t_fails((g - w) / n, w + g, n) for w, g in flips)
        rows.append(
            [str(count), *(percent(shares[key] / runs) for key in ("gate", "alone", "fell", "t"))]
        )
    head = ["metrics", "gate", "each unadjusted", "any score fell", "any paired t"]
    return f"## Several metrics: share of runs that fail though nothing changed, {runs:,} runs\n\n{table(head, rows)}"


def groups(runs: int) -> str:
    """Samples in groups of five that flip together, nothing changed, flips 10 %."""
    chance, rows = random.Random(4), []
    for count in (20, 60, 200):
        shares: Counter[str] = Counter()
        labels = [group for group in range(count) for _ in range(5)]
        for _ in range(runs):
            changes = [change for _ in range(count) for change in correlated(chance)]
            together = verdict_of([found(changes, BINARY, 0.05, labels)])
            alone = verdict_of([found(changes, BINARY, 0.05)])
            shares["fail"] += together is Verdict.REGRESSION
            shares["pass"] += together in PASSES
            shares["fail alone"] += alone is Verdict.REGRESSION
            shares["pass alone"] += alone in PASSES
        of = (percent(shares[key] / runs) for key in ("fail", "pass", "fail alone", "pass alone"))
        rows.append([str(count), str(5 * count), *of])
    head = ["groups", "n", "FAIL", "PASS", "groups ignored: FAIL", "PASS"]
    return f"## Groups of 5, correlation 0.5, {runs:,} runs\n\n{table(head, rows)}"


def correlated(chance: random.Random) -> list[float]:
    """Return the changes of a group: each sample takes the group's change with a chance of √½."""
    shared = change(chance)
    return [shared if chance.random() < math.sqrt(0.5) else change(chance) for _ in range(5)]


def change(chance: random.Random) -> float:
    return (-1.0, 1.0, *[0.0] * 18)[chance.randrange(20)]


def confirm(runs: int) -> str:
    """Asking again what changed: share of runs that fail, one metric, n = 200, flips 10 %."""
    dice, rows = random.Random(5), []
    for lost in (0, 8, 12, 16, 20):
        # a fifth of the samples are right half of the time, so a tenth flips between two runs
        before = [0.5] * 40 + [1.0] * 160
        now = [0.5] * 40 + [0.0] * lost + [1.0] * (160 - lost)
        fails: Counter[int] = Counter()
        for _ in range(max(100, runs // 8)):
            pair = [make_report({"m": drawn(dice, shares)}) for shares in (before, now)]
            if judge_reports(*pair).verdict is not Verdict.REGRESSION:
                continue
            fails[0] += 1
            terms = Terms(compared_at="2026-01-01T00:00:00Z")
            names = changed_samples(pair[1], pair[0], terms)
            for times in (1, 2, 3):
                answers = {name: drawn(dice, [now[int(name[1:])]] * times) for name in names["m"]}
                again = judge_reports(*pair, gate={"confirm": times}, again={"m": answers})
                fails[times] += again.verdict is Verdict.REGRESSION
        rows.append(
            [str(lost), *(percent(fails[times] / max(100, runs // 8)) for times in range(4))]
        )
    head = ["answers lost for good", "without", "confirm: 1", "confirm: 2", "confirm: 3"]
    return f"## Asking again: share of runs that fail, {max(100, runs // 8):,} runs per row\n\n{table(head, rows)}"


def drawn(dice: random.Random, shares: Sequence[float]) -> list[float]:
    return [float(dice.random() < share) for share in shares]


PARTS: dict[str, Callable[[int], str]] = {
    part.__name__: part for part in (binary, sweep, bounded, few_changes, metrics, groups, confirm)
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
