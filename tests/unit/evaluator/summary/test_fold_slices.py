"""Breakdowns."""

from pathlib import Path
from typing import Any

import pytest
from evaluation import a_config, a_run, a_sample, report_of, write_dataset, write_run

from lm_eval_so.core.config.model import MetricSection
from lm_eval_so.core.records.report import Slice
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.metrics.text.wording import ExactMatch
from lm_eval_so.evaluator.rows.sheet import Sheet
from lm_eval_so.evaluator.summary.fold import break_down, metadata_labels


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


def slices_of(values: list[Any], key: str = "k") -> list[Slice]:
    """Return the slices by a metadata key, one right or wrong sample per value."""
    metric = ExactMatch()
    bound = BoundMetric(metric=metric, section=MetricSection(name=metric.name))
    sheet = Sheet([metric.id], by=[key])
    for number, value in enumerate(values):
        sheet.samples.add(a_sample(f"q{number:05}", language="ko", metadata={key: value}), "h")
        row = sheet.add_row(0, a_run("답"))
        sheet.put(row, [metric.make_score(a_sample("q"), value=number % 2)])
    return [s for s in break_down([bound], sheet, lead="exact_match", by=[key]) if key in s.by]


def test_break_down__12345_values__thirty_and_other() -> None:
    slices = slices_of([f"고객 {number}" for number in range(12_345)])
    assert len(slices) == 31
    assert {each.value: each.samples for each in slices}["(other)"] == 12_345 - 30
    assert sum(each.samples for each in slices) == 12_345


def test_break_down__a_value_named_as_the_rest_joins_it() -> None:
    slices = slices_of(["(other)"] * 50 + [f"c{number}" for number in range(40)])
    assert len(slices) == 31
    assert sum(each.samples for each in slices) == 90


def test_break_down__metadata_named_as_ours_is_told_apart() -> None:
    assert {each.by for each in slices_of(["a", "b"], key="status")} == {
        "status",
        "metadata.status",
    }


def test_label_columns__say_for_each_row_what_the_breakdowns_say(tmp_path: Path) -> None:
    rows = [
        {"id": f"q{i:02}", "input": "가" * (40 if i < 3 else 60), "expected": "right"}
        | ({"metadata": {"tag": "odd" if i % 2 else "even"}} if i else {})
        for i in range(6)
    ]
    dataset = write_dataset(tmp_path, rows)
    run = write_run(tmp_path, dataset, lambda s, r: a_run("right"), repeats=2)
    report = report_of(a_config(tmp_path, ["exact_match"], report={"by": ["tag", "none"]}), run)
    labels = report.samples.labels
    assert list(labels) == ["length", "metadata.tag", "none"]
    told = {by: [each.values[place] for place in each.places] for by, each in labels.items()}
    assert told["length"] == ["≤ 50"] * 6 + ["51–200"] * 6
    assert told["metadata.tag"][:6] == ["(none)"] * 2 + ["odd"] * 2 + ["even"] * 2
    assert set(told["none"]) == {"(none)"}


def test_label_columns__keep_thirty_values_as_the_breakdowns_do(tmp_path: Path) -> None:
    rows = [
        {"id": f"q{i:02}", "input": "?", "expected": "x", "metadata": {"sku": f"s{i % 40:02}"}}
        for i in range(60)
    ]
    dataset = write_dataset(tmp_path, rows)
    run = write_run(tmp_path, dataset, lambda s, r: a_run("right"))
    report = report_of(a_config(tmp_path, ["exact_match"], report={"by": ["sku"]}), run)
    labels = report.samples.labels["sku"]
    told = [labels.values[place] for place in labels.places]
    shown = {each.value: each.samples for each in report.breakdowns if each.by == "sku"}
    assert {value: told.count(value) for value in told} == shown
    assert shown["(other)"] == 10
