import unicodedata
from pathlib import Path
from typing import Any

import pytest
from snippets import ROOT, blocks

from lm_eval_so.core.config.load import load_config
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.words import say
from lm_eval_so.errors import ConfigError
from lm_eval_so.generator.mapping.list_cells import CellNotes, read_cell, read_phrases

MAP = {
    "input": "질문",
    "expected": "답변",
    "keywords": "필수 표현",
    "forbidden": "금지 표현",
    "tags": "태그",
    "ref": "케이스 ID",
}
HEADER = "케이스 ID,질문,답변,필수 표현,금지 표현,태그\r\n"
WAY_OUT = '. To keep cells whole, set split: false at the source or write ["a; b"] in the cell'


def told(notes: CellNotes) -> list[str]:
    figured = ((code, figures | {"file": "f"}) for code, figures in notes.told())
    return [say(f"sources.{code}", Language.EN, figures) for code, figures in figured]


@pytest.mark.parametrize(
    ("cell", "texts"),
    [
        ("3 days; Monday", ["3 days", "Monday"]),
        ("3일\n영업일", ["3일", "영업일"]),
        ("3일；영업일", ["3일", "영업일"]),
        (" 3일 ;; 영업일;", ["3일", "영업일"]),
        ("3일;", ["3일"]),
        (";", []),
        ("네, 가능합니다; 3,000원", ["네, 가능합니다", "3,000원"]),
        ("네、가능합니다，지금", ["네、가능합니다，지금"]),
        ("3일", ["3일"]),
        ('"a; b"; c', ["a; b", "c"]),
        ("“a; b”；c", ["a; b", "c"]),
        ('"환불; 반품"은 가능; 3일', ['"환불; 반품"은 가능', "3일"]),
        ("‘환불; 반품’ 가능; 「x; y」", ["‘환불; 반품’ 가능", "「x; y」"]),
        ('27" 모니터; 32" 모니터', ['27" 모니터', '32" 모니터']),
        ('"열고\n"닫고', ['"열고', '"닫고']),
        ('"3일"', ['"3일"']),
        ("Q&amp;A; R&#38;D", ["Q&amp;A", "R&#38;D"]),
        ('["a; b", " c "]', ["a; b", "c"]),
        ("[]", []),
        ("[환불]", ["[환불]"]),
        ("[환불]; [3일]", ["[환불]", "[3일]"]),
    ],
)
def test_read_cell__phrases(cell: str, texts: list[str]) -> None:
    assert read_cell(cell, "keywords") == read_cell(cell, "forbidden") == texts


@pytest.mark.parametrize(
    ("cell", "phrases"),
    [
        ("30 days | thirty days", [{"any_of": ["30 days", "thirty days"]}]),
        ("30일｜삼십 일", ["30일｜삼십 일"]),
        ("30일 ｜ 삼십 일; 무료", [{"any_of": ["30일", "삼십 일"]}, "무료"]),
        ("무료; a | b | c;", ["무료", {"any_of": ["a", "b", "c"]}]),
        ("a|b; c", ["a|b", "c"]),
        ('"a | b"', ["a | b"]),
        ('"a; b" | c', [{"any_of": ["a; b", "c"]}]),
        ("a | b\nc", [{"any_of": ["a", "b"]}, "c"]),
        ("a |", ["a |"]),
        ('["a | b"]', ["a | b"]),
    ],
)
def test_read_phrases__a_bar_stands_between_alternatives(cell: str, phrases: list[Any]) -> None:
    assert read_phrases(cell) == phrases
    assert read_cell(cell.replace(" | ", "|"), "forbidden")  # of which none is enough


def test_generate__one_of_the_alternatives_is_enough(shop: Any) -> None:
    shop.write("faq.csv", 'question,must say\nHow long?,30 days | thirty days; free\nWhy?,"a, b"\n')
    shop.generate({"path": "faq.csv"})
    first, second = [s["metrics"]["keyword_coverage"]["keywords"] for s in shop.samples()]
    assert first == [{"any_of": ["30 days", "thirty days"]}, "free"]
    assert second == ["a, b"]
    (told,) = [text for text in shop.notices() if "between alternatives" in text]
    shown = '"30 days | thirty days; free" → "30 days" | "thirty days", "free"'
    assert f"read 1 cell with | between alternatives, of which one is enough: {shown}" in told


