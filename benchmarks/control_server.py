"""Us or the model on a server whose answers depend on the time and on the system prompt.

    python benchmarks/control_server.py               500 seeds a row (about an hour)
    python benchmarks/control_server.py --seeds 5     fewer

Each seed is a chatbot with 60 questions, 80 % of them right with 0.98 and the others with any rate. Main's baseline
is measured; then one of the good questions is broken by nobody, by the provider (for every system prompt) or by the
pull request (for its system prompt alone); then the pull request is measured as `ci` measures it, over real HTTP
and a real git repository. Main's deployment is the same server.
"""

import argparse
import asyncio
import random
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from broken import SETS, percent, table

from lm_eval_so.comparator.baseline.find import Place
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.load import load_config
from lm_eval_so.core.git import files_of
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.pipeline.control import ControlSource
from lm_eval_so.pipeline.measure.measure import measure
from lm_eval_so.pipeline.measure.plan import Plan
from lm_eval_so.testing import ChatServer, Seen

N = 60
CONFIG = """\
version: 1
suite: shop
dataset: {path: test.jsonl}
backend: {name: openai, label: bot, params: {model: m}, options: {base_url: "${BOT_URL}", api_key_env: ""}}
system: %s
metrics: [exact_match]
run: {cache: false}
report: {formats: [json]}
gate: {control_url: "${BOT_URL}"}
"""
MAIN, PROPOSED = "main", "proposed"
KINDS = ("nobody", "provider", "pull request")


@dataclass
class Bot:
    """Chatbot of one seed."""

    dice: random.Random
    rates: list[float]
    broken: int
    by: str
    is_later: bool = False
    """Whether the case is broken by now."""
    to_main: int = field(default=0)

    def answer(self, seen: Seen) -> str:
        """Return the answer that the time and the system prompt give."""
        number, system = int(seen.text), seen.body["messages"][0]["content"]
        self.to_main += self.is_later and system == MAIN
        is_broken = self.is_later and number == self.broken and self.breaks(system)
        is_right = not is_broken and self.dice.random() < self.rates[number]
        return f"yes {number}" if is_right else "no"

    def breaks(self, system: str) -> bool:
        """Return whether a chatbot with this prompt lost the case."""
        return self.by == "provider" or (self.by == "pull request" and system == PROPOSED)


def bot_of(seed: int, by: str) -> Bot:
    """Return the chatbot of a seed."""
    dice = random.Random(f"{seed} {by}")
    rates = SETS["80/20"](dice, N)
    good = [number for number, rate in enumerate(rates) if rate >= 0.95]
    return Bot(dice, rates, dice.choice(good), by)


def prepare(folder: Path) -> str:
    """Make the repository with main's config and the proposed one; return main's commit."""
    rows = (f'{{"id": "q{i}", "input": "{i}", "expected": "yes {i}"}}\n' for i in range(N))
    (folder / "test.jsonl").write_text("".join(rows))
    (folder / "lm-eval-so.yaml").write_text(CONFIG % MAIN)
    (folder / ".gitignore").write_text("/out/\n")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "main")
    (folder / "lm-eval-so.yaml").write_text(CONFIG % PROPOSED)
    (folder / "main.yaml").write_text(CONFIG % MAIN)
    return git(folder, "rev-parse", "HEAD")


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder."""
    named = ("-c", "user.name=bench", "-c", "user.email=bench@example.com")
    done = subprocess.run(
        ["git", *named, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def play(folder: Path, base: str, server: ChatServer, bot: Bot, k: int) -> Comparison:
    """Measure a baseline, break the case, and measure the pull request."""
    server.script = bot.answer
    environ = {"BOT_URL": server.url}

    def measured(name: str, plan: Plan, repeats: int) -> Comparison:
        given = (f"run.repeats={repeats}", "baseline.repeats=1")
        config = load_config(folder / name, overrides=given, environ=environ)
        return asyncio.run(measure(config, Resources(environ=environ), plan)).comparison

    out = folder / "out"
    measured("main.yaml", Plan(run=out / "base", reports=out / "before", fresh=True), k)
    bot.is_later = True
    control = ControlSource(file=folder / "lm-eval-so.yaml", environ=environ, base=files_of(base))
    plan = Plan(
        run=out / "run",
        reports=out / "now",
        fresh=True,
        baseline=Place(report=out / "before/report.json"),
        control=control,
    )
    return measured("lm-eval-so.yaml", plan, 1)


def rows(seeds: int, answers: Sequence[int], kinds: Sequence[str]) -> str:
    """Return the table of all settings."""
    found = []
    with tempfile.TemporaryDirectory() as name, ChatServer() as server:
        folder = Path(name)
        base = prepare(folder)
        for by in kinds:
            for k in answers:
                blamed = main_too = to_main = 0
                for seed in range(seeds):
                    bot = bot_of(seed, by)
                    compared = play(folder, base, server, bot, k)
                    cases = compared.broken.cases if compared.broken else ()
                    (own,) = [c for c in cases if c.sample_id == f"q{bot.broken}"] or [None]
                    fails = compared.exit_code == 1
                    is_own = own is not None and own.state == "proven"
                    blamed += fails and (is_own or by == "nobody")
                    main_too += own is not None and own.main is not None and own.main[0] == 0
                    to_main += bot.to_main
                shares = (percent(blamed / seeds), percent(main_too / seeds))
                found.append([by, str(k), *shares, f"{to_main / seeds:.1f}"])
    head = ["broken by", "baseline asked", "blamed, exit 1", "main, too", "requests to main"]
    return table(head, found)


def main() -> None:
    """Print the table."""
    told = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    told.add_argument("--seeds", type=int, default=500)
    told.add_argument("--answers", type=int, nargs="+", default=[1, 3])
    told.add_argument("--by", nargs="+", default=KINDS, choices=KINDS)
    given = told.parse_args()
    print(rows(given.seeds, given.answers, given.by))


if __name__ == "__main__":
    main()
