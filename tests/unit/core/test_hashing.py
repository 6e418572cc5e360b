"""Digests are the same on every machine."""

import pytest

from lm_eval_so.core.hashing import canon, digest, row_seed, u64


def test_canon__sorts_and_keeps_hangul() -> None:
    assert canon({"b": 1.0, "a": "환불"}) == '{"a":"환불","b":1.0}'.encode()
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    with pytest.raises(ValueError, match="JSON"):
        canon(float("nan"))


def test_u64__known_vector() -> None:
    assert u64(7, "axis", 0, "language", "ko") == 12564609814164186338


def test_row_seed__known_vectors() -> None:
    assert row_seed(7, "refund-001", 0) == 1749225947
    assert row_seed(7, "refund-001", 1) == 270050084
