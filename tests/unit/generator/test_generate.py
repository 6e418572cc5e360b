import json
import os
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lm_eval_so.core.config.load import make_config
from lm_eval_so.core.dataset import load_dataset, read_metadata
from lm_eval_so.core.events import Warned
from lm_eval_so.core.hashing import content_id, digest, digest_bytes, revision
from lm_eval_so.core.records.codec import json_schema
from lm_eval_so.core.records.enums import Language
from lm_eval_so.errors import ConfigError, DatasetError, InputError, NothingToDo
from lm_eval_so.generator.generate import generate, preview

SHOP = Path(__file__).parents[3] / "tests/data/shop"
FAQ = {
    "path": "faq.csv",
    "map": {"input": "질문", "expected": "답변", "tags": ["분류"], "ref": "번호"},
}
QA = {
    "path": "support_qa.json",
    "records": "$.data",
    "map": {
        "input": "question",
        "references": "answers",
        "language": "lang",
        "tags": ["category"],
        "answerable": "answerable",
        "ref": "qid",
    },
}


def counts(info: Any) -> list[tuple[Any, ...]]:
    return [
        (s.id, s.file, s.encoding, s.records, s.kept, s.rejected, s.skipped, s.duplicates)
        for s in info.sources
    ]


def test_generate__faq(shop: Any) -> None:
    source = shop.copy("faq.csv")
    made = shop.generate(FAQ)
    assert made.samples == 18
    assert counts(made.info) == [("s0", "faq.csv", "cp949", 20, 18, 1, 0, 1)]
    assert made.info.sources[0].sha256 == digest_bytes(source.read_bytes())
    assert made.info.sources[0].bytes == 2828
    samples = {s["ref"]: s for s in shop.samples()}
    assert list(samples) == [str(n) for n in range(1, 21) if n not in (13, 19)]
    assert samples["1"]["id"] == "s75e3794e0e2f4f70"
    assert samples["2"]["id"] == "s17692fbef776df86"
    assert samples["5"]["expected"] == (
        "마이페이지의 주문 내역에서 '주문 취소'를 누르세요.\n"
        "출고 준비 이후에는 취소할 수 없으므로\n"
        "상품을 받은 뒤 반품을 신청해 주세요."
    )
    assert samples["5"]["provenance"]["source"]["at"] == {"line": 6, "record": 5}
    assert samples["6"]["provenance"]["source"]["at"] == {"line": 9, "record": 6}
    assert samples["5"]["tags"] == ["주문"]
    assert {s["language"] for s in samples.values()} == {"ko"}
    assert {s["review"]["status"] for s in samples.values()} == {"imported"}


def test_generate__faq_findings(shop: Any) -> None:
    shop.copy("faq.csv")
    shop.generate(FAQ)
    warned = [event for event in shop.events if isinstance(event, Warned)]
    assert [(w.text, w.hint) for w in warned] == [
        (
            "faq.csv:16:1 row_width: 5 fields, header has 4 (record 13)",
            "quote the field that contains a comma; columns: 번호, 분류, 질문, 답변",
        )
    ]
    assert shop.notices() == [
        "faq.csv: read as CP949",
        "faq.csv:22 dup_exact: same question and answer as faq.csv:3 (record 19)",
    ]
    assert shop.ended() == "read 20 = kept 18 + rejected 1 + skipped 0 + duplicate 1"
    broken, twin = shop.rejects()
    assert list(broken) == [
        "stage", "reason", "source", "file", "at", "what", "hint", "excerpt",
    ]  # fmt: skip
    assert (broken["stage"], broken["reason"]) == ("collect", "row_width")
    assert broken["at"] == {"line": 16, "column": 1, "record": 13}
    assert broken["excerpt"].startswith("13,반품,세일 상품도 반품되나요?,네, 세일")
    assert (twin["stage"], twin["reason"], twin["at"]["record"]) == ("dedup", "dup_exact", 19)


def test_generate__faq_without_a_map(shop: Any) -> None:
    shop.copy("faq.csv")
    shop.generate({"path": "faq.csv"})
    chosen = "{input: 질문, expected: 답변, tags: 분류, ref: 번호}"
    assert shop.notices()[1] == f"faq.csv: no map, columns chosen by their names: {chosen}"
    without = (shop.folder / "made" / "test.jsonl").read_bytes()
    shop.generate(FAQ)
    assert (shop.folder / "made" / "test.jsonl").read_bytes() == without


