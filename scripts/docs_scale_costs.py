"""Make docs/scale-costs.md: what a run of up to 100,000,000 samples takes, from benchmarks/RESULTS.md.

Run `.venv/bin/python scripts/docs_scale_costs.py` to write the page; tests/house/test_docs.py compares it, so
a figure that is measured again changes the page, too.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "scale-costs.md"
RESULTS = ROOT / "benchmarks" / "RESULTS.md"

SIZES = (1_000_000, 10_000_000, 100_000_000)
CHUNK = 5_000
"""Samples a chunk of a large run."""
WORKERS = 8
CREWS = (8, 100, 1_000)
QUOTA = 10_000
"""Requests a minute, of the example."""
TOKENS_IN, TOKENS_OUT = 300, 150
"""Tokens a sample, of the example."""
USD_IN, USD_OUT = 0.40, 1.60
"""Prices of a million tokens, of the example."""
USD_CORE_HOUR = 0.05
"""Price of a core, of the example."""
MIB, GB = 2**20, 1e9


@dataclass(frozen=True, slots=True)
class Line:
    """Straight line through two measurements."""

    n0: float
    y0: float
    n1: float
    y1: float

    @property
    def slope(self) -> float:
        """Return what one more adds."""
        return (self.y1 - self.y0) / (self.n1 - self.n0)

    def at(self, n: float) -> float:
        """Return the value at n."""
        return self.y1 + self.slope * (n - self.n1)


class Results:
    """The tables of RESULTS.md.

    Args:
        text: Text of the file.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def said(self, part: str, pattern: str) -> str:
        """Return what a pattern finds in a part, the text under a heading of the first level."""
        found = re.search(pattern, self._part(part))
        if found is None:
            raise LookupError(f"{RESULTS.name}, {part}: no {pattern}")
        return found[1]

    def figure(self, part: str, section: str, row: Sequence[str], column: str | int) -> float:
        """Return a figure of the first table under a heading.

        Args:
            part: Heading of the first level.
            section: Beginning of a heading of the second level; empty for none.
            row: First cells of the row.
            column: Heading of the column, or its place.

        Raises:
            LookupError: If it is not there.
        """
        text = self._part(part)
        if section:
            text = text.partition(f"\n## {section}")[2]
        lines = re.findall(r"^\|(.*)\|$", text.partition("\n## ")[0], re.MULTILINE)
        table = [[cell.strip() for cell in line.split("|")] for line in lines]
        for cells in table[2:]:
            if cells[: len(row)] == list(row):
                cell = cells[column if isinstance(column, int) else table[0].index(column)]
                return float(re.findall(r"[\d,.]*\d", cell)[0].replace(",", ""))
        raise LookupError(f"{RESULTS.name}, {part}, {section}: no row {' | '.join(row)}")

    def line(
        self, part: str, section: str, rows: Sequence[Sequence[str]], column: str | int
    ) -> Line:
        """Return the line through two rows, whose first cells are their sizes."""
        points = [
            (float(row[0].replace(",", "")), self.figure(part, section, row, column))
            for row in rows
        ]
        (n0, y0), (n1, y1) = points
        return Line(n0, y0, n1, y1)

    def _part(self, part: str) -> str:
        found = re.search(
            rf"^# {re.escape(part)}\n(.*?)(?=^# |\Z)", self._text, re.MULTILINE | re.DOTALL
        )
        if found is None:
            raise LookupError(f"{RESULTS.name}: no part {part}")
        return found[1]


RAY, GROWTH = "Workers on Ray", "Growth with n"
SLOW, HELD = "200 ms latency", "Memory in MiB"
CALLS, LEASES, ALONE = "Calls of the", "Leases of an actor", "The coordinator alone"
US = "CPU µs a row: "
SHORT = "Short answers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the page is computed from."""

    when: str
    """Day and machine."""
    local_rate: float
    ray_rate: float
    """Rows a second of four workers, which share two cores with the server."""
    worker_us: float
    leader_start: Line
    leader_rest: Line
    leader_mib: float
    row_bytes: float
    """Memory of the leader a row."""
    worker_mib: float
    coordinator_mib: float
    ray_mib: float
    parts: float
    """Parts at once, a worker."""
    file_bytes: float
    """Bytes a row of the file."""
    leases: float
    """Leases a second and worker."""
    transport_us: float
    """CPU time of the coordinator a lease, besides its own work."""
    lease_us: Sequence[float]
    """CPU time of its own work a lease, by the number of workers."""


