"""`length`, `honorific` and `language_match` besides the values of the Korean checklist."""

from typing import Any, get_args

import pytest
from evaluation import a_run, a_sample, applies
from pydantic import ValidationError

from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.text.lengths import LengthUnit
from lm_eval_so.core.text.scripts import ScriptLanguage
from lm_eval_so.core.text.speech import Speech
from lm_eval_so.core.words import texts
from lm_eval_so.evaluator.metrics.env import MetricEnv
from lm_eval_so.evaluator.metrics.form.honorific import Honorific, Level
from lm_eval_so.evaluator.metrics.form.language import LanguageMatch
from lm_eval_so.evaluator.metrics.form.length import Length

POLITE = "안녕하세요. 가능합니다. 내일 도착해요."


@pytest.mark.parametrize(
    ("params", "answer", "value", "reason"),
    [
        ({"max": 5}, "안녕하세요", 1, None),
        ({"max": 4}, "안녕하세요", 0, "5 graphemes, wanted ≤ 4"),
        ({"min": 6}, "안녕하세요", 0, "5 graphemes, wanted ≥ 6"),
        ({"min": 1, "max": 2, "unit": "sentences"}, POLITE, 0, "3 sentences, wanted 1 … 2"),
        ({"min": 5, "max": 5}, " 안녕하세요\n", 1, None),
        ({"max": 10, "unit": "bytes"}, "안녕하세요", 0, "15 bytes, wanted ≤ 10"),
        ({"max": 4, "count_spaces": False}, "가 나 다 라", 1, None),
        ({"max": 0}, "", 1, None),
        ({"min": 1}, "", 0, "0 graphemes, wanted ≥ 1"),
    ],
)
def test_length__within_bounds(
    params: dict[str, Any], answer: str, value: int, reason: str | None
) -> None:
    score = Length(params=params).score(a_sample(), a_run(answer))
    assert (score.value, score.reason) == (value, reason)
    assert score.details["unit"] == params.get("unit", "graphemes")


def test_length__without_bounds_does_not_apply() -> None:
    assert not applies(Length(), a_sample())
    assert applies(Length(), a_sample(metrics={"length": {"max": 3}}))
    with pytest.raises(ValidationError):
        Length(params={"min": 3, "max": 2})


@pytest.mark.parametrize(
    ("level", "value"), [("polite", 1), ("formal", 1 / 3), ("haeyo", 2 / 3), ("casual", 0)]
)
def test_honorific__levels(level: str, value: float) -> None:
    score = Honorific(params={"level": level}).score(a_sample(), a_run(POLITE))
    assert score.value == pytest.approx(value)
    assert score.details == {"formal": 1, "haeyo": 2}
    assert (score.reason is None) == (value == 1)


def test_honorific__nothing_to_tell_by_is_vacuous() -> None:
    for answer in ("배송 안내\n- 사용 금지\n- 확인 필요", "Yes.", ""):
        score = Honorific().score(a_sample(), a_run(answer))
        assert (score.value, score.vacuous) == (1, True)


def test_honorific__says_what_it_found() -> None:
    metric = Honorific(env=MetricEnv(language=Language.KO))
    score = metric.score(a_sample(), a_run("가능합니다. 내일 도착해."))
    assert score.reason == "존댓말이 아닌 문장이 있습니다: 반말 1, 합니다체 1"


@pytest.mark.parametrize(
    ("language", "params", "answer", "value"),
    [
        ("ko", {}, "가능합니다", 1),
        ("ko-KR", {}, "가능합니다", 1),
        ("en", {}, "가능합니다", 0),
        (None, {"language": "en"}, "Yes, you can.", 1),
        ("ko", {"language": "en"}, "Yes, you can.", 1),
        ("ko", {"min_share": 0.4}, "네 yes", 1),
        ("ko", {}, "네 yes", 0),
    ],
)
def test_language_match__of_the_sample_or_the_parameter(
    language: str | None, params: dict[str, Any], answer: str, value: int
) -> None:
    metric, sample = LanguageMatch(params=params), a_sample(language=language)
    assert metric.applies(sample)
    assert metric.check_sample(sample) == []
    assert metric.score(sample, a_run(answer)).value == value


@pytest.mark.parametrize("wanted", get_args(ScriptLanguage))
def test_language_match__the_reason_names_the_language(wanted: ScriptLanguage) -> None:
    reasons = [
        LanguageMatch(params={"language": wanted}, env=MetricEnv(language=told))
        .score(a_sample(), a_run("3 ж"))
        .reason
        for told in Language
    ]
    names = {
        "ko": "Korean/한국어",
        "en": "English/영어",
        "ja": "Japanese/일본어",
        "zh": "Chinese/중국어",
    }
    english, korean = names[wanted].split("/")
    assert reasons == [f"0.0% of the words are in {english}", f"단어의 0.0%만 {korean}입니다"]


def test_language_match__without_a_letter_is_vacuous() -> None:
    score = LanguageMatch(params={"language": "ko"}).score(a_sample(), a_run("30,000"))
    assert (score.value, score.vacuous) == (1, True)


def test_language_match__languages_that_cannot_be_told() -> None:
    assert not LanguageMatch().applies(a_sample())
    assert not LanguageMatch().applies(a_sample(language="mixed"))
    (problem,) = LanguageMatch().check_sample(a_sample(language="fr"))
    assert 'sample s1 has the language "fr"' in problem.what
    with pytest.raises(ValidationError):
        LanguageMatch(params={"language": "fr"})


def test_reasons__have_a_name_for_every_unit_and_level() -> None:
    names = [f"unit_{unit}" for unit in get_args(LengthUnit)]
    names += [f"speech_{level}" for level in (*get_args(Level), *get_args(Speech))]
    assert {f"metrics.{name}" for name in names} <= texts(Language.KO).keys()
