"""`generate --update`: a loopback model says what still holds, and rules judge what it says."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from servers.commands import lm_eval_so

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.load import make_config
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Event, Noticed, ignore
from lm_eval_so.core.records.enums import Language
from lm_eval_so.errors import CannotMeasure
from lm_eval_so.generator.dataset_tools.verify import validate
from lm_eval_so.generator.generate import generate
from lm_eval_so.generator.staleness.find_stale import find_stale
from lm_eval_so.generator.staleness.screen import screen
from lm_eval_so.generator.staleness.update_tests import Updated, update_tests
from lm_eval_so.testing import ChatServer, Seen

POLICY = """# 이용 안내

## 1. 배송 요금

기본 배송비는 3,000원입니다.

## 2. 배송 기간

상품은 보통 2일이면 도착합니다.

## 3. 교환 기간

받은 날부터 7일 안에 교환해 드립니다.

## 4. 상담 시간

상담은 9시부터 18시까지 합니다.
"""
OTHER = "# 매장 안내\n\n## 주차 안내\n\n주차는 2시간까지 무료입니다.\n"
WEEKEND = "주말에도 전화를 받습니다."
FEE, SOON = "기본 배송비는 4,000원입니다.", "대개 2일이면 상품이 도착합니다."
CHANGED = (
    POLICY.replace("기본 배송비는 3,000원입니다.", FEE)
    .replace("상품은 보통 2일이면 도착합니다.", SOON)
    .replace("받은 날부터 7일 안에 교환해 드립니다.", "반품만 받습니다.")
)
TRUE = {
    "배송 요금?": {"still_true": False, "answer": FEE, "quotes": [FEE], "must_say": ["4,000원"]},
    "배송 기간?": {"still_true": True, "answer": SOON, "quotes": [SOON], "must_say": ["2일"]},
    "교환 기간?": {"still_true": False, "answer": "", "quotes": [], "must_say": []},
}
"""What a good model says, by the question."""


@dataclass
class Shop:
    folder: Path
    server: ChatServer
    said: dict[str, Any] = field(default_factory=lambda: {**TRUE})
    prompts: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def config(self, *, model: bool = True) -> Config:
        options = {"base_url": self.server.url, "api_key_env": ""}
        backend = {"name": "openai", "params": {"model": "m"}, "options": options}
        section = {
            "sources": [{"id": "docs", "as": "documents", "path": "*.md"}],
            "synthesise": {"questions": 9, "mix": {"fact": 1}, "twins": 1},
        }
        values = {
            "version": 1,
            "suite": "shop",
            "dataset": {"path": "made"},
            "run": {"cache": "cache.sqlite"},
            "generator": {**section, **({"backend": backend} if model else {})},
        }
        return make_config(values, folder=self.folder)

    def answer(self, seen: Seen) -> str:
        prompt = seen.body["messages"][0]["content"]
        if '"verdicts"' in prompt:
            return self.check(prompt)
        asked = next(each for each in self.said if f"\n{each}\n" in prompt)
        self.prompts.append(prompt)
        return json.dumps(self.said[asked], ensure_ascii=False)

    def check(self, prompt: str) -> str:
        """Answer as a model does that knows when the shop is called at weekends, and not its owner."""
        first = prompt.index("주말에도 전화되나요?") < prompt.index("사장님이 누구예요?")
        found = {"verdict": "answers", "quote": WEEKEND, "answer": WEEKEND}
        nothing = {"verdict": "nothing", "quote": "", "answer": ""}
        both = [found, nothing] if first else [nothing, found]
        return json.dumps({"verdicts": [{"question": n, **v} for n, v in enumerate(both, start=1)]})

    def update(self, **options: Any) -> Updated:
        resources = Resources(listener=self.events.append)
        return asyncio.run(update_tests(self.config(), resources, **options))

    def lines(self) -> dict[str, str]:
        lines = (self.folder / "made/test.jsonl").read_text("utf-8").splitlines()
        return {json.loads(line)["messages"][-1]["content"]: line for line in lines}

    def sample(self, question: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.lines()[question])
        return found


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with ChatServer(lambda seen: found.answer(seen)) as server:  # noqa: PLW0108 - found comes later
        found = Shop(tmp_path, server)
        (tmp_path / "policy.md").write_text(POLICY, "utf-8")
        (tmp_path / "other.md").write_text(OTHER, "utf-8")
        generate(found.config(model=False), Resources())
        (tmp_path / "policy.md").write_text(CHANGED, "utf-8")
        yield found


def test_update__new_answers_new_quotes_and_what_is_gone(shop: Shop) -> None:
    file = shop.folder / "made/test.jsonl"
    text = file.read_text("utf-8").replace('"unreviewed"', '"accepted"')
    answer = '"expected":"기본 배송비는 3,000원입니다."'
    file.write_text(text.replace(answer, f'{answer},"references":["3,000원"]', 1), "utf-8")
    before = {question: json.loads(line) for question, line in shop.lines().items()}
    untouched = shop.lines()["주차 안내?"]
    updated = shop.update()
    assert updated.counts == {"moved": 1, "holds": 1, "new_answer": 1, "gone": 1}
    after = {question: json.loads(line) for question, line in shop.lines().items()}

    fee, old_fee = after["배송 요금?"], before["배송 요금?"]
    assert (fee["id"], fee["expected"]) == (old_fee["id"], FEE)
    assert fee["rev"] != old_fee["rev"]
    assert fee["metrics"]["keyword_coverage"] == {"keywords": ["4,000원"]}
    assert fee["review"] == {"status": "unreviewed"}
    assert ("references" in old_fee, "references" in fee) == (True, False)
    assert fee["flags"] == ["unchecked"]
    assert fee["provenance"]["prompt"]["name"] == "renew.ko"
    assert fee["provenance"]["slot"] == old_fee["provenance"]["slot"]

    soon, old_soon = after["배송 기간?"], before["배송 기간?"]
    assert soon["context"][0]["text"] == SOON
    assert soon["rev"] != old_soon["rev"]
    for name in ("id", "expected", "metrics", "flags", "review"):
        assert soon.get(name) == old_soon.get(name)

    hours, old_hours = after["상담 시간?"], before["상담 시간?"]  # its document changed elsewhere
    assert hours["context"][0]["span"] != old_hours["context"][0]["span"]
    assert hours["rev"] == old_hours["rev"]
    assert shop.lines()["주차 안내?"] == untouched
    assert "교환 기간?" not in after
    rejected = (shop.folder / "made/rejected.jsonl").read_text("utf-8").splitlines()
    gone = [json.loads(line) for line in rejected]
    assert [(each["reason"], each["question"]) for each in gone] == [
        ("evidence_gone", "교환 기간?")
    ]

    texts = {}
    for line in (shop.folder / "made/sources.jsonl").read_text("utf-8").splitlines():
        document = json.loads(line)
        texts[document["doc_id"]] = document["text"]
    assert len(texts) == 2  # no earlier text is quoted any more
    for sample in after.values():
        for passage in sample["context"]:
            assert texts[passage["doc_id"]][slice(*passage["span"])] == passage["text"]
    assert not find_stale(shop.config(), ignore).fails(strict=True)

    asked = len(shop.server.requests)
    files = {path: path.read_bytes() for path in (shop.folder / "made").iterdir()}
    assert shop.update().counts == {}
    assert len(shop.server.requests) == asked == 3
    assert files == {path: path.read_bytes() for path in (shop.folder / "made").iterdir()}
    assert any("3,000원" in prompt for prompt in shop.prompts)  # what the document said


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({**TRUE["배송 요금?"], "quotes": ["배송비는 4,000원이라고 합니다."]}, "quote_missing"),
        ({**TRUE["배송 요금?"], "answer": "5,000원입니다."}, "numbers_unsupported"),
        (  # it is not, whatever the model says
            {**TRUE["배송 요금?"], "still_true": True, "answer": "기본 배송비는 3,000원입니다."},
            "numbers_unsupported",
        ),
        ("no json", "no_answer"),
    ],
)  # fmt: skip
def test_update__what_passes_no_rule_changes_nothing(shop: Shop, said: Any, reason: str) -> None:
    line = shop.lines()["배송 요금?"]
    shop.said["배송 요금?"] = said
    updated = shop.update()
    assert updated.counts[reason] == 1
    assert "new_answer" not in updated.counts
    assert shop.lines()["배송 요금?"] == line
    told = [event.text for event in shop.events if isinstance(event, Noticed)]
    fates = ["1 test whose quotes only moved", "1 test with new quotes and the same answer"]
    fates += ["1 test left out: the evidence is gone", f"1 test left as before ({reason})"]
    assert set(fates) <= {*told}
    assert sum("\n배송 요금?\n" in prompt for prompt in shop.prompts) >= 3
    stale = [test.question for test in find_stale(shop.config(), ignore).tests if test.is_stale]
    assert "배송 요금?" in stale


def test_update__still_true_counts_only_if_the_new_quotes_prove_as_much(shop: Shop) -> None:
    lines = shop.lines()
    must_say = {"keyword_coverage": {"keywords": ["도착"]}}
    lines["배송 기간?"] = json.dumps(shop.sample("배송 기간?") | {"metrics": must_say})
    (shop.folder / "made/test.jsonl").write_text("\n".join(lines.values()) + "\n", "utf-8")
    shop.said["배송 기간?"] = {**TRUE["배송 기간?"], "quotes": ["대개 2일이면"]}
    assert "holds" not in shop.update().counts


def test_update__unanswerable_tests_are_held_against_new_documents(shop: Shop) -> None:
    def unanswerable(question: str) -> str:
        sample = shop.sample("배송 요금?") | {"behavior": "abstain", "context": [], "metrics": {}}
        sample |= {"messages": [{"role": "user", "content": question}]}
        sample |= {"metadata": {"type": "unanswerable"}}
        del sample["expected"]
        return json.dumps(sample, ensure_ascii=False)

    added = [unanswerable("주말에도 전화되나요?"), unanswerable("사장님이 누구예요?")]
    lines = [*shop.lines().values(), *added]
    (shop.folder / "made/test.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    (shop.folder / "new.md").write_text(f"# 주말 안내\n\n{WEEKEND}\n", "utf-8")
    for _ in range(2):  # `generate` makes them none the wiser
        told = screen(find_stale(shop.config(), ignore), Language.EN)
        assert "4 passages are new; whether the 2 unanswerable tests have an answer there" in told
        generate(shop.config(), Resources())
    assert shop.update().counts["answerable"] == 1
    assert "사장님이 누구예요?" in shop.lines()
    assert "주말에도 전화되나요?" not in shop.lines()
    rejected = (shop.folder / "made/rejected.jsonl").read_text("utf-8").splitlines()
    reasons = {(each := json.loads(line))["reason"]: each["what"] for line in rejected}
    assert reasons["answerable_after_all"] == "new.md › 주말 안내"
    generate(shop.config(), Resources())
    assert not find_stale(shop.config(), ignore).new_passages


def test_update__what_an_edited_twin_quotes_is_kept(shop: Shop) -> None:
    file = shop.folder / "made/test.jsonl"
    lines = file.read_text("utf-8").splitlines()
    twin = json.loads(lines[-1]) | {"expected": "3,000원이 아닐까요?"}
    assert "twin" in twin["metadata"]
    file.write_text("\n".join([*lines[:-1], json.dumps(twin, ensure_ascii=False)]) + "\n", "utf-8")
    shop.update()
    assert "아닐까요" in file.read_text("utf-8")
    assert validate(shop.folder / "made").quotes


def test_update__conversations_to_play_stay(shop: Shop) -> None:
    file = shop.folder / "made/test.jsonl"
    played = shop.sample("배송 요금?")
    del played["expected"], played["messages"]
    user = {"goal": "배송 요금을 안다", "opening": "배송비 얼마죠?"}
    played |= {"scenario": {"simulated_user": user}, "metadata": {"type": "scenario"}}
    lines = [*shop.lines().values(), json.dumps(played, ensure_ascii=False)]
    file.write_text("\n".join(lines) + "\n", "utf-8")
    found = find_stale(shop.config(), ignore)
    assert "배송비 얼마죠?" in {test.question for test in found.tests if test.is_stale}
    assert shop.update().counts["scenario"] == 1
    assert "배송비 얼마죠?" in file.read_text("utf-8")


def test_update__offline_asks_nobody(shop: Shop) -> None:
    files = {path: path.read_bytes() for path in (shop.folder / "made").iterdir()}
    with pytest.raises(CannotMeasure, match="3 answers are not in the cache: renew-"):
        shop.update(offline=True)
    assert not shop.server.requests
    assert files == {path: path.read_bytes() for path in (shop.folder / "made").iterdir()}


def test_update__without_a_model_lists(shop: Shop) -> None:
    section = json.loads(json.dumps({
        "version": 1, "suite": "shop", "dataset": {"path": "made"},
        "generator": {"sources": [{"id": "docs", "as": "documents", "path": "*.md"}], "synthesise": {"mix": {"fact": 1}}},
    }))  # fmt: skip
    (shop.folder / "lm-eval-so.yaml").write_text(json.dumps(section))
    files = {path: path.read_bytes() for path in (shop.folder / "made").iterdir()}
    done = lm_eval_so("generate", "--update", cwd=shop.folder)
    assert (done.returncode, done.stderr.count("error")) == (0, 0)
    assert "3,000원 → 4,000원" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("name a model by generator.backend")
    assert files == {path: path.read_bytes() for path in (shop.folder / "made").iterdir()}
