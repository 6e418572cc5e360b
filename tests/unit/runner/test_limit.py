"""The limit of a run, against loopback servers that bear only so much.

How fast a run is at the limit that it finds is measured by `benchmarks/limiter.py`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from servers.runs import endpoint, make, resources, rows, write_dataset

from lm_eval_so.runner.run import run
from lm_eval_so.testing import ChatServer, Reply, Seen

SAYS_1_S = {"retry-after": "1"}


def bears(most: int, latency_s: float, headers: Mapping[str, str]) -> Callable[[Seen], Reply]:
    """Refuse what comes while `most` are being answered."""

    def script(seen: Seen) -> Reply:
        if seen.under_way > most:
            return Reply(status=429, headers=headers)
        return Reply(text="ok", latency_s=latency_s)

    return script


@pytest.mark.parametrize("headers", [SAYS_1_S, {}], ids=["says how long", "says nothing"])
@pytest.mark.parametrize(("most", "latency_s", "count"), [(8, 0.05, 500), (1, 0.01, 100)])
async def test_run__finds_what_a_server_bears_at_once(
    tmp_path: Path,
    most: int,
    latency_s: float,
    count: int,
    headers: Mapping[str, str],
):
    write_dataset(tmp_path, count)
    with ChatServer(bears(most, latency_s, headers)) as server:
        config = make(tmp_path, endpoint(server.url), run={"concurrency": 64})
        info = await run(config, resources())
    assert info.counts == {"ok": count}
    refused = len(server.requests) - count
    assert 0 < refused <= 40  # most of them at the start, while it is found out
    assert most - 2 <= info.limits[-1].limit <= most + 4
    assert all(row["status"] == "ok" for row in rows(tmp_path / "runs" / "bot"))


async def test_run__refusals_at_random_do_not_slow_it_down(tmp_path: Path):
    write_dataset(tmp_path, 600)

    def script(seen: Seen) -> Reply:
        is_refused = seen.number % 5 == 2
        return Reply(status=429) if is_refused else Reply(text="ok", latency_s=0.05)

    with ChatServer(script) as server:
        config = make(tmp_path, endpoint(server.url), run={"concurrency": 16})
        info = await run(config, resources())
    assert info.counts == {"ok": 600}
    assert info.limits[-1].limit >= 12
