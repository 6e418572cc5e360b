"""Text metrics besides the values of the Korean checklist."""

import time
from typing import Any

import pytest
from evaluation import a_run, a_sample, applies
from pydantic import ValidationError

from lm_eval_so.core.records.enums import Language, MetricKind, ScoreStatus
from lm_eval_so.evaluator.metrics.base import MetricEnv
from lm_eval_so.evaluator.metrics.text.wording import Contains, ExactMatch, KeywordCoverage, Regex


def test_keyword_coverage__tells_what_is_missing() -> None:
    metric = KeywordCoverage(params={"keywords": ["3일", {"any_of": ["무료", "공짜"]}]})
    score = metric.score(a_sample(), a_run("3일"))
    assert score.code == "keywords_missing"
    assert score.reason == "not found: 무료 | 공짜"
    assert score.details == {"missing": ["무료 | 공짜"], "forbidden": []}


def test_keyword_coverage__reason_is_in_the_reports_language() -> None:
    env = MetricEnv(language=Language.KO)
    metric = KeywordCoverage(params={"keywords": ["3일"]}, env=env)
    assert metric.score(a_sample(), a_run("답")).reason == "답변에 없습니다: 3일"


def test_keyword_coverage__forbidden_beats_missing() -> None:
    metric = KeywordCoverage(params={"keywords": ["3일"], "forbidden": ["불가"]})
    score = metric.score(a_sample(), a_run("환불 불가"))
    assert (score.value, score.code) == (0, "forbidden_found")
    assert score.details["forbidden"] == ["불가"]


def test_keyword_coverage__without_anything_to_check__does_not_apply() -> None:
    assert not applies(KeywordCoverage(), a_sample())
    assert applies(KeywordCoverage(params={"forbidden": ["불가"]}), a_sample())
    own = {"keyword_coverage": {"keywords": ["a"]}}
    assert applies(KeywordCoverage(), a_sample(metrics=own))
    assert not applies(KeywordCoverage(), a_sample(metrics={"keyword_coverage": {"keywords": []}}))


def test_keyword_coverage__samples_own_keywords_go_over_the_configs() -> None:
    metric = KeywordCoverage(params={"keywords": ["3일"], "boundary": "word"})
    sample = a_sample(metrics={"keyword_coverage": {"keywords": ["사과"]}})
    assert metric.score(sample, a_run("사과는")).value == 1
    assert metric.score(sample, a_run("사과나무")).value == 0


@pytest.mark.parametrize(
    "params",
    [
        {"keywords": [""]},
        {"keywords": [{"text": "a", "any_of": ["b"]}]},
        {"keywords": [{}]},
        {"keywords": [{"any_of": ["a", " "]}]},
        {"keywords": [{"text": "a", "weight": 0}]},
        {"forbidden": ["\u200b"]},
        {"keyword": ["a"]},
    ],
)
def test_keyword_coverage__refuses_keywords_that_mean_nothing(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        KeywordCoverage(params=params)


def test_contains__blank_references_do_not_count() -> None:
    assert not Contains().applies(a_sample(expected=" "))
    sample = a_sample(expected="", references=("사흘",))
    assert Contains().applies(sample)
    assert Contains().score(sample, a_run("3일")).value == 0


def test_regex__catastrophic_pattern_ends_in_time() -> None:
    metric = Regex(params={"pattern": "^(a|a)*$", "timeout_s": 0.2})
    began = time.monotonic()
    score = metric.score(a_sample(), a_run("a" * 40 + "b"))
    assert time.monotonic() - began < 30  # not ages
    assert score.code == "regex_timeout" or score.value == 0


def test_regex__timeout__is_unscored() -> None:
    metric = Regex(params={"pattern": "(x|xx)+$", "timeout_s": 0.05})
    score = metric.score(a_sample(), a_run("x" * 80 + "z"))
    assert (score.status, score.code) == (ScoreStatus.UNSCORED, "regex_timeout")


@pytest.mark.parametrize("params", [{"pattern": "("}, {"pattern": "a", "flags": "q"}])
def test_regex__refuses_what_does_not_compile(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Regex(params=params)


def test_metrics__kinds() -> None:
    kinds = {m: m.kind for m in (ExactMatch, Contains, Regex, KeywordCoverage)}
    binary, bounded = MetricKind.BINARY, MetricKind.BOUNDED
    assert list(kinds.values()) == [binary, binary, binary, bounded]


def test_definition__names_the_normalisation() -> None:
    assert ExactMatch(params={"profile": "loose"}).definition() == {
        "name": "exact_match",
        "version": 1,
        "params": {"profile": "loose"},
        "text": 1,
    }
