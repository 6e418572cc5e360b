"""What an evaluation makes of a budget that is spent, or of a judge that fails at once."""

import json
from pathlib import Path
from typing import Any

import pytest
from servers.runs import endpoint, make, resources, write_dataset

from lm_eval_so.core.config.model import Config
from lm_eval_so.errors import BackendError, ConfigError, LMEvalError
from lm_eval_so.evaluator.evaluate import EvaluationInputs, evaluate
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
        report = await evaluate(config, shared, EvaluationInputs(runs=[tmp_path / "runs" / "bot"]))
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
            await evaluate(config, resources(), EvaluationInputs(runs=[tmp_path / "runs" / "bot"]))
    assert failed.value.exit_code == 4
    assert len(judge.requests) == 1


@pytest.mark.parametrize(
    ("reply", "requests", "code", "told"),
    [
        (Reply(body=b"<!doctype html>"), 4, 2, "the response is no JSON"),
        (Reply(status=400, message="no such field"), 2, 3, "none of the first 2 samples: no such"),
        (Reply(status=403, message="blocked"), 2, 4, "the endpoint refuses the request (403: bl"),
    ],
)
async def test_evaluate__a_judge_that_can_answer_nothing_is_a_few_requests(
    tmp_path: Path, reply: Reply, requests: int, code: int, told: str
):
    with ChatServer(lambda _: "3일") as bot, ChatServer(lambda _: reply) as judge:
        config = judged(tmp_path, bot.url, judge.url)
        await run(config, resources())
        with pytest.raises(LMEvalError) as failed:
            await evaluate(config, resources(), EvaluationInputs(runs=[tmp_path / "runs" / "bot"]))
        assert (failed.value.exit_code, len(judge.requests)) == (code, requests)
        assert told in str(failed.value)
        judge.script = lambda _: VERDICT
        report = await evaluate(
            config, resources(), EvaluationInputs(runs=[tmp_path / "runs" / "bot"])
        )
    assert report.metrics["llm_judge"].rows == len(bot.requests) == 10


async def test_evaluate__a_row_that_a_judge_alone_is_refused_for_has_no_score(tmp_path: Path):
    blocked = Reply(status=403, message="blocked")
    with (
        ChatServer(lambda _: "3일") as bot,
        ChatServer(lambda seen: blocked if seen.number == 0 else VERDICT) as judge,
    ):
        config = judged(tmp_path, bot.url, judge.url)
        await run(config, resources())
        report = await evaluate(
            config, resources(), EvaluationInputs(runs=[tmp_path / "runs" / "bot"])
        )
    assert (report.metrics["llm_judge"].rows, report.metrics["llm_judge"].unscored) == (9, 1)


async def test_evaluate__the_only_row_shows_a_mistake_of_a_judges_config(tmp_path: Path):
    with ChatServer(lambda _: "3일") as bot, ChatServer(lambda _: Reply(body=b"<html>")) as judge:
        config = judged(tmp_path, bot.url, judge.url)
        write_dataset(tmp_path, [{"id": "q0", "input": "며칠?", "expected": "3일"}])
        await run(config, resources())
        with pytest.raises(ConfigError) as failed:
            await evaluate(config, resources(), EvaluationInputs(runs=[tmp_path / "runs" / "bot"]))
    assert failed.value.problems[0].where
    assert failed.value.problems[0].where.key == "metrics[1].backend.options.base_url"


async def test_evaluate__judged_answers_come_from_the_cache_the_second_time(tmp_path: Path):
    with ChatServer(lambda _: "3일") as bot, ChatServer(lambda _: VERDICT) as judge:
        config = judged(tmp_path, bot.url, judge.url, cache=str(tmp_path / "cache.sqlite"))
        await run(config, resources())
        for _ in range(2):
            report = await evaluate(
                config, resources(), EvaluationInputs(runs=[tmp_path / "runs" / "bot"])
            )
            assert report.metrics["llm_judge"].rows == 10
        assert len(judge.requests) == 10
