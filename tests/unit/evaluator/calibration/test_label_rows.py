"""Answers for people to label."""

import csv
import io
import random
from pathlib import Path
from typing import Any

import pytest
from evaluation import a_config, a_run, a_sample
from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.core.records.chat import Message, ToolCall
from lm_eval_so.core.records.run import Response
from lm_eval_so.core.records.sample import Passage
from lm_eval_so.core.records.score import JudgeVote, Score
from lm_eval_so.core.text.spreadsheet import guarded, unguarded
from lm_eval_so.evaluator.binding.bind import bind_metrics
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.calibration.label_cells import answer_cell, cells_of, is_same_answer
from lm_eval_so.evaluator.calibration.label_file import csv_text
from lm_eval_so.evaluator.scoring.draws import LabelRows

COLUMNS = "id,repeat,metric,input,answer,calls,expected,rubric,labels,label,annotator,note"
HELPFUL = {
    "id": "helpful",
    "name": "llm_judge",
    "params": {"rubric": "rubric.md", "labels": {"good": 1, "partial": 0.5, "bad": 0}},
    "backend": {"name": "scripted"},
}
SCALE = {
    "id": "tone",
    "name": "llm_scale",
    "params": {"anchors": ["rude", "curt", "plain", "kind", "warm"]},
    "backend": {"name": "scripted"},
}


@pytest.fixture
def bound(tmp_path: Path) -> tuple[BoundMetric, ...]:
    (tmp_path / "rubric.md").write_text("답이 맞는가?\n", "utf-8")
    return bind_metrics(a_config(tmp_path, ["exact_match", HELPFUL, SCALE]), {})


def scored(metric: Any, sample_id: str, value: float | None, code: str | None = None) -> Score:
    sample, vote = a_sample(sample_id), JudgeVote(label="x", calls=1)
    if value is None:
        return metric.unscored(sample, code or "judge_invalid", votes=[vote])
    return metric.make_score(sample, value=value, label="SECRET", votes=[vote])


def exported(
    bound: tuple[BoundMetric, ...],
    values: dict[str, float | None],
    *,
    most: int = 10,
    seed: int = 7,
    shuffled: int | None = None,
) -> list[dict[str, str]]:
    rows = LabelRows(seed=seed, most=most)
    rows.open(bound)
    items = list(values.items())
    if shuffled is not None:
        random.Random(shuffled).shuffle(items)
    for sample_id, value in items:
        run = a_run(f"답 {sample_id}", sample_id=sample_id)
        rows.add(a_sample(sample_id), run, [scored(bound[1].metric, sample_id, value)])
    return read(rows)


def read(rows: LabelRows) -> list[dict[str, str]]:
    text = csv_text(rows)
    assert text.startswith(f"\ufeff{COLUMNS}\r\n")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def values_of(good: int, bad: int, lost: int) -> dict[str, float | None]:
    judged: dict[str, float | None] = {f"good-{i}": 1.0 if i % 2 else 0.5 for i in range(good)}
    judged |= {f"bad-{i}": 0.0 for i in range(bad)}
    return judged | {f"lost-{i}": None for i in range(lost)}


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        ((50, 50, 0), (5, 5, 0)),
        ((50, 50, 2), (4, 4, 2)),
        ((50, 50, 3), (4, 3, 3)),
        ((50, 2, 0), (8, 2, 0)),
        ((1, 50, 0), (1, 9, 0)),
        ((2, 2, 0), (2, 2, 0)),
        ((50, 50, 50), (3, 2, 5)),
        ((1, 1, 50), (1, 1, 8)),
        ((0, 0, 50), (0, 0, 10)),
    ],
)
def test_rows__half_good_half_bad(
    bound: tuple[BoundMetric, ...], there: tuple[int, int, int], chosen: tuple[int, int, int]
) -> None:
    rows = exported(bound, values_of(*there))
    kinds = [row["id"].partition("-")[0] for row in rows]
    assert tuple(map(kinds.count, ("good", "bad", "lost"))) == chosen
    assert kinds[: chosen[2]] == ["lost"] * chosen[2]


def test_rows__show_what_was_called_and_what_may_be_said(tmp_path: Path) -> None:
    relevancy = {"name": "answer_relevancy", "backend": {"name": "scripted"}}
    embeds = {**relevancy, "id": "near", "params": {"mode": "embedding"}}
    bound = bind_metrics(a_config(tmp_path, [relevancy, embeds], language="ko"), {})
    rows = LabelRows(seed=7, most=10)
    rows.open(bound)
    call = ToolCall(name="cancel_order", arguments='{"id": 1}')
    run = a_run("", response=Response(tool_calls=(call,)))
    rows.add(a_sample(), run, [scored(each.metric, "s1", 1.0) for each in bound])
    (row,) = read(rows)
    assert row["calls"] == 'TOOL CALLS\n1. cancel_order({"id": 1})'
    assert (row["metric"], row["labels"]) == ("answer_relevancy", "full, partial, none")
    assert row["rubric"].startswith("full: addresses everything")