def test_generate__support_qa(shop: Any) -> None:
    shop.copy("support_qa.json")
    made = shop.generate(QA)
    samples = {s["ref"]: s for s in shop.samples()}
    assert counts(made.info) == [("s0", "support_qa.json", "utf-8", 12, 12, 0, 0, 0)]
    assert list(samples) == [f"q{n:03}" for n in range(1, 13)]
    assert samples["q006"]["id"] == "s7944d820a1b36f08"
    assert sum("expected" in s for s in samples.values()) == 9
    assert [ref for ref, s in samples.items() if "references" in s] == ["q003"]
    assert Counter(s["behavior"] for s in samples.values()) == {"answer": 9, "abstain": 3}
    assert Counter(s["language"] for s in samples.values()) == {"ko": 7, "en": 5}
    assert {s["review"]["status"] for s in samples.values()} == {"imported"}
    assert samples["q010"]["behavior"] == "abstain"
    assert samples["q010"]["provenance"]["source"]["at"] == {"record": 10, "path": "$.data[9]"}


def test_generate__both_in_the_order_of_the_config(shop: Any) -> None:
    shop.copy("faq.csv")
    shop.copy("support_qa.json")
    made = shop.generate(QA, FAQ)
    assert made.samples == 30
    refs = [s["ref"] for s in shop.samples()]
    assert refs[:12] == [f"q{n:03}" for n in range(1, 13)]
    assert refs[12:14] == ["1", "2"]
    assert shop.ended() == "read 32 = kept 30 + rejected 1 + skipped 0 + duplicate 1"


def test_generate__what_is_written_can_be_read_and_fits_the_schema(shop: Any) -> None:
    shop.copy("faq.csv")
    shop.copy("support_qa.json")
    made = shop.generate(FAQ, QA)
    validator = jsonschema.Draft202012Validator(json_schema("sample"))
    for line in shop.samples():
        validator.validate(line)
        assert list(line)[:5] == ["schema", "id", "group_id", "language", "messages"]
    jsonschema.validate(
        json.loads((made.folder / "metadata.json").read_text("utf-8")), json_schema("dataset")
    )
    dataset = load_dataset(made.folder)
    assert (dataset.ref.n, dataset.ref.unreviewed) == (30, 0)
    for sample, line in zip(dataset, shop.samples(), strict=True):
        assert (content_id(sample), revision(sample)) == (line["id"], line["rev"])
        assert sample.group_id == f"g{sample.id}"


def test_generate__metadata(shop: Any) -> None:
    shop.copy("faq.csv")
    shop.copy("support_qa.json")
    made = shop.generate(FAQ, QA)
    info = read_metadata(made.folder)
    assert info == made.info
    text = (made.folder / "metadata.json").read_text("utf-8")
    assert text.endswith("}\n")
    assert str(shop.folder) not in text
    values = json.loads(text)
    assert text == json.dumps(values, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    for name, facts in values["files"].items():
        data = (made.folder / name).read_bytes()
        assert facts == {
            "rows": data.count(b"\n"),
            "bytes": len(data),
            "sha256": digest_bytes(data),
        }
    assert values["dataset_sha256"] == digest(values["files"])
    assert values["rejected"] == {"row_width": 1, "dup_exact": 1}
    assert values["splits"] == {"test": 30}
    assert values["languages"] == {"ko": 25, "en": 5}
    assert values["review"] == {"imported": 30}


def test_generate__the_config_digest_is_of_what_counts(shop: Any) -> None:
    shop.copy("faq.csv")

    def config_digest(*, out: str = "a", **more: Any) -> str:
        values = {
            "version": 1,
            "suite": "shop",
            "dataset": {"path": out},
            "generator": {"sources": [{"id": "faq", "path": "faq.csv", **more}]},
        }
        config = make_config(values, folder=shop.folder)
        return preview(config, shop.resources()).generator.config_sha256

    assert config_digest() == config_digest(out="b") == config_digest(**{"as": "samples"})
    assert config_digest() != config_digest(license="CC0-1.0")


SCRIPT = """
import sys
from pathlib import Path
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.load import load_config
from lm_eval_so.generator.generate import generate
generate(load_config(Path(sys.argv[1])), Resources(), out=Path(sys.argv[2]))
"""
YAML = """\
version: 1
suite: shop
dataset: {path: made, name: shop}
generator:
  sources:
    - {id: faq, path: "*.csv"}
    - {id: qa, path: support_qa.json, records: $.data}
"""


def test_generate__same_bytes_whatever_the_hash_seed_locale_folder_and_clock(
    shop: Any, tmp_path: Path
) -> None:
    made = []
    settings = [("0", "C", "UTC", "\n"), ("1", "ko_KR.UTF-8", "Asia/Seoul", "\r\n")]
    for seed, locale, zone, end in settings:
        folder = tmp_path / f"folder-{seed}"
        for name in ("faq.csv", "support_qa.json"):
            data = shop.copy(name).read_bytes()
            shop.write(f"folder-{seed}/{name}", data)
        config = shop.write(f"folder-{seed}/c.yaml", YAML.replace("\n", end))
        out = tmp_path / f"out-{seed}"
        environ = {**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": locale, "TZ": zone}
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(config), str(out)],
            check=True,
            env=environ,
            cwd=folder,
        )
        made.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert sorted(made[0]) == ["metadata.json", "rejected.jsonl", "test.jsonl"]
    assert made[0] == made[1]


