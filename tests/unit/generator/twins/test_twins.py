"""Twins: what each kind changes and leaves, which tests get one, and what becomes of it later."""

import csv
import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import lm_eval_so as so
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.load import load_config
from lm_eval_so.core.records.chat import Message
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.text.numbers import find_numbers
from lm_eval_so.generator.dataset_tools.verify import validate
from lm_eval_so.generator.generate import generate
from lm_eval_so.generator.twins.keyboard import keyboard_mode, pieces, typo
from lm_eval_so.generator.twins.kinds import kinds_for, no_spaces, plain_case, register
from lm_eval_so.generator.twins.make_twins import Twins, make_twins

ROOT = Path(__file__).parents[4]
KINDS = {each.__name__: each for each in (typo, keyboard_mode, no_spaces, register, plain_case)}


@pytest.mark.parametrize(
    ("kind", "text", "changed"),
    [
        ("keyboard_mode", "배송비는 얼마인가요?", "qothdqlsms djfakdlsrkdy?"),
        ("keyboard_mode", "없는 값, 왜 쨌죠ㅠㅠ GPT 4", "djqtsms rkqt, dho WoTwybb GPT 4"),
        ("keyboard_mode", "https://shop.kr/반품 에서", "https://shop.kr/반품 dptj"),
        ("keyboard_mode", "How much?", "How much?"),
        ("no_spaces", "3 kg 소포는 GPT 4 로 얼마?", "3 kg소포는GPT 4로얼마?"),
        ("no_spaces", "메일 a@shop.kr 로 보내요", "메일 a@shop.kr 로보내요"),
        ("register", "환불되나요??", "환불되나??"),
        ("register", "제 것인가요? 새로 보내 주세요.", "제 것인가요? 새로 보내 줘."),
        ("register", "이거 뭐예요ㅠㅠ", "이거 뭐야ㅠㅠ"),
        ("register", "어디 계세요?", "어디 계셔?"),
        ("register", "고장이에요", "고장이야"),
        ("register", "아니에요", "아니야"),
        ("register", "취소하지 마세요", "취소하지 마"),
        ("register", "영수증 필요?", "영수증 필요?"),
        ("register", "요?", "요?"),
        ("register", "환불돼요 ASAP", "환불돼요 ASAP"),
        ("plain_case", "I'd like my iPhone 15 by DHL. Is AB-12x OK?", "i'd like my iPhone 15 by DHL. is AB-12x OK"),
        ("plain_case", "환불 Please?", "환불 Please?"),
    ],
)  # fmt: skip
def test_kind__changes_what_a_user_would(kind: str, text: str, changed: str) -> None:
    assert KINDS[kind](text, 0) == changed


def test_typo__hits_a_neighbouring_key_and_makes_no_other_word() -> None:
    text, seen = "배송지를 바꾸고 싶어요.", set()
    for number in range(200):
        slipped = typo(text, number, pieces(["배송비는 얼마인가요?"]))
        assert sum(a != b for a, b in zip(text, slipped, strict=True)) == 1
        seen.add(slipped)
    assert "배숑지를 바꾸고 싶어요." in seen
    assert "배송비를 바꾸고 싶어요." not in seen
    assert "배송비를 바꾸고 싶어요." in {typo(text, number) for number in range(200)}
    assert {typo("안 못 왜", n) for n in range(9)} == {"안 못 왜"}
    assert {typo("안되나요", n)[0] for n in range(99)} == {"안"}
    assert {typo("Send USD 20 to x@y.kr", n) for n in range(9)} == {"Send USD 20 to x@y.kr"}
    assert {typo("a trial", n, pieces(["the trail"])) for n in range(9)} == {
        "a tiral",
        "a trail",
    } - {"a trail"}


CODES = (
    "https://shop.kr/faq?id=7", "www.shop.kr", "help@shop.kr", "A/S", "SKU-00101", "iPhone", "3,000원", "14일",
    "010-1234-5678", "10:30", "2026-03-02", "v1.2.3", "USB-C", "30%", "5kg", "DHL", "삼만 원", "두 개",
)  # fmt: skip
WORDS = [
    "환불",
    "배송비는",
    "얼마인가요",
    "안",
    "되나요",
    "어디서",
    "할",
    "수",
    "있나요?",
    "주세요.",
    "Can",
    "you",
    "ship",
    "it",
    "to",
    "Japan?",
    "please",
    "refund",
]


