"""Broken cases come first, open, before any table, in every format."""

import re

import pytest
from hostile_reports import PAYLOADS
from made_reports import broken, broken_case, comparison, report
from rendering import comment_body, render
from servers.markdown import dangers
from servers.markdown import render as to_html

from lm_eval_so.action.comment import LEVELS
from lm_eval_so.core.records.comparison import Reason
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.templates.safe import utf16_units

REASONS = (
    Reason(code="must_failed", figures={"must": 1}),
    Reason(code="broken_cases", figures={"proven": 1}),
)
SENTENCE = "1 required case failed, 1 of 239 cases broke: Required case must-001 failed."


def found(*cases, reasons=REASONS, **changes):
    return comparison(
        broken=broken(*cases, **changes), reasons=reasons, sentence=SENTENCE, changed=()
    )


def body(made, *, level=0, **style):
    return comment_body(made, report(), level=level, **style)


def test_comment__names_the_cases_before_any_table() -> None:
    text = body(found())
    head = text.partition("\n")[0]
    assert head == "### ❌ 1 required case failed, 1 of 239 cases broke · support-qa"
    order = [
        text.index("Required case must-001"),
        text.index("refund-014"),
        text.index("ship-003"),
        text.index("1 more went wrong once but was right when asked again. (promo-007)"),
        text.index("The mean alone cannot tell"),
        text.index("| Metric |"),
    ]
    assert order == sorted(order)
    assert "`Yes, within 30 days, with the receipt.`" in text
    assert "`No, sale items are final.`" in text
    assert "at most 5% of runs call any of the 239 cases broken by mistake." in text
    assert SENTENCE not in text  # each case is told above


def test_report__names_the_cases_before_any_table() -> None:
    text = render(report(), found(), format="md")
    assert "## ❌ 1 required case failed, 1 of 239 cases broke · support-qa\n" in text
    assert text.index("refund-014") < text.index("The mean alone") < text.index("| Metric |")
    assert "contradicts the policy" in text


def test_page__names_the_cases_before_any_table() -> None:
    page = render(report(), found(), format="html")
    assert "1 required case failed, 1 of 239 cases broke</h1>" in page
    band = page[page.index("<header") : page.index("</header>")]
    assert band.index("refund-014") < band.index("The mean alone")
    assert "<table" not in band
    assert "contradicts the policy: 30 days for all items" in band


@pytest.mark.parametrize("format_", ["md", "html"])
def test_report__in_korean(format_: str) -> None:
    page = render(report(), found(), format=format_, language=Language.KO)
    assert "필수 케이스 1개가 실패했습니다, 케이스 239개 중 1개가 깨졌습니다" in page
    assert "5번 중 5번 맞았지만, 지금은 6번 물어 모두 틀렸습니다." in page


def test_comment__cases_without_proof_head_the_comment() -> None:
    alone = broken_case("ship-003", "unproven", baseline=(1, 1), now=(10, 10), needed=None)
    made = comparison(Verdict.INCONCLUSIVE, broken=broken(alone))
    text = body(made)
    head = "### 🟡 1 case stayed wrong, the baseline was asked only once · support-qa"
    assert text.partition("\n")[0] == head
    assert text.index("ship-003") < text.index("| Metric |")


@pytest.mark.parametrize("level", range(LEVELS))
def test_comment__every_level_names_them(level: int) -> None:
    text = body(found(), level=level)
    assert "broke" in text
    assert "must-001" in text


def test_comment__many_cases_fit() -> None:
    cases = [
        broken_case(f"refund-{i:03}", input="가" * 5000, answer="나" * 9000) for i in range(90)
    ]
    made = found(*cases, reasons=(Reason(code="broken_cases", figures={"proven": 90}),))
    sizes = [utf16_units(body(made, level=level)) for level in range(LEVELS)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 1500
    full = body(made)
    assert "… and 85 more:" in full
    assert "`refund-089`" in full


@pytest.mark.parametrize("payload", PAYLOADS)
def test_comment__foreign_text_has_no_effect(payload: str) -> None:
    case = broken_case(
        payload, ref=payload, input=payload, baseline_answer=payload, answer=payload, reason=payload
    )
    for state in ("proven", "must", "unproven"):
        hostile = broken_case(**{**_fields(case), "state": state})
        text = body(found(hostile))
        assert not dangers(to_html(text))
        page = render(report(), found(hostile), format="html")
        assert not re.search(r"<script[^>]*>[^<]*alert", page)


def _fields(case):
    return {name: getattr(case, name) for name in type(case).__dataclass_fields__}


def test_warnings__are_told_with_the_others() -> None:
    warned = broken(warnings=(Reason(code="endpoint_down"), Reason(code="broken_cases")))
    text = body(comparison(broken=warned))
    assert "⚠ The endpoint does not answer, so broken cases could not be checked." in text
    assert text.count("⚠") == body(comparison()).count("⚠") + 1
