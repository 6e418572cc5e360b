"""Breakdowns."""

from pathlib import Path
from typing import Any

import pytest
from evaluation import a_config, a_run, report_of, write_dataset, write_run

from lm_eval_so.core.records.report import Slice
from lm_eval_so.evaluator.slices import count_graphemes, metadata_labels


@pytest.mark.parametrize(
    ("text", "n"),
    [("", 0), ("abc", 3), ("한국", 2), ("\u1112\u1161\u11ab", 1), ("👨‍👩‍👧", 1), ("é\r\n", 2)],
    ids=["empty", "ascii", "hangul", "jamo", "family", "crlf"],
)
def test_count_graphemes__counts_what_people_see(text: str, n: int) -> None:
    assert count_graphemes(text) == n


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (["easy", None, "hard"], ["easy", "(none)", "hard"]),
        ([1, 2, 2.5], ["1", "2", "2.5"]),
        ([True, False], ["true", "false"]),
        ([["가"], {"k": 1}], ['["가"]', '{"k": 1}']),
        ([], []),
    ],
)
def test_metadata_labels__values_as_they_are(values: list[Any], labels: list[str]) -> None:
    assert metadata_labels(values) == labels


def test_metadata_labels__many_numbers_become_quartiles() -> None:
    labels = metadata_labels([*range(1, 13), None])
    assert labels[:3] == ["1–3"] * 3
    assert labels[-2:] == ["10–12", "(none)"]
    assert len(set(labels)) == 5


def test_metadata_labels__few_numbers_stay() -> None:
    assert metadata_labels([1, 1, 2] * 10) == ["1", "1", "2"] * 10


def test_metadata_labels__numbers_among_texts_stay() -> None:
    values = [*range(20), "x"]
    assert metadata_labels(values)[:2] == ["0", "1"]


def breakdowns(tmp_path: Path, rows: list[dict[str, Any]], by: list[str]) -> dict[str, list[Slice]]:
    dataset = write_dataset(tmp_path, rows)
    run = write_run(tmp_path, dataset, lambda s, r: a_run("right" if s.id < "q05" else "wrong"))
    report = report_of(a_config(tmp_path, ["exact_match"], report={"by": by}), run)
    found: dict[str, list[Slice]] = {}
    for each in report.breakdowns:
        found.setdefault(each.by, []).append(each)
    return found


def test_break_down__worst_first(tmp_path: Path) -> None:
    rows = [
        {
            "id": f"q{i:02}",
            "input": "질문",
            "expected": "right",
            "tags": ["first"] if i < 5 else ["last", "last", "odd"],
            "language": "ko" if i % 2 else "en",
            "metadata": {"level": i},
        }
        for i in range(12)
    ]
    found = breakdowns(tmp_path, rows, ["level"])
    assert list(found) == ["tag", "language", "length", "status", "level"]
    tags = [(each.value, each.samples, each.small) for each in found["tag"]]
    assert tags == [("last", 7, True), ("odd", 7, True), ("first", 5, True)]
    figures = found["tag"][0].metrics["exact_match"]
    assert (figures.n, figures.mean, figures.unscored) == (7, 0, 0)
    assert figures.ci95 is not None
    assert [(each.value, each.small) for each in found["status"]] == [("ok", False)]
    assert [each.value for each in found["level"]] == ["6–8", "9–11", "3–5", "0–2"]


def test_break_down__nothing_in_common__no_slice(tmp_path: Path) -> None:
    rows = [{"id": f"q{i:02}", "input": "질문", "expected": "right"} for i in range(3)]
    assert set(breakdowns(tmp_path, rows, ["level"])) == {"length", "status"}


def test_break_down__many_values__thirty_and_other(tmp_path: Path) -> None:
    rows = [
        {
            "id": f"q{i:04}",
            "input": "질문",
            "expected": "right",
            "metadata": {"customer": "big" if i < 10 else f"c{i}"},
        }
        for i in range(60)
    ]
    slices = breakdowns(tmp_path, rows, ["customer"])["customer"]
    by_value = {each.value: each for each in slices}
    assert len(slices) == 31
    assert by_value["big"].samples == 10
    assert by_value["(other)"].samples == 60 - 10 - 29
