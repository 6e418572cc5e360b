"""How good the forecast of a gate is, against the truth of chatbots whose dice are known.

    python benchmarks/forecast.py                  all tables, as Markdown on stdout (an hour)
    python benchmarks/forecast.py --part accuracy --answers 3 20
    python benchmarks/forecast.py --seeds 5 --truth 500     fewer forecasts, fewer verdicts

A chatbot answers each question at random, at a rate of its own. The truth are verdicts on answers
drawn anew; the forecast knows k answers to each question. Everything follows from fixed seeds.
"""

import argparse
import math
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from lm_eval_so.comparator.terms import Terms
from lm_eval_so.comparator.trial_gate import TrialGate
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.records.forecast import ForecastScenario
from lm_eval_so.core.stats.outlook import Asked, Noise, Rule, chances
from lm_eval_so.core.stats.repeat_noise import Retests, measure_noise
from lm_eval_so.core.stats.trials import (
    Effort,
    Outcome,
    Pool,
    Rows,
    Shares,
    Sides,
    Splitter,
    Trial,
    break_answers,
)
from lm_eval_so.pipeline.forecast.rehearsal import Rehearsal

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from factories import make_report

NOW = "2026-11-24T06:30:00Z"
METRIC = "right"
ONE_EACH = Sides(baseline=1, candidate=1)
THREE_EACH = Sides(baseline=3, candidate=3)
Chances = Sequence[float]
"""Chance of each level of the score, from 0 to 1 in equal steps."""
Dice = random.Random
RIGHT_OR_WRONG, GRADED = 2, 5
"""Levels of a score."""


@dataclass(frozen=True, kw_only=True)
class Bot:
    """A chatbot whose dice are known: the chance of each score, by question."""

    name: str
    chances: Sequence[Chances]
    margin: float

    @cached_property
    def levels(self) -> int:
        """Number of scores that there are."""
        return len(self.chances[0])

    @property
    def step(self) -> float:
        """Fall of the score if an answer breaks."""
        return 1.0 if self.levels == RIGHT_OR_WRONG else 0.5

    @cached_property
    def noise(self) -> float:
        """Twice the variance of an answer's score, the mean over questions."""
        total = 0.0
        for own in self.chances:
            mean_ = sum(chance * score for chance, score in zip(own, self.scores, strict=True))
            total += sum(
                2 * chance * (score - mean_) ** 2
                for chance, score in zip(own, self.scores, strict=True)
            )
        return total / len(self.chances)

    @cached_property
    def scores(self) -> list[float]:
        """The scores that there are."""
        return [level / (self.levels - 1) for level in range(self.levels)]

    def answers(self, k: int, dice: Dice) -> list[list[float]]:
        """Return k answers to each question, scored."""
        return [dice.choices(self.scores, own, k=k) for own in self.chances]


def right_at(rates: Sequence[float]) -> list[Chances]:
    return [(1 - rate, rate) for rate in rates]


def mixed(sure: float, rate: float) -> Callable[[int, Dice], list[Chances]]:
    """Return a chatbot that is right at a high rate on a share of the questions, at any on the others."""

    def made(n: int, dice: Dice) -> list[Chances]:
        return right_at([rate if dice.random() < sure else dice.random() for _ in range(n)])

    return made


def all_alike(n: int, _: Dice) -> list[Chances]:
    return right_at([0.947] * n)


def graded(n: int, dice: Dice) -> list[Chances]:
    """Return a chatbot with scores of five levels, that move by one level in 29 % of the answers."""
    found = []
    for _ in range(n):
        own, at = [0.0] * GRADED, dice.choice((1, 2, 3, 3, 4, 4))
        for level, chance in ((at - 1, 0.144), (at, 0.712), (at + 1, 0.144)):
            own[min(max(level, 0), GRADED - 1)] += chance
        found.append(own)
    return found


BOTS: Mapping[str, tuple[Callable[[int, Dice], list[Chances]], float]] = {
    "80/20": (mixed(0.8, 0.98), 0.05),
    "90/10": (mixed(0.9, 0.99), 0.05),
    "half noisy": (mixed(0.5, 0.98), 0.05),
    "all 94.7 %": (all_alike, 0.05),
    "flips 2 %": (mixed(0.95, 0.998), 0.05),
    "graded 1–5": (graded, 0.03),
}


def make_bot(name: str, n: int, *, seed: int = 11) -> Bot:
    """Return a chatbot; the same seed gives the same one."""
    made, margin = BOTS[name]
    return Bot(name=name, chances=made(n, Dice(f"{name} {n} {seed}")), margin=margin)


