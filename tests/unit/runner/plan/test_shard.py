"""Shards: which samples belong to one, and its share of the limits of the whole run."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers.fast import fast
from servers.runs import endpoint, make, resources, rows, write_dataset

from lm_eval_so.core.config.model import RunSection
from lm_eval_so.core.events import Event, Noticed, Warned
from lm_eval_so.core.records.run import BackendInfo, DatasetRef, LimitShare, RunInfo
from lm_eval_so.errors import BudgetSpent, ConfigError, UsageError
from lm_eval_so.runner.dry_run import plan_run
from lm_eval_so.runner.plan.shard import Shard, limit_shares, share_text
from lm_eval_so.runner.run import RunOptions, run, run_folder
from lm_eval_so.testing import ChatServer, Reply

_TIMES = 5
PRICE = {"input_per_mtok": 1.0, "output_per_mtok": 1.0}


def shards(count: int) -> list[Shard]:
    return [Shard(number=number, count=count) for number in range(1, count + 1)]


@pytest.mark.parametrize(("sample_id", "number"), [("refund-001", 3), ("환불-1", 1), ("q0000", 3)])
def test_of__sha_256_of_the_id_as_one_number(sample_id: str, number: int):
    assert Shard.of(sample_id, 3) == Shard(number=number, count=3)
    assert int(hashlib.sha256(sample_id.encode()).hexdigest(), 16) % 3 == number - 1


@given(st.sets(st.text(min_size=1), max_size=60), st.integers(1, 20))
def test_has__disjoint_and_complete(ids: set[str], count: int):
    shards = [Shard(number=number, count=count) for number in range(1, count + 1)]
    for sample_id in ids:
        assert sum(shard.has(sample_id) for shard in shards) == 1


@pytest.mark.parametrize(
    "text", ["0/3", "4/3", "1", "1/0", "a/b", "-1/3", "1/3/5", "1/1000000", ""]
)
def test_parse__nonsense_is_told(text: str):
    with pytest.raises(UsageError, match="is no shard") as failed:
        Shard.parse(text)
    assert failed.value.exit_code == 2


def test_parse__and_back():
    shard = Shard.parse(" 2/3 ")
    assert (str(shard), shard.suffix) == ("2/3", "-2of3")


@given(
    st.integers(1, 99),
    st.integers(0, 10**6),
    st.floats(1e-6, 1e9),
    st.floats(1e-6, 1e9),
    st.floats(1e-6, 1e9),
)
def test_limit_shares__add_up_to_no_more_than_the_whole(
    count: int, more: int, usd: float, rate: float, tokens: float
):
    run_ = RunSection(
        max_requests=count + more,
        max_cost_usd=usd,
        max_requests_per_s=rate,
        max_tokens_per_min=tokens,
        max_time_s=60,
    )
    found = [limit_shares(run_, shard) for shard in shards(count)]
    if count == 1:
        assert found == [{}]
        return
    for key in ("max_requests", "max_cost_usd", "max_requests_per_s", "max_tokens_per_min"):
        own, of = [each[key].own for each in found], getattr(run_, key)
        assert min(own) > 0
        assert {each[key].of for each in found} == {of}
        if key == "max_requests":
            assert sum(own) == of
            assert own == sorted(own, reverse=True)
            assert max(own) - min(own) <= 1
        else:
            assert len({*own}) == 1
            assert of * (1 - 1e-9) < sum(own) <= of * (1 + 1e-12)  # a sum of floats is rounded, too
    assert "max_time_s" not in found[0]


@pytest.mark.parametrize(
    ("key", "own", "of", "told"),
    [
        ("max_requests", 12_500, 100_000, "12,500 of 100,000"),
        ("max_cost_usd", 0.25, 2.0, "0.25 of 2.00"),
        ("max_cost_usd", 0.333333333333, 1.0, "0.333333 of 1.00"),
        ("max_requests_per_s", 1.25, 10.0, "1.25 of 10"),
        ("max_tokens_per_min", 1_250_000.0, 10_000_000.0, "1,250,000 of 10,000,000"),
    ],
)
def test_share_text__amounts(key: str, own: float, of: float, told: str):
    shares = {"max_requests": LimitShare(own=1, of=8), key: LimitShare(own=own, of=of)}
    head = RunInfo(
        **dict.fromkeys(("suite", "config_digest", "fingerprint", "reach", "started_at"), ""),
        state="running",
        backend=BackendInfo(name="bot", label="bot"),
        dataset=DatasetRef(name="d", digest="", n=1),
        **dict.fromkeys(("repeats", "seed", "planned", "requests"), 1),
        counts={},
        shard="2/8",
        share=shares,
    )
    assert share_text(head, key) == f"{key} {told} (shard 2/8)"


def test_limit_shares__of_a_whole_that_sets_none():
    assert limit_shares(RunSection(), Shard(number=1, count=4)) == {}
    assert limit_shares(RunSection(max_requests=9), None) == {}


async def test_run__shards_keep_within_their_shares(tmp_path: Path):
    write_dataset(tmp_path, 60)
    limits = {"max_requests": 10, "max_cost_usd": 1.0}
    with ChatServer() as server:
        section = endpoint(server.url)
        section["options"]["price"] = PRICE
        config = make(tmp_path, section, run=limits)
        whole = await plan_run(config, resources())
        for shard, most in zip(shards(3), (4, 3, 3), strict=True):
            before, events = len(server.requests), list[Event]()
            told = f"max_requests {most} of 10, max_cost_usd 0.333333 of 1.00 (shard {shard})"
            options = RunOptions(shard=shard)
            planned = await plan_run(config, resources(), options)
            assert (planned.share, planned.facts()["share"]) == (told, told)
            with pytest.raises(BudgetSpent) as ended:
                await run(config, resources(events), options)
            hint = str(ended.value.problems[0].hint)
            assert hint.startswith(
                f"max_requests {most} of 10 (shard {shard}); raise run.max_requests"
            )
            assert len(server.requests) - before == most
            assert told in [event.text for event in events if isinstance(event, Noticed)]
            assert not any(isinstance(event, Warned) for event in events)  # 60 are too many for all
            info = json.loads((run_folder(config, shard) / "run.json").read_text())
            assert info["share"] == {
                "max_requests": {"own": most, "of": 10},
                "max_cost_usd": {"own": 0.333333333333, "of": 1.0},
            }
            assert info["stopped"] == {"by": "max_requests", "at": most}
            with pytest.raises(BudgetSpent):  # a share is the shard's, however often it is begun
                await run(config, resources(), options)
            assert len(server.requests) - before == most
        assert len(server.requests) == 10
        # another limit is no other run, for a shard as for the whole
        info = await run(make(tmp_path, section), resources(), RunOptions(shard=shard))
    assert (info.state, info.share, info.requests) == ("complete", {}, info.planned)
    assert "share" not in whole.facts()


async def test_run__money_of_a_shard(tmp_path: Path):
    write_dataset(tmp_path, 120)
    usage = {"prompt_tokens": 0, "completion_tokens": 10_000}
    with ChatServer(lambda _: Reply(text="네", usage=usage)) as server:
        section = endpoint(server.url, max_tokens=10_000)
        section["options"]["price"] = PRICE
        config = make(tmp_path, section, run={"max_cost_usd": 0.42})
        with pytest.raises(BudgetSpent) as ended:
            await run(config, resources(), RunOptions(shard=Shard(number=2, count=4)))
    assert len(server.requests) == 10  # one costs a cent, and 0.105 are there
    assert str(ended.value).startswith("stopped at USD 0.1000 of 0.1050 after 10 of ")
    assert str(ended.value.problems[0].hint).startswith(
        "max_cost_usd 0.105 of 0.42 (shard 2/4); raise"
    )


def requests_per_s(server: ChatServer) -> float:
    at = [seen.at for seen in server.requests]
    return (len(at) - 1) / (at[-1] - at[0]) / _TIMES


@pytest.mark.parametrize("limit", [{"max_requests_per_s": 8}, {"max_tokens_per_min": 480 * 1044}])
async def test_run__pace_of_a_shard(tmp_path: Path, limit: dict[str, float]):
    write_dataset(tmp_path, [{"id": f"s{i}", "input": "가" * 20} for i in range(16)])
    usage = {"prompt_tokens": 20, "completion_tokens": 1024}  # as much as is reserved
    with ChatServer(lambda _: Reply(text="네", usage=usage)) as server:
        config = make(tmp_path, endpoint(server.url), run=limit)
        await run(config, resources(**fast(_TIMES)), RunOptions(shard=Shard(number=1, count=2)))
    assert requests_per_s(server) < 5  # the whole may send 8 a second


async def test_run__pace_of_a_shard_holds_for_the_simulated_users_endpoint(tmp_path: Path):
    scenario = {"simulated_user": {"goal": "취소", "opening": "취소요"}}
    write_dataset(tmp_path, [{"id": f"s{i}", "scenario": scenario} for i in range(16)])
    ended = '{"progress": true, "done": true, "reason": "goal", "message": ""}'
    usage = {"prompt_tokens": 0, "completion_tokens": 1024}
    with ChatServer() as bot, ChatServer(lambda _: Reply(text=ended, usage=usage)) as user:
        limits = {"max_tokens_per_min": 480 * 1024}  # 8 answers of the user a second, 4 in a shard
        simulator = {"backend": {**endpoint(user.url), "label": "user"}}
        section = endpoint(bot.url, max_tokens=1)  # the chatbot never has to wait for its time
        config = make(tmp_path, section, run={**limits, "simulator": simulator})
        await run(config, resources(**fast(_TIMES)), RunOptions(shard=Shard(number=1, count=2)))
    assert requests_per_s(user) < 5


async def test_run__a_limit_that_is_no_request_for_each_shard(tmp_path: Path):
    write_dataset(tmp_path, 12)
    with ChatServer() as server:
        config = make(tmp_path, endpoint(server.url), run={"max_requests": 2})
        for shard in shards(3):  # also those that would get one
            for stage in (run, plan_run):
                with pytest.raises(ConfigError) as refused:
                    await stage(config, resources(), RunOptions(shard=shard))
                [problem] = refused.value.problems
                assert problem.what == "max_requests 2 cannot be divided among 3 shards"
                assert problem.where is not None
                assert problem.where.key == "run.max_requests"
        assert not server.requests
    assert not (tmp_path / "runs").exists()


async def test_run__a_shard_with_more_rows_than_its_share(tmp_path: Path):
    write_dataset(tmp_path, 30)
    config = make(
        tmp_path,
        {"name": "scripted", "label": "bot", "options": {"default": "echo"}},
        run={"max_requests": 30},
    )
    told = {}
    for shard in shards(3):
        events: list[Event] = []
        with suppress(BudgetSpent):
            await run(config, resources(events), RunOptions(shard=shard))
        warned = (event for event in events if isinstance(event, Warned))
        told[str(shard)] = [(event.text, event.hint) for event in warned][:1]
        planned = json.loads((run_folder(config, shard) / "run.json").read_text())["planned"]
        text = f"shard {shard} has {planned} rows and may send 10 requests"
        hint = f"set run.max_requests to {3 * planned} or more"
        assert told[str(shard)] == ([(text, hint)] if planned > 10 else [])
        assert len(rows(run_folder(config, shard))) == min(planned, 10)
    assert any(told.values())
