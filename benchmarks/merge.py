"""How long `lm-eval-so merge` takes and how much memory it needs, on this machine.

    python benchmarks/merge.py                 100,000 and 1,000,000 rows in 8 shards, as Markdown on stdout
    python benchmarks/merge.py --scale 0.1

The dataset and the answers are those of `evaluate.py`. The figures cover the whole process: start-up, reading,
choosing and writing the rows.
"""

import argparse
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from evaluate import write_run, write_samples
from measured import Taken, machine, measure

from lm_eval_so.core.records.codec import dumps
from lm_eval_so.runner.run import Shard
from lm_eval_so.runner.store.run_dir import INFO_FILE, RESULTS_FILE, read_info, read_rows
from lm_eval_so.runner.store.totals import Tally

COUNT = 8


def write_shards(folder: Path, n: int) -> list[Path]:
    """Write a dataset of n samples, and a run of it in shards as their machines would have."""
    write_samples(folder, n)
    write_run(folder)
    whole = folder / "bot"
    info = read_info(whole)
    assert info is not None
    shards = [Shard(number=number, count=COUNT) for number in range(1, COUNT + 1)]
    parts = {shard: folder / f"bot{shard.suffix}" for shard in shards}
    tallies = {shard: Tally() for shard in shards}
    with ExitStack() as stack:
        lines = stack.enter_context((whole / RESULTS_FILE).open("rb"))
        files = {}
        for shard, part in parts.items():
            part.mkdir()
            files[shard] = stack.enter_context((part / RESULTS_FILE).open("wb"))
        for _, _, row in read_rows(whole, info.fingerprint):
            shard = Shard.of(row.sample_id, COUNT)
            files[shard].write(lines.readline())
            tallies[shard].add(row)
    for shard, part in parts.items():
        tally = tallies[shard]
        own = replace(
            info,
            shard=str(shard),
            planned=tally.rows,
            counts=tally.counts,
            usage=tally.usage,
            unpriced=tally.unpriced,
            dataset=replace(info.dataset, path=str(folder)),
        )
        (part / INFO_FILE).write_text(dumps(own) + "\n", encoding="utf-8")
    (whole / RESULTS_FILE).rename(folder / "expected.jsonl")
    (whole / INFO_FILE).unlink()
    return list(parts.values())


def merge(folder: Path, parts: list[Path], *options: str) -> Taken:
    """Merge by the command, and hold the whole against the run that was divided."""
    command = [sys.executable, "-m", "lm_eval_so", "merge", "-q", "-o", str(folder / "bot")]
    taken = measure([*command, *options, *map(str, parts)])
    with (
        (folder / "expected.jsonl").open("rb") as one,
        (folder / "bot" / RESULTS_FILE).open("rb") as other,
    ):
        assert all(a == b for a, b in zip(one, other, strict=True)), "other bytes"
    return taken


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--scale", type=float, default=1, help="times the number of rows")
    scale = arguments.parse_args().scale
    print(f"# Merge\n\n{machine()}\n\n{__doc__.partition(chr(10) * 2)[2]}", flush=True)
    print("| rows | options | wall s | CPU s | CPU µs per row | peak MiB |", flush=True)
    print("| ---: | --- | ---: | ---: | ---: | ---: |", flush=True)
    for wanted in (100_000, 1_000_000):
        n = max(COUNT, round(wanted * scale))
        with tempfile.TemporaryDirectory() as name:
            parts = write_shards(Path(name), n)
            for options in ((), ("--recount",)):
                taken = merge(Path(name), parts, *options)
                cpu_us = taken.cpu_s / n * 1e6
                figures = (
                    f"{taken.wall_s:.0f} | {taken.cpu_s:.1f} | {cpu_us:.0f} | {taken.peak_mib:.0f}"
                )
                print(f"| {n:,} | {' '.join(options)} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