def gate_on(answers: Sequence[Sequence[float]], bot: Bot, *, is_these: bool = False) -> TrialGate:
    """Return the gate with the bot's margin, on known answers."""
    kind = MetricKind.BINARY if bot.levels == RIGHT_OR_WRONG else MetricKind.BOUNDED
    report = make_report({METRIC: [list(own) for own in answers]}, kinds={METRIC: kind})
    terms = Terms(compared_at=NOW)
    metrics = {METRIC: {"margin": bot.margin}}
    claim = "these" if is_these else "like_these"
    section = type(terms.gate).model_validate({"claim": claim, "metrics": metrics})
    return TrialGate(report=report, terms=replace(terms, gate=section))


def rows_of(answers: Sequence[Sequence[float]]) -> list[Rows]:
    start, rows = 0, []
    for own in answers:
        rows.append(tuple(range(start, start + len(own))))
        start += len(own)
    return rows


def rehearse(bot: Bot, k: int, seed: int, effort: Effort, sides: Sides = ONE_EACH) -> Rehearsal:
    """Return the forecast's trials on k answers of a chatbot to each question."""
    answers = bot.answers(k, Dice(f"answers {seed}"))
    gate = gate_on(answers, bot)
    return Rehearsal(
        gate=gate,
        noise=[(each, 0.1) for each in gate.leading()],
        rows=rows_of(answers),
        days=(),
        sides=sides,
        effort=effort,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Shares of verdicts on answers drawn anew."""

    unchanged: Shares
    broken: Shares
    """With twice the margin lost."""


def truth_of(bot: Bot, verdicts: int, sides: Sides = ONE_EACH, *, is_these: bool = False) -> Truth:
    """Return how often the gate passes and fails a chatbot, on answers drawn anew each time."""
    levels = bot.levels
    gate = gate_on([bot.scores for _ in bot.chances], bot, is_these=is_these)
    size = levels * len(bot.chances)
    steps = [min(score, bot.step) for score in bot.scores]
    losses = [sum(c * s for c, s in zip(own, steps, strict=True)) for own in bot.chances]
    # a pool whose samples lose what they would on average, whatever was drawn
    pool = Pool(rows=[(at,) for at in range(len(losses))], losses=losses, n=len(losses))
    n, step = len(losses), bot.step
    twice = math.ceil(2 * bot.margin * n / step - 1e-9) * step / n

    def drawn(dice: Dice, k: int) -> list[Rows]:
        return [
            tuple(levels * at + level for level in dice.choices(range(levels), own, k=k))
            for at, own in enumerate(bot.chances)
        ]

    def shares(drop: float) -> Shares:
        dice, counts = Dice(f"truth {drop}"), dict.fromkeys(Outcome, 0)
        places = list(range(n))
        for _ in range(verdicts):
            baseline, candidate = drawn(dice, sides.baseline), drawn(dice, sides.candidate)
            if drop:
                marked = [(0,) * sides.candidate for _ in places]
                break_answers(marked, places, pool, drop, dice)
                candidate = [
                    tuple(row + size * (mark > 0) for row, mark in zip(own, marks, strict=True))
                    for own, marks in zip(candidate, marked, strict=True)
                ]
            counts[gate(Trial(places, places, baseline, candidate))] += 1
        passes, fails = (counts[each] / verdicts for each in (Outcome.PASS, Outcome.FAIL))
        return Shares(passes=passes, fails=fails)

    return Truth(unchanged=shares(0.0), broken=shares(twice))


@dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """Forecasts of one quantity, against the truth; in points."""

    truth: float
    bias: float
    rmse: float
    worst: float
    covered: float | None = None
    """Share of the ranges that hold the truth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Errors of the three shares that people plan by."""

    passes: Error
    """PASS if nothing changed."""
    fails: Error
    """FAIL if nothing changed."""
    finds: Error
    """FAIL if twice the margin is lost."""


def errors_of(truth: Truth, forecasts: Sequence[Sequence[ForecastScenario]]) -> Errors:
    """Hold forecasts against the truth."""
    first, last = [each[0] for each in forecasts], [each[-1] for each in forecasts]
    return Errors(
        passes=error_of(
            truth.unchanged.passes, [f.passes for f in first], [f.ranges["pass"] for f in first]
        ),
        fails=error_of(
            truth.unchanged.fails, [f.fails for f in first], [f.ranges["fail"] for f in first]
        ),
        finds=error_of(
            truth.broken.fails, [f.fails for f in last], [f.ranges["fail"] for f in last]
        ),
    )


def error_of(truth: float, found: Sequence[float], ranges: Sequence[tuple[float, float]]) -> Error:
    off = [100 * (value - truth) for value in found]
    return Error(
        truth=100 * truth,
        bias=sum(off) / len(off),
        rmse=math.sqrt(sum(each * each for each in off) / len(off)),
        worst=max(map(abs, off)),
        covered=sum(low <= truth <= high for low, high in ranges) / len(ranges),
    )


def forecasts(
    bot: Bot, k: int, seeds: int, effort: Effort, sides: Sides = ONE_EACH
) -> list[list[ForecastScenario]]:
    """Return forecasts of a chatbot, each from other k answers."""
    return [[*rehearse(bot, k, seed, effort, sides).scenarios()] for seed in range(seeds)]


def accuracy(options: argparse.Namespace) -> Iterator[str]:
    """Forecasts from so many answers."""
    for k in options.answers:
        yield from errors_table(options, k=k, title=f"{k} answers to each question")


def baseline(options: argparse.Namespace) -> Iterator[str]:
    """Forecasts of a gate with a baseline that is asked more often."""
    sides = Sides(baseline=3, candidate=1)
    yield from errors_table(options, k=5, title="5 answers, 3 of a baseline", sides=sides)


def errors_table(
    options: argparse.Namespace, *, k: int, title: str, sides: Sides = ONE_EACH
) -> Iterator[str]:
    yield f"\n### {title}\n"
    yield row(
        *("chatbot", "n", "PASS", "FAIL", "FAIL at 2 margins"),
        *("range holds PASS", "range holds FAIL", "FAIL at 2"),
    )
    yield row(*["---"] * 8)
    for name in BOTS:
        for n in (60, 200):
            bot = make_bot(name, n)
            truth = truth_of(bot, options.truth, sides)
            found = errors_of(truth, forecasts(bot, k, options.seeds, options.effort, sides))
            three = (found.passes, found.fails, found.finds)
            covered = (f"{100 * (each.covered or 0):.0f} %" for each in three)
            yield row(name, str(n), *map(told, three), *covered)


def told(error: Error) -> str:
    return f"{error.truth:.1f}: {error.bias:+.1f} ({error.rmse:.1f}, {error.worst:.1f})"


def replaced(options: argparse.Namespace) -> Iterator[str]:
    """The same estimate, but drawn with replacement: the error that is avoided."""
    yield "\n### Answers drawn with replacement instead (n 100, 80/20)\n"
    yield row("answers", "PASS", "with replacement")
    yield row("---", "---", "---")
    bot = make_bot("80/20", 100)
    truth = truth_of(bot, options.truth).unchanged.passes
    for k in (2, 3, 5, 10):
        split = [shares_of(bot, k, seed, options.effort) for seed in range(options.seeds)]
        drawn = [
            with_replacement(bot, k, seed, options.effort.trials) for seed in range(options.seeds)
        ]
        biases = (100 * (mean(each) - truth) for each in (split, drawn))
        yield row(str(k), *(f"{bias:+.1f}" for bias in biases))


def shares_of(bot: Bot, k: int, seed: int, effort: Effort) -> float:
    """Return the forecast share of passes alone."""
    made = rehearse(bot, k, seed, effort)
    gate = made.gate
    losses = gate.losses(made.leading) if made.leading else []
    pool = Pool(rows=made.rows, losses=losses, n=made.n)
    split = Splitter(pool=pool, sides=ONE_EACH, seed=seed, redraws=k == ONE_EACH.total)
    return split.shares(gate, 0.0, effort.trials).passes


def with_replacement(bot: Bot, k: int, seed: int, trials: int) -> float:
    """Return the share of passes if each side's answer is drawn from all k, with replacement."""
    made, dice = rehearse(bot, k, seed, Effort()), Dice(seed)
    places, passes = list(range(made.n)), 0
    for _ in range(trials):
        sides = [[(dice.choice(own),) for own in made.rows] for _ in range(2)]
        passes += made.gate(Trial(places, places, *sides)) is Outcome.PASS
    return passes / trials


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def naive(options: argparse.Namespace) -> Iterator[str]:
    """The naive rule: the command can say that a gate is bad."""
    yield "\n### A gate that fails whenever the score fell (80/20, n 100)\n"
    found = [naive_fails(seed, options.effort.trials) for seed in range(options.seeds)]
    yield f"It fails {100 * mean(found):.1f} % of runs in which nothing changed."


def naive_fails(seed: int, trials: int) -> float:
    """Return the forecast of a naive gate on five answers of the chatbot with flips of 10 %."""
    made = rehearse(make_bot("80/20", 100), 5, seed, Effort())
    column = made.gate.report.samples.scores[METRIC]

    def total(side: Sequence[Rows]) -> float:
        return sum(column[row] or 0.0 for own in side for row in own)

    def decide(trial: Trial) -> Outcome:
        return Outcome.FAIL if total(trial.candidate) < total(trial.baseline) else Outcome.PASS

    pool = Pool(rows=made.rows, losses=[0.0] * len(column), n=made.n)
    return Splitter(pool=pool, sides=ONE_EACH, seed=seed).shares(decide, 0.0, trials).fails


def judge(options: argparse.Namespace) -> Iterator[str]:
    """The parts of chatbot and judge, of a judge whose error is known."""
    yield "\n### A judge that is wrong 5 % of the time (100 questions, 5 answers, 200 retests)\n"
    found = [judged_noise(seed) for seed in range(options.seeds)]
    yield row("part", "truth", "mean of the forecasts")
    yield row("---", "---", "---")
    yield row("judge", "9.5", f"{100 * mean([each[0] for each in found]):.1f}")
    yield row("chatbot", "8.0", f"{100 * mean([each[1] for each in found]):.1f}")


def judged_noise(seed: int, *, error: float = 0.05, retests: int = 200) -> tuple[float, float]:
    """Return the noise of judge and chatbot, for a chatbot whose answers flip in 10 %."""
    dice, bot = Dice(f"judge {seed}"), make_bot("80/20", 100, seed=seed)
    said = bot.answers(5, dice)

    def judged(score: float) -> float:
        return score if dice.random() >= error else 1 - score

    samples = [[judged(score) for score in own] for own in said]
    truths = [score for own in said for score in own]
    again = [(judged(score), judged(score)) for score in dice.sample(truths, retests)]
    differing = sum(first != second for first, second in again) / retests
    found = measure_noise(samples, Retests(n=retests, noise=differing, is_share=True))
    assert found is not None
    assert found.judge is not None
    assert found.chatbot is not None
    return found.judge.value, found.chatbot.value


def formula(options: argparse.Namespace) -> Iterator[str]:
    """The formulas of settings that take more answers than are known."""
    yield "\n### By formula\n"
    yield row("chatbot", "n", "answers", "PASS", "formula", "FAIL at 2 margins", "formula")
    yield row(*["---"] * 7)
    for name, n in (("80/20", 60), ("half noisy", 100), ("flips 2 %", 60), ("graded 1–5", 100)):
        bot = make_bot(name, n)
        is_binary, step = bot.levels == RIGHT_OR_WRONG, bot.step
        drop = math.ceil(2 * bot.margin * n / step - 1e-9) * step / n
        for sides, is_these in ((Sides(baseline=5, candidate=1), False), (THREE_EACH, True)):
            truth = truth_of(bot, options.truth, sides, is_these=is_these)
            found = chances(
                Asked(samples=n, baseline=sides.baseline, candidate=sides.candidate),
                Noise(within=bot.noise, is_binary=is_binary),
                Rule(margin=bot.margin, is_these=is_these),
                drop=drop,
                is_counted=True,
            )
            asked = f"{sides.candidate} against {sides.baseline}" + (", these" if is_these else "")
            pairs = (truth.unchanged.passes, found.passes, truth.broken.fails, found.finds)
            yield row(name, str(n), asked, *(f"{100 * each:.0f}" for each in pairs))


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


PARTS = {
    "accuracy": accuracy,
    "baseline": baseline,
    "formula": formula,
    "naive": naive,
    "replaced": replaced,
    "judge": judge,
}


def main() -> None:
    """Print the tables."""
    told_by = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    told_by.add_argument("--part", action="append", choices=PARTS)
    told_by.add_argument("--answers", type=int, nargs="+", default=[2, 3, 5, 10, 20])
    told_by.add_argument("--seeds", type=int, default=20)
    told_by.add_argument("--truth", type=int, default=2000)
    told_by.add_argument("--trials", type=int, default=2000)
    options = told_by.parse_args()
    sets = max(10, options.trials // 10)
    options.effort = Effort(trials=options.trials, sets=sets)
    for part in options.part or PARTS:
        for line in PARTS[part](options):
            print(line, flush=True)


if __name__ == "__main__":
    main()