def test_generate__duplicates_and_conflicts(shop: Any) -> None:
    question = "배송비는 얼마인가요?"
    rows = [
        (question, "3,000원입니다."),
        (unicodedata.normalize("NFD", question), "3,000원입니다."),
        (" 배송비는  얼마인가요 ?", "3000원입니다"),
        ("배송비는 얼마인가요？", "3,000원입니다."),
        (question, "무료입니다."),
        ("자전거 배송비는 얼마인가요?", "3,000원입니다."),
        ("일본으로 3kg을 보내면 배송비가 얼마인가요?", "17,000원입니다."),
        ("미국으로 3kg을 보내면 배송비가 얼마인가요?", "17,000원입니다."),
    ]
    text = "질문\t답변\n" + "".join(f"{q}\t{a}\n" for q, a in rows)
    shop.write("dups.tsv", text)
    made = shop.generate({"path": "dups.tsv"})
    assert counts(made.info) == [("s0", "dups.tsv", "utf-8", 8, 4, 1, 0, 3)]
    found = [(r["reason"], r["at"]["line"]) for r in shop.rejects()]
    assert found == [("dup_exact", 3), ("dup_exact", 4), ("dup_exact", 5), ("answer_conflict", 6)]
    assert shop.warnings() == [
        "dups.tsv:6 answer_conflict: another answer stands at dups.tsv:2 (record 5)"
    ]


def test_generate__the_same_question_to_be_answered_and_to_be_declined_is_a_conflict(
    shop: Any,
) -> None:
    shop.write("a.jsonl", '{"question":"x","answerable":true}\n{"question":"X","answerable":false}')
    shop.generate({"path": "a.jsonl"})
    assert [r["reason"] for r in shop.rejects()] == ["answer_conflict"]


def test_generate__jsonl_with_bad_lines(shop: Any) -> None:
    lines = [
        '{"input":"가","expected":"1"}'.encode(),
        '{"input":"나","expected":"2"}'.encode(),
        b'{"input":"abc","expected":"x","n":  1,}',
        '{"input":"다","expected":"4"}'.encode(),
        b"",
        b'["input"]',
        b'{"input":"\xb9\xe8"}',
        '{"input":"라","expected":"8"}'.encode(),
        b'{"expected":"9"}',
        b'{"input":" ","expected":"9"}',
        b'{"input":"","expected":null}',
        b"{}",
    ]
    shop.write("x.jsonl", b"\n".join(lines))
    made = shop.generate({"path": "x.jsonl", "map": {"input": "input", "expected": "expected"}})
    assert [s["expected"] for s in shop.samples()] == ["1", "2", "4", "8"]
    assert counts(made.info) == [("s0", "x.jsonl", "utf-8", 11, 4, 5, 2, 0)]
    assert shop.warnings() == [
        "x.jsonl:3:39 bad_json: expected a property name (record 3)",
        "x.jsonl:6 not_object: found an array, not an object (record 5)",
        "x.jsonl:7 bad_encoding: no utf-8 at byte 10 (record 6)",
        'x.jsonl:9 missing_field: there is no "input" (record 8)',
        "x.jsonl:10 empty: the question is empty (record 9)",
    ]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16", "utf-16-le", "utf-16-be"]
)
def test_generate__the_encoding_does_not_change_the_samples(shop: Any, encoding: str) -> None:
    text = (
        "질문,답변\n배송비는 얼마인가요?,3천 원입니다.\n주문을 취소하려면?,마이페이지에서 합니다.\n"
    )
    shop.write("f.csv", text, encoding)
    made = shop.generate({"path": "f.csv"})
    assert made.info.sources[0].encoding == encoding
    assert [(s["messages"][0]["content"], s["expected"]) for s in shop.samples()] == [
        ("배송비는 얼마인가요?", "3천 원입니다."),
        ("주문을 취소하려면?", "마이페이지에서 합니다."),
    ]


