"""Every rule has a proposal that fails it, and a twin that passes."""

from typing import Any

import pytest

from lm_eval_so.generator.writing.chunks import chunks_of
from lm_eval_so.generator.writing.rules import Draft, Fault, Known, copied, examine, known_of
from lm_eval_so.generator.writing.slots import Slot

HISTORY = (("반품은 언제까지예요?", "받은 날부터 14일 안에 신청하시면 됩니다."),)


def judged(slot: Any, said: Any, known: Any = ()) -> str:
    found = examine(slot, said, known)
    return found.reason if isinstance(found, Fault) else "passes"


def test_examine__a_good_proposal_passes_without_a_flag(returns: Any, slot: Any, said: Any) -> None:
    draft = examine(slot(returns), said(), ())
    assert isinstance(draft, Draft)
    assert [returns.text[e.start : e.end] for e in draft.evidence] == list(said().quotes)
    assert (draft.must_say, draft.flags) == (("6,000원",), ())
    assert copied(draft) is None


@pytest.mark.parametrize(
    ("reason", "changed"),
    [
        ("empty", {"question": ""}),
        ("empty", {"answer": ""}),
        ("empty", {"quotes": ()}),
        ("too_short", {"question": "뭐?"}),
        ("too_long", {"question": "왜 " * 151}),
        ("too_long", {"answer": "왕복 배송비 6,000원을 냅니다. " * 40}),
        ("refusal_text", {"answer": "죄송하지만 답변드릴 수 없습니다."}),
        ("wrong_language", {"question": "How much do I pay for a return?"}),
        ("meta_reference", {"question": "이 문서에 따르면 택배비는 얼마인가요?"}),
        ("meta_reference", {"answer": "지문에 따르면 왕복 배송비 6,000원을 냅니다."}),
        ("answer_in_question", {"question": "변심이면 왕복 배송비 6000원을 냅니다, 맞죠?"}),
        ("answer_in_question", {"question": "변심이면 6,000원 내는 거 맞죠?"}),
        ("quote_missing", {"quotes": ("단순 변심이면 편도 배송비만 냅니다.",)}),
        ("numbers_unsupported", {"answer": "왕복 배송비 7,000원을 냅니다."}),
        ("pii", {"answer": "[EMAIL_1]에 물으면 왕복 배송비 6,000원을 냅니다."}),
        ("pii", {"question": "010-1234-5678로 전화하면 택배비 얼마예요?"}),
    ],
)
def test_examine__faults(
    returns: Any, slot: Any, said: Any, reason: str, changed: dict[str, Any]
) -> None:
    assert judged(slot(returns), said(**changed)) == reason
    assert judged(slot(returns), said()) == "passes"


def test_examine__the_first_rule_that_fails_decides(returns: Any, slot: Any, said: Any) -> None:
    both = {"answer": "왕복 배송비 7,000원을 냅니다.", "quotes": ("다른 말입니다.",)}
    assert judged(slot(returns), said(**both)) == "quote_missing"
    assert judged(slot(returns), said(**both, question="How much is it?")) == "wrong_language"


def test_examine__numbers_of_the_question_may_stand_in_the_answer(
    returns: Any, slot: Any, said: Any
) -> None:
    asked = {"question": "5만원짜리 변심이면 택배비는?", "answer": "5만원이어도 6,000원을 냅니다."}
    assert judged(slot(returns), said(**asked)) == "passes"
    assert judged(slot(returns), said(**asked | {"question": "변심이면 택배비는?"})) == (
        "numbers_unsupported"
    )


def test_examine__history_is_held_against_the_passage(returns: Any, slot: Any, said: Any) -> None:
    follow_up = slot(returns, "follow_up")
    assert judged(follow_up, said(history=HISTORY)) == "passes"
    assert judged(follow_up, said()) == "empty"
    wrong = ((HISTORY[0][0], "받은 날부터 30일 안에 신청하시면 됩니다."),)
    assert judged(follow_up, said(history=wrong)) == "numbers_unsupported"