def measured(results: Results) -> Measured:
    """Return what was measured."""
    rows = [["20,000"], ["100,000"]]
    memory = [["100,000", "resumed, all done"], ["1,000,000", "resumed, all done"]]
    alone = [f"CPU µs a lease, {n:,} workers" for n in CREWS]
    lease_us = [results.figure(RAY, ALONE, [name], "figure") for name in alone]
    in_actor = results.figure(RAY, LEASES, ["100"], 2)
    held = "ray, 4 workers"
    return Measured(
        when=results.said(RAY, r"`python benchmarks/engine\.py`\. (.*)"),
        local_rate=results.figure(RAY, SLOW, ["local"], "requests/s"),
        ray_rate=results.figure(RAY, SLOW, [held], "requests/s"),
        worker_us=results.figure(RAY, SLOW, [held], US + "workers"),
        leader_start=results.line(RAY, GROWTH, rows, 3),
        leader_rest=results.line(RAY, GROWTH, rows, "until the end"),
        leader_mib=results.figure(RAY, GROWTH, ["100,000"], "leader MiB"),
        row_bytes=results.line("Speed", "Memory", memory, "peak MiB").slope * MIB,
        worker_mib=results.figure(RAY, HELD, [held], "each worker"),
        coordinator_mib=results.figure(RAY, HELD, [held], "coordinator"),
        ray_mib=results.figure(RAY, HELD, [held], "Ray itself"),
        parts=results.figure(RAY, GROWTH, ["100,000"], "parts at once") / 2,
        file_bytes=results.figure(RAY, GROWTH, ["100,000"], "bytes a row"),
        leases=results.figure(RAY, CALLS, ["worker: lease"], "a second") / 4,
        transport_us=max(0.0, in_actor - lease_us[CREWS.index(100)]),
        lease_us=lease_us,
    )


def table(head: str, rows: Sequence[tuple[str, Callable[[int], str]]]) -> str:
    """Return a table with a column for each size."""
    lines = [f"| {head} | {' | '.join(f'{n:,}' for n in SIZES)} |", "| --- |" + " ---: |" * 3]
    lines += [f"| {name} | {' | '.join(cell(n) for n in SIZES)} |" for name, cell in rows]
    return "\n".join(lines)


def two(value: float) -> str:
    """Return a number with two digits that count."""
    digits = max(0, 1 - int(f"{value:e}".partition("e")[2])) if value else 0
    rounded = float(f"{value:.1e}")
    return f"{rounded:,.{digits}f}"


def size(of: float) -> str:
    """Return a number of bytes."""
    for unit, name in ((GB * 1000, "TB"), (GB, "GB"), (1e6, "MB"), (1e3, "KB")):
        if of >= unit:
            return f"{two(of / unit)} {name}"
    return f"{of:.0f} B"


def time(seconds: float) -> str:
    """Return a time."""
    for unit, name in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= (2 * unit if name == "days" else unit):
            return f"{two(seconds / unit)} {name}"
    return f"{two(seconds)} s"


def usd(amount: float) -> str:
    """Return an amount of money."""
    return f"${amount:,.0f}" if amount >= 10 else f"${amount:,.2f}"


def files(found: Measured) -> str:
    """Return the table of files and memory."""
    at_once = found.parts * WORKERS
    part = CHUNK * found.file_bytes
    base = found.leader_mib * MIB - 100_000 * found.row_bytes
    return table(
        f"with {WORKERS} workers",
        [
            (
                f"chunks of {CHUNK:,} samples: claims, and parts over the whole run",
                lambda n: f"{n // CHUNK:,}",
            ),
            ("parts at once", lambda _: f"{at_once:.0f}"),
            ("bytes in parts at once, at most", lambda _: size(at_once * part)),
            ("`run_results.jsonl`", lambda n: size(n * found.file_bytes)),
            ("disk, while it is put in order", lambda n: size(2 * n * found.file_bytes)),
            ("memory of the leader", lambda n: size(base + n * found.row_bytes)),
            ("memory of the coordinator", lambda _: size(found.coordinator_mib * MIB)),
            ("memory of each worker", lambda _: size(found.worker_mib * MIB)),
            ("memory of Ray itself, on one machine", lambda _: size(found.ray_mib * MIB)),
        ],
    )


