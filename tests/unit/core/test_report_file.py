"""A report.json, read."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from comparing import judge
from factories import make_report
from hypothesis import given as generated
from hypothesis import strategies as st
from made_reports import report

from lm_eval_so.comparator.baseline.promote import accept
from lm_eval_so.core.records.codec import dump_document, dumps, loads, to_json
from lm_eval_so.core.records.report import (
    Acceptance,
    Columns,
    EvaluationReport,
    Labels,
    SourcePlace,
)
from lm_eval_so.core.records.report_pieces import report_pieces
from lm_eval_so.core.report_file import (
    digest_report,
    parse_report,
    read_report,
    refuse_other_report,
)
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


def test_report_pieces__places_in_files_are_read_back() -> None:
    sources = (None, SourcePlace(file="sources/요금.xlsx", at={"sheet": "요금", "row": 7}))
    columns = replace(REPORT.samples, sources=sources, references=((), ("3일", "사흘")))
    text = "".join(report_pieces(replace(REPORT, samples=columns)))
    assert read_back(text).samples == columns
    # a line a row, and none for what is absent
    assert '\n      {"file": "sources/요금.xlsx", "at": {"sheet": "요금", "row": 7}}\n' in text


def read_back(text: str) -> EvaluationReport:
    return parse_report(text, shown_as="x")


def test_parse_report__reads_what_was_written_with_a_bom() -> None:
    text = "\ufeff" + dumps(REPORT)
    assert parse_report(text.encode(), shown_as="x") == REPORT


OLD = make_report({"정확도": [1, 1, 0, 0]}, commit="a" * 40)
NEW = make_report({"정확도": [1, 1, 1, 0]}, commit="b" * 40)
WHY = Acceptance(reason="환불 답변을 짧게", at="2026-11-24T06:30:00.000Z", by="김 검토")


def test_digest_report__is_the_same_for_the_same_figures_only() -> None:
    digest = digest_report(OLD)
    head = OLD.experiment
    same = accept(replace(OLD, experiment=replace(head, eligible=False)), NEW, WHY)
    assert digest_report(loads(dumps(same), EvaluationReport)) == digest
    others = [
        NEW,
        replace(OLD, experiment=replace(head, evaluated_at="2026-11-25T06:30:00Z")),
        replace(OLD, experiment=replace(head, suite="x")),
        replace(OLD, experiment=replace(head, fingerprints={"run": "x"})),
        make_report({"정확도": [1, 1, 0, 0]}, fingerprints={"정확도": "x"}),
    ]
    assert digest not in {digest_report(each) for each in others}
    assert judge(NEW, OLD).candidate_digest == digest


def test_refuse_other_report__takes_what_belongs_together() -> None:
    told = judge(OLD, NEW)
    as_baseline = accept(replace(NEW, experiment=replace(NEW.experiment, eligible=False)), OLD, WHY)
    for comparison, shown in [
        (told, NEW),
        (told, as_baseline),
        (told, None),
        (None, OLD),
        (replace(told, candidate_digest=None), OLD),
    ]:
        refuse_other_report(comparison, shown)


def test_refuse_other_report__names_both_files() -> None:
    with pytest.raises(InputError) as caught:
        refuse_other_report(judge(OLD, NEW), OLD, files=(Path("c.json"), Path("보고서.json")))
    (problem,) = caught.value.problems
    assert problem.what == "c.json is about another report than 보고서.json"
    assert (str(problem.where), problem.hint is not None) == ("c.json", True)


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


def document(given):
    values = to_json(given)
    assert values["samples"].pop("file") is None  # only told if it is there
    return dump_document(values)


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
    assert text_of(given) == document(given)


@generated(
    scores=st.dictionaries(TEXTS, st.lists(NUMBERS, max_size=4).map(tuple), max_size=3),
    groups=st.lists(st.none() | TEXTS, max_size=4).map(tuple),
    tags=st.none() | st.lists(st.lists(TEXTS, max_size=2).map(tuple), max_size=4).map(tuple),
    cached=st.lists(WHOLE, max_size=4).map(tuple),
)
def test_report_pieces__of_any_columns_are_the_document(scores, groups, tags, cached):
    samples = columns(ids=(), scores=scores, groups=groups, tags=tags, cached=cached)
    given = report(samples=replace(samples, inputs=None, sample_hashes=(), revs=()))
    assert text_of(given) == document(given)


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