def test_generate__a_declared_encoding_rules(shop: Any) -> None:
    shop.write("f.csv", "question,answer\nぶんか,はい\n", "shift_jis")
    shop.generate({"path": "f.csv", "encoding": "Shift_JIS"})
    assert shop.samples()[0]["messages"][0]["content"] == "ぶんか"


def test_generate__a_bad_file_among_others_is_told_and_left_out(shop: Any) -> None:
    shop.write("a.csv", "질문,답변\n가,나\n")
    shop.write("b.csv", bytes(range(128, 256)))
    shop.write("c.csv", "")
    made = shop.generate({"path": ["*.csv"]})
    assert made.samples == 1
    assert [s.encoding for s in made.info.sources] == ["utf-8", None, "utf-8"]
    assert made.info.rejected == {"unreadable": 1, "empty_file": 1}
    assert shop.warnings() == [
        "b.csv unreadable: the encoding cannot be told; no UTF-8 at byte 0",
        "c.csv empty_file: the file is empty",
    ]
    assert shop.rejects()[0] == {
        "stage": "collect",
        "reason": "unreadable",
        "source": "s0",
        "file": "b.csv",
        "what": "the encoding cannot be told; no UTF-8 at byte 0",
        "hint": "name it by encoding: or save the file as UTF-8",
    }


def test_generate__a_file_torn_in_the_middle_of_a_character(shop: Any) -> None:
    shop.write("a.csv", "질문,답변\n가,나\n")
    shop.write("b.csv", "질문,답변\n다,라\n".encode("utf-16")[:-1])
    shop.generate({"path": "*.csv"})
    assert shop.warnings() == ["b.csv unreadable: no utf-16: truncated data"]


def test_generate__keys_in_a_source_do_not_reach_findings(shop: Any) -> None:
    key = "sk-EXAMPLE0000notarealkey0000000000"
    rows = [{"q": "가", "lang": "ko"}, {"q": "나", "lang": key}, {"q": "다", "lang": {key: 1}}]
    lines = [json.dumps(row) for row in rows] + [f'{{"{key}": 1, "{key}": 2}}']
    shop.write("a.jsonl", "\n".join(lines))
    shop.generate({"path": "a.jsonl", "map": {"input": "q", "language": "lang"}})
    assert [r["reason"] for r in shop.rejects()] == ["bad_type", "bad_type", "bad_json"]
    assert key not in (shop.folder / "made" / "rejected.jsonl").read_text("utf-8")
    assert not [text for text in shop.warnings() if key in text]


def test_generate__lists_every_source_that_cannot_be_used_and_writes_nothing(shop: Any) -> None:
    shop.write("good.csv", "질문,답변\n가,나\n")
    shop.write("header.csv", "문의 내용,답변\n가,나\n")
    shop.write("rows.jsonl", '{"question": "가"}\n{"question": "나"}\n')
    shop.write("empty.csv", "")
    shop.write("data.bin", "x")
    sources = [
        {"path": "nothing/*.csv"},
        {"path": "good.csv"},
        {"path": "header.csv", "map": {"input": "문의"}},
        {"path": "rows.jsonl", "map": {"input": "question", "expected": "anwser"}},
        {"path": ["empty.csv"]},
        {"path": "data.bin"},
    ]
    with pytest.raises(DatasetError) as error:
        shop.generate(*sources)
    assert error.value.exit_code == 2
    assert [p.what for p in error.value.problems] == [
        "no file at nothing/*.csv",
        "header.csv:1 missing_field: '문의' not in header",
        "missing_field: no record of s3 has 'anwser'",
        "empty.csv empty_file: the file is empty",
        'data.bin unknown_format: the ending ".bin" tells no format that can be read',
    ]
    assert error.value.problems[1].hint == "did you mean '문의 내용'? columns: 문의 내용, 답변"
    assert not (shop.folder / "made").exists()


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("질문,답변\n", "they have no records"),
        ("질문,답변\n가,나,다\n", "the warnings above say why"),
        ("질문,답변\n,\n", "they have no records"),
    ],
)
def test_generate__no_usable_record(shop: Any, text: str, hint: str) -> None:
    shop.write("a.csv", text)
    with pytest.raises(NothingToDo) as error:
        shop.generate({"path": "a.csv"})
    assert error.value.exit_code == 3
    assert error.value.problems[0].hint == hint
    assert not (shop.folder / "made").exists()