def calls(found: Measured) -> str:
    """Return the table of the coordinator's load."""
    lines = ["| workers | leases a second | share of a core |", "| ---: | ---: | ---: |"]
    for workers, alone_us in zip(CREWS, found.lease_us, strict=True):
        rate = workers * found.leases
        share = rate * (found.transport_us + alone_us) / 1e6
        lines.append(f"| {workers:,} | {two(rate)} | {two(100 * share)} % |")
    return "\n".join(lines)


def hours(found: Measured) -> str:
    """Return the table of times."""

    def at(rate: float) -> Callable[[int], str]:
        return lambda n: time(n / rate)

    limit = 1 / found.leader_rest.slope
    few, more = (min(n * 1e6 / found.worker_us, limit) for n in (4, WORKERS))
    return table(
        "",
        [
            (
                "before the first request: the leader plans",
                lambda n: time(found.leader_start.slope * n),
            ),
            (f"one process, {found.local_rate:,.0f} a second: measured", at(found.local_rate)),
            (
                f"4 workers on those 2 cores, {found.ray_rate:,.0f} a second: measured",
                at(found.ray_rate),
            ),
            (f"4 workers, a core each, {two(few)} a second", at(few)),
            (f"{WORKERS} workers, a core each, {two(more)} a second", at(more)),
            (
                f"any number, at the leader's own limit of {two(limit)} a second",
                at(limit),
            ),
            (f"**a quota of {QUOTA:,} requests a minute, whoever asks**", at(QUOTA / 60)),
        ],
    )


def after(results: Results) -> str:
    """Return the table of what comes after the run."""
    few, many = (f"{n:,}" for n in SIZES[:2])

    def of(
        name: str, part: str, section: str, rows: Sequence[Sequence[str]]
    ) -> Sequence[tuple[str, Callable[[int], str]]]:
        seconds, peak = (
            results.line(part, section, rows, column) for column in ("CPU s", "peak MiB")
        )
        return [
            (f"`{name}`: CPU time", lambda n: time(seconds.at(n))),
            (f"`{name}`: memory", lambda n: size(peak.at(n) * MIB)),
        ]

    def evaluated(name: str) -> Sequence[tuple[str, Callable[[int], str]]]:
        return of(name, "Many rows", SHORT, [[few, name], [many, name]])

    return table(
        "",
        [
            *of("merge", "Merge", "", [["100,000", ""], [few, ""]]),
            *evaluated("evaluate"),
            *evaluated("compare"),
        ],
    )


def money(found: Measured) -> str:
    """Return the table of costs."""
    each = (TOKENS_IN * USD_IN + TOKENS_OUT * USD_OUT) / 1e6
    cores, rate = WORKERS + 1, min(WORKERS * 1e6 / found.worker_us, 1 / found.leader_rest.slope)
    return table(
        "",
        [
            ("the provider, request by request", lambda n: usd(n * each)),
            ("the provider, by its batch service at half the price", lambda n: usd(n * each / 2)),
            (
                f"{cores} cores, without a quota",
                lambda n: usd(cores * n / rate / 3600 * USD_CORE_HOUR),
            ),
            (
                f"one core, at {QUOTA:,} requests a minute",
                lambda n: usd(n / (QUOTA / 60) / 3600 * USD_CORE_HOUR),
            ),
        ],
    )


