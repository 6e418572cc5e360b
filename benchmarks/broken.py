"""How often a case is called broken by mistake, how often one that broke is found, and the requests.

    python benchmarks/broken.py               both tables, as Markdown on stdout (some minutes)
    python benchmarks/broken.py --runs 500    fewer simulated runs

Runs are simulated with a fixed seed. The comparator itself chooses suspects, asks them in rounds and
decides; only the answers are drawn. "80/20": 80 % of the cases are right with 0.98, the others with any
rate between 0 and 1, so that two runs of the same chatbot differ on 10 % of the cases.
"""

import argparse
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lm_eval_so.comparator.broken.rounds import Answer, Further, next_round, standings
from lm_eval_so.comparator.broken.watch import Outcome, Pair, Watch, most_further
from lm_eval_so.core.stats.broken import wrong_needed

ALPHA = 0.05
METRIC = "right"
SAID = {kind: Answer(outcomes={METRIC: kind}) for kind in Outcome}
Rates = Callable[[random.Random, int], list[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A test set, its baseline, and what broke."""

    n: int
    k: int
    """Answers of the baseline."""
    rates: Rates
    broken: int = 0
    """Cases that were almost always right, and are not any more."""
    now: float = 0.0
    """Chance that a broken case is right all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Shares of simulated runs, and requests."""

    proven: float
    """Runs with a proven case."""
    named: float
    """Runs with a case that stayed wrong without proof, and no proven one."""
    all_found: float
    """Runs in which every broken case is proven; of a baseline asked once, named."""
    found: float
    """Runs in which a broken case is proven; of a baseline asked once, named."""
    false: float
    """Runs in which a case that did not break is proven."""
    further: float
    """Further answers a run."""
    most: int
    """Further answers in 95 % of the runs, at most."""


def mixed(sure: float, rate: float) -> Rates:
    """Return pass rates of which a share is high, and the others lie anywhere."""

    def drawn(dice: random.Random, n: int) -> list[float]:
        return [rate if dice.random() < sure else dice.random() for _ in range(n)]

    return drawn


def even(_: random.Random, n: int) -> list[float]:
    """Return pass rates of cases that are right half of the time."""
    return [0.5] * n


SETS: Mapping[str, Rates] = {
    "80/20": mixed(0.8, 0.98),
    "90/10": mixed(0.9, 0.99),
    "60/40": mixed(0.6, 0.98),
    "nearly deterministic": mixed(0.97, 0.998),
    "every case 0.5": even,
}


def simulate(setting: Setting, runs: int, *, seed: int = 7) -> Result:
    """Simulate runs of one setting."""
    dice = random.Random(seed)
    played = [_play(setting, dice) for _ in range(runs)]
    further = sorted(each.asked for each in played)

    def share(holds: Callable[[Played], bool]) -> float:
        return sum(map(holds, played)) / runs

    return Result(
        proven=share(lambda run: bool(run.proven)),
        named=share(lambda run: bool(run.named) and not run.proven),
        found=share(lambda run: bool(run.found & run.broken)),
        all_found=share(lambda run: run.broken <= run.found),
        false=share(lambda run: bool(run.proven - run.broken)),
        further=sum(further) / runs,
        most=further[int(0.95 * (runs - 1))],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One simulated run."""

    asked: int
    proven: set[str]
    named: set[str]
    broken: set[str]
    found: set[str]
    """Cases that are proven; of a baseline asked once, those that are named."""


def _play(setting: Setting, dice: random.Random) -> Played:
    """Simulate one run."""
    before = setting.rates(dice, setting.n)
    able = [place for place, rate in enumerate(before) if rate >= 0.95]
    broken = set(dice.sample(able, min(setting.broken, len(able))))
    now = [setting.now if place in broken else rate for place, rate in enumerate(before)]
    pairs = []
    for place, rate in enumerate(before):
        right = sum(dice.random() < rate for _ in range(setting.k))
        if 2 * right > setting.k and dice.random() >= now[place]:
            needed = wrong_needed(right, setting.k, family=setting.n, alpha=ALPHA)
            pair = Pair(
                sample_id=str(place),
                metric=METRIC,
                right=right,
                of=setting.k,
                own=(Outcome.WRONG,),
                is_suspect=True,
                is_required=False,
                needed=needed,
            )
            pairs.append(pair)
    watch = Watch(
        alpha=ALPHA,
        family=setting.n,
        samples=setting.n,
        cap=most_further(setting.n),
        must=None,
        pairs=tuple(pairs),
        probe=None,
    )
    answers: dict[str, list[Answer]] = {}
    further = Further(answers=answers)
    while ids := next_round(watch, further):
        for name in ids:
            is_right = dice.random() < now[int(name)]
            said = SAID[Outcome.RIGHT if is_right else Outcome.WRONG]
            answers.setdefault(name, []).append(said)
    stands = {pair.sample_id: stand for pair, stand in standings(watch, further)}
    proven = {name for name, stand in stands.items() if stand.state == "proven"}
    named = {n for n, s in stands.items() if s.state in {"open", "unproven"} and s.wrong >= 2}
    return Played(
        asked=further.asked,
        proven=proven,
        named=named,
        broken={str(place) for place in broken},
        found=named if setting.k == 1 else proven,
    )


def unchanged(runs: int) -> str:
    """Return how often an unchanged chatbot is called broken."""
    rows = []
    for name, rates in SETS.items():
        for k in (1, 3, 5, 10):
            for n in (30, 60, 100):
                found = simulate(Setting(n=n, k=k, rates=rates), runs)
                cells = [percent(found.proven), percent(found.named)]
                rows.append([name, str(k), str(n), *cells, f"{found.further:.1f} ({found.most})"])
    head = ["cases", "baseline asked", "n", "proven", "named only", "further answers (95 %)"]
    return table(head, rows)


def changed(runs: int) -> str:
    """Return how often cases that broke are found."""
    rows = []
    for broken, now in ((1, 0.0), (2, 0.0), (3, 0.0), (1, 0.1), (1, 0.2)):
        for k in (1, 3, 5, 10):
            for n in (30, 60, 100):
                made = Setting(n=n, k=k, rates=SETS["80/20"], broken=broken, now=now)
                found = simulate(made, runs)
                cells = [found.found, found.all_found, found.false]
                rows.append(
                    [
                        *(str(broken), percent(now), str(k), str(n)),
                        *map(percent, cells),
                        f"{found.further:.1f}",
                    ]
                )
    head = ["broken", "right all the same", "baseline asked", "n", "at least one found"]
    return table([*head, "all found", "false ones", "further answers"], rows)


def percent(share: float) -> str:
    """Return a share as people read it."""
    return f"{100 * share:.1f} %"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines) + "\n"


def main() -> None:
    """Print the tables."""
    told = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    told.add_argument("--runs", type=int, default=2000)
    runs = told.parse_args().runs
    print(unchanged(runs))
    print(changed(runs))


if __name__ == "__main__":
    main()