@pytest.mark.parametrize(
    ("cell", "tags"),
    [
        ("ship;vip", ["ship", "vip"]),
        ("ship, vip", ["ship", "vip"]),
        ("배송、환불，vip\n새 고객", ["배송", "환불", "vip", "새 고객"]),
        ("1,000원대", ["1,000원대"]),
        ("1,000원대, 2,000원대", ["1,000원대", "2,000원대"]),
        ('"반품, 교환", vip', ["반품, 교환", "vip"]),
        ('["반품, 교환"]', ["반품, 교환"]),
        ("새 고객", ["새 고객"]),
    ],
)
def test_read_cell__tags_end_at_commas_too(cell: str, tags: list[str]) -> None:
    assert read_cell(cell, "tags") == tags


def test_read_cell__an_escaped_text_is_composed() -> None:
    assert read_cell('["\\u1112\\u116a\\u11ab\\ubd88"]', "keywords") == ["환불"]


def test_cell_notes__count_cells_and_show_the_first() -> None:
    notes = CellNotes()
    for cell in ("Monday", "3 days; Monday", "a\nb", '["c; d"]'):
        notes.add("keywords", "must_say", cell)
    notes.add("tags", "label", "ship, vip")
    notes.add("forbidden", "must_not", "no, never")
    notes.add("forbidden", "must_not", "3,000")
    assert told(notes) == [
        (
            "f: must_say: cut 2 cells at ; and line breaks into several keywords: "
            f'"3 days; Monday" → "3 days", "Monday"{WAY_OUT}'
        ),
        (
            "f: label: cut 1 cell at commas, ; and line breaks into several tags: "
            f'"ship, vip" → "ship", "vip"{WAY_OUT}'
        ),
        (
            'f: must_not: kept 1 cell with a comma as one forbidden phrase each: "no, never". '
            "Write ; between forbidden phrases"
        ),
    ]


def test_cell_notes__nothing_to_tell_where_commas_stand_beside_semicolons() -> None:
    notes = CellNotes()
    notes.add("keywords", "k", "no, never")
    notes.add("keywords", "k", "no, never; 3 days")
    (text,) = told(notes)
    assert text.startswith("f: k: cut 1 cell at")


def test_generate__the_example_of_the_page(shop: Any) -> None:
    page = blocks(ROOT / "docs" / "sources.md")
    (text,) = [block.text for block in page if block.text.startswith("번호,질문")]
    shop.write("faq.csv", text, "cp949")
    shop.generate({"path": "faq.csv", "map": {**MAP, "tags": "분류", "ref": "번호"}})
    assert [(s["tags"], s["metrics"]["keyword_coverage"]) for s in shop.samples()] == [
        (["must", "환불"], {"keywords": ["3일", "영업일"], "forbidden": ["무료", "불가"]}),
        (["교환"], {"keywords": ["네; 가능", "7일"]}),
    ]
    assert shop.samples()[1]["expected"] == "네; 7일 안에 됩니다."


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("encoding", ["cp949", "utf-8-sig"])
def test_generate__a_table_of_people(shop: Any, encoding: str, form: Any) -> None:
    rows = [
        "F-01,환불은 며칠 걸리나요?,3일; 길면 5일,3일; 영업일,무료；불가,환불;필수",
        'F-02,"배송은 언제 오나요?","내일, 늦으면 모레","내일\n모레","글피, 언젠가","배송, 필수"',
        'F-03,교환되나요?,네,"[""네; 가능"", ""교환""]",,환불',
    ]
    text = HEADER + "\r\n".join(rows)
    if encoding != "cp949":  # which cannot write conjoining letters
        text = unicodedata.normalize(form, text)
    shop.write("faq.csv", text, encoding)
    shop.generate({"path": "faq.csv", "map": MAP})
    first, second, third = shop.samples()
    assert first["expected"] == "3일; 길면 5일"
    assert [each["ref"] for each in (first, second, third)] == ["F-01", "F-02", "F-03"]
    assert first["tags"] == ["필수", "환불"]
    assert second["tags"] == ["배송", "필수"]
    assert [each["metrics"]["keyword_coverage"] for each in (first, second, third)] == [
        {"keywords": ["3일", "영업일"], "forbidden": ["무료", "불가"]},
        {"keywords": ["내일", "모레"], "forbidden": ["글피, 언젠가"]},
        {"keywords": ["네; 가능", "교환"]},
    ]
    assert [text for text in shop.notices() if "CP949" not in text] == [
        (
            "faq.csv: 필수 표현: cut 2 cells at ; and line breaks into several keywords: "
            f'"3일; 영업일" → "3일", "영업일"{WAY_OUT}'
        ),
        (
            "faq.csv: 금지 표현: cut 1 cell at ; and line breaks into several forbidden phrases: "
            f'"무료；불가" → "무료", "불가"{WAY_OUT}'
        ),
        (
            "faq.csv: 태그: cut 2 cells at commas, ; and line breaks into several tags: "
            f'"환불;필수" → "환불", "필수"{WAY_OUT}'
        ),
    ]


