"""Personal data of sources: nothing behind the reading of a record or document sees it."""

import asyncio
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from servers.question_writer import QuestionWriter

from lm_eval_so.core.config.load import make_config
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.sources import PiiSection, SourceSection
from lm_eval_so.core.events import Ended, Noticed, Warned
from lm_eval_so.generator.documents.block import Document
from lm_eval_so.generator.documents.read import read_document
from lm_eval_so.generator.generate import generate, generate_with_model
from lm_eval_so.generator.personal import Placeholders, clean_record
from lm_eval_so.generator.sources.base import ProposedMetrics, RawItem, SourceFile
from lm_eval_so.testing import ChatServer, Reply

DATA = Path(__file__).parents[3] / "tests/data"
PHONE, MAIL = "010-0000-1234", "a.kim@example.com"
CARD, LANDLINE = "4111 1111 1111 1111", "02-000-4321"
FORMS = {PHONE: "010 0000 1234", MAIL: "A.Kim@example.com", CARD: "4111111111111111"}
"""Other forms of the same data."""


def config(shop: Any, *sources: dict[str, Any], **generator: Any) -> Config:
    values = shop.config(*sources).model_dump(mode="json", by_alias=True, exclude_unset=True)
    values["generator"] |= generator
    return make_config(values, folder=shop.folder)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{PHONE}, {FORMS[PHONE]}, 010-0000-9999", "[PHONE_1], [PHONE_1], [PHONE_2]"),
        (f"{MAIL}로, 또는 {LANDLINE}", "[EMAIL_1]로, 또는 [PHONE_1]"),
        ("help@example.com, 1588-0000, 1234-5678-9012-3456", "help@example.com, 1588-0000, 1234-5678-9012-3456"),
        ([1, True, 2.5, None, 4111111111111111], [1, True, 2.5, None, "[CARD_1]"]),
        ({"to": {MAIL: PHONE}}, {"to": {"[EMAIL_1]": "[PHONE_1]"}}),
        ('[{"role": "user", "content": "\\nM12345678\\u0030, \\u0030\\u0031\\u0030-0000-1234"}]',
         '[{"role": "user", "content": "\\nM123456780, [PHONE_1]"}]'),
        ('[{"content":  "\\nM12345678"}]', '[{"content":"\\n[PASSPORT_1]"}]'),
        ("[PHONE_1] [x]", "[PHONE_1] [x]"),
        (f"{MAIL}{PHONE}", "[EMAIL_1][PHONE_1]"),
        ("010-0000- 1234 = 010 - 0000 - 1234 = 010·0000·1234", "[PHONE_1] = [PHONE_1] = [PHONE_1]"),
        ("\u034f".join(PHONE) + " " + "\ufe00\U000e0041".join(PHONE), "[PHONE_1] [PHONE_1]"),
    ],
)  # fmt: skip
def test_placeholders(text: Any, told: Any) -> None:
    names = Placeholders(PiiSection(allow=["HELP@example.com"]))
    found = names.value(text)
    if isinstance(text, str) and text.startswith("[{"):
        found, told = json.loads(found), json.loads(told)  # type: ignore[arg-type]
    assert found == told
    assert Placeholders(PiiSection(action="off")).value(text) == text


def test_placeholders__keys_in_a_row_take_no_pass_each() -> None:
    began = time.perf_counter()
    assert Placeholders(PiiSection()).text(("AIza" + "b" * 35) * 20_000) == "[API_KEY_1]"
    assert time.perf_counter() - began < 30  # it would take ages, were each laid bare by the last


def test_clean_record__masks_names_of_columns_too() -> None:
    file = SourceFile(source="s", name="a.csv", path=Path("a.csv"), sha256="", size=0)
    item = RawItem(file=file, at={}, payload={"q": PHONE, f"tel {PHONE}": "1"})
    clean = clean_record(item, PiiSection(), Counter())
    assert isinstance(clean, RawItem)
    assert clean.payload == {"q": "[PHONE_1]", "tel [PHONE_1]": "1"}


def test_clean_record__masks_the_metrics_that_a_file_proposes() -> None:
    file = SourceFile(source="s", name="eval.json", path=Path("eval.json"), sha256="", size=0)
    found = Counter[str]()
    proposed = ProposedMetrics(file=file, yaml=f"rubric: tells {MAIL}\n")
    clean = clean_record(proposed, PiiSection(), found)
    assert clean == ProposedMetrics(file=file, yaml="rubric: tells [EMAIL_1]\n")
    assert found == {"email": 1}


def test_collect__figures_of_the_toy(shop: Any) -> None:
    for name in ("chatlog.jsonl", "shop/policy.md"):
        shop.write(Path(name).name, (DATA / name).read_bytes())
    chats = {"path": "chatlog.jsonl", "map": {"input": "conversations[0].value", "ref": "id"}}
    sources: list[dict[str, Any]] = [chats, {"path": "policy.md", "as": "documents"}]

    def counted(**pii: Any) -> list[dict[str, int]]:
        generate(config(shop, *sources, clean={"pii": pii}), shop.resources())
        found = json.loads((shop.folder / "made/metadata.json").read_text("utf-8"))["sources"]
        return [each.get("pii", {}) for each in found]

    chatlog = {"api_key": 1, "card": 1, "email": 3, "phone": 3, "rrn": 1}
    assert counted() == [chatlog, {"email": 1}]  # 10
    assert "chatlog.jsonl: 9 items of personal data taken out" in "\n".join(shop.notices())
    assert counted(allow=["help@example.com"]) == [chatlog | {"email": 2}, {}]  # 8
    questions = {each["ref"]: each["messages"][0]["content"] for each in shop.samples()}
    assert questions["c003"] == "카드 [CARD_1] 로 결제했는데 두 번 빠져나갔어요."
    assert "help@example.com" in (shop.folder / "made/sources.jsonl").read_text("utf-8")
    assert counted(action="off") == [{}, {}]
    assert CARD in (shop.folder / "made/test.jsonl").read_text("utf-8")
    assert counted(action="drop") == [chatlog, {"email": 1}]
    dropped = [each for each in shop.rejects() if each["reason"] == "pii_drop"]
    assert [each["file"] for each in dropped] == ["chatlog.jsonl"] * 8 + ["policy.md"]
    assert dropped[0]["what"] == "it holds personal data (phone)"
    assert "[CARD_1]" in dropped[2]["excerpt"]
    assert "EMAIL_1" not in (shop.folder / "made/sources.jsonl").read_text("utf-8")


