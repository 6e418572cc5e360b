"""Cases that had an answer in the baseline and have none now, and cases that are only reworded."""

from dataclasses import replace

import pytest
from comparing import entry, judge
from factories import make_report

from lm_eval_so.comparator.exemptions.files import Exceptions
from lm_eval_so.core.records.changes import Lost, LostCase
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.words.phrases import lost_headline, lost_names, lost_reasons

N = 60
NAMES = [f"환불-{i}" for i in range(N)]


def a_report(
    statuses: dict[int, str] | None = None, *, repeats: int = 1, **columns: object
) -> EvaluationReport:
    """Make a report of right answers, in which some rows have another status and no score."""
    lost = statuses or {}
    rows = [None if row in lost else 1 for row in range(N * repeats)]
    scores = [rows[i * repeats : (i + 1) * repeats] for i in range(N)] if repeats > 1 else rows
    made = make_report({"exact_match": scores}, ids=NAMES, inputs=[f"질문 {n}" for n in NAMES])
    all_statuses = tuple(lost.get(row, "ok") for row in range(N * repeats))
    return replace(made, samples=replace(made.samples, statuses=all_statuses, **columns))


def test_lost__names_what_kept_the_answers_from_coming() -> None:
    failures = {"HTTP 500": (3, 7), "timeout": (9,)}
    now = a_report({3: "error", 7: "error", 9: "timeout"}, failures=failures)
    found = judge(a_report(), now).lost
    assert found is not None
    assert (found.n, found.by) == (3, {"HTTP 500": 2, "timeout": 1})
    assert found.cases[0] == LostCase(
        sample_id="환불-3", ref=None, input="질문 환불-3", why="HTTP 500"
    )


def test_lost__an_older_report_knows_the_status_alone() -> None:
    found = judge(a_report(), a_report({3: "error"})).lost
    assert found is not None
    assert found.by == {"error": 1}


def test_lost__nothing_where_there_was_no_answer_before_or_is_one_now() -> None:
    assert judge(a_report(), a_report()).lost is None
    assert judge(a_report({3: "error"}), a_report({3: "error"})).lost is None
    assert judge(a_report({3: "error"}), a_report()).lost is None
    assert judge(a_report(), a_report({3: "refused"})).lost is None
    assert judge(None, a_report({3: "error"})).lost is None


def test_lost__of_several_answers_all_must_be_gone() -> None:
    before = a_report({0: "error"}, repeats=2)
    assert judge(before, a_report({0: "error"}, repeats=2)).lost is None
    found = judge(before, a_report({0: "error", 1: "timeout"}, repeats=2)).lost
    assert found is not None
    assert [case.sample_id for case in found.cases] == ["환불-0"]


def test_lost__another_question_under_the_same_id_is_another_case() -> None:
    hashes = ("another", *(f"rev-{name}" for name in NAMES[1:]))
    now = a_report({0: "error"}, sample_hashes=hashes)
    assert judge(a_report(), now).lost is None


def test_lost__a_corrected_reference_leaves_it_the_same_question() -> None:
    revs = ("corrected", *(f"rev-{name}" for name in NAMES[1:]))
    found = judge(a_report(), a_report({0: "error"}, revs=revs)).lost
    assert found is not None


def test_lost__known_flaky_samples_do_not_count() -> None:
    now = a_report({3: "error", 7: "error"})
    held = Exceptions(quarantine=(entry("환불-3"), entry("환불-7", "contains")))
    found = judge(a_report(), now, exceptions=held).lost
    assert found is not None
    assert [case.sample_id for case in found.cases] == ["환불-7"]


def test_lost__changes_no_verdict() -> None:
    plain = judge(a_report(), a_report({3: "error"}))
    assert (plain.exit_code, plain.metrics["exact_match"].missing) == (0, (0, 1))


def a_lost(*cases: LostCase) -> Lost:
    return Lost(n=len(cases), by={"timeout": len(cases)}, cases=cases)


def test_lost_names__own_ids_first_and_questions_for_content_ids() -> None:
    content = "s24f1bb61e3983b7a"
    cases = (
        LostCase(sample_id=content, ref="배송-3", input="배송비는?", why="timeout"),
        LostCase(sample_id="refund-1", input="환불?", why="timeout"),
        LostCase(sample_id=content, input="환불은\n 며칠?", why="timeout"),
        LostCase(sample_id=content, why="timeout"),
    )
    assert lost_names(a_lost(*cases)) == ("배송-3", "refund-1", "환불은 며칠?", content)
    assert len(lost_names(a_lost(*cases, *cases))) == 5


@pytest.mark.parametrize(
    ("n", "language", "headline", "reasons"),
    [
        (1, Language.EN, "1 case that had an answer has none now", "timeout: 1"),
        (2, Language.EN, "2 cases that had an answer have none now", "timeout: 2"),
        (
            2,
            Language.KO,
            "답변이 있던 케이스 2개에 이번에는 답변이 없습니다",
            "시간 초과: 2",
        ),
    ],
)
def test_lost_headline__counts(n: int, language: Language, headline: str, reasons: str) -> None:
    lost = a_lost(*[LostCase(sample_id="q", why="timeout")] * n)
    assert lost_headline(lost, language) == headline
    assert lost_reasons(lost, language) == reasons


def test_reworded__an_answer_that_the_baseline_did_not_give_with_the_same_score() -> None:
    before = [f"답 {row}" for row in range(N * 2)]
    now = [before[row - row % 2] for row in range(N * 2)]  # each says what it said at first
    now[3 * 2] = "다른 답"
    now[4 * 2] = before[4 * 2 + 1]  # what it had said the second time
    now[5 * 2 + 1] = "둘째 답"
    found = judge(
        a_report(repeats=2, answers=tuple(before)),
        a_report(repeats=2, answers=tuple(now)),
    )
    assert [case.sample_id for case in found.changed] == []
    told = {case.sample_id: case.baseline_answer for case in found.reworded}
    assert told == {"환불-3": "답 6"}
    plain = a_report(repeats=2)
    assert judge(plain, plain).reworded == ()
    assert judge(None, a_report(repeats=2, answers=tuple(now))).reworded == ()
