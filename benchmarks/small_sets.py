"""What `ci` says of small test sets in which cases broke, and the requests that it takes.

    python benchmarks/small_sets.py                       the table, as Markdown on stdout (some minutes)
    python benchmarks/small_sets.py --package ../other    another checkout of this package

A server answers every question right, asked as often as it likes. `ci` makes the baseline; then some
questions are answered wrong for good, and `ci` runs again, as a user would run it. Requests are those
that the server saw in this second run.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lm_eval_so.testing import ChatServer, Seen

HERE = Path(__file__).parents[1]
SIZES = (25, 40, 60, 100)
BROKEN = (0, 1, 3)
CONFIG = """\
version: 1
suite: small
dataset: {{path: test.jsonl}}
backend: {{name: openai, params: {{model: bot}}, options: {{base_url: {url}, api_key_env: BOT_KEY}}}}
metrics: [exact_match]
baseline: {{path: baseline.json}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a team set."""

    name: str
    baseline: tuple[str, ...] = ()
    """Changes of the config while the baseline is made."""
    run: tuple[str, ...] = ()
    """Changes of the config for the run that is judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the second run said."""

    verdict: str
    exit: int
    headline: str
    requests: int


SETTINGS = (
    Setting(name="the mean alone", run=("gate.broken=off", "gate.must=null")),
    Setting(name="as it comes"),
    Setting(name="baseline asked 3 times", baseline=("run.repeats=3",)),
    Setting(
        name="these questions, up to 3 times",
        baseline=("run.repeats=3",),
        run=("run.repeats=3", "gate.claim=these", "gate.stop=decided"),
    ),
)


def ask(setting: Setting, cases: int, broken: int, package: Path) -> Said:
    """Return what a second run says, in which the first of the cases are answered wrong."""
    wrong: set[str] = set()
    with tempfile.TemporaryDirectory() as made, ChatServer(answer_by(wrong)) as server:
        folder = Path(made)
        (folder / "lm-eval-so.yaml").write_text(CONFIG.format(url=server.url))
        lines = [json.dumps(sample(number)) + "\n" for number in range(cases)]
        (folder / "test.jsonl").write_text("".join(lines))
        run_ci(folder, package, setting.baseline)
        run(folder, package, ["baseline", "update", "reports", "--reason", "first"])
        wrong.update(question(number) for number in range(broken))
        before = len(server.requests)
        code = run_ci(folder, package, setting.run)
        comparison = json.loads((folder / "reports" / "comparison.json").read_text())
        page = (folder / "reports" / "report.md").read_text().splitlines()
        return Said(
            verdict=comparison["verdict"],
            exit=code,
            headline=next(line for line in page if line.startswith("## "))[3:],
            requests=len(server.requests) - before,
        )


def question(number: int) -> str:
    """Return the text of a question."""
    return f"What is item {number}?"


def sample(number: int) -> dict[str, object]:
    """Return a line of the dataset."""
    return {"id": f"q{number}", "input": question(number), "expected": f"Item {number}."}


def answer_by(wrong: set[str]) -> Callable[[Seen], str]:
    """Return a chatbot that answers right, but the questions that are in the set."""

    def answer(seen: Seen) -> str:
        number = "".join(character for character in seen.text if character.isdigit())
        return "I do not know." if seen.text in wrong else f"Item {number}."

    return answer


def run_ci(folder: Path, package: Path, changes: Sequence[str]) -> int:
    """Run `ci` with changes of the config, and return its exit code."""
    return run(folder, package, ["ci", *(part for change in changes for part in ("--set", change))])


def run(folder: Path, package: Path, arguments: Sequence[str]) -> int:
    """Run a command of a checkout in a folder, and return its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "lm_eval_so", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(package), "BOT_KEY": "none"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1, 3):
        raise RuntimeError(f"{arguments}: exit {done.returncode}\n{done.stderr}")
    return done.returncode


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--package", type=Path, default=HERE, help="checkout to run")
    parser.add_argument("--setting", type=int, action="append", help="number of a setting, from 0")
    chosen = parser.parse_args()
    settings = [SETTINGS[at] for at in chosen.setting or range(len(SETTINGS))]
    print("| setting | cases | broken | verdict | exit | first line | requests |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for setting in settings:
        for cases in SIZES:
            for broken in BROKEN:
                said = ask(setting, cases, broken, chosen.package.resolve())
                print(
                    f"| {setting.name} | {cases} | {broken} | {said.verdict} | {said.exit} "
                    f"| {said.headline} | {said.requests} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