def test_generate__split_false_keeps_every_cell(shop: Any) -> None:
    shop.write("faq.csv", HEADER + '1,질문?,답,3일; 영업일,"[""a""]","배송, 필수"', "cp949")
    shop.generate({"path": "faq.csv", "map": MAP, "split": False})
    (sample,) = shop.samples()
    assert sample["metrics"]["keyword_coverage"] == {
        "keywords": ["3일; 영업일"],
        "forbidden": ['["a"]'],
    }
    assert sample["tags"] == ["배송, 필수"]
    assert shop.notices() == ["faq.csv: read as CP949"]


def test_generate__tags_chosen_by_name_are_cut_and_told(shop: Any) -> None:
    shop.write("faq.csv", "질문,답변,분류\n가나?,네,배송;필수\n", "cp949")
    shop.generate({"path": "faq.csv"})
    assert shop.samples()[0]["tags"] == ["배송", "필수"]
    assert shop.notices()[-1].startswith("faq.csv: 분류: cut 1 cell at commas")


def test_generate__constants_and_items_of_lists_stay_whole(shop: Any) -> None:
    line = '{"q": "a?", "labels": [{"name": "x, y"}], "k": ["a; b"], "m": {"t": "u;v"}}'
    shop.write("a.jsonl", line)
    tags = ["labels[*].name", "=faq;all", "m.t"]
    shop.generate({"path": "a.jsonl", "map": {"input": "q", "keywords": "k", "tags": tags}})
    (sample,) = shop.samples()
    assert sample["tags"] == ["faq;all", "u", "v", "x, y"]
    assert sample["metrics"]["keyword_coverage"]["keywords"] == ["a; b"]


def test_generate__a_list_of_other_things_in_a_cell_costs_the_record(shop: Any) -> None:
    text = '질문,k\n가?,3일\n나?,"[{""any_of"": [3]}]"\n'
    shop.write("faq.csv", text, "cp949")
    shop.generate({"path": "faq.csv", "map": {"input": "질문", "keywords": "k"}})
    assert shop.warnings() == [
        "faq.csv:3 bad_type: keywords: expected a text, found an object (record 2)"
    ]


def test_generate__each_file_of_a_source_is_told_by_itself(shop: Any) -> None:
    for name in ("a.csv", "b.csv"):
        shop.write(f"s/{name}", f"질문,k\n{name}?,x;y\n")
    shop.generate({"path": "s/*.csv", "map": {"input": "질문", "keywords": "k"}})
    assert [text[:11] for text in shop.notices()] == ["s/a.csv: k:", "s/b.csv: k:"]


def test_map__a_field_with_nearly_the_name_is_told_with_its_line(tmp_path: Path) -> None:
    config = (
        "version: 1\nsuite: shop\ndataset: {path: made}\ngenerator:\n  sources:\n"
        "    - id: faq\n      path: faq.csv\n      splitt: false\n      map: {input: q}\n"
    )
    (tmp_path / "c.yaml").write_text(config, "utf-8")
    with pytest.raises(ConfigError) as error:
        load_config(tmp_path / "c.yaml")
    (problem,) = error.value.problems
    assert problem.where is not None
    assert (problem.where.line, "split" in str(problem)) == (8, True)