def test_generate__keys_of_a_map_are_checked_without_check(shop: Any) -> None:
    shop.copy("faq.csv")
    with pytest.raises(ConfigError):
        shop.generate({"path": "faq.csv", "map": {"input": "질문", "expcted": "답변"}})


def test_generate__needs_a_generator_section(tmp_path: Path, shop: Any) -> None:
    values = {"version": 1, "suite": "x", "dataset": {"path": "d"}}
    with pytest.raises(ConfigError, match="no generator section"):
        generate(make_config(values, folder=tmp_path), shop.resources())


def test_generate__replaces_its_own_files_only(shop: Any) -> None:
    shop.write("faq.csv", "질문,답변,분류,번호\n가?,나,다,1\n", "cp949")
    shop.generate(FAQ)
    shop.copy("faq.csv")
    shop.write("made/README.md", "ours")
    made = shop.generate(FAQ)
    assert sorted(p.name for p in made.files) == ["metadata.json", "rejected.jsonl", "test.jsonl"]
    assert (shop.folder / "made" / "README.md").read_text() == "ours"
    assert len(shop.samples()) == 18
    assert sorted(p.name for p in made.folder.iterdir()) == [
        "README.md", "metadata.json", "rejected.jsonl", "test.jsonl",
    ]  # fmt: skip


@pytest.mark.parametrize("out", ["x.jsonl", "faq.csv"])
def test_generate__out_must_be_a_folder(shop: Any, out: str) -> None:
    shop.copy("faq.csv")
    with pytest.raises(InputError, match="is no folder") as error:
        generate(shop.config(FAQ), shop.resources(), out=shop.folder / out)
    assert error.value.exit_code == 2


def test_generate__many_findings_of_one_kind_are_summed_up(shop: Any) -> None:
    shop.write("a.csv", "질문,답변\n가,나\n" + "x\n" * 50)
    shop.generate({"path": "a.csv"})
    assert len(shop.warnings()) == 21
    assert shop.warnings()[-1] == (
        "a.csv: 30 more row_width (more or fewer fields than the header), all in rejected.jsonl"
    )
    assert len(shop.rejects()) == 50


def test_preview__writes_nothing(shop: Any) -> None:
    shop.copy("faq.csv")
    info = preview(shop.config(FAQ), shop.resources())
    assert counts(info) == [("s0", "faq.csv", "cp949", 20, 18, 1, 0, 1)]
    assert [p.name for p in shop.folder.iterdir()] == ["faq.csv"]


def test_generate__tells_everything_in_korean(shop: Any) -> None:
    shop.copy("faq.csv")
    shop.write("cells.jsonl", '{"질문": "환불은 며칠?", "답변": "3일"}\n{"질문": 1}\n[]\n')
    for name in ("products.xlsx", "warranty.pdf"):
        shop.write(name, (SHOP / name).read_bytes())
    documents = {"as": "documents", "path": ["products.xlsx", "warranty.pdf"]}
    config = shop.config({"path": "faq.csv"}, {"path": "cells.jsonl"}, documents)
    generate(config.model_copy(update={"language": Language.KO}), shop.resources())
    assert shop.warnings() == [
        "faq.csv:16:1 row_width: 필드 수가 머리글과 다릅니다 (13번째 레코드)",
        "cells.jsonl:3 not_object: 레코드가 객체가 아닙니다 (3번째 레코드)",
    ]
    assert shop.notices() == [
        "faq.csv: CP949로 읽음",
        (
            "faq.csv: map이 없어 이름을 보고 열을 골랐습니다: "
            "{input: 질문, expected: 답변, tags: 분류, ref: 번호}"
        ),
        "cells.jsonl: map이 없어 이름을 보고 열을 골랐습니다: {input: 질문, expected: 답변}",
        "faq.csv:22 dup_exact: 질문과 답이 앞의 것과 같습니다 (19번째 레코드)",
        "products.xlsx: 문서, 섹션 2개, 문단·항목·행 16개",
        "products.xlsx: 숨긴 시트 1개(메모)를 제외했습니다. 읽으려면 sheets에 적으세요",
        "warranty.pdf: 문서, 섹션 9개, 문단·항목·행 9개",
        "warranty.pdf: 페이지마다 반복되는 머리글·바닥글 4줄을 제외했습니다",
    ]
    assert shop.ended() == "23건 읽음 = 사용 20 + 제외 2 + 건너뜀 0 + 중복 1"
    hints = [event.hint for event in shop.events if isinstance(event, Warned)]
    assert hints[0].startswith("5 fields, header has 4; quote the field")
