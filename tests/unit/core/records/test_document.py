import json
from dataclasses import replace

import pytest
from hypothesis import given as generated
from hypothesis import strategies as st
from made_reports import report

from lm_eval_so.core.records.codec import dump_document, to_json
from lm_eval_so.core.records.document import report_pieces
from lm_eval_so.core.records.report import Columns, Labels

WHOLE = st.integers(-(2**60), 2**60)
NUMBERS = st.one_of(st.none(), WHOLE, st.floats(allow_nan=False, allow_infinity=False))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
MANY = 2500
"""More rows than a piece has."""


def columns(**changes):
    rows = range(MANY)
    values = {
        "ids": tuple(f"q{row}" for row in rows),
        "sample_hashes": tuple(f"{row:064x}" for row in rows),
        "revs": tuple(f"{row:016x}" for row in rows),
        "groups": tuple(None if row % 3 else "묶음" for row in rows),
        "repeats": (0,) * MANY,
        "statuses": ("ok",) * MANY,
        "scores": {"char_f1": tuple(None if row % 7 == 0 else row / 7 for row in rows)},
        "not_applicable": {"char_f1": (0, 7)},
        "inputs": tuple(f"줄 하나\n줄 \u2028 둘 \\ {row}" for row in rows),
        "tags": tuple(("환불", "배송")[: row % 3] for row in rows),
        "languages": ("ko",) * MANY,
        "labels": {"length": Labels(values=("≤ 50",), places=(0,) * MANY)},
    }
    return Columns(**{**values, **changes})


def text_of(given, **how):
    return "".join(report_pieces(given, **how))


@pytest.mark.parametrize(
    "given",
    [
        report(),
        report(samples=columns(), failed_ids=tuple(f"q{row}" for row in range(MANY))),
        report(samples=columns(ids=(), tags=(), scores={}, labels={}), failed_ids=()),
    ],
    ids=["small", "large", "empty"],
)
def test_report_pieces__are_the_document(given):
    assert text_of(given) == dump_document(to_json(given))


@generated(
    scores=st.dictionaries(TEXTS, st.lists(NUMBERS, max_size=4).map(tuple), max_size=3),
    groups=st.lists(st.none() | TEXTS, max_size=4).map(tuple),
    tags=st.none() | st.lists(st.lists(TEXTS, max_size=2).map(tuple), max_size=4).map(tuple),
    cached=st.lists(WHOLE, max_size=4).map(tuple),
)
def test_report_pieces__of_any_columns_are_the_document(scores, groups, tags, cached):
    samples = columns(ids=(), scores=scores, groups=groups, tags=tags, cached=cached)
    given = report(samples=replace(samples, inputs=None, sample_hashes=(), revs=()))
    assert text_of(given) == dump_document(to_json(given))


def test_report_pieces__none_is_large():
    given = report(samples=columns())
    assert max(map(len, report_pieces(given))) < len(text_of(given)) / 5


def test_report_pieces__nan_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        text_of(report(samples=columns(scores={"x": (0.5, float("nan"))})))


def test_report_pieces__whatever_is_written_has_been_cleaned():
    def clean(values):
        return json.loads(json.dumps(values, ensure_ascii=False).replace("묶음", "무리"))

    given = report(
        samples=columns(scores={"묶음": (1.0,)}, tags=(("묶음",),)), failed_ids=("묶음",)
    )
    values = json.loads(text_of(given, clean=clean))
    assert "묶음" not in json.dumps(values, ensure_ascii=False)
    assert values["samples"]["scores"] == {"무리": [1.0]}
