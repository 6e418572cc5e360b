"""Reason codes as people read them."""

import pytest
from made_reports import report, summary
from rendering import render

from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.words import texts
from lm_eval_so.reporter.views.metrics import code_name, codes_of, metric_row
from lm_eval_so.reporter.views.view import words_of

KOREAN = words_of("report", Language.KO)


@pytest.mark.parametrize("language", Language)
def test_code_name__the_code_itself_is_found(language) -> None:
    named = {k: v for k, v in texts(language).items() if k.startswith("report.code_")}
    assert named
    assert all(v.split()[-1] == k.removeprefix("report.code_") for k, v in named.items())


def test_code_name__korean_says_what_it_means() -> None:
    assert code_name("judge_error", KOREAN) == "평가 모델 오류 judge_error"


def test_code_name__one_of_a_plugin_stays() -> None:
    assert code_name("my_code", KOREAN) == "my_code"


def test_codes_of__the_most_frequent_first() -> None:
    told = codes_of({"metric_error": 1, "run_timeout": 2, "my_code": 2}, KOREAN)
    assert told == "my_code 2, 답변 시간 초과 run_timeout 2, 지표 오류 metric_error 1"


def test_metric_row__units_are_no_codes() -> None:
    row = metric_row("bleu", summary(units={"ambiguous": 3}), KOREAN)
    assert any(fact.endswith("ambiguous 3") and "여러" not in fact for fact in row.facts)


@pytest.mark.parametrize("format_", ["md", "html"])
def test_render__korean_reports_name_codes(format_) -> None:
    text = render(report(), None, format=format_, language=Language.KO)
    assert "답변 시간 초과 run_timeout 1" in text
    assert "평가 모델이 판단하지 못함 judge_unknown 3" in text