def test_rows__show_the_passages_that_the_judge_sees(
    tmp_path: Path, bound: tuple[BoundMetric, ...]
) -> None:
    shown = {**HELPFUL, "params": {**HELPFUL["params"], "rubric": "r", "show": ["context"]}}
    params = {"rubric": "r", "show": ["context"]}
    pairwise = {"name": "pairwise", "backend": {"name": "scripted"}, "params": params}
    sample = a_sample(
        system="너는 상담원이다",
        context=(Passage(role="gold", text="환불은 3일"),),
        metrics={"pairwise": {"baseline_answer": "옛 답"}},
    )
    run = a_run(None, response=Response(text="답", context=("보고한 문서",)))
    cells = [
        cells_of(each.metric, sample, run)
        for each in bind_metrics(a_config(tmp_path, [shown, pairwise]), {})
    ]
    prompt, passage = "INSTRUCTIONS\n너는 상담원이다", "CONTEXT\n환불은 3일"
    assert cells[0]["context"] == f"{prompt}\n\n{passage}\n\nREPORTED CONTEXT\n보고한 문서"
    assert cells[1]["context"] == f"{prompt}\n\n{passage}"  # the baseline's bot has its own
    assert cells_of(bound[1].metric, sample, run)["context"] == prompt
    assert "context" not in cells_of(bound[1].metric, a_sample(), run)
    rows = LabelRows(seed=7, most=10)
    rows.open(bound)
    rows.add(sample, run, [scored(bound[1].metric, "s1", 1.0)])
    assert csv_text(rows).startswith(f"\ufeff{COLUMNS.replace('calls,', 'calls,context,')}\r\n")


def test_rows__do_not_tell_what_the_judge_said(bound: tuple[BoundMetric, ...]) -> None:
    rows = exported(bound, values_of(100, 100, 0), most=40)
    kinds = "".join(row["id"][0] for row in rows)
    assert kinds not in {"g" * 20 + "b" * 20, "b" * 20 + "g" * 20, "gb" * 20, "bg" * 20}
    assert all("SECRET" not in cell for row in rows for cell in row.values())
    assert {row["label"] for row in rows} == {""}


def test_rows__are_the_same_whatever_the_order(bound: tuple[BoundMetric, ...]) -> None:
    values = values_of(60, 60, 10)
    first = exported(bound, values)
    assert exported(bound, values, shuffled=3) == first
    assert exported(bound, values, seed=8) != first


def test_rows__hold_what_a_person_needs(bound: tuple[BoundMetric, ...]) -> None:
    rows = LabelRows(seed=1, most=5)
    rows.open(bound)
    sample = a_sample("s1", references=("사흘",))
    scores = [
        scored(bound[1].metric, "s1", 1.0),
        scored(bound[2].metric, "s1", 0.25),
        bound[0].metric.make_score(sample, value=1.0),
    ]
    rows.add(sample, a_run('3일, "영업일"\n기준', repeat=2), scores)
    helpful, tone = read(rows)
    assert helpful == {
        "id": "s1",
        "repeat": "2",
        "metric": "helpful",
        "input": "환불은 며칠 걸리나요?",
        "answer": '3일, "영업일"\n기준',
        "expected": "Any one of these is right:\n1. 3일\n2. 사흘",
        "rubric": "답이 맞는가?",
        "calls": "",
        "labels": "good, partial, bad",
        "label": "",
        "annotator": "",
        "note": "",
    }
    assert tone["metric"] == "tone"
    assert tone["rubric"].splitlines() == ["1: rude", "2: curt", "3: plain", "4: kind", "5: warm"]
    assert rows.counts() == {"helpful": 1, "tone": 1}


def test_rows__leave_out_what_no_judge_saw(bound: tuple[BoundMetric, ...]) -> None:
    rows = LabelRows(seed=1, most=5)
    rows.open(bound)
    metric, sample = bound[1].metric, a_sample()
    unasked = [
        metric.make_score(sample, value=0.0, label="bad", code="empty_answer"),
        metric.unscored(sample, "run_timeout"),
        metric.not_applicable(sample),
        metric.unscored(sample, "judge_budget", votes=[JudgeVote(label=None, calls=1)]),
    ]
    for score in unasked:
        rows.add(sample, a_run("답"), [score])
    assert read(rows) == []


@pytest.mark.parametrize("start", list("=+-@\t\r\n＝＋－＠"))
def test_cells__are_no_formulas(bound: tuple[BoundMetric, ...], start: str) -> None:
    hostile = f'{start}HYPERLINK("http://x","y")'
    rows = LabelRows(seed=1, most=5)
    rows.open(bound)
    sample = a_sample(hostile, messages=(Message(role="user", content=hostile),), expected=hostile)
    rows.add(sample, a_run(hostile), [scored(bound[1].metric, hostile, 1.0)])
    (row,) = read(rows)
    for column in ("id", "input", "answer", "expected"):
        assert row[column] == f"'{hostile}"
        assert unguarded(row[column]) == hostile


@given(st.text(alphabet="'=+-@\t\r\n＝＠a가", max_size=6))
def test_guard__is_undone_exactly(text: str) -> None:
    assert unguarded(guarded(text)) == text
    assert guarded(text)[:1] not in tuple("=+-@\t\r\n＝＋－＠")


def test_answer_cell__is_cut_where_a_spreadsheet_would_spill() -> None:
    cell = answer_cell("가" * 40_000)
    assert len(cell) < 32_767
    assert cell.endswith(" … (10,000 more characters)")
    assert is_same_answer(cell, "가" * 40_000)
    assert not is_same_answer(cell, "가" * 40_001)


def test_answer_cell__holds_no_half_of_a_pair() -> None:
    assert answer_cell("a\ud800b").encode() == b"a?b"


@pytest.mark.parametrize(
    ("cell", "answer", "is_lossy", "is_same"),
    [
        ("첫째 줄\r\n둘째", "첫째 줄\n둘째", False, True),
        ("다른 답", "답", False, False),
        ("좋아요 ??", "좋아요 😊", True, True),
        ("좋아요 ??", "좋아요 😊", False, False),
        ("안 돼요 ??", "좋아요 😊", True, False),
    ],
)
def test_is_same_answer(cell: str, answer: str, is_lossy: bool, is_same: bool) -> None:
    assert is_same_answer(cell, answer, is_lossy=is_lossy) is is_same
