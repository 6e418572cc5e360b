"""How often the gate is right about the questions of a small test set, by number of answers.

    python benchmarks/gate_these.py                 all tables, as Markdown on stdout (some minutes)
    python benchmarks/gate_these.py --part rounds
    python benchmarks/gate_these.py --runs 500      fewer simulated runs

Simulated with a fixed seed, and decided by the gate's own functions; only the answers are drawn. In
"80/20" 80 % of the samples are right with 0.98, the others with any rate, so that two runs of the same
chatbot differ on 10 % of them. A true drop is one of the mean over these very samples; where it is
spread in several ways, a wrong PASS is that of the worst way.
"""

import argparse
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

from gate import ALPHA, BINARY, BOUNDED, PASSES, found_in, percent, table, verdict_of

from lm_eval_so.comparator.effect.finding import Finding, Shape
from lm_eval_so.comparator.effect.interval import Tested, estimate_change
from lm_eval_so.core.records.enums import Verdict
from lm_eval_so.core.stats.fixed_items import Item, ItemPairs, sum_up
from lm_eval_so.core.stats.multiple import early_share, last_share

MARGIN, MARGIN_OF_SCORES = 0.05, 0.03
LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)
STEP = 0.29
"""Chance that a score is one level off; two answers to a sample then differ by an SD of 0.19."""
Rates = Sequence[float]
Fall = Callable[[Rates, float], list[float]]


def eighty_twenty(dice: random.Random, n: int) -> list[float]:
    """Draw pass rates of samples of which most are steady."""
    return [0.98 if dice.random() < 0.8 else dice.random() for _ in range(n)]


def nearly_deterministic(dice: random.Random, n: int) -> list[float]:
    """Draw pass rates of samples that hardly ever flip."""
    return [0.998 if dice.random() < 0.97 else dice.random() for _ in range(n)]


def noisy(dice: random.Random, n: int) -> list[float]:
    """Draw pass rates of samples that all flip now and then."""
    return [dice.uniform(0.75, 0.99) for _ in range(n)]


SETS: Mapping[str, Callable[[random.Random, int], list[float]]] = {
    "80/20": eighty_twenty,
    "nearly deterministic": nearly_deterministic,
    "all noisy": noisy,
}


def all_fall(rates: Rates, drop: float) -> list[float]:
    """Spread a drop of the mean over all samples."""
    left = 1 - drop * len(rates) / sum(rates)
    return [rate * left for rate in rates]


def few_die(rates: Rates, drop: float) -> list[float]:
    """Put a drop of the mean on as few samples as can hold it."""
    now, left = list(rates), drop * len(rates)
    for place in sorted(range(len(rates)), key=rates.__getitem__, reverse=True):
        lost = min(left, now[place])
        now[place], left = now[place] - lost, left - lost
    return now


