from typing import Any

import pytest

from lm_eval_so.core.config.load import make_config
from lm_eval_so.generator.generate import generate
from lm_eval_so.generator.recognise import Found, find_files


def config_of(shop: Any, source: dict[str, Any], *, writes: bool) -> Any:
    generator = {
        "sources": [{"id": "s", **source}],
        **({"synthesise": {"twins": 0}} if writes else {}),
    }
    values = {"version": 1, "suite": "s", "dataset": {"path": "made"}, "generator": generator}
    return make_config(values, folder=shop.folder)


@pytest.mark.parametrize(
    ("name", "content", "source", "holds"),
    [
        ("a.csv", "번호,질문,답변\n1,가,나\n", {}, ("tests", "tests")),
        ("a.tsv", "user_input\treference\n가\t나\n", {}, ("tests", "tests")),
        (
            "a.json",
            '{"n": 1, "data": [{"question": "가", "answer": "나"}]}',
            {},
            ("tests", "tests"),
        ),
        (
            "a.jsonl",
            '{"messages": [{"role": "user", "content": "가"}]}',
            {},
            ("conversations",) * 2,
        ),
        ("a.csv", "name,price\nx,1\n", {}, ("document", "tests")),
        ("a.csv", "문의,답변\n가,나\n", {}, ("tests", "tests")),
        ("a.csv", "매장,문의\n서울,02-000-1234\n", {}, ("document", "tests")),
        ("a.csv", "name,price\nx,1\n", {"map": {"input": "name"}}, ("tests", "tests")),
        ("a.csv", "name,price\nx,1\n", {"as": "samples"}, ("tests", "tests")),
        ("a.csv", "질문,답변\n가,나\n", {"as": "documents"}, ("document", "document")),
        ("a.md", "# 질문\n\n답변", {}, ("document", "document")),
        ("a.hwp", b"\xd0\xcf\x11\xe0", {}, ("document", "document")),
        ("a.csv", "", {}, ("document", "tests")),
        ("a.json", "{", {}, ("document", "tests")),
        ("a.csv", b"\xff\xfe\xff", {}, ("document", "tests")),
    ],
)
def test_find_files__tell_by_themselves_what_they_hold(
    shop: Any, name: str, content: str | bytes, source: dict[str, Any], holds: tuple[str, str]
) -> None:
    shop.write(name, content)
    for writes, expected in zip((True, False), holds, strict=True):
        (found,) = find_files(config_of(shop, {"path": ".", **source}, writes=writes), 0)
        assert isinstance(found, Found)
        assert (found.name, found.holds) == (name, expected)


def test_generate__a_folder_of_tests_and_documents_costs_what_cannot_be_read_alone(
    shop: Any,
) -> None:
    shop.write("docs/faq.csv", "질문,답변\n가나?,다라\n")
    shop.write("docs/policy.md", "# 반품할 수 있는 기간\n\n반품은 7일 안에 신청합니다.")
    shop.write("docs/old.hwp", b"\xd0\xcf\x11\xe0")
    made = generate(config_of(shop, {"path": "docs"}, writes=True), shop.resources())
    assert made.info.plan is not None
    assert [(s["provenance"]["method"]) for s in shop.samples()][:1] == ["import"]
    assert len(shop.samples()) == 1 + sum(made.info.plan.written.values()) == 2
    rejected = [(line["file"], line["hint"]) for line in shop.rejects()]
    assert rejected == [("docs/old.hwp", "save it as HWPX, DOCX or PDF")]


def test_generate__a_source_of_documents_alone_needs_no_as(shop: Any) -> None:
    shop.write("policy.md", "# 반품\n\n반품은 7일 안에 신청합니다.")
    made = generate(config_of(shop, {"path": "policy.md"}, writes=False), shop.resources())
    assert [file.name for file in made.files] == [
        "test.jsonl",
        "rejected.jsonl",
        "sources.jsonl",
        "metadata.json",
    ]
    assert not shop.samples()
