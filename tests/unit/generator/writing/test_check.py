"""The check: windows, verdicts and what follows from them."""

import json
from typing import Any

import pytest

from lm_eval_so.core.asking.answer.json_answer import Unusable
from lm_eval_so.generator.documents.block import Document
from lm_eval_so.generator.writing.candidate import Candidate, Verdict, read_verdicts
from lm_eval_so.generator.writing.model.cross_check import Checker, Window, windows_of
from lm_eval_so.generator.writing.rules import Draft, Fault, examine

QUOTE = "단순 변심이면 왕복 배송비 6,000원을 냅니다."


def verdict(
    found: Any = "answers", quote: str = QUOTE, answer: str = "왕복 6,000원입니다."
) -> Verdict:
    return Verdict(found=found, quote=quote, answer=answer)


def decided(draft: Draft, *verdicts: tuple[Document, Verdict]) -> Draft | Fault:
    documents = [document for document, _ in verdicts]
    checker = Checker(documents, 2000)
    windows = {d.file: Window(pieces=((d, 0, len(d.text)),)) for d in documents}
    return checker.decide(draft, [(windows[d.file], v) for d, v in verdicts])


@pytest.fixture
def draft(returns: Document, slot: Any, said: Any) -> Draft:
    found = examine(slot(returns), said(), ())
    assert isinstance(found, Draft)
    return found


def reason(end: Draft | Fault) -> str:
    return end.reason if isinstance(end, Fault) else ", ".join(end.flags)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (verdict(), ""),
        (verdict("nothing"), "not_answerable"),
        (verdict("denies"), "not_answerable"),
        (verdict(quote="문서에 없는 문장입니다."), "not_answerable"),
        (verdict(answer="왕복 7,000원입니다."), "answer_differs"),
        (verdict(answer="왕복 6,000원이고 14일 안입니다."), ""),
        (verdict(answer="배송비를 냅니다."), "answer_unsure"),
    ],
)
def test_decide__own_window(draft: Draft, returns: Document, told: Verdict, expected: str) -> None:
    assert reason(decided(draft, (returns, told))) == expected


def test_decide__another_document_with_other_numbers_is_told(
    draft: Draft, returns: Document, document: Any
) -> None:
    other = document("# 옛 안내\n\n변심이면 왕복 배송비 5,000원을 냅니다.", "old.md")
    conflict = verdict(quote="왕복 배송비 5,000원", answer="5,000원입니다.")
    end = decided(draft, (returns, verdict()), (other, conflict))
    assert reason(end) == "conflict:old.md › 옛 안내"
    assert reason(decided(draft, (returns, verdict()), (other, verdict("nothing")))) == ""


def test_decide__unanswerable_that_any_passage_answers(
    returns: Document, shipping: Document, slot: Any
) -> None:
    asked = Candidate(question="Who pays the customs bill?", answer="", quotes=())
    found = examine(slot(shipping, "unanswerable"), asked, ())
    assert isinstance(found, Draft)
    answered = verdict(quote="The buyer pays import duties.", answer="The buyer.")
    end = decided(found, (returns, verdict("nothing")), (shipping, answered))
    assert isinstance(end, Fault)
    assert (end.reason, end.what) == ("answerable_after_all", "shipping.md › Customs")
    doubtful = verdict(quote="not in it", answer="Nobody knows.")
    end = decided(found, (returns, doubtful), (shipping, verdict("nothing")))
    assert reason(end) == "answerable_after_all"
    end = decided(found, (returns, verdict("nothing")), (shipping, verdict("nothing")))
    assert reason(end) == ""


def test_decide__a_false_premise_must_be_denied(returns: Document, slot: Any, said: Any) -> None:
    found = examine(slot(returns, "false_premise"), said(question="변심은 공짜로 보내죠?"), ())
    assert isinstance(found, Draft)
    assert reason(decided(found, (returns, verdict("denies")))) == ""
    assert reason(decided(found, (returns, verdict("answers")))) == "premise_holds"


def test_windows_of__documents_stay_whole_where_they_fit(toy: list[Document]) -> None:
    assert len(windows_of(toy, 24_000)) == 1
    small = windows_of(toy, 2_000)
    sizes = [sum(end - start for _, start, end in window.pieces) for window in small]
    assert len(small) > 1
    assert max(sizes) <= 2_000
    assert [d.file for window in small for d, _, _ in window.pieces] == [d.file for d in toy]
    cut = windows_of([toy[0]], 500)
    assert len(cut) > 1
    pieces = [piece for window in cut for piece in window.pieces]
    assert pieces[0][1] == 0
    assert pieces[-1][2] == len(toy[0].text)
    assert all(end - start <= 500 for _, start, end in pieces)


def test_requests__many_windows_are_chosen_by_search_phrases(document: Any, slot: Any) -> None:
    filler = [
        document(f"# Part {n}\n\n" + f"Nothing of use stands in number {n} here. " * 40, f"d{n}.md")
        for n in range(14)
    ]
    hidden = document("# Duties\n\n" + "Import duties are paid by the buyer. " * 40, "duties.md")
    checker = Checker([*filler, hidden], 2_000)
    assert not checker.is_whole
    asked = Candidate(
        question="Is there tax at the border?", answer="", quotes=(), search=("import duties",)
    )
    found = examine(slot(filler[0], "unanswerable"), asked, ())
    assert isinstance(found, Draft)
    held = checker.requests([found])
    files = [[d.file for d, _, _ in each.window.pieces] for each in held]
    assert ["d0.md"] in files
    assert ["duties.md"] in files
    assert len(held) <= 3
    nothing = [(each.window, verdict("nothing")) for each in held]
    assert reason(checker.decide(found, nothing)) == "checked_partly"


def test_requests__eight_questions_at_most_and_hops_by_themselves(
    returns: Document, draft: Draft
) -> None:
    checker = Checker([returns], 24_000)
    assert [len(each.drafts) for each in checker.requests([draft] * 17)] == [8, 8, 1]


def output(*entries: Any) -> str:
    return f"Here:\n{json.dumps({'verdicts': entries})}"


def test_read_verdicts() -> None:
    one = {"question": 1, "verdict": "answers", "quote": "q", "answer": "a"}
    two = {"question": 2, "verdict": "nothing", "quote": "", "answer": ""}
    found = read_verdicts(output(two, one), 2)
    assert not isinstance(found, Unusable)
    assert [each.found for each in found] == ["answers", "nothing"]
    assert read_verdicts("no idea", 1) == Unusable(code="no_json")
    assert read_verdicts(output(one), 2) == Unusable(code="no_verdict", figures={"n": "2"})
    wrong = {**one, "verdict": "maybe"}
    assert read_verdicts(output(wrong), 1) == Unusable(code="no_verdict", figures={"n": "1"})
    assert read_verdicts('{"verdicts": 3}', 1) == Unusable(code="no_verdict", figures={"n": "1"})
    both = output(one) + output(two)
    assert read_verdicts(both, 1) == Unusable(code="several")
