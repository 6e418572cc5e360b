"""A report.json, read."""

import json

import pytest
from factories import make_report

from lm_eval_so.core.records.codec import dumps, to_json
from lm_eval_so.core.report_file import parse_report, read_report
from lm_eval_so.errors import InputError, RecordError

REPORT = make_report({"exact_match": [1, 0]})


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "no JSON"),
        ('{"a": NaN}', "NaN is no JSON number"),
        ('{"a": 1, "a": 2}', 'the key "a" stands twice'),
        ('{"schema": "lm-eval-so/report/2"}', "lm-eval-so/report/2 is not readable here"),
        ('{"schema": "lm-eval-so/run/1"}', "expected a record lm-eval-so/report/1"),
        ("[]", "not a JSON object"),
        ("", "no JSON"),
    ],
)
def test_read_report__unreadable_is_an_error_with_the_file(tmp_path, text, what) -> None:
    file = tmp_path / "report.json"
    file.write_text(text, "utf-8")
    with pytest.raises(RecordError, match=what) as raised:
        read_report(file)
    assert raised.value.exit_code == 2
    assert raised.value.problems[0].where.file == str(file)


def test_read_report__a_folder_is_its_report(tmp_path) -> None:
    (tmp_path / "report.json").write_text(dumps(REPORT), "utf-8")
    assert read_report(tmp_path) == REPORT


@pytest.mark.parametrize("name", ["보고서", "보고서/report.json"])
def test_read_report__a_missing_one_says_who_writes_it(tmp_path, name) -> None:
    (tmp_path / "보고서").mkdir()
    with pytest.raises(InputError, match="no such file") as caught:
        read_report(tmp_path / name)
    (problem,) = caught.value.problems
    assert problem.hint == "lm-eval-so evaluate writes a report.json"
    assert problem.where is not None
    assert problem.where.file == str(tmp_path / "보고서" / "report.json")


def test_parse_report__lists_columns_that_do_not_fit() -> None:
    values = to_json(REPORT)
    values["samples"]["revs"].append("x")
    values["samples"]["scores"]["exact_match"].pop()
    values["samples"]["cached"] = [2]
    values["samples"]["answers"] = ["a"]
    values["samples"]["tags"] = [["x"]]
    values["samples"]["labels"] = {"length": {"values": ["≤ 50"], "places": [0, 1]}}
    with pytest.raises(RecordError) as raised:
        parse_report(json.dumps(values), shown_as="main:report.json")
    assert [str(problem.where) for problem in raised.value.problems] == [
        "main:report.json  samples.revs",
        "main:report.json  samples.answers",
        "main:report.json  samples.tags",
        "main:report.json  samples.scores.exact_match",
        "main:report.json  samples.labels.length",
        "main:report.json  samples.cached",
    ]


def test_parse_report__reads_what_was_written_with_a_bom() -> None:
    text = "\ufeff" + dumps(REPORT)
    assert parse_report(text.encode(), shown_as="x") == REPORT