def test_examine__a_quote_is_the_documents_own_text(returns: Any, slot: Any, said: Any) -> None:
    quote = "단순변심이면  왕복 배송비 6000원을 냅니다"
    draft = examine(slot(returns), said(quotes=(quote,)), ())
    assert isinstance(draft, Draft)
    assert draft.evidence[0].text == "단순 변심이면 왕복 배송비 6,000원을 냅니다."
    assert draft.flags == ()


def test_examine__a_quote_with_a_slip_is_flagged_and_one_with_another_number_is_missing(
    returns: Any, slot: Any, said: Any
) -> None:
    slip = "상품을 받은 날부터 14일 안에 반품을 신청할 수도 있습니다."
    asked = {"question": "언제까지 반품돼요?", "answer": "받은 날부터 14일 안에 신청합니다."}
    draft = examine(slot(returns), said(**asked, quotes=(slip,), must_say=("14일",)), ())
    assert isinstance(draft, Draft)
    assert draft.flags == ("quote_fuzzy",)
    assert "14일 안에 반품을 신청할 수 있습니다" in draft.evidence[0].text
    other = slip.replace("14", "15")
    assert judged(slot(returns), said(**asked, quotes=(other,))) == "quote_missing"


def test_examine__a_row_is_quoted_whole_and_its_header_supports_numbers(
    returns: Any, slot: Any, said: Any
) -> None:
    number = next(n for n, c in enumerate(chunks_of(returns)) if "제주" in c.text)
    row = slot(returns, "fact", number)
    quote = "| 지역 | 3kg까지 | 걸리는 날 |\n| 제주 | 6,000원 | 3~5일 |"
    asked = {"question": "제주도로 보내면 얼마?", "answer": "3kg까지 6,000원입니다."}
    draft = examine(row, said(**asked, quotes=(quote,)), ())
    assert isinstance(draft, Draft)
    assert [each.text for each in draft.evidence] == ["| 제주 | 6,000원 | 3~5일 |"]
    assert draft.flags == ()
    short = examine(row, said(**asked, quotes=("제주 | 6,000원",)), ())
    assert isinstance(short, Draft)
    assert short.evidence == draft.evidence


@pytest.mark.parametrize(
    ("proposed", "kept", "flags"),
    [
        (("6,000원", "14일"), ("6,000원",), ()),
        (("왕복", "없는 말"), ("왕복",), ()),
        (("왕복", "비"), ("왕복",), ()),
        (("없는 말",), ("6,000원",), ()),
        ((), ("6,000원",), ()),
    ],
)
def test_examine__must_say_stands_in_answer_and_quotes(
    returns: Any, slot: Any, said: Any, proposed: Any, kept: Any, flags: Any
) -> None:
    draft = examine(slot(returns), said(must_say=proposed), ())
    assert isinstance(draft, Draft)
    assert (draft.must_say, draft.flags) == (kept, flags)


def test_examine__a_test_with_nothing_to_say_is_flagged(returns: Any, slot: Any, said: Any) -> None:
    number = next(n for n, c in enumerate(chunks_of(returns)) if "칫솔" in c.text)
    asked = {
        "question": "칫솔 뜯어봤는데 되나요?",
        "answer": "뜯은 위생용품은 돌려받지 않습니다.",
        "quotes": ("포장을 뜯은 위생용품(칫솔, 속옷, 이어팁)은 돌려받지 않습니다.",),
    }
    draft = examine(slot(returns, "fact", number), said(**asked, must_say=("불가",)), ())
    assert isinstance(draft, Draft)
    assert (draft.must_say, draft.flags) == ((), ("no_must_say",))