TEXT = """\
---
description: "What a run of a million to a hundred million samples takes: files, memory, load of the coordinator, hours and money, computed from what was measured."
---

# What a large run takes

Nobody has run a hundred million samples with this program. This page computes what they would take, from measurements of smaller
runs; `scripts/docs_scale_costs.py` makes it of [the results of the benchmarks](../benchmarks/RESULTS.md#workers-on-ray).

- **Measured** on {when}. The server under test shares those cores, so what
  more workers gain there says little; the cluster is on that one machine. Up to 4 workers, up to 100,000 rows with Ray and a million without, answers
  of about 40 characters; 10,000,000 rows were evaluated and compared.
- **Computed**: all that stands below for more rows, more cores or more workers. It assumes that what was measured grows in
  proportion, and is no promise.
- **Never tried**: a cluster of several machines, a network file system, more than 4 workers, a provider's endpoint at such a rate.

## Files and memory

{files}

- A part is a folder that one worker writes, and that the leader deletes when its rows stand in `run_results.jsonl`. So there are few at
  a time, and no marker and no manifest stay: a finished run has two files, as without Ray.
- Once all rows are there, the leader writes them anew in dataset order, and deletes the old file: for a while the disk holds both.
- A row of {file_bytes:.0f} bytes has an answer of 40 characters. Longer answers add what they weigh, in UTF-8: three bytes a Korean syllable.
- The leader holds {row_bytes:.0f} bytes a row, for key and place. 100,000,000 rows want {leader_gb} on one machine.

## Load of the coordinator

{calls}

A worker took {leases} leases a second, whatever it asked: requests never ask the coordinator. Its own work is {own_us} µs a lease, however many
workers there are; the rest is Ray's. One actor gave {capacity} leases a second to 100 callers in one process, which is as much as {most} workers want:
above that the coordinator is what limits a run.

## Time

{hours}

"A core each" divides a second by the CPU time a row of a worker, {worker_us:.0f} µs at 200 ms latency. The leader reads each row of a part and writes it into
the file, {leader_us:.0f} µs a row; from about {full} workers on, more of them make nothing faster. That matters without a quota alone: at 10,000 requests
a minute one process has time to spare.

## After the run

{after}

`merge` is for [shards](running.md#several-machines); a run on Ray needs none. `evaluate` and `compare` are those of
[many rows](../benchmarks/RESULTS.md#many-rows), short answers, one metric by rule, a fifth of the rows failed; a metric that asks a model takes
[a run's time](#time) of its own. 1,000,000 rows are measured, of `evaluate` and `compare` 10,000,000, too; the rest follows the line through two
measurements. Texts stay in files: longer answers take time, not memory. A further metric adds 8 bytes a row to `evaluate` and 25 to `compare`.

## Money

The provider takes, per sample, `input tokens × price of input + output tokens × price of output`; prices are per million tokens. The cluster takes
`(workers + 1) × hours × price of a core`, plus the disk. An example, to put your own figures in:

{money}

Of this example: {tokens_in} tokens in and {tokens_out} out a sample; {usd_in} and {usd_out} a million tokens, the list price of gpt-4.1-mini
on 2026-11-30; {usd_core} a core and hour, no offer of anybody. A judge that reads every answer costs as much again, or more. `run.max_cost_usd` stops a run before it
costs more than you allow, and [`--dry-run`](running.md) tells what it would.

Next: [more than one machine](scale.md) tells how to run it.
"""


def page() -> str:
    """Return the page."""
    results = Results(RESULTS.read_text(encoding="utf-8"))
    found = measured(results)
    capacity = results.figure(RAY, LEASES, ["100"], 1)
    leader = found.leader_mib * MIB + (SIZES[-1] - 100_000) * found.row_bytes
    return TEXT.format(
        when=found.when,
        files=files(found),
        file_bytes=found.file_bytes,
        row_bytes=found.row_bytes,
        leader_gb=size(leader),
        calls=calls(found),
        own_us=two(found.lease_us[-1]),
        capacity=f"{capacity:,.0f}",
        most=two(capacity / found.leases),
        hours=hours(found),
        worker_us=found.worker_us,
        leader_us=found.leader_rest.slope * 1e6,
        full=two(found.worker_us / (found.leader_rest.slope * 1e6)),
        leases=two(found.leases),
        after=after(results),
        money=money(found),
        tokens_in=TOKENS_IN,
        tokens_out=TOKENS_OUT,
        usd_in=usd(USD_IN),
        usd_out=usd(USD_OUT),
        usd_core=usd(USD_CORE_HOUR),
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
