"""Broken cases come first, open, before any table, in every format."""

import re
from dataclasses import replace

import pytest
from hostile_reports import PAYLOADS
from made_reports import broken, broken_case, changed, comparison, report
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
        text.index("`must-001` · Required case\n"),
        text.index("| Baseline | Now: wrong 3 of 3 |"),
        text.index("refund-014"),
        text.index("| Baseline: right 5 of 5 | Now: wrong 6 of 6 |"),
        text.index("ship-003"),
        text.index("The baseline was asked only once: too few answers to fail a run."),
        text.index("1 more went wrong once but was right when asked again: promo-007"),
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
    start = page.index('<section class="verdict"')
    band = page[start : page.index("</section>", start)]
    assert band.index("refund-014") < band.index("The mean alone")
    assert "<table" not in band
    assert "contradicts the policy: 30 days for all items" in band


@pytest.mark.parametrize("format_", ["md", "html"])
def test_report__in_korean(format_: str) -> None:
    page = render(report(), found(), format=format_, language=Language.KO)
    assert "필수 케이스 1개가 실패했습니다, 케이스 239개 중 1개가 깨졌습니다" in page
    assert page.index("5번 중 5번 맞음") < page.index("6번 모두 틀림")


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
    assert ("right 5 of 5" in text) is (level < LEVELS - 1)


def test_comment__many_cases_fit() -> None:
    cases = [
        broken_case(f"refund-{i:03}", input="가" * 5000, answer="나" * 9000) for i in range(90)
    ]
    made = found(*cases, reasons=(Reason(code="broken_cases", figures={"proven": 90}),))
    sizes = [utf16_units(body(made, level=level)) for level in range(LEVELS)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 1500
    full = body(made)
    assert "85 more got worse" in full
    assert "… and 65 more:" in full
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


OWN = {"ref": "refund-014"}
HASH = "s24f1bb61e3983b7a"


@pytest.mark.parametrize("format_", ["md", "html"])
def test_report__the_own_id_first_and_ours_in_small(format_: str) -> None:
    made = found(broken_case(HASH, **OWN))
    page = render(report(), made, format=format_)
    small = f"<sub>`{HASH}`</sub>" if format_ == "md" else f'<span class="id">{HASH}</span>'
    assert page.index("refund-014") < page.index(small)


def test_comment__the_own_id_of_cases_that_fell_and_of_better_ones() -> None:
    fell = changed(HASH, **OWN)
    better = changed("s0000000000000000", "better", ref="ship-003")
    text = body(comparison(changed=(fell, better)))
    assert f"· `refund-014` <sub>`{HASH}`</sub>" in text
    assert "Better: `ship-003`\n" in text


def test_report__the_own_id_of_cases_that_failed_without_a_comparison() -> None:
    given = report()
    columns = given.samples
    ids = ("refund-014", *columns.ids[1:])
    refs = ("내 <b>id</b>", *(None,) * 239)
    given = replace(given, samples=replace(columns, ids=ids, refs=refs))
    text = render(given, None, format="md")
    assert (
        "<summary><code>내 &lt;b&gt;id&lt;/b&gt;</code> <sub><code>refund-014</code></sub>" in text
    )


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_comment__a_hostile_own_id_has_no_effect(payload: str) -> None:
    cases = (changed("a", ref=payload), changed("b", "better", ref=payload))
    made = found(broken_case(ref=payload, state="proven"))
    for each in (made, comparison(changed=cases)):
        for level in range(LEVELS):
            assert not dangers(to_html(body(each, level=level)))
