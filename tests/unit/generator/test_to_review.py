"""From a dataset to the page on which people review it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lm_eval_so.core.hashing import digest_bytes
from lm_eval_so.core.records.chat import Message
from lm_eval_so.core.records.codec import dumps
from lm_eval_so.core.records.dataset import DocumentInfo
from lm_eval_so.core.records.enums import Behavior, Language
from lm_eval_so.core.records.sample import (
    Check,
    Passage,
    Provenance,
    Relation,
    Review,
    Scenario,
    SimulatedUser,
    SourceRef,
    TestSample,
)
from lm_eval_so.generator.dataset.to_review import review_texts, write_review
from lm_eval_so.generator.documents.compose import compose, split_text

LONG = "가" * 700
TEXT = compose(
    split_text(f"""# 반품 안내

상품은 {LONG} 14일 안에 반품합니다. 배송비는 6,000원입니다.

## 배송비

| 지역 | 요금 |
|---|---|
| 제주 \\| 우도 | 6,000원 |

- 포장을 뜯은 위생용품은 받지 않습니다.
""")
).text


def passage(text: str, **changed: Any) -> Passage:
    start = TEXT.index(text)
    return Passage(text=text, doc_id="d1", span=(start, start + len(text)), **changed)


def sample(id_: str, status: Any = "unreviewed", **changed: Any) -> TestSample:
    made = TestSample(
        id=id_,
        rev=f"rev-{id_}",
        language="ko",
        messages=(Message(role="user", content=f"질문 {id_}"),),
        expected="답",
        metadata={"type": "fact"},
        review=Review(status=status) if status else None,
        provenance=Provenance(method="write", source=SourceRef(file="r.pdf", at={"page": 2})),
    )
    return replace(made, **changed)


SAMPLES = [
    sample("plain", context=(passage("배송비는 6,000원입니다."),), flags=("keyless",)),
    sample("imported", "imported"),
    sample("asked", provenance=Provenance(method="import")),
    sample("accepted", "accepted", flags=("no_must_say",)),
    sample("by-hand", None),
    sample(
        "row",
        context=(passage("6,000원 |"), passage("포장을 뜯은 위생용품은 받지 않습니다.")),
        metrics={"keyword_coverage": {"keywords": ["6,000원", {"text": "x"}]}},
        flags=("conflict:faq.csv › 3행", "new_flag"),
    ),
    sample(
        "none",
        expected=None,
        behavior=Behavior.ABSTAIN,
        metadata={"type": "unanswerable"},
        context=(replace(passage("배송비는 6,000원입니다.", role="distractor"), doc_id="gone"),),
    ),
    sample("twin", relation=Relation(base="plain", type="typo", expect="same")),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = [dumps(each) for each in SAMPLES]
    (tmp_path / "test.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    document = DocumentInfo(doc_id="d1", file="r.pdf", sha256="0" * 64, text=TEXT)
    (tmp_path / "sources.jsonl").write_text(dumps(document) + "\n", "utf-8")
    return tmp_path


def data_of(page: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        page.split('id="data">')[1].split("</script>", maxsplit=1)[0]
    )
    return found


def test_review_texts__shows_what_nobody_reviewed_doubts_first(folder: Path) -> None:
    (name, page), *others = review_texts(folder, Language.KO, shown_as="my data").items()
    data = data_of(page)
    assert (name, others) == ("review.html", [])
    assert [item["id"] for item in data["items"]] == ["row", "plain", "none"]
    assert [item["type"] for item in data["items"]] == ["fact", "fact", "unanswerable"]
    assert data["dataset"]["sha256"] == digest_bytes((folder / "test.jsonl").read_bytes())
    assert data["command"] == "lm-eval-so dataset review import 'my data' {file}"
    row, plain, none = data["items"]
    assert row["must_say"] == ["6,000원"]
    assert row["flags"] == [
        {
            "code": "conflict",
            "text": "faq.csv › 3행에는 다르게 적혀 있습니다. 둘 중 하나는 예전 내용일 수 있습니다.",
        },
        {"code": "new_flag", "text": "new_flag"},
    ]
    assert "flags" not in plain
    assert (none["behavior"], "expected" in none) == ("abstain", False)
    both = review_texts(folder, Language.EN, shown_as="x", everything=True)["review.html"]
    shown = [item["id"] for item in data_of(both)["items"]]
    assert shown == ["row", "accepted", "plain", "asked", "none", "twin", "imported", "by-hand"]
    assert data_of(both)["items"][5]["type"] == "twin"


def test_review_texts__shows_quotes_in_their_surroundings(folder: Path) -> None:
    items = data_of(review_texts(folder, Language.EN, shown_as="d")["review.html"])["items"]
    row, plain, none = items
    (found,) = plain["evidence"]
    assert (found["file"], found["place"], found["heading"]) == ("r.pdf", "page 2", "반품 안내")
    assert len(found["before"]) == 600
    assert found["before"].endswith("가 14일 안에 반품합니다. ")
    assert found["quote"] == "배송비는 6,000원입니다."
    cells, item = row["evidence"]
    assert cells["cells"] == [
        {"column": "지역", "text": "제주 | 우도", "is_quoted": False},
        {"column": "요금", "text": "6,000원", "is_quoted": True},
    ]
    assert {"before", "after", "cells"}.isdisjoint(item)  # a list item, without its mark
    assert item["heading"] == "배송비"
    quote = "배송비는 6,000원입니다."
    assert none["evidence"] == [{"role": "distractor", "quote": quote}]


def test_review_texts__shows_what_a_conversation_is_judged_by(folder: Path) -> None:
    user = SimulatedUser(goal="반품을 끝낸다", opening="반품하려고요", facts={"주문": "어제"})
    scene = Scenario(
        simulated_user=user,
        success=(Check(type="contains", text="6,000원"), Check(type="judge", text="친절하다")),
        must_not=(Check(type="contains", text="7,000원"),),
    )
    metrics = {"keyword_coverage": {"forbidden": ["무료"]}}
    played = sample("played", messages=(), scenario=scene, expected=None, metrics=metrics)
    (folder / "test.jsonl").write_text(dumps(played) + "\n", "utf-8")
    (item,) = data_of(review_texts(folder, Language.KO, shown_as="d")["review.html"])["items"]
    assert item["turns"] == [{"role": "user", "text": "반품하려고요"}]
    assert (item["type"], item["goal"], item["facts"]) == (
        "scenario",
        "반품을 끝낸다",
        ["주문: 어제"],
    )
    assert (item["success"], item["must_not"]) == (["6,000원", "친절하다"], ["무료", "7,000원"])


def test_write_review__removes_pages_that_are_no_more(folder: Path) -> None:
    (folder / "review-2.html").write_text("old")
    (folder / "review-notes.html").write_text("mine")
    assert write_review(folder, Language.EN, shown_as="d") == (folder / "review.html",)
    (folder / "test.jsonl").write_text(dumps(SAMPLES[3]) + "\n", "utf-8")
    assert write_review(folder, Language.EN, shown_as="d") == ()
    assert sorted(path.name for path in folder.glob("*.html")) == ["review-notes.html"]
