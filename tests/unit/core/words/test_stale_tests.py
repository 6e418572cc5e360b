"""What people read of stale tests, in both languages."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from made_reports import changed, comparison

from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.staleness import Staleness, StaleTest
from lm_eval_so.core.words.first_cases import first_cases
from lm_eval_so.core.words.stale_tests import stale_sentences

TEST = StaleTest(
    id="s1",
    origin="document",
    state="changed",
    question="며칠 안에 반품하나요?",
    file="returns.docx",
    heading="1. 신청할 수 있는 기간",
    old="7일 안에",
    new="14일 안에",
    numbers=(("7일", "14일"),),
    still_says=("7일",),
    in_pull_request=True,
)
REWORDED = replace(TEST, id="s2", numbers=(), still_says=())
GONE = replace(REWORDED, id="s3", state="gone", new=None)
NEAR = replace(REWORDED, id="s4", state="near")
ROW = replace(TEST, id="s5", origin="row", file="faq.csv", heading=None)


def told(language: Language, *tests: StaleTest) -> list[str]:
    return [*stale_sentences(Staleness(dataset="d", of=120, tests=tests), language)]


@pytest.mark.parametrize("language", [Language.EN, Language.KO])
def test_stale_sentences__golden(language: Language, golden: Callable[[str, str], None]) -> None:
    long = replace(TEST, file="a" * 90, heading="b\nc" * 40, numbers=(("", "3"),), still_says=())
    older = [replace(each, in_pull_request=False) for each in (TEST, NEAR)]
    unknown = replace(TEST, in_pull_request=None)
    cases = [
        [TEST, TEST, *[REWORDED] * 9, GONE, GONE, NEAR],
        [REWORDED, *older],
        [NEAR],
        [older[1]],
        [replace(NEAR, in_pull_request=None), unknown, long],
        [*(replace(TEST, heading=str(n)) for n in range(5)), ROW, replace(ROW, state="new")],
    ]
    shown = ["\n".join(told(language, *tests)) for tests in cases]
    golden(f"comment/stale.{language}.txt", "\n----\n".join(shown) + "\n")


def test_stale_sentences__a_number_of_a_document_fills_no_comment() -> None:
    digits = "9" * 5_000
    long = replace(TEST, numbers=((digits, digits),) * 9, still_says=(digits,) * 9)
    assert max(map(len, told(Language.EN, long))) < 1_200


def test_stale_sentences__say_nothing_where_all_fits() -> None:
    assert told(Language.EN, replace(TEST, state="same")) == []
    assert list(stale_sentences(None, Language.EN)) == []


@pytest.mark.parametrize(
    ("is_here", "note"),
    [
        (True, "its source changed in this pull request"),
        (False, "its source changed before this pull request"),
        (None, "its source changed since the test was written"),
    ],
)
def test_first_cases__of_a_stale_test_say_so(is_here: bool | None, note: str) -> None:
    worse = (changed("s1"), changed("s9"))
    fits = replace(TEST, id="s9", state="same")
    tests = (replace(TEST, in_pull_request=is_here), fits)
    stale = Staleness(dataset="d", of=9, tests=tests)
    made = comparison(changed=worse, staleness=stale)
    assert [case.notes for case in first_cases(made, Language.EN)] == [(note,), ()]
