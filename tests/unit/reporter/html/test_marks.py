"""Words that only one of two texts has: the examples hold for the page's script, too."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.reporter.html.marks import Mark, mark_words

EXAMPLES = json.loads(Path("tests/data/marks.json").read_text("utf-8"))


@pytest.mark.parametrize("example", EXAMPLES, ids=[each["why"] for each in EXAMPLES])
def test_marks__examples(example):
    sides = mark_words(example["before"], example["now"])
    left, right = ([[piece.mark, piece.text] for piece in side] for side in sides)
    assert left == example["left"]
    assert right == example["right"]


def test_marks__only_what_differs_counts_towards_the_longest_text():
    long = "all of this is the same. " * 400
    left, _ = mark_words(f"{long}30 days", f"{long}14 days")
    assert [piece.text for piece in left if piece.mark is Mark.ONLY] == ["30"]
    apart = [f"{word} {number}" for word in ("a", "b") for number in range(700)]
    assert all(
        piece.mark is Mark.SAME
        for side in mark_words(" ".join(apart[:700]), " ".join(apart[700:]))
        for piece in side
    )


_TEXTS = st.text(st.sampled_from("가나다ab1, .\n😀"), max_size=40)


@given(_TEXTS, _TEXTS)
def test_marks__pieces_make_the_texts_again(before, now):
    left, right = mark_words(before, now)
    assert "".join(piece.text for piece in left) == before
    assert "".join(piece.text for piece in right) == now
    for piece in (*left, *right):
        assert (piece.text == "") is (piece.mark is Mark.GAP)
        assert piece.mark is not Mark.ONLY or piece.text == piece.text.strip()
