"""What Korean answers are worth: one row a case, from the answer to the value; and Korean files."""

import asyncio
import inspect
import subprocess
import sys
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from evaluation import a_run, a_sample

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.load import make_config
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.dataset import load_dataset
from lm_eval_so.core.events import Event, Noticed
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.text.profiles import basic
from lm_eval_so.evaluator.metrics.base import metrics
from lm_eval_so.generator.generate import generate


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


ROWS = [
    # number, what, metric, params, references, answer, value
    ("K1", "NFC", "exact_match", {}, ["서울"], nfd("서울"), 1),
    ("K2", "NFC off", "exact_match", {"profile": "raw"}, ["서울"], nfd("서울"), 0),
    ("K3", "full width", "exact_match", {}, ["VISA 3000원"], "ＶＩＳＡ\u3000３０００원", 1),
    ("K4", "BOM, zero width", "exact_match", {}, ["환불"], "\ufeff환\u200b불", 1),
    ("K5", "quotes, dots", "exact_match", {}, ["\"3~5일\"..."], "“3～5일”…", 1),
    ("K6", "jamo kept", "exact_match", {}, ["ㅋㅋ"], "\u110f\u110f", 1),
    ("K7", "full stop", "exact_match", {}, ["서울"], "서울.", 0),
    ("K8", "full stop", "exact_match", {"profile": "loose"}, ["서울"], "서울.", 1),
    ("K9", "spacing", "exact_match", {"profile": "loose"}, ["할 수 있습니다"], "할수있습니다.", 1),
    ("K10", "thousands", "exact_match", {"profile": "loose"}, ["1,000원"], "1000원", 1),
    ("K11", "copula", "exact_match", {"profile": "answer"}, ["서울"], "서울입니다.", 1),
    ("K12", "copula, no 받침", "exact_match", {"profile": "answer"}, ["제주도"], "제주도예요!", 1),
    ("K13", "josa", "exact_match", {"profile": "answer"}, ["고양이"], "고양이가", 1),
    ("K14", "inner josa", "exact_match", {"profile": "answer"}, ["대한민국의 수도"], "대한민국 수도", 1),
    ("K15", "hanja", "exact_match", {"profile": "answer"}, ["대한민국"], "대한민국(大韓民國)입니다.", 1),
    ("K16", "not over-stripped", "exact_match", {"profile": "answer"}, ["책"], "책임", 0),
    ("K17", "longer name", "exact_match", {"profile": "answer"}, ["이순신"], "이순신 장군", 0),
    ("K18", "references", "exact_match", {}, ["3일", "사흘"], "사흘", 1),
    ("K19", "josa in substring", "keyword_coverage", {"keywords": ["3일", "영업일"]}, [], "영업 일 기준 3 일입니다", 1),
    ("K20", "digit guard", "keyword_coverage", {"keywords": ["3일"]}, [], "13일 걸립니다", 0),
    ("K21", "weights", "keyword_coverage", {"keywords": [{"text": "3일", "weight": 2}, "무료"]}, [], "3일 걸립니다", 0.6667),
    ("K22", "forbidden", "keyword_coverage", {"keywords": ["3일"], "forbidden": ["불가"]}, [], "3일이지만 환불 불가", 0),
    ("K23", "synonyms", "keyword_coverage", {"keywords": [{"any_of": ["무료", "공짜"]}]}, [], "공짜예요", 1),
    ("K24", "ASCII guard", "keyword_coverage", {"keywords": ["AI"]}, [], "I said so", 0),
    ("K25", "word, josa", "contains", {"boundary": "word"}, ["사과"], "사과는 과일", 1),
    ("K26", "word, one syllable", "contains", {"boundary": "word"}, ["성"], "성은 김입니다", 1),
    ("K27", "word, compound", "contains", {"boundary": "word"}, ["사과"], "사과나무", 0),
    ("K28", "만", "numeric_match", {}, ["30000"], "3만원입니다", 1),
    ("K29", "words", "numeric_match", {}, ["35,000원"], "삼만오천원이에요", 1),
    ("K30", "억", "numeric_match", {}, ["120000000"], "1억 2,000만 원", 1),
    ("K31", "만 alone", "numeric_match", {}, ["10000원"], "만 원만 주세요", 1),
    ("K32", "unit differs", "numeric_match", {}, ["3개"], "3일 걸립니다", 0),
    ("K33", "native", "numeric_match", {}, ["12시"], "열두 시에 만나요", 1),
    ("K34", "last", "numeric_match", {"pick": "last"}, ["3000원"], "3만원 이상이면 무료, 아니면 3,000원", 1),
    ("K35", "tolerance", "numeric_match", {"rel_tol": 0.01}, ["100"], "약 99.5점", 1),
    ("K36", "no false numbers", "numeric_match", {}, ["10000"], "만약 구조가 천만에요", 0),
    ("K37", "phone masked", "numeric_match", {}, ["1234"], "010-1234-5678", 0),
    ("K38", "below zero", "numeric_match", {}, ["-5"], "영하 5도", 1),
    ("K39", "circled", "choice", {}, ["B"], "정답: ②", 1),
    ("K40", "번", "choice", {}, ["C"], "답은 3번입니다.", 1),
    ("K41", "last 답", "choice", {}, ["B"], "1번과 2번 중 답은 2번", 1),
    ("K42", "article", "choice", {}, ["A"], "A customer can cancel.", 0),
    ("K43", "KorQuAD F1", "char_f1", {}, ["세종대왕"], "세종대왕이", 0.8889),
    ("K44", "marks", "char_f1", {}, ["《훈민정음》"], "훈민정음", 1),
    ("K45", "josa kept", "token_f1", {}, ["서울 강남구"], "서울의 강남구", 0.5),
    ("K46", "josa stripped", "token_f1", {"josa": "strip"}, ["서울 강남구"], "서울의 강남구", 1),
    ("K47", "identical, no digits", "rouge_l", {}, ["환불은 가능합니다"], "환불은 가능합니다", 1),
    ("K48", "space unit", "rouge_l", {"unit": "space"}, ["환불은 7일 이내에 가능합니다"], "환불은 7일 내에 가능해요", 0.5),
    ("K49", "char unit", "rouge_l", {"unit": "char"}, ["환불은 7일 이내에 가능합니다"], "환불은 7일 내에 가능해요", 0.75),
    ("K50", "spacing free", "chrf", {}, ["환불은 7일 이내에 가능합니다."], "환불은7일이내에가능합니다.", 1),
    ("K51", "NFC", "chrf", {}, ["서울특별시"], nfd("서울특별시"), 1),
    ("K52", "typo", "edit_similarity", {}, ["안녕하세요"], "안녕하새요", 0.8),
    ("K53", "typo, jamo", "edit_similarity", {"unit": "jamo"}, ["안녕하세요"], "안녕하새요", 0.9167),
    ("K54", "polite", "honorific", {}, [], "네, 가능합니다. 내일 도착해요.", 1),
    ("K55", "mixed", "honorific", {}, [], "네, 가능합니다. 내일 도착해.", 0.5),
    ("K56", "ㅋㅋ, emoji", "honorific", {"level": "formal"}, [], "확인했습니다ㅋㅋ 😊", 1),
    ("K57", "nouns only", "honorific", {}, [], "배송 안내", 1),
    ("K58", "refusal", "refusal", {"expect": "refuse"}, [], "죄송하지만 해당 요청은 도와드릴 수 없습니다.", 1),
    ("K59", "policy", "refusal", {}, [], "환불은 7일 이후에는 해드릴 수 없습니다.", 1),
    ("K60", "mixed script", "language_match", {"language": "ko"}, [], "GPT-4를 사용하면 됩니다", 1),
    ("K61", "code removed", "language_match", {"language": "ko"}, [], "`pip install x` 를 실행하세요", 1),
    ("K62", "English", "language_match", {"language": "ko"}, [], "You can use GPT-4.", 0),
    ("K63", "emoji", "length", {"max": 14}, [], "안녕하세요 👨\u200d👩\u200d👧 반갑습니다.", 1),
    ("K64", "SMS", "length", {"unit": "bytes_cp949", "max": 10}, [], "안녕하세요", 1),
    ("K65", "NFD length", "length", {"unit": "chars", "max": 2}, [], nfd("한국"), 1),
]  # fmt: skip