def test_generate__no_raw_value_in_any_prompt_file_or_line_told(shop: Any) -> None:
    asked = [
        {"role": "user", "content": f"제 번호는 {PHONE}입니다.\nM12345678"},
        {"role": "assistant", "content": f"{FORMS[PHONE]} 맞나요? {MAIL}도 있습니다."},
        {"role": "user", "content": f"{LANDLINE}로 주세요. 언제 오나요?"},
    ]
    rows = [
        {"messages": asked, "expected": CARD, "tags": [PHONE], "ref": MAIL, "near": {MAIL: PHONE}},
        {"messages": json.dumps(asked), "context": [{"role": "given", "text": f"담당 {PHONE}"}]},
        {"messages": [{"role": PHONE}]},
        {"messages": "환불은 며칠?", "keywords": f"{MAIL}; {PHONE}", PHONE: 1},
        {"messages": f"[{CARD}", "expected": "3일"},
    ]
    shop.write("asked.jsonl", "\n".join(json.dumps(each) for each in rows) + f"\n{{{MAIL}\n")
    broken = f"질문,답변\n배송은 며칠?,2일,{PHONE}\n환불은 며칠 걸려요?,{CARD}로 3일\n"
    shop.write("faq.csv", f"{broken}{PHONE} 맞나요 제 번호?,네\n")
    people = [
        f"---\ntitle: {MAIL}\n---\n# 담당 {PHONE}\n\n환불 담당은 {FORMS[PHONE]}이고 답은 3일 안에",
        f"드립니다. 밤에는 {MAIL}로 받습니다.\n\n| 이름 | 번호 |\n|---|---|\n| 김 | {LANDLINE} |",
        f"\n- 카드 {FORMS[CARD]}\n\n```\n{MAIL}\n```\n## 배송\n\n서울은 2일, 제주는 4일 걸립니다.",
    ]
    shop.write("people.md", "\n".join(people))
    shop.write("hours.md", "# Hours\n\nThe shop in Busan is open from 9 to 5, but on Mondays.\n")
    fields = ("messages", "expected", "context", "tags", "ref", "keywords")
    asked_map = {**{name: name for name in fields}, "metadata.near": "near"}
    sources: list[dict[str, Any]] = [
        {"path": "asked.jsonl", "map": asked_map},
        {"path": "faq.csv"},
        {"path": ["people.md", "hours.md"], "as": "documents"},
    ]
    writer = QuestionWriter()
    with ChatServer(lambda seen: Reply(text=writer.reply(seen.text))) as server:
        backend = {
            "name": "openai",
            "params": {"model": "m"},
            "options": {"base_url": server.url, "api_key_env": ""},
        }
        style = [f"is {PHONE} yours", "when open"]  # for English, which no test of the team has
        wanted = {"questions": 6, "style": style}
        made = config(shop, *sources, backend=backend, synthesise=wanted)
        asyncio.run(generate_with_model(made, shop.resources()))
        seen = "\n".join(each.text for each in server.requests)
    told = [e.text for e in shop.events if isinstance(e, Noticed | Warned | Ended)]
    files = [p for p in shop.folder.rglob("*") if p.is_file() and p.suffix not in {".md", ".csv"}]
    read = {p.name: p.read_bytes() for p in files if p.name != "asked.jsonl"}
    assert {"test.jsonl", "rejected.jsonl", "sources.jsonl", "metadata.json"} <= read.keys()
    assert any("sqlite" in name for name in read)
    raw = [PHONE, MAIL, CARD, LANDLINE, *FORMS.values(), "M12345678"]
    for where in (seen, *told, *(data.decode("utf-8", "replace") for data in read.values())):
        assert not [value for value in raw if value in where], where[:2000]
    assert "[PHONE_1]" in seen
    assert "- when open" in seen
    read_again = read_document(
        "people.md", shop.folder / "people.md", SourceSection(id="docs", path="people.md")
    )
    assert isinstance(read_again, Document)
    assert (read_again.title, read_again.metadata) == ("[EMAIL_1]", {"title": "[EMAIL_1]"})
    assert len(shop.samples()) > 6
    first = shop.samples()[0]
    assert "[PHONE_1]" in first["messages"][0]["content"]
    assert "[PHONE_1] 맞나요? [EMAIL_1]도" in first["messages"][1]["content"]
    assert first["messages"][2]["content"].startswith("[PHONE_2]로")
    assert (first["ref"], first["tags"]) == ("[EMAIL_1]", ["[PHONE_1]"])
    stored = shop.lines("made/sources.jsonl")[0]
    assert stored["text"].startswith("# 담당 [PHONE_1]\n\n환불 담당은 [PHONE_1]이고")
    for each in shop.samples():
        for passage in each.get("context", ()):
            if passage.get("doc_id") == stored["doc_id"]:
                start, end = passage["span"]
                assert stored["text"][start:end] == passage["text"]
