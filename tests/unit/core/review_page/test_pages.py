"""The text of the review page: sizes, parts, and what hostile texts may do to it."""

import json
import re

from lm_eval_so.core.records.review_page import (
    ReviewItem,
    ReviewPage,
    ShownDataset,
    ShownEvidence,
    ShownFlag,
    ShownTurn,
)
from lm_eval_so.core.review_page.pages import page_name, review_pages


def page(*items: ReviewItem) -> ReviewPage:
    dataset = ShownDataset(name="<b>shop", sha256="0" * 64)
    return ReviewPage(
        mode="review", language="en", dataset=dataset, items=items, command="c {file}"
    )


def item(number: int, text: str = "배송비는 얼마인가요?") -> ReviewItem:
    around = "가나다라마바사 " * 75
    return ReviewItem(
        id=f"s{number:016x}",
        rev=f"{number:016x}",
        type="fact",
        language="ko",
        turns=(ShownTurn(role="user", text=text),),
        expected="3,000원입니다.",
        must_say=("3,000원",),
        flags=(ShownFlag(code="unchecked", text="It was not checked against the documents."),),
        evidence=(
            ShownEvidence(
                role="gold", file="shipping.md", before=around, quote="3,000원", after=around
            ),
        ),
    )


def ids(text: str) -> list[str]:
    data = text.split('id="data">')[1].split("</script>", maxsplit=1)[0]
    return [each["id"] for each in json.loads(data)["items"]]


def test_review_pages__a_thousand_with_all_their_surroundings_are_below_five_megabytes() -> None:
    items = [item(number) for number in range(1001)]
    first, second = review_pages(page(*items))
    assert 1_000_000 < len(first.encode()) < 5_000_000
    assert ids(first) + ids(second) == [each.id for each in items]
    assert (len(ids(first)), len(ids(second))) == (1000, 1)
    assert "· 2/2</span>" in second
    assert [page_name("review", n) for n in (1, 2)] == ["review.html", "review-2.html"]


def test_review_pages__parts_by_size() -> None:
    items = [item(number, "가" * 100_000) for number in range(34)]
    parts = review_pages(page(*items))
    assert all(len(part.encode()) < 5_000_000 for part in parts)
    assert [len(ids(part)) for part in parts] == [16, 16, 2]
    assert review_pages(page()) == ()


def test_review_pages__no_text_ends_the_data() -> None:
    (text,) = review_pages(page(item(1, "</script><img src=x onerror=alert(1)><!--")))
    assert text.count("<script") == text.count("</script>") == 2
    assert "<img" not in text
    assert "<b>" not in text
    assert not re.search(r"<[^>]* (style|on[a-z]+)=", text.split("<body>")[1].split("<script")[0])
    assert ids(text) == ["s0000000000000001"]