MORE = [
    # what, metric, params, references, answer, value
    ("compatibility ideograph", "exact_match", {}, ["\u8c48"], "\uf900", 1),
    ("nothing but marks", "exact_match", {"profile": "loose"}, ["?"], "", 0),
    ("forbidden alone", "keyword_coverage", {"forbidden": ["불가"]}, [], "가능합니다", 1),
    ("all", "keyword_coverage", {"keywords": ["3일", "무료"], "mode": "all"}, [], "3일", 0),
    ("any", "keyword_coverage", {"keywords": ["3일", "무료"], "mode": "any"}, [], "3일", 1),
    ("contains all", "contains", {"mode": "all"}, ["3일", "사흘"], "3일", 0),
    ("contains any", "contains", {}, ["3일", "사흘"], "사흘입니다", 1),
    ("F1, marks", "token_f1", {}, ["《훈민정음》"], "훈민정음", 1),
    ("F1, best", "token_f1", {}, ["부산", "서울 강남구"], "서울", 2 / 3),
    ("F1, empty", "token_f1", {}, ["서울"], "", 0),
    ("regex", "regex", {"pattern": r"\d+일"}, [], "3일", 1),
    ("regex, NFD", "regex", {"pattern": "서울"}, [], nfd("서울"), 1),
    ("regex, fullmatch", "regex", {"pattern": "서울", "mode": "fullmatch"}, [], "서울.", 0),
    ("regex, negate", "regex", {"pattern": "불가", "negate": True}, [], "가능", 1),
    ("regex, flags", "regex", {"pattern": "visa", "flags": "i"}, [], "VISA", 1),
    ("regex, script", "regex", {"pattern": r"\p{Hangul}"}, [], "abc", 0),
    ("regex, profile", "regex", {"pattern": "VISA", "profile": "basic"}, [], "ＶＩＳＡ", 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "params", "references", "answer", "value"),
    [row[2:] for row in ROWS] + [row[1:] for row in MORE],
    ids=[f"{row[0]} {row[1]}" for row in ROWS] + [row[0] for row in MORE],
)
def test_metric__gives_korean_answers_their_value(
    name: str, params: Mapping[str, Any], references: list[str], answer: str, value: float
) -> None:
    metric = metrics.resolve(name)(params=params)
    sample = asked(references)
    assert metric.check_params() == metric.check_sample(sample) == []
    metric.prepare([sample])
    found = metric.score(sample, a_run(answer))
    score = asyncio.run(found) if inspect.iscoroutine(found) else found
    assert score.value == pytest.approx(value, abs=5e-5)


