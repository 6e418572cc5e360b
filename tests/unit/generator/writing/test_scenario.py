"""Conversations to play: what is kept of a proposal, and why one is thrown away."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from lm_eval_so.core.asking.answer.json_answer import Unusable
from lm_eval_so.core.records.enums import Language
from lm_eval_so.generator.documents.block import Document
from lm_eval_so.generator.writing.candidate import Candidate, read_scene
from lm_eval_so.generator.writing.model.prompts import Brief, write_request
from lm_eval_so.generator.writing.rules import Draft, Fault, copied, examine
from lm_eval_so.generator.writing.scenario import settled

GOOD: dict[str, Any] = {
    "goal": "마음이 바뀌어 물건을 돌려보낼 때 드는 돈을 알고 싶다.",
    "opening": "돌려보내고 싶은데 돈 드나요",
    "facts": [{"name": "산 물건", "value": "이어폰"}, {"name": "", "value": "x"}],
    "success": [
        {"type": "contains", "text": "6,000원"},
        {"type": "contains", "text": "9,999원짜리 상자"},
        {"type": "judge", "text": "누가 내는지 알린다"},
    ],
    "must_not": [
        {"type": "contains", "text": "왕복 배송비"},
        {"type": "contains", "text": "무료"},
        {"type": "judge", "text": "화를 낸다"},
    ],
    "quotes": ["단순 변심이면 왕복 배송비 6,000원을 냅니다."],
}  # fmt: skip


def judged(document: Document, slot: Callable[..., Any], **changed: Any) -> Draft | Fault:
    said = read_scene(json.dumps({**GOOD, **changed}, ensure_ascii=False))
    assert isinstance(said, Candidate)
    draft = examine(slot(document, "scenario"), said, ())
    if isinstance(draft, Draft):
        draft = settled(draft, Language.KO)
    return (copied(draft) or draft) if isinstance(draft, Draft) else draft


def test_scenario__keeps_what_a_rule_can_tell(returns: Document, slot: Callable[..., Any]) -> None:
    only = [{"type": "contains", "text": "6,000원"}, GOOD["success"][2]]
    draft = judged(returns, slot, success=only)
    assert isinstance(draft, Draft)
    scene = draft.said.scene
    assert scene is not None
    assert scene.simulated_user is not None
    assert scene.simulated_user.facts == {"산 물건": "이어폰"}
    assert scene.simulated_user.persona is not None
    assert scene.simulated_user.persona.style
    assert [c.text for c in scene.success] == ["6,000원", "누가 내는지 알린다"]
    assert [c.text for c in scene.must_not] == ["무료", "화를 낸다"]
    assert [each.text for each in draft.evidence] == GOOD["quotes"]
    assert draft.flags == ()


def contains(*texts: str) -> dict[str, Any]:
    return {"success": [{"type": "contains", "text": text} for text in texts]}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"opening": ""}, "empty"),
        ({"opening": "네?"}, "too_short"),
        ({"opening": "이 문서에 따르면 얼마 내요"}, "meta_reference"),
        ({"opening": "How much does it cost to send it back?"}, "wrong_language"),
        ({"opening": "왕복 배송비 6,000원 맞나요", **contains("6,000원")}, "answer_in_question"),
        ({"quotes": ["배송비는 받지 않습니다."]}, "quote_missing"),
        (contains("9,999원"), "numbers_unsupported"),
        (contains("상자에 담아"), "needs_judge"),
        ({**contains("왕복 배송비"), "goal": "왕복 배송비가 얼마인지"}, "needs_judge"),
        ({**contains("왕복 배송비"), "facts": {"낸 돈": "왕복 배송비"}}, "needs_judge"),
        ({"success": [{"type": "judge", "text": "친절하다"}]}, "needs_judge"),
        ({**contains("6,000원"), "facts": {"번호": "010-1234-5678"}}, "pii"),
        ({**contains("6,000원"), "opening": "상품을 받은 날부터 14일 안에 반품을 신청할 수"}, "echoes_source"),
    ],
)  # fmt: skip
def test_scenario__why_it_is_thrown_away(
    returns: Document, slot: Callable[..., Any], changed: dict[str, Any], reason: str
) -> None:
    fault = judged(returns, slot, **changed)
    assert isinstance(fault, Fault), fault
    assert fault.reason == reason


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ("no", "no_json"),
        ('{"opening": "a", "goal": 1}', "bad_value"),
        (json.dumps({**GOOD, "success": [{"type": "regex", "text": "a"}]}), "bad_value"),
        (json.dumps({**GOOD, "facts": "x"}), "bad_value"),
        (json.dumps(GOOD) + json.dumps({**GOOD, "opening": "b"}), "several"),
    ],
)
def test_read_scene__says_what_is_wrong(output: str, code: str) -> None:
    found = read_scene(output)
    assert isinstance(found, Unusable)
    assert found.code == code


def test_prompt__tells_the_persona_in_both_languages(
    returns: Document, shipping: Document, slot: Callable[..., Any]
) -> None:
    for document, word in ((returns, "사용자는 "), (shipping, "The user is someone")):
        request = write_request(slot(document, "scenario"), Brief(), {})
        assert word in request.messages[0].content
        assert request.response_format is not None
        assert "opening" in str(request.response_format)
