import unicodedata
from pathlib import Path
from typing import Any

import pytest

from lm_eval_so.core.config.load import make_config
from lm_eval_so.errors import Problem
from lm_eval_so.generator.sources.base import FileError, Reason
from lm_eval_so.generator.sources.source_files import locate, open_file


def names(shop: Any, path: str | list[str]) -> list[str]:
    found = list(locate(shop.config({"path": path}), 0))
    assert not [f for f in found if isinstance(f, Problem)]
    return [name for name, _ in found]


def test_locate__globs_are_sorted_and_each_file_comes_once(shop: Any) -> None:
    for name in ("b.csv", "a10.csv", "a9.csv", "가.csv", "B.csv", ".hidden.csv", "sub/c.csv"):
        shop.write(name, "x")
    assert names(shop, "*.csv") == ["B.csv", "a10.csv", "a9.csv", "b.csv", "가.csv"]
    assert names(shop, "**/*.csv")[-2:] == ["sub/c.csv", "가.csv"]
    assert names(shop, ["b.csv", "*.csv"])[:2] == ["b.csv", "B.csv"]


def test_locate__a_name_with_brackets_is_a_file_first(shop: Any) -> None:
    shop.write("faq[1].csv", "x")
    assert names(shop, "faq[1].csv") == ["faq[1].csv"]


def test_locate__a_decomposed_name_on_disk_is_found(shop: Any) -> None:
    shop.write(unicodedata.normalize("NFD", "자주묻는질문.csv"), "x")
    assert names(shop, "자주묻는질문.csv") == ["자주묻는질문.csv"]
    assert names(shop, "*.csv") == ["자주묻는질문.csv"]


def test_locate__no_absolute_path_is_shown(shop: Any, tmp_path: Path) -> None:
    path = shop.write("a.csv", "x")
    assert names(shop, str(path)) == ["a.csv"]
    assert names(shop, f"{tmp_path}/*.csv") == ["a.csv"]
    assert names(shop, "./a.csv") == ["a.csv"]


def test_locate__a_folder_is_all_below_it_that_may_be_a_source(shop: Any) -> None:
    found = ["docs/a.MD", "docs/b.hwp", "docs/sub/c.csv"]
    for name in found:
        shop.write(name, "x")
    left_out = [
        "docs/logo.png",
        "docs/.git/d.md",
        "docs/.e.md",
        "docs/~$g.docx",
        "docs/node_modules/f.md",
    ]
    written = ["docs/made/test.jsonl", "docs/reports/report.json", "docs/base.json"]
    for name in (*left_out, *written):
        shop.write(name, "x")
    values = {
        "version": 1,
        "suite": "shop",
        "dataset": {"path": "docs/made"},
        "report": {"out": "docs/reports"},
        "baseline": {"path": "docs/base.json"},
        "generator": {"sources": [{"id": "docs", "path": ["docs/", "docs/a.MD"]}]},
    }
    config = make_config(values, folder=shop.folder)
    assert [name for name, _ in locate(config, 0)] == found


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("faqs.csv", 'did you mean "faq.csv"?'),
        ("*.tsv", "paths are relative to the config file"),
        ("sub", "nothing below this folder can be read"),
        ("nowhere/x.csv", "paths are relative to the config file"),
    ],
)
def test_locate__a_pattern_without_a_file_is_a_problem(shop: Any, path: str, hint: str) -> None:
    shop.write("faq.csv", "x")
    shop.write("sub/other.png", "x")
    (problem,) = locate(shop.config({"path": path}), 0)
    assert isinstance(problem, Problem)
    assert (problem.what, problem.hint) == (f"no file at {path}", hint)
    assert problem.where is not None
    assert problem.where.key == "generator.sources[0].path"


@pytest.mark.parametrize("target", ["/dev/zero", "."])
def test_open_file__a_link_to_what_is_no_file_is_not_read(shop: Any, target: str) -> None:
    link = shop.folder / "a.md"
    link.symlink_to(target)
    file, items = open_file("a.md", link, shop.config({"path": "a.md"}).sources[0])
    assert [*items] == [FileError(file=file, reason=Reason.UNREADABLE, what="it is no file")]
