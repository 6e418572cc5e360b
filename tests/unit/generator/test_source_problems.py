from pathlib import Path
from typing import Any

import pytest

from lm_eval_so.core.config.load import load_config, make_config
from lm_eval_so.errors import ConfigError
from lm_eval_so.generator.source_problems import check

YAML = """\
version: 1
suite: shop
dataset: {path: made}
generator:
  sources:
    - id: faq
      path: faq.csv
      map: {input: 질문, expected: 답변내용}
    - id: more
      path: ["*.jsonl", other.json]
      map: {inptu: q}
    - id: faq
      path: missing/*.csv
      encoding: cp9490
      records: $.data
"""


def test_check__lists_all_problems_with_their_lines(shop: Any) -> None:
    shop.copy("faq.csv")
    path = shop.write("lm-eval-so.yaml", YAML)
    found = [
        (p.where.line, p.where.key.removeprefix("generator."), p.what, p.hint)
        for p in check(load_config(path))
    ]
    assert [f[:3] for f in found] == [
        (12, "sources[2].id", 'two sources have the id "faq"'),
        (8, "sources[0].map.expected", "faq.csv:1 missing_field: '답변내용' not in header"),
        (11, "sources[1].map.inptu", 'unknown key "inptu" (did you mean "input"?)'),
        (14, "sources[2].encoding", 'unknown encoding "cp9490"'),
        (15, "sources[2].records", "records is for JSON documents"),
    ]
    assert found[1][3] == "did you mean '답변'? columns: 번호, 분류, 질문, 답변"


def test_check__names_every_pattern_without_a_file(shop: Any) -> None:
    shop.write("a.csv", "질문,답변\n가,나\n")
    problems = check(shop.config({"path": ["x/*.csv", "a.csv", "b.json"]}))
    assert [(p.what, p.where.key) for p in problems] == [
        ("no file at x/*.csv", "generator.sources[0].path[0]"),
        ("no file at b.json", "generator.sources[0].path[2]"),
    ]


def test_check__a_header_in_which_nothing_looks_like_a_question(shop: Any) -> None:
    shop.write("a.csv", "name,price\nx,1\n")
    (problem,) = check(shop.config({"path": "a.csv"}))
    assert problem.what == "a.csv:1 missing_field: no column looks like a question"
    assert problem.hint == "name it by map: {input: COLUMN}; columns: name, price"


def test_check__a_dataset_must_be_a_folder(shop: Any) -> None:
    shop.copy("faq.csv")
    (problem,) = check(shop.config({"path": "faq.csv"}, path="tests.jsonl"))
    assert problem.where.key == "dataset.path"


def test_check__nothing_to_find(shop: Any) -> None:
    shop.copy("faq.csv")
    shop.copy("support_qa.json")
    good = shop.config({"path": "faq.csv"}, {"path": "support_qa.json", "records": "$.data"})
    assert check(good) == []
    values = {"version": 1, "suite": "x", "dataset": {"path": "d"}}
    assert check(make_config(values, folder=shop.folder)) == []


@pytest.mark.parametrize(
    ("source", "key", "what"),
    [
        ({"as": "documents", "map": {"input": "질문"}}, "map", "documents have no map"),
        ({"as": "documents", "headings": ["("]}, "headings[0]", "no regular expression"),
        ({"as": "samples", "headings": ["^제"]}, "headings", "headings is for documents"),
        ({"as": "samples", "sheets": ["가"]}, "sheets", "sheets is for workbooks"),
        (
            {"as": "documents", "supersedes": ["faq_2023.csv"]},
            "supersedes[0]",
            "no source has the file faq_2023.csv",
        ),
        ({"as": "samples", "format": "pdf"}, "format", "samples are not read from pdf"),
    ],
)
def test_check__settings_of_documents_and_of_samples(
    shop: Any, source: dict[str, Any], key: str, what: str
) -> None:
    shop.copy("faq.csv")
    (problem,) = check(shop.config({"path": "faq.csv", **source}))
    assert problem.what.startswith(what)
    assert problem.where.key == f"generator.sources[0].{key}"


@pytest.mark.parametrize("source", [{"turn": "last"}, {"as": "rows"}, {"sheets": {}}])
def test_config__keys_that_do_nothing_are_errors(tmp_path: Path, source: dict[str, Any]) -> None:
    sources = [{"id": "a", "path": "a.csv", **source}]
    values = {
        "version": 1,
        "suite": "x",
        "dataset": {"path": "d"},
        "generator": {"sources": sources},
    }
    with pytest.raises(ConfigError):
        make_config(values, folder=tmp_path)
