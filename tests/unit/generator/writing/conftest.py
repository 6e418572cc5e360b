"""Documents made of Markdown, and proposals for their slots."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lm_eval_so.core.config.sources import SourceSection
from lm_eval_so.core.hashing import digest_text
from lm_eval_so.generator.documents.block import Document
from lm_eval_so.generator.documents.compose import compose, split_text
from lm_eval_so.generator.documents.read import read_document
from lm_eval_so.generator.writing.candidate import Candidate
from lm_eval_so.generator.writing.chunks import Chunk, chunks_of
from lm_eval_so.generator.writing.slots import Slot

ROOT = Path(__file__).parents[4]
TOY = ROOT / "tests/data/shop"
TOY_FILES = ("policy.md", "returns.docx", "warranty.pdf", "shipping.html")
RETURNS = """# 반품 안내

상품을 받은 날부터 14일 안에 반품을 신청할 수 있습니다. 단순 변심이면 왕복 배송비 6,000원을 냅니다.

## 1. 반품할 수 없는 경우

- 포장을 뜯은 위생용품(칫솔, 속옷, 이어팁)은 돌려받지 않습니다.
- 주문 제작 상품은 하자가 있을 때만 받습니다.

## 2. 배송비

| 지역 | 3kg까지 | 걸리는 날 |
|---|---|---|
| 서울 | 3,000원 | 1~2일 |
| 제주 | 6,000원 | 3~5일 |
"""
SHIPPING = """# Shipping

Orders over USD 50 ship free. Parcels leave our warehouse in Busan within 2 working days.

## Customs

The buyer pays import duties. We declare the full value of every parcel on form CN23.
"""


def make_document(text: str, file: str = "returns.md") -> Document:
    made = compose(split_text(text))
    return Document(
        file=file,
        sha256=digest_text(text),
        title="",
        text=made.text,
        blocks=made.blocks,
        spans=made.spans,
        sections=made.sections,
        units=made.units,
    )


def make_slot(document: Document, type_: str = "fact", *chunks: int) -> Slot:
    found = chunks_of(document)
    return Slot(type=type_, chunks=tuple(found[n] for n in chunks or (0,)), nth=0)


@pytest.fixture
def document() -> Callable[..., Document]:
    return make_document


@pytest.fixture
def returns() -> Document:
    return make_document(RETURNS)


@pytest.fixture
def shipping() -> Document:
    return make_document(SHIPPING, "shipping.md")


@pytest.fixture
def slot() -> Callable[..., Slot]:
    return make_slot


@pytest.fixture
def said() -> Callable[..., Candidate]:
    def make(**changed: Any) -> Candidate:
        good = {
            "question": "단순 변심이면 택배비 얼마 내요?",
            "answer": "왕복 배송비 6,000원을 냅니다.",
            "quotes": ("단순 변심이면 왕복 배송비 6,000원을 냅니다.",),
            "must_say": ("6,000원",),
        }
        return Candidate(**{**good, **changed})

    return make


@pytest.fixture(scope="session")
def toy() -> list[Document]:
    """Return the four documents of a shop: Markdown, DOCX, PDF, HTML."""
    read = [
        read_document(name, TOY / name, SourceSection(id="docs", path=name)) for name in TOY_FILES
    ]
    return [each for each in read if isinstance(each, Document)]


@pytest.fixture(scope="session")
def toy_chunks(toy: list[Document]) -> list[Chunk]:
    return [chunk for document in toy for chunk in chunks_of(document)]


@pytest.fixture(scope="session")
def copied_words() -> list[dict[str, str]]:
    """Return 80 questions about these documents, half in their words, half in customers'."""
    found: list[dict[str, str]] = json.loads(
        (ROOT / "tests/data/copied_words.json").read_text("utf-8")
    )
    return found


@pytest.fixture(scope="session")
def team() -> list[str]:
    """Return the 28 different questions that the team of the shop wrote and that have an answer."""
    sources = ROOT / "example/quickstart/sources"
    rows = list(csv.DictReader((sources / "faq.csv").read_text("cp949").splitlines(keepends=True)))
    faq = [" ".join(row["질문"].split()) for row in rows]
    asked = json.loads((sources / "support_qa.json").read_text("utf-8"))["data"]
    answered = [each["question"] for each in asked if each.get("answerable", True)]
    return list(dict.fromkeys([*faq, *answered]))
