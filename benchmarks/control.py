"""How often a pull request is blamed for what the provider changed, where main's configuration is asked, too.

    python benchmarks/control.py               the table, as Markdown on stdout (some minutes)
    python benchmarks/control.py --runs 500    fewer simulated runs

Runs are simulated with a fixed seed, with the sets of `benchmarks/broken.py`. The comparator itself chooses
suspects, asks them and main in rounds and decides; only the answers are drawn. One case that was almost always
right is broken by nobody, by the provider (so that main's configuration gets it wrong, too) or by the pull request.
"""

import argparse
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from broken import ALPHA, METRIC, SAID, SETS, Rates, percent, table

from lm_eval_so.comparator.broken.rounds import Answer, Further, next_of_main, next_round, standings
from lm_eval_so.comparator.broken.watch import OF_MAIN, Outcome, Pair, Watch, most_further
from lm_eval_so.core.stats.broken import wrong_needed

By = Literal["nobody", "provider", "pull request"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A test set, its baseline, and who broke a case."""

    n: int
    k: int
    """Answers of the baseline."""
    by: By = "nobody"
    now: float = 0.0
    """Chance that the broken case is right all the same."""
    rates: Rates = SETS["80/20"]
    asks_main: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Shares of simulated runs, and requests."""

    fails: float
    """Runs with a proven case."""
    blamed: float
    """Runs in which the broken case is proven."""
    main_too: float
    """Runs in which main's configuration gets the broken case wrong, too."""
    to_main: float
    """Requests to main's configuration a run."""


def simulate(setting: Setting, runs: int, *, seed: int = 7) -> Result:
    """Simulate runs of one setting."""
    dice = random.Random(seed)
    played = [_play(setting, dice) for _ in range(runs)]

    def share(holds: Callable[[Played], bool]) -> float:
        return sum(map(holds, played)) / runs

    return Result(
        fails=share(lambda run: bool(run.proven)),
        blamed=share(lambda run: run.broken in run.proven),
        main_too=share(lambda run: run.broken in run.main_too),
        to_main=sum(run.to_main for run in played) / runs,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One simulated run."""

    proven: set[str]
    main_too: set[str]
    broken: str
    """The broken case; empty if there is none."""
    to_main: int


def _play(setting: Setting, dice: random.Random) -> Played:
    """Simulate one run."""
    before = setting.rates(dice, setting.n)
    able = [place for place, rate in enumerate(before) if rate >= 0.95]
    broken = dice.choice(able) if setting.by != "nobody" and able else -1
    now = [setting.now if place == broken else rate for place, rate in enumerate(before)]
    main = now if setting.by == "provider" else before
    pairs = []
    for place, rate in enumerate(before):
        right = sum(dice.random() < rate for _ in range(setting.k))
        if 2 * right > setting.k and dice.random() >= now[place]:
            pairs.append(_pair(place, right, setting))
    watch = Watch(
        alpha=ALPHA,
        family=setting.n,
        samples=setting.n,
        cap=most_further(setting.n),
        must=None,
        pairs=tuple(pairs),
        probe=None,
        asks_main=setting.asks_main,
    )
    further = _asked(watch, now, main, dice)
    stands = {pair.sample_id: stand for pair, stand in standings(watch, further)}
    return Played(
        proven={name for name, stand in stands.items() if stand.state == "proven"},
        main_too={n for n, s in stands.items() if s.state == "unproven" and s.main == (0, OF_MAIN)},
        broken=str(broken) if broken >= 0 else "",
        to_main=further.asked_of_main,
    )


def _pair(place: int, right: int, setting: Setting) -> Pair:
    """Return a suspect as the comparator makes it."""

    def needed(right: int, of: int) -> int:
        return wrong_needed(right, of, family=setting.n, alpha=ALPHA)

    k = setting.k
    with_main = (needed(right + 2, k + OF_MAIN), needed(right + 3, k + OF_MAIN))
    return Pair(
        sample_id=str(place),
        metric=METRIC,
        right=right,
        of=k,
        own=(Outcome.WRONG,),
        is_suspect=True,
        is_required=False,
        needed=needed(right, k),
        with_main=with_main if setting.asks_main and not needed(k, k) else None,
    )


def _asked(watch: Watch, now: list[float], main: list[float], dice: random.Random) -> Further:
    """Ask in rounds until nobody is asked any more."""
    answers: dict[str, list[Answer]] = {}
    of_main: dict[str, list[Answer]] = {}
    further = Further(answers=answers, main=of_main)
    while True:
        ids, of_them = next_round(watch, further), next_of_main(watch, further)
        if not (ids or of_them):
            return further
        for names, rates, told in ((ids, now, answers), (of_them, main, of_main)):
            for name in names:
                is_right = dice.random() < rates[int(name)]
                said = SAID[Outcome.RIGHT if is_right else Outcome.WRONG]
                told.setdefault(name, []).append(said)


def rows(runs: int) -> str:
    """Return the table: by whom, how often asked, how many cases."""
    found = []
    kinds: list[tuple[By, float]] = [
        *(("nobody", 0.0), ("provider", 0.0)),
        *(("provider", share) for share in (0.1, 0.2, 0.4)),
        ("pull request", 0.0),
    ]
    for by, now in kinds:
        for k in (1, 3, 5):
            for n in (30, 60, 100):
                made = simulate(Setting(n=n, k=k, by=by, now=now), runs)
                shares = (made.fails, made.blamed, made.main_too)
                told = [by, percent(now), str(k), str(n), *map(percent, shares)]
                found.append([*told, f"{made.to_main:.1f}"])
    head = ["broken by", "right all the same", "baseline asked", "n", "run fails"]
    return table([*head, "broken case blamed", "main, too", "requests to main"], found)


def main() -> None:
    """Print the table."""
    told = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    told.add_argument("--runs", type=int, default=2000)
    print(rows(told.parse_args().runs))


if __name__ == "__main__":
    main()