def mixed(rates: Rates, drop: float) -> list[float]:
    """Let a tenth of the samples gain, and others lose that and the drop."""
    order = sorted(range(len(rates)), key=rates.__getitem__)
    now, won = list(rates), 0.0
    for place in order[: len(rates) // 10]:
        won, now[place] = won + 1 - now[place], 1.0
    return few_die(now, drop + won / len(rates))


FALLS: Mapping[str, Fall] = {"all fall": all_fall, "few die": few_die, "mixed": mixed}


@cache
def right_of(successes: int, k: int) -> Item:
    return sum_up([1.0] * successes + [0.0] * (k - successes))


def answered(dice: random.Random, rates: Rates, k: int) -> list[Item]:
    """Draw k answers to each sample."""
    draw = dice.random
    return [right_of(sum(draw() < rate for _ in range(k)), k) for rate in rates]


def scored(dice: random.Random, levels: Rates, k: int) -> list[Item]:
    """Draw k scores of each sample, around a level and at most one level off."""
    return [sum_up([_score(dice, level) for _ in range(k)]) for level in levels]


def _score(dice: random.Random, level: float) -> float:
    # a level between two of the scale is one of both
    below = int(4 * level)
    at = below + (dice.random() < 4 * level - below)
    step = dice.random()
    if step < STEP:
        at += 1 if step < STEP / 2 else -1
    return LEVELS[max(0, min(4, at))]


def found(before: Sequence[Item], after: Sequence[Item], shape: Shape, *, these: bool) -> Finding:
    """Return what the gate finds about these samples, or about samples like these."""
    pairs = ItemPairs(before=before, after=after)
    changes = [new.mean - old.mean for old, new in zip(before, after, strict=True)]
    margin = MARGIN if shape is BINARY else MARGIN_OF_SCORES
    if these:
        return found_in(Tested(changes=changes, groups=None, shape=shape, given=pairs), margin)
    return found_in(Tested(changes=changes, groups=None, shape=BOUNDED), margin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Shares of runs by verdict."""

    passes: float
    fails: float


def simulate(
    before: Callable[[random.Random], list[float]],
    fall: Callable[[Rates], Rates],
    answers: tuple[int, int],
    *,
    runs: int,
    these: bool = True,
    shape: Shape = BINARY,
    seed: int = 11,
) -> Shares:
    """Simulate runs of a test set.

    Args:
        before: Draws what the samples are like.
        fall: What they are like now.
        answers: Answers of the baseline and of the candidate.
        runs: Number of runs.
        these: Whether the claim is about these samples.
        shape: Right or wrong, or scores.
        seed: Seed.
    """
    dice, seen = random.Random(seed), Counter[Verdict]()
    draw = answered if shape is BINARY else scored
    for _ in range(runs):
        rates = before(dice)
        sides = (draw(dice, rates, answers[0]), draw(dice, fall(rates), answers[1]))
        seen[verdict_of([found(*sides, shape, these=these)])] += 1
    return Shares(
        passes=sum(seen[verdict] for verdict in PASSES) / runs,
        fails=seen[Verdict.REGRESSION] / runs,
    )


def same(rates: Rates) -> Rates:
    """Change nothing."""
    return rates


def row(name: str, n: int, answers: tuple[int, int], runs: int, *, these: bool) -> list[str]:
    """Return PASS with no change, wrong PASS, false FAIL and FAIL at twice the margin."""
    draw = partial(SETS[name], n=n)

    def run(fall: Callable[[Rates], Rates]) -> Shares:
        return simulate(draw, fall, answers, runs=runs, these=these)

    still = run(same)
    wrong = max(run(partial(fall, drop=MARGIN)).passes for fall in FALLS.values())
    twice = run(partial(few_die, drop=2 * MARGIN))
    return [*map(percent, (still.passes, wrong, still.fails, twice.fails))]


def right_or_wrong(runs: int) -> str:
    """Right or wrong, as many answers on both sides."""
    rows = []
    for name, n, k in [
        *(("80/20", n, k) for n in (30, 50, 100) for k in (2, 3, 5)),
        *((name, n, 3) for name in list(SETS)[1:] for n in (30, 50, 100)),
    ]:
        cells = [row(name, n, (k, k), runs, these=these) for these in (False, True)]
        rows.append([name, str(n), str(k), *cells[0], *cells[1]])
    head = ["samples", "n", "answers", *HEAD_LIKE, *HEAD_THESE]
    title = f"Right or wrong, margin {MARGIN}, {runs:,} runs per cell"
    return f"## {title}\n\n{table(head, rows)}"


KINDS = ("PASS, no change", "wrong PASS", "false FAIL", "FAIL at 2 × margin")
HEAD_LIKE = [f"like these: {kind}" for kind in KINDS]
HEAD_THESE = [f"these: {kind}" for kind in KINDS]


def unequal(runs: int) -> str:
    """Right or wrong, more answers of the baseline."""
    rows = []
    for n, answers in [(n, a) for n in (30, 50, 100) for a in ((10, 3), (5, 2), (3, 2))]:
        cells = row("80/20", n, answers, runs, these=True)
        rows.append([str(n), f"{answers[0]} : {answers[1]}", *cells])
    title = f"Right or wrong, more answers of the baseline, {runs:,} runs per cell"
    return f"## {title}\n\n{table(['n', 'answers', *KINDS], rows)}"


def graded(dice: random.Random, n: int) -> list[float]:
    """Draw levels of samples on a scale of five, most of them near the top."""
    return [LEVELS[dice.choice((1, 2, 2, 3, 3, 3))] for _ in range(n)]


def scores(runs: int) -> str:
    """Scores on a scale of five levels."""
    rows = []
    for n, k in ((30, 3), (50, 2), (50, 3), (50, 5), (100, 3)):
        cells = []
        for these in (False, True):
            run = partial(
                simulate,
                partial(graded, n=n),
                answers=(k, k),
                runs=runs,
                these=these,
                shape=BOUNDED,
            )
            still = run(same)
            falls = [partial(fall, drop=MARGIN_OF_SCORES) for fall in (all_fall, few_die)]
            wrong = max(run(fall).passes for fall in falls)
            twice = run(partial(all_fall, drop=2 * MARGIN_OF_SCORES))
            cells += map(percent, (still.passes, wrong, still.fails, twice.fails))
        rows.append([str(n), str(k), *cells])
    head = ["n", "answers", *HEAD_LIKE, *HEAD_THESE]
    title = f"Scores of five levels, margin {MARGIN_OF_SCORES}, {runs:,} runs per cell"
    return f"## {title}\n\n{table(head, rows)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """How simulated runs of at most `MOST` rounds ended."""

    rounds: float
    """Mean number of rounds."""
    passes: float
    fails: float
    whole: float
    """Share that passes where all rounds are asked at once."""


def simulate_rounds(
    before: Callable[[random.Random], list[float]],
    fall: Callable[[Rates], Rates],
    *,
    stop: str,
    runs: int,
    seed: int = 12,
) -> Stopped:
    """Simulate runs that look after each round from the second on, against a baseline of `MOST` answers."""
    dice, seen, rounds = random.Random(seed), Counter[str](), 0
    for _ in range(runs):
        rates = before(dice)
        now = fall(rates)
        old = answered(dice, rates, MOST)
        right = [sum(dice.random() < rate for _ in range(2)) for rate in now]
        ended, number = Verdict.INCONCLUSIVE, 2
        while True:
            pairs = ItemPairs(before=old, after=[right_of(s, number) for s in right])
            tested = Tested(changes=[0.0] * pairs.n, groups=None, shape=BINARY, given=pairs)
            share = last_share(MOST - 2) if number == MOST else early_share(MOST - 2)
            ended = verdict_of([found_in(tested, MARGIN, share * ALPHA)])
            is_fallen = stop == "decided" and ended is Verdict.REGRESSION
            if number == MOST or ended in PASSES:
                break
            if is_fallen and estimate_change(tested, alpha=share * ALPHA).high < -MARGIN:
                break
            right = [s + (dice.random() < rate) for s, rate in zip(right, now, strict=True)]
            number += 1
        rounds += number
        seen["pass"] += ended in PASSES
        seen["fail"] += ended is Verdict.REGRESSION
        more = [
            s + sum(dice.random() < r for _ in range(MOST - number))
            for s, r in zip(right, now, strict=True)
        ]
        pairs = ItemPairs(before=old, after=[right_of(s, MOST) for s in more])
        tested = Tested(changes=[0.0] * pairs.n, groups=None, shape=BINARY, given=pairs)
        seen["whole"] += verdict_of([found_in(tested, MARGIN)]) in PASSES
    return Stopped(
        rounds=rounds / runs,
        passes=seen["pass"] / runs,
        fails=seen["fail"] / runs,
        whole=seen["whole"] / runs,
    )


MOST = 5
"""Most rounds."""


def rounds(runs: int) -> str:
    """Asking in rounds until it is decided."""
    rows = []
    for name in ("80/20", "nearly deterministic"):
        for n in (30, 50, 100):
            run = partial(simulate_rounds, partial(SETS[name], n=n), runs=runs)
            still = run(same, stop="decided")
            falls = [partial(fall, drop=MARGIN) for fall in FALLS.values()]
            wrong = max(run(fall, stop="pass").passes for fall in falls)
            twice = run(partial(few_die, drop=2 * MARGIN), stop="decided")
            cells = [still.passes, still.whole, wrong, still.fails, twice.fails]
            means = [f"{still.rounds:.1f}", f"{twice.rounds:.1f}"]
            rows.append([name, str(n), *map(percent, cells), *means])
    head = ["samples", "n", "PASS, no change", "all rounds at once", "wrong PASS", "false FAIL"]
    head += ["FAIL at 2 × margin", "rounds, no change", "rounds at 2 × margin"]
    title = f"Rounds: at most {MOST}, stop: decided, margin {MARGIN}, {runs:,} runs per cell"
    return f"## {title}\n\n{table(head, rows)}"


PARTS: Mapping[str, Callable[[int], str]] = {
    part.__name__: part for part in (right_or_wrong, unequal, scores, rounds)
}


def main() -> None:
    told = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    told.add_argument("--part", action="append", choices=PARTS)
    told.add_argument("--runs", type=int, default=10_000)
    arguments = told.parse_args()
    print("\n\n".join(PARTS[name](arguments.runs) for name in arguments.part or PARTS))


if __name__ == "__main__":
    main()
