"""What holds of every answer."""

import unicodedata

from evaluation import a_run, a_sample
from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.core.asking.answer.json_answer import Unusable
from lm_eval_so.evaluator.metrics.base import metrics
from lm_eval_so.evaluator.metrics.judge.panel.labels import Verdict, read_verdict
from lm_eval_so.evaluator.metrics.text.overlap import bag_f1
from lm_eval_so.evaluator.summary.fold import deviation, percentile

TEXT = st.one_of(st.text(), st.text("서울의 강남구는 3일 AI 입니다.,"))
WORDS = st.lists(st.text("가나다", min_size=1, max_size=2))
VALUES = st.lists(st.floats(0, 1), min_size=1)


@given(WORDS, WORDS)
def test_bag_f1__symmetric_and_within_the_range(one: list[str], other: list[str]) -> None:
    value = bag_f1(one, other)
    assert 0 <= value <= 1
    assert value == bag_f1(other, one)
    assert bag_f1(one, one) == 1


@given(TEXT, TEXT)
def test_text_metrics__unicode_form_does_not_matter(answer: str, reference: str) -> None:
    sample = a_sample(expected=reference)
    for name in ("exact_match", "contains", "token_f1"):
        metric = metrics.resolve(name)()
        values = {
            metric.score(sample, a_run(unicodedata.normalize(form, answer))).value
            for form in ("NFC", "NFD")
        }
        assert len(values) == 1


@given(TEXT)
def test_text_metrics__the_reference_itself_is_right(text: str) -> None:
    for name, params in (
        ("exact_match", {}),
        ("exact_match", {"profile": "answer"}),
        ("exact_match", {"profile": "loose"}),
        ("exact_match", {"profile": "raw"}),
        ("token_f1", {}),
    ):
        score = metrics.resolve(name)(params=params).score(a_sample(expected=text), a_run(text))
        assert score.value == 1


@given(st.text())
def test_read_verdict__never_raises(output: str) -> None:
    assert isinstance(read_verdict(output, {"good": "good"}), Verdict | Unusable)


@given(VALUES, st.floats(0, 1))
def test_percentile__is_one_of_the_values(values: list[float], level: float) -> None:
    found = percentile(values, level)
    assert found in values
    assert sum(value <= found for value in values) >= level * len(values) - 1e-6


@given(VALUES)
def test_deviation__within_half_the_range(values: list[float]) -> None:
    found = deviation(values)
    assert found is None or 0 <= found <= 0.7072