def asked(references: list[str]) -> TestSample:
    expected = references[0] if references else None
    return a_sample(expected=expected, references=tuple(references[1:]))


def test_file__csv_in_cp949_is_read_and_told_of(tmp_path: Path) -> None:
    data = b"\xc7\xd1\xb1\xdb,answer\n\xc7\xd1\xb1\xdb?,\xb3\xd7\n"
    (tmp_path / "f.csv").write_bytes(data)
    events: list[Event] = []
    generate(a_source(tmp_path, input="한글", expected="answer"), Resources(listener=events.append))
    (sample,) = load_dataset(tmp_path / "made")
    assert (sample.question, sample.expected) == ("한글?", "네")
    assert "f.csv: read as CP949" in [e.text for e in events if isinstance(e, Noticed)]


def test_file__jsonl_with_a_bom_keeps_its_first_id(tmp_path: Path) -> None:
    line = '{"id": "첫째", "input": "환불은?"}\n'.encode()
    (tmp_path / "test.jsonl").write_bytes(b"\xef\xbb\xbf" + line)
    assert [sample.id for sample in load_dataset(tmp_path)] == ["첫째"]


def test_file__in_no_known_encoding_ends_with_2_and_names_the_byte(tmp_path: Path) -> None:
    data = "질문,답변\n".encode() + b"\xff\x80\xfe\x81,\xff\n" * 9
    (tmp_path / "f.csv").write_bytes(data)
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    command = [sys.executable, "-m", "lm_eval_so", "generate", "-c", "config.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "f.csv" in done.stderr
    assert "no UTF-8 at byte 14" in done.stderr


CONFIG = """\
version: 1
suite: test
dataset: {path: made}
generator:
  sources:
    - {id: faq, path: f.csv, map: {input: 질문, expected: 답변}}
"""


def a_source(folder: Path, **columns: str) -> Config:
    source = {"id": "faq", "path": "f.csv", "map": columns}
    values = {
        "version": 1,
        "suite": "test",
        "dataset": {"path": "made"},
        "generator": {"sources": [source]},
    }
    return make_config(values, folder=folder)


def test_basic__compatibility_ideographs_are_one() -> None:
    assert basic("\uf900") == basic("\u8c48") == "\u8c48"