def test_kinds__touch_no_number_no_code_and_no_address() -> None:
    chance = random.Random(7)
    kinds = kinds_for(WORDS)
    made: Counter[str] = Counter()
    for _ in range(1000):
        text = " ".join(chance.choice(CODES if chance.random() < 0.4 else WORDS) for _ in range(6))
        codes = [each for each in CODES if each.isascii() and each in text.split()]
        values = [number.value for number in find_numbers(text)]
        for name, kind in kinds.items():
            changed = kind(text, chance.randrange(2**64))
            if changed is None:
                continue
            made[name] += 1
            assert all(each in changed for each in codes), (name, text, changed)
            if name in ("typo", "register"):
                assert [number.value for number in find_numbers(changed)] == values
    assert min(made[name] for name in kinds) > 10
    assert kinds["plain_case"]("Is it https://shop.kr/A?", 0) is None


def toy_questions() -> list[str]:
    """Return 80 questions about the documents of a shop, and all of the team itself."""
    sources = ROOT / "example/quickstart/sources"
    asked = json.loads((ROOT / "tests/data/copied_words.json").read_text("utf-8"))
    rows = csv.DictReader((sources / "faq.csv").read_text("cp949").splitlines(keepends=True))
    own = json.loads((sources / "support_qa.json").read_text("utf-8"))["data"]
    found = [
        *(x["question"] for x in asked),
        *(x["질문"] for x in rows),
        *(x["question"] for x in own),
    ]
    return [" ".join(each.split()) for each in found]


def test_register__fits_nearly_all_korean_questions() -> None:
    korean = [q for q in toy_questions() if keyboard_mode(q, 0) != q]
    assert len(korean) == 87
    assert sum(register(q, 0) != q for q in korean) >= 83


FAQ = "번호,질문,답변,분류\r\n" + "".join(
    f"F-{n},{question},{answer},{tag}\r\n"
    for n, (question, answer, tag) in enumerate(
        [
            ("환불은 며칠 걸리나요?", "3일", "must"),
            ("배송비는 얼마인가요?", "3000원", ""),
            ("교환 되나요?", "네", ""),
            ("Do you ship to Japan?", "Yes", ""),
            ("어디서 반품하나요?", "마이페이지", ""),
            ("주말에도 오나요?", "아니요", ""),
        ]
    )
)


