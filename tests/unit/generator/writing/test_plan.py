"""Chunks, shares, slots and look-ups."""

from dataclasses import replace
from typing import Any

import pytest

from lm_eval_so.core.config.sources import SynthesiseSection
from lm_eval_so.core.hashing import u64
from lm_eval_so.generator.documents.block import Document
from lm_eval_so.generator.writing.chunks import chunks_of
from lm_eval_so.generator.writing.look_ups import look_ups
from lm_eval_so.generator.writing.model.write_rounds import Results, Try
from lm_eval_so.generator.writing.rules import Draft, examine, known_of
from lm_eval_so.generator.writing.slots import Slot, ordered, shares
from lm_eval_so.generator.writing.write import NO_CHUNK, NOT_ASKED, Material, Work


def test_u64__vector() -> None:
    assert u64(7, "axis", 0, "language", "ko") == 12564609814164186338


@pytest.mark.parametrize(
    ("questions", "mix", "expected"),
    [
        (30, {"fact": 15, "follow_up": 5, "unanswerable": 5, "multi_hop": 5}, (15, 5, 5, 5)),
        (10, {"fact": 1, "follow_up": 1, "unanswerable": 1}, (4, 3, 3)),
        (1, {"fact": 15, "follow_up": 5}, (1, 0)),
        (7, {"fact": 0, "follow_up": 2}, (0, 7)),
    ],
)
def test_shares__largest_remainder(questions: int, mix: dict[str, int], expected: Any) -> None:
    assert tuple(shares(questions, mix).values()) == expected


def test_chunks_of__every_unit_lies_in_one_piece_of_the_text(toy: list[Document]) -> None:
    chunks = [chunk for document in toy for chunk in chunks_of(document)]
    assert len(chunks) == 22
    for document in toy:
        units = [u for chunk in chunks_of(document) for u in chunk.units]
        assert tuple(units) == document.units
        assert all(chunk.end - chunk.start <= 1200 for chunk in chunks_of(document))


def test_chunks_of__a_short_section_joins_the_next(document: Any) -> None:
    text = "# A\n\n## B\n\nshort one.\n\n## C\n\n" + "a longer sentence stands here. " * 5
    assert [chunk.path for chunk in chunks_of(document(text))] == [("A", "B")]


def test_chunks_of__a_long_unit_is_cut_where_sentences_end(document: Any) -> None:
    made = document("# A\n\n" + " ".join(f"Sentence number {n} says little." for n in range(100)))
    chunks = chunks_of(made)
    assert len(chunks) == 3
    assert all(chunk.text.startswith("Sentence") and chunk.text.endswith(".") for chunk in chunks)
    assert " ".join(chunk.text for chunk in chunks) == made.units[0].text


def test_chunks_of__rows_come_below_their_header(returns: Document) -> None:
    row = chunks_of(returns)[-1]
    assert row.text.startswith("| 지역 | 3kg까지 | 걸리는 날 |\n| 서울 |")


def work(documents: list[Document], seed: int = 7, standing: Any = (), **mix: int) -> Work:
    section = SynthesiseSection(questions=sum(mix.values()), mix=mix)
    material = Material(documents=documents, standing=dict.fromkeys(standing, "fact"))
    return Work(material, section, seed)


def keys(slots: list[Slot]) -> list[str]:
    return [slot.key for slot in slots]


def test_plan__same_slots_whatever_the_order_of_documents(toy: list[Document]) -> None:
    slots = work(toy, fact=15, multi_hop=2).slots
    assert keys(work(toy[::-1], fact=15, multi_hop=2).slots) == keys(slots)
    assert len({*keys(slots)}) == 17
    assert keys(work(toy, 8, fact=15, multi_hop=2).slots) != keys(slots)
    firsts = {ordered(toy, seed)[0].document.file for seed in range(9)}
    assert len(firsts) > 1
    hops = [slot for slot in slots if slot.type == "multi_hop"]
    assert all(len({(c.document.file, c.path) for c in slot.chunks}) == 4 for slot in hops)


def test_plan__a_copy_of_a_document_gives_no_slot_again(toy: list[Document]) -> None:
    slots = keys(work(toy, fact=15, multi_hop=2).slots)
    copies = [*toy, *(replace(each, file=f"copy/{each.file}") for each in toy)]
    assert keys(work(copies, fact=15, multi_hop=2).slots) == slots


def test_plan__slots_that_stand_are_not_planned_again(toy: list[Document]) -> None:
    first = keys(work(toy, fact=4).slots)
    assert keys(work(toy, standing=first[:1], fact=4).slots) == first[1:]


def test_plan__a_slot_tried_in_vain_takes_the_place_of_a_test(toy: list[Document]) -> None:
    slot = work(toy, fact=4).slots[1]
    each = Try(slot=slot.key, type="fact", place="", attempt=0, reason="pii", what="")
    tried = Work(Material(documents=toy, tries=[each] * 3), work(toy, fact=4).section, 7)
    assert keys(tried.slots) == keys(work(toy, fact=4).slots)
    assert tried.figures(Results(), has_model=True).unfilled == {NOT_ASKED: 3, "pii": 1}


def test_plan__too_few_chunks_are_told(document: Any) -> None:
    found = work([document("One sentence that stands alone.")], fact=5, multi_hop=1)
    assert [slot.type for slot in found.slots] == ["fact", "fact"]
    assert found.figures(Results(), has_model=True).unfilled == {NO_CHUNK: 4, NOT_ASKED: 2}


def test_look_ups__cells_first_then_headings(toy: list[Document]) -> None:
    found = list(look_ups(toy, 7))
    cells = [each for each in found if each.slot.chunk.units[0].kind == "row"]
    assert len(cells) == 32
    assert found[: len(cells)] == cells
    asked = {each.said.question: each.said for each in found}
    assert asked["숲 적립률?"].answer == "3%"
    assert asked["숲 적립률?"].must_say == ("3%",)
    assert asked["숲 무료 배송 기준?"].must_say == ()
    assert "반품할 수 없는 경우?" in asked
    assert "보증 기간?" in asked


def test_look_ups__pass_the_rules(toy: list[Document]) -> None:
    known: list[Any] = []
    for slot, said in look_ups(toy, 7):
        draft = examine(slot, said, known)
        if isinstance(draft, Draft):
            known.append(known_of(draft))
            has_digit = any(map(str.isdecimal, said.answer))
            if slot.chunk.units[0].kind == "row" and has_digit:
                assert draft.must_say == (said.answer,)
    assert len(known) >= 30


def test_look_ups__without_tables_are_headings(shipping: Document) -> None:
    assert [
        said.question for _, said in sorted(look_ups([shipping], 7), key=lambda e: e.said.question)
    ] == [
        "Customs?",
        "Shipping?",
    ]