def test_examine__two_hops_need_two_passages_with_a_piece_each(
    returns: Any, slot: Any, said: Any
) -> None:
    last = len(chunks_of(returns)) - 1
    hops = slot(returns, "multi_hop", 0, last)
    both = {
        "question": "변심으로 제주에서 돌려보내면 며칠 걸리고 얼마 내요?",
        "answer": "3~5일 걸리고 왕복 배송비를 냅니다.",
        "quotes": ("단순 변심이면 왕복 배송비 6,000원을 냅니다.", "| 제주 | 6,000원 | 3~5일 |"),
        "must_say": ("왕복", "3~5일"),
    }
    assert judged(hops, said(**both)) == "passes"
    assert judged(hops, said(**both | {"must_say": ("왕복",)})) == "single_hop"
    assert judged(hops, said(**both | {"quotes": both["quotes"][:1], "answer": "왕복입니다."})) == (
        "single_hop"
    )


def test_examine__unanswerable_needs_no_quote_and_keeps_the_nearest(
    returns: Any, slot: Any, said: Any
) -> None:
    asked = {"question": "반품 택배는 밤에도 가져가나요?", "answer": "", "must_say": ()}
    draft = examine(slot(returns, "unanswerable"), said(**asked, quotes=("없는 문장입니다",)), ())
    assert isinstance(draft, Draft)
    assert (draft.evidence, draft.flags) == ((), ())


def test_examine__duplicates(returns: Any, slot: Any, said: Any) -> None:
    draft = examine(slot(returns), said(), ())
    assert isinstance(draft, Draft)
    stands = [known_of(draft)]
    assert (
        judged(slot(returns), said(question="단순변심이면 택배비, 얼마 내요"), stands)
        == "dup_exact"
    )
    near = "단순 변심이면 택배비는 얼마 내요?"
    assert judged(slot(returns), said(question=near), stands) == "dup_near"
    elsewhere = [Known(asked=stands[0].asked, places=(("dother", 0, 9),))]
    suspect = examine(slot(returns), said(question=near), elsewhere)
    assert isinstance(suspect, Draft)
    assert suspect.flags == ("near_dup_suspect",)
    rejected = [Known(asked=elsewhere[0].asked, places=elsewhere[0].places, stands=False)]
    another = examine(slot(returns), said(question=near), rejected)
    assert isinstance(another, Draft)
    assert another.flags == ()
    assert (
        judged(slot(returns), said(question="2kg 단순 변심이면 택배비 얼마 내요?"), stands)
        == "passes"
    )


def test_copied__names_the_runs(returns: Any, slot: Any, said: Any) -> None:
    echo = said(question="상품을 받은 날부터 며칠 안에 반품을 신청할 수 있나요?", must_say=())
    draft = examine(slot(returns), echo, ())
    assert isinstance(draft, Draft)
    fault = copied(draft)
    assert fault is not None
    assert fault.reason == "echoes_source"
    assert "상품을 받은 날부터" in fault.avoid
    assert all(run.replace(" ", "") in returns.text.replace(" ", "") for run in fault.avoid)


def test_examine__a_question_about_a_change_rests_on_what_holds_now(
    document: Any, said: Any
) -> None:
    text = "# 반품\n\n받은 날부터 {} 안에 반품을 신청합니다.\n\n위생용품은 반품을 받지 않습니다."
    newer, older = (document(text.format(days), f"{days}.md") for days in ("14일", "10일"))
    slot = Slot(type="superseded", chunks=(chunks_of(newer)[0], chunks_of(older)[0]), nth=0)
    holds = "받은 날부터 14일 안에 반품을 신청합니다."
    asked = {"question": "언제까지 돌려보내요?", "answer": holds, "quotes": (holds,)}
    draft = examine(slot, said(**asked, must_say=("받은 날", "14일")), ())
    assert isinstance(draft, Draft)
    assert [each.text for each in draft.outdated] == ["받은 날부터 10일 안에 반품을 신청합니다."]
    assert (draft.must_say, draft.flags) == (("14일",), ())  # the old answer does not say it
    old = holds.replace("14", "10")
    same = "위생용품은 반품을 받지 않습니다."
    for reason, changed in (
        ("quote_missing", {"quotes": (same,), "answer": same}),
        ("quote_missing", {"quotes": (old,), "answer": old}),
        ("numbers_unsupported", {"quotes": (holds, old), "answer": old}),
    ):
        assert judged(slot, said(**{**asked, **changed})) == reason