class Shop:
    """A folder with a table of questions, and what `generate` makes of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write(FAQ)

    def write(self, table: str) -> None:
        (self.folder / "faq.csv").write_text(table, "utf-8")

    def config(self, twins: int = 5, **more: Any) -> Path:
        columns = {"input": "질문", "expected": "답변", "ref": "번호", "tags": "분류"}
        generator = {
            "sources": [{"id": "faq", "path": "faq.csv", "map": columns}],
            "synthesise": {"questions": 0, "twins": twins},
        }
        values = {"version": 1, "suite": "shop", "dataset": {"path": "made"}, **more}
        file = self.folder / "lm-eval-so.yaml"
        file.write_text(json.dumps({**values, "generator": generator}), "utf-8")
        return file

    def generate(self, twins: int = 5) -> list[dict[str, Any]]:

        config = load_config(self.config(twins), environ={})
        generate(config, Resources())
        return [row for row in self.rows() if "relation" in row]

    def rows(self) -> list[dict[str, Any]]:
        lines = (self.folder / "made/test.jsonl").read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def edit(self, id_: str, **values: Any) -> None:
        file = self.folder / "made/test.jsonl"
        lines = file.read_text("utf-8").splitlines()
        number = next(n for n, line in enumerate(lines) if json.loads(line)["id"] == id_)
        lines[number] = json.dumps({**json.loads(lines[number]), **values})
        file.write_text("\n".join(lines) + "\n", "utf-8")

    def bytes(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in (self.folder / "made").iterdir()}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def asked(row: dict[str, Any]) -> str:
    question: str = row["messages"][0]["content"]
    return question


def test_generate__twins_of_imports_are_as_their_bases_and_come_again_as_they_are(
    shop: Shop,
) -> None:
    twins = shop.generate()
    bases = {row["id"]: row for row in shop.rows() if "relation" not in row}
    assert len(twins) == 5
    assert {t["metadata"]["twin"] for t in twins} == {"typo", "keyboard_mode", "no_spaces", "register", "plain_case"}  # fmt: skip
    for twin in twins:
        base = bases[twin["relation"]["base"]]
        assert twin["relation"]["expect"] == "same"
        assert asked(twin) != asked(base)
        for same in ("expected", "group_id", "language", "review"):
            assert twin[same] == base[same]
        assert twin["ref"] == f"{base['ref']} ({twin['metadata']['twin']})"
        assert "must" not in twin.get("tags", [])
    before = shop.bytes()
    assert json.loads(before["metadata.json"])["twins"]["typo"] == 1
    assert validate(shop.folder / "made").samples == 11
    shop.generate()
    assert shop.bytes() == before
    assert shop.generate(0) == []
    assert "twins" not in json.loads(shop.bytes()["metadata.json"])


def test_make_twins__tests_with_keywords_come_first() -> None:
    tests = [
        TestSample(
            id=f"q{n}", messages=(Message(role="user", content=f"질문 {n} 있나요?"),), expected="네"
        )
        for n in range(9)
    ]
    keywords = {"keyword_coverage": {"keywords": ["네"]}}
    tests[5] = replace(tests[5], expected=None, metrics=keywords)
    many = [make_twins(tests, (), Twins(wanted=2, seed=seed)) for seed in range(5)]
    bases = [[twin.relation.base for twin in found if twin.relation] for found in many]
    assert all("q5" in found for found in bases)
    assert len({tuple(found) for found in bases}) > 1


def test_generate__a_twin_follows_its_base_and_stays_while_tests_are_added(shop: Shop) -> None:
    twins = {twin["relation"]["base"]: twin for twin in shop.generate(3)}
    texts = {row["id"]: row["messages"][0]["content"] for row in shop.rows()}
    kept, changed, gone = twins
    table = FAQ.replace(texts[gone], "새 질문인가요?") + "".join(
        f"G-{n},새 질문 {n}번인가요?,답 {n},\r\n" for n in range(9)
    )
    row = next(line for line in table.splitlines() if texts[changed] in line)
    answer = row.split(",")[2]
    shop.write(table.replace(row, row.replace(f",{answer},", ",다른 답,")))
    after = {twin["relation"]["base"]: twin for twin in shop.generate(3)}
    assert after[kept] == {**twins[kept], "provenance": after[kept]["provenance"]}
    assert (asked(after[changed]), after[changed]["expected"]) == (asked(twins[changed]), "다른 답")
    assert after[changed]["rev"] != twins[changed]["rev"]
    assert gone not in after
    assert len(after) == 3


def test_generate__a_twin_that_somebody_edited_is_theirs(shop: Shop) -> None:
    first, second, third = shop.generate(3)
    shop.edit(first["id"], messages=[{"role": "user", "content": "횐불 언제요"}])
    shop.edit(second["id"], expected="다른 답")
    twins = {twin["relation"]["base"]: twin for twin in shop.generate(3)}
    by_hand = twins[first["relation"]["base"]]
    assert asked(by_hand) == "횐불 언제요"
    assert by_hand["review"] == {"status": "edited", "edited_from": first["id"]}
    assert twins[second["relation"]["base"]]["expected"] == "다른 답"
    assert twins[third["relation"]["base"]] == third
    before = shop.bytes()
    shop.generate(3)
    assert shop.bytes() == before


def test_invariance__scores_twins_and_is_told_by_kind(shop: Shop) -> None:
    shop.generate()
    answers = {
        "며칠": "3일",
        "얼마": "3000원",
        "되나요": "네",
        "Japan": "Yes",
        "어디서": "마이페이지",
        "주말": "아니요",
    }
    metrics = [{"name": "contains"}, {"name": "invariance", "params": {"of": "contains"}}]
    scripted = {
        "name": "scripted",
        "options": {"match": "regex", "answers": answers, "default": "?"},
    }
    config = shop.config(backend=scripted, metrics=metrics, report={"by": ["twin"]})
    so.run(config)
    report = so.evaluate(config)
    twins = [row for row in shop.rows() if "relation" in row]
    right = [any(key in asked(twin) for key in answers) for twin in twins]
    assert report.metrics["invariance"].sample_count == 5
    assert report.metrics["invariance"].mean == pytest.approx(sum(right) / 5)
    assert 0 < sum(right) < 5
    by_kind = {
        row.value: row.metrics["invariance"].mean
        for row in report.breakdowns
        if row.by == "twin" and row.value != "(none)"
    }
    kinds = [twin["metadata"]["twin"] for twin in twins]
    assert by_kind == dict(zip(kinds, map(float, right), strict=True))
