"""What an evaluation makes of a budget that is spent, or of a judge that fails at once."""

import json
from pathlib import Path
from typing import Any

import pytest
from servers.runs import endpoint, make, resources, write_dataset

from lm_eval_so.core.config.model import Config
from lm_eval_so.errors import BackendError
from lm_eval_so.evaluator.evaluate import evaluate
from lm_eval_so.runner.run import run
from lm_eval_so.testing import ChatServer, Reply, Seen

VERDICT = json.dumps({"reason": "좋음", "label": "PASS"}, ensure_ascii=False)


def judged(folder: Path, url: str, judge_url: str, **run_: Any) -> Config:
    write_dataset(folder, [{"id": f"q{i}", "input": "며칠?", "expected": "3일"} for i in range(10)])
    judge = {
        "name": "llm_judge",
        "params": {"labels": {"PASS": 1, "FAIL": 0}, "rubric": "맞나?"},
        "backend": endpoint(judge_url),
    }
    return make(folder, endpoint(url), metrics=["exact_match", judge], run=run_)


async def test_evaluate__rows_beyond_the_budget_have_no_score_and_all_others_keep_theirs(
    tmp_path: Path,
):
    shared = resources()
    with ChatServer(lambda _: "3일") as bot, ChatServer(lambda _: VERDICT) as judge:
        config = judged(tmp_path, bot.url, judge.url, max_requests=14, concurrency=2)
        await run(config, shared)
        report = await evaluate(config, shared, runs=[tmp_path / "runs" / "bot"])
        assert (len(bot.requests), len(judge.requests)) == (10, 4)
    assert report.metrics["exact_match"].rows == 10
    assert report.metrics["llm_judge"].rows == 4
    assert report.metrics["llm_judge"].unscored == 6
    assert report.judges["llm_judge"].unscored == {"judge_budget": 6}


async def test_evaluate__refused_key_of_a_judge_is_one_request(tmp_path: Path):
    def refuses(_: Seen) -> Reply:
        return Reply(status=401)

    with ChatServer(lambda _: "3일") as bot, ChatServer(refuses) as judge:
        config = judged(tmp_path, bot.url, judge.url)
        await run(config, resources())
        with pytest.raises(BackendError) as failed:
            await evaluate(config, resources(), runs=[tmp_path / "runs" / "bot"])
    assert failed.value.exit_code == 4
    assert len(judge.requests) == 1


async def test_evaluate__judged_answers_come_from_the_cache_the_second_time(tmp_path: Path):
    with ChatServer(lambda _: "3일") as bot, ChatServer(lambda _: VERDICT) as judge:
        config = judged(tmp_path, bot.url, judge.url, cache=str(tmp_path / "cache.sqlite"))
        await run(config, resources())
        for _ in range(2):
            report = await evaluate(config, resources(), runs=[tmp_path / "runs" / "bot"])
            assert report.metrics["llm_judge"].rows == 10
        assert len(judge.requests) == 10
