"""The means of both sides in the table of a comparison."""

import pytest
from comparing import judge
from factories import make_report
from rendering import comment_body, render

from lm_eval_so.core.records.enums import Language
from lm_eval_so.reporter.views.comparison import view_comparison

FIVE = [[1] * 5] * 56 + [[0] * 5] * 4
TWO = [[1, 1]] * 53 + [[1, 0]] * 2 + [[0, 0]] * 5


@pytest.mark.parametrize(
    ("before", "now", "gate", "means"),
    [
        ([1] * 56 + [0] * 4, [1] * 54 + [0] * 6, {}, ("93.3% (56/60)", "90.0% (54/60)")),
        (FIVE, TWO, {"claim": "these"}, ("93.3% (280/300)", "90.0% (108/120)")),
        (FIVE, [*TWO[:-1], 0], {"claim": "these"}, ("93.3% (280/300)", "90.0%")),
        (FIVE, [1] * 54 + [0] * 6, {}, ("93.3%", "90.0%")),
        ([1] * 200, [1] * 199 + [None], {}, ("100.0%", "100.0%")),
    ],
    ids=["asked once", "asked again", "unequally", "means of answers", "missing"],
)
def test_means__are_shown_with_the_number_of_answers_behind_them(before, now, gate, means) -> None:
    candidate = make_report({"m": now})
    compared = judge(make_report({"m": before}), candidate, gate=gate)
    (row,) = view_comparison(compared, candidate, language=Language.EN).scores
    assert (row.baseline, row.candidate) == means


@pytest.mark.parametrize("format_", ["md", "html"])
@pytest.mark.parametrize(
    ("language", "told"),
    [
        (
            Language.EN,
            "This verdict covers the 60 questions of this dataset, not what users ask beyond them.",
        ),
        (
            Language.KO,
            "이 데이터셋의 질문 60개만 판정했습니다. 다른 질문에서도 같은지는 알 수 없습니다.",
        ),
    ],
)
def test_footer__a_claim_about_these_questions_covers_no_others(format_, language, told) -> None:
    for gate, is_told in (({"claim": "these"}, True), ({}, False)):
        candidate = make_report({"m": TWO})
        compared = judge(make_report({"m": FIVE}), candidate, gate=gate, language=language)
        text = render(candidate, compared, format=format_, language=language)
        assert (told in text) is is_told
        assert text.count(told) == is_told
        body = comment_body(compared, candidate, level=0, language=language)
        assert (told in body) is is_told
