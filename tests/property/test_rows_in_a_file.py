"""A report whose rows stand in a file says the same as one that has them itself."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from comparing import judge
from factories import make_report
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rows_apart import apart, held

from lm_eval_so.core.columns.column import InFile
from lm_eval_so.core.records.codec import to_json

TEXT = st.text(st.characters(codec="utf-8"), max_size=4)
VALUES = st.sampled_from([0.0, 1.0, None])


def side(draw, cases, *, groups, repeats):
    """Return a report of some cases, in any order, with rows that lack a score, a time or an answer."""
    cases = draw(st.permutations(cases))[: draw(st.integers(0, len(cases)))]
    n = len(cases)
    values = VALUES if repeats == 1 else st.lists(VALUES, min_size=1, max_size=repeats)
    right = draw(st.lists(values, min_size=n, max_size=n))
    texts = draw(st.lists(TEXT, min_size=5, max_size=5))
    asked = [len(each) if isinstance(each, list) else 1 for each in right]
    rows = sum(asked)
    near = [[(i + j) % 7 / 7 for j in range(count)] for i, count in enumerate(asked)]
    made = make_report(
        {"right": right, "near": near, "latency_ms": [[100.0 + v for v in own] for own in near]},
        ids=[name for name, _ in cases],
        revs=draw(st.lists(st.sampled_from("rrrrs"), min_size=n, max_size=n)),
        groups=[group for _, group in cases] if groups else None,
        tags=[("가",) if i % 2 else ("나", "다") for i in range(n)],
        labels={"length": ["≤ 50" if i % 3 else "> 200" for i in range(n)]},
        answers=[texts[i % 5] for i in range(rows)],
        inputs=[texts[-i % 5] for i in range(rows)],
        expected=[None if i % 4 else texts[i % 5] for i in range(rows)],
        not_applicable={"near": tuple(range(0, rows, 7))} if draw(st.booleans()) and rows else {},
        cached=range(0, rows, 9) if draw(st.booleans()) else (),
    )
    lost = tuple(range(0, rows, 11))
    columns = replace(
        made.samples,
        statuses=tuple("timeout" if row in lost else "ok" for row in range(rows)),
        failures={"HTTP 500": lost} if lost else {},
        refs=tuple(f"내 {i}" for i in range(rows)) if draw(st.booleans()) else None,
    )
    return replace(made, samples=columns)


@st.composite
def reports(draw):
    """Return a baseline and a candidate."""
    cases = draw(
        st.lists(
            st.tuples(TEXT, st.sampled_from([None, "가", "나"])),
            max_size=60,
            unique_by=lambda case: case[0],
        )
    )
    groups, repeats = draw(st.booleans()), draw(st.sampled_from([1, 3]))
    return tuple(side(draw, cases, groups=groups, repeats=repeats) for _ in range(2))


def same_cases():
    """Return two reports of the same cases in the same order, as most are, large enough for slices and groups."""
    n = 60
    made = [
        make_report(
            {"right": [float((i * step) % 5 > 0) for i in range(n)]},
            groups=[f"g{i // 3}" for i in range(n)],
            tags=[("가",) if i % 2 else ("나",) for i in range(n)],
            answers=[f"답 {i % step}" for i in range(n)],
        )
        for step in (2, 3)
    ]
    return tuple(made)


@settings(max_examples=30, deadline=None)
@given(reports())
@example(same_cases())
def test_compare__rows_in_files_change_nothing(pair):
    with TemporaryDirectory() as folder:
        before, now = (
            apart(each, Path(folder), name)
            for each, name in zip(pair, ("a.json", "b.json"), strict=True)
        )
        for inline, filed in zip(pair, (before, now), strict=True):
            assert isinstance(filed.samples.ids, InFile)
            assert to_json(replace(inline, samples=held(filed))) == to_json(inline)
        want = to_json(judge(pair[1], pair[0]))
        assert to_json(judge(now, before)) == want
        assert to_json(judge(now, pair[0])) == want
        assert to_json(judge(pair[1], before)) == want
