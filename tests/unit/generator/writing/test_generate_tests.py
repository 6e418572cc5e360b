"""`generate` with a model: a loopback server that writes and checks by rule."""

import asyncio
import json
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from servers.question_writer import QuestionWriter

import lm_eval_so as so
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.load import make_config
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Concluded, Event, Noticed, Warned
from lm_eval_so.core.records.enums import Language
from lm_eval_so.errors import BudgetSpent, CannotMeasure, DatasetError, NothingToDo
from lm_eval_so.generator.dataset.make import Generated
from lm_eval_so.generator.dataset.summary import summary
from lm_eval_so.generator.dataset.tried import show
from lm_eval_so.generator.dataset_tools.verify import validate
from lm_eval_so.generator.documents.block import Document
from lm_eval_so.generator.generate import generate, generate_with_model, try_out
from lm_eval_so.generator.staleness.find_stale import find_stale
from lm_eval_so.testing import ChatServer, Reply, Seen

TOY = Path(__file__).parents[4] / "tests/data/shop"
FILES = ["policy.md", "returns.md", "warranty.md", "shipping.md"]
"""Their texts as Markdown, which is read faster."""
ORIGINALS = ["policy.md", "returns.docx", "warranty.pdf", "shipping.html"]
TYPES = {"fact": 15, "follow_up": 5, "unanswerable": 5, "false_premise": 3, "multi_hop": 2}


@dataclass
class Shop:
    """A folder with four documents, and a model that is asked about them."""

    folder: Path
    server: ChatServer
    writer: QuestionWriter
    events: list[Event] = field(default_factory=list)

    def move(self, folder: Path, documents: list[Document]) -> None:
        """Work in another folder, with these documents."""
        self.folder = folder
        folder.mkdir()
        for document in documents:
            name = Path(document.file).with_suffix(".md").name
            (folder / name).write_text(document.text, "utf-8")

    def config(
        self,
        *,
        run: Any = None,
        model: bool = True,
        faq: bool = False,
        old: str = "",
        language: str = "en",
        **synthesise: Any,
    ) -> Config:
        options = {"base_url": self.server.url, "api_key_env": ""}
        backend = {"name": "openai", "params": {"model": "m"}, "options": options}
        return make_config(
            {
                "version": 1,
                "suite": "shop",
                "language": language,
                "dataset": {"path": "made", "name": "shop"},
                "run": {"cache": "cache.sqlite", **(run or {})},
                "generator": {
                    **({"backend": backend} if model else {}),
                    "sources": [
                        *([{"id": "faq", "path": "faq.csv"}] if faq else []),
                        {"id": "docs", "as": "documents", "path": FILES}
                        | ({"supersedes": [old]} if old else {}),
                        *([{"id": "old", "as": "documents", "path": old}] if old else []),
                    ],
                    "synthesise": {"twins": 0, **synthesise},
                },
            },
            folder=self.folder,
        )

    def resources(self) -> Resources:
        return Resources(listener=self.events.append)

    def generate(self, *, offline: bool = False, **settings: Any) -> Generated:
        config = self.config(**settings)
        return asyncio.run(generate_with_model(config, self.resources(), offline=offline))

    def samples(self) -> list[dict[str, Any]]:
        return read_lines(self.folder / "made/test.jsonl")

    def metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "made/metadata.json").read_text("utf-8"))
        return found

    def files(self) -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in sorted((self.folder / "made").iterdir())}


def read_lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def at_random(writer: QuestionWriter) -> Any:
    def script(seen: Seen) -> Reply:
        return Reply(text=writer.reply(seen.text), latency_s=random.random() / 100)

    return script


@pytest.fixture
def shop(tmp_path: Path, toy: list[Document]) -> Iterator[Shop]:
    writer = QuestionWriter()
    with ChatServer(at_random(writer)) as server:
        shop = Shop(tmp_path, server, writer)
        shop.move(tmp_path / "shop", toy)
        yield shop


def test_generate__thirty_of_thirty(shop: Shop) -> None:
    made = shop.generate()
    assert made.info.plan is not None
    assert dict(made.info.plan.written) == TYPES
    assert dict(made.info.plan.unfilled) == {}
    samples = shop.samples()
    assert Counter(s["metadata"]["type"] for s in samples) == TYPES
    texts = {}
    for line in (shop.folder / "made/sources.jsonl").read_text("utf-8").splitlines():
        document = json.loads(line)
        texts[document["doc_id"]] = document["text"]
    quoted = [passage for sample in samples for passage in sample["context"]]
    assert len(quoted) >= 30
    for passage in quoted:
        assert texts[passage["doc_id"]][slice(*passage["span"])] == passage["text"]
    assert validate(shop.folder / "made").quotes == len(quoted)
    by_type = {s["metadata"]["type"]: s for s in samples}
    assert [m["role"] for m in by_type["follow_up"]["messages"]] == ["user", "assistant", "user"]
    assert by_type["unanswerable"]["behavior"] == "abstain"
    assert {p["role"] for p in by_type["unanswerable"]["context"]} == {"distractor"}
    assert len(by_type["multi_hop"]["context"]) == 2
    origin = by_type["fact"]["provenance"]
    assert (origin["method"], origin["model"]) == ("write", "test-model")
    assert origin["prompt"]["name"] in {"write.ko", "write.en"}
    llm = shop.metadata()["llm"]
    assert llm["requests"] == len(shop.server.requests)
    assert llm["input_tokens"] == 10 * len(shop.server.requests)


def test_generate__a_second_run_asks_nothing_and_changes_no_byte(shop: Shop) -> None:
    shop.generate()
    before, asked = shop.files(), len(shop.server.requests)
    shop.generate()
    assert shop.files() == before
    assert len(shop.server.requests) == asked
    assert not find_stale(shop.config(), shop.resources().listener).fails(strict=True)
    generate(shop.config(), shop.resources())  # as `ci` does
    assert shop.files() == before
    assert len(shop.server.requests) == asked


def test_generate__same_bytes_at_any_concurrency_in_any_folder_and_offline(
    shop: Shop, tmp_path: Path, toy: list[Document]
) -> None:
    shop.generate(run={"concurrency": 1})
    first = shop.files()
    cache = shop.folder / "cache.sqlite"
    shop.move(tmp_path / "other", toy)
    shop.generate(run={"concurrency": 32})
    other = shop.files()
    assert {n: other[n] for n in first if n != "metadata.json"} == {
        n: first[n] for n in first if n != "metadata.json"
    }
    assert other == first
    asked = len(shop.server.requests)
    shop.move(tmp_path / "third", toy)
    shutil.copy(cache, shop.folder / "cache.sqlite")
    shop.generate(offline=True)
    assert shop.files() == first
    assert len(shop.server.requests) == asked


def test_generate__offline_without_answers_changes_nothing(shop: Shop) -> None:
    with pytest.raises(CannotMeasure, match="30 answers are not in the cache") as error:
        shop.generate(offline=True)
    assert error.value.exit_code == 3
    assert not (shop.folder / "made").exists()
    assert not shop.server.requests


def test_generate__goes_on_after_a_budget(shop: Shop) -> None:
    with pytest.raises(BudgetSpent) as error:
        shop.generate(run={"max_requests": 5, "concurrency": 2})
    assert error.value.exit_code == 3
    assert len(shop.server.requests) <= 5
    assert not (shop.folder / "made").exists()  # nothing was checked yet
    with pytest.raises(BudgetSpent):
        shop.generate(run={"max_requests": 28, "concurrency": 2})
    validate(shop.folder / "made")
    stands = {s["id"] for s in shop.samples()}
    assert 0 < len(stands) < 30
    assert sum(shop.metadata()["plan"]["unfilled"].values()) == 30 - len(stands)
    assert shop.generate().samples == 30
    assert stands <= {s["id"] for s in shop.samples()}
    prompts = [seen.text for seen in shop.server.requests]
    assert len(prompts) == len(set(prompts))


def test_generate__adds_what_is_missing_and_keeps_what_stands(shop: Shop) -> None:
    shop.generate(questions=6, mix={"fact": 1})
    before = {s["id"]: s for s in shop.samples()}
    shop.generate(questions=9, mix={"fact": 1})
    after = {s["id"]: s for s in shop.samples()}
    assert len(after) == 9
    assert {key: after[key] for key in before} == before


def test_generate__keeps_tests_whose_document_changed(shop: Shop) -> None:
    shop.generate(questions=8, mix={"fact": 1})
    before = shop.files()
    policy = shop.folder / "policy.md"
    policy.write_text(policy.read_text("utf-8").replace("24시간", "48시간"), "utf-8")
    asked = len(shop.server.requests)
    shop.generate(questions=8, mix={"fact": 1})
    assert shop.files()["test.jsonl"] == before["test.jsonl"]
    assert len(shop.server.requests) == asked
    known = {json.loads(x)["doc_id"] for x in shop.files()["sources.jsonl"].splitlines()}
    quoted = {p["doc_id"] for s in shop.samples() for p in s["context"]}
    assert quoted <= known


def test_generate__takes_over_edits_of_written_tests(shop: Shop) -> None:
    shop.generate(questions=4, mix={"fact": 1})
    file = shop.folder / "made/test.jsonl"
    lines = file.read_text("utf-8").splitlines()
    values = json.loads(lines[1])
    lines[1] = json.dumps({**values, "expected": "고친 답"}, ensure_ascii=False)
    file.write_text("\n".join(lines) + "\n", "utf-8")
    shop.generate(questions=4, mix={"fact": 1})
    edited = next(s for s in shop.samples() if s["expected"] == "고친 답")
    assert edited["id"] == values["id"]
    assert edited["rev"] != values["rev"]
    assert edited["review"] == {"status": "edited"}
    before = shop.files()
    shop.generate(questions=4, mix={"fact": 1})
    assert shop.files() == before


def test_try_out__writes_the_cache_alone_and_is_not_paid_twice(shop: Shop) -> None:
    with pytest.raises(CannotMeasure, match="5 answers are not in the cache"):
        asyncio.run(try_out(shop.config(), shop.resources(), 5, offline=True))
    assert not shop.server.requests
    tried = asyncio.run(try_out(shop.config(), shop.resources(), 5))
    assert [s.metadata["type"] for s in tried.written] == list(TYPES)
    assert tried.tests == 30
    assert not (shop.folder / "made").exists()
    tried_out = {
        seen.text
        for seen in shop.server.requests
        if "PASSAGE" in seen.text or "지문 1" in seen.text
    }
    shop.server.requests.clear()
    shop.generate()
    assert not {seen.text for seen in shop.server.requests} & tried_out


def test_generate__a_model_that_always_copies(shop: Shop) -> None:
    seen: list[str] = []

    def script(request: Seen) -> Reply:
        text = shop.writer.reply(request.text)
        values = json.loads(text.removeprefix("```json\n").removesuffix("\n```"))
        if "question" in values:
            seen.append(request.text)
            values["question"] = f"{values['quotes'][0].strip('| ')[:40]} 맞나요?"
            values["answer"] = f"네, {values['quotes'][0]}"
            shop.writer.proposed[values["question"]] = {"type": "fact", **values}
        return Reply(text=json.dumps(values, ensure_ascii=False))

    shop.server.script = script
    shop.generate(questions=3, mix={"fact": 1})
    flagged = [s for s in shop.samples() if "echoes_source" in s["flags"]]
    assert flagged
    assert shop.metadata()["tries"]["echoes_source"] >= 2
    assert any("쓰지 말 것" in prompt or "do not use" in prompt for prompt in seen)


def test_generate__the_rest_is_told_without_a_model(shop: Shop, golden: Any) -> None:
    made = generate(shop.config(model=False), shop.resources())
    (told,) = [event for event in shop.events if isinstance(event, Concluded)]
    for language in Language:
        shown = {"shown_as": "dataset/docs", "pages": (Path("review.html"),)}
        same = summary(made.info, made.folder, language, **shown)
        assert same is not None
        golden(f"generate/summary.{language}.txt", "\n".join([same.headline, *same.lines]) + "\n")
    assert "written" in " ".join(told.lines)
    before = shop.files()
    generate(shop.config(model=False), shop.resources())
    assert shop.files() == before
    assert not shop.server.requests


def test_generate__thirty_look_ups_from_four_formats(shop: Shop) -> None:
    for name in ORIGINALS:
        shutil.copy(TOY / name, shop.folder / name)
    values = shop.config(model=False, mix={"fact": 1}).located.values
    values["generator"]["sources"][0]["path"] = ORIGINALS
    made = generate(make_config(values, folder=shop.folder), shop.resources())
    assert made.samples == 30
    assert not made.is_short
    for sample in shop.samples():
        assert "keyless" in sample["flags"]
        assert sample["provenance"]["method"] == "look_up"


def test_generate__one_sentence_is_no_error(shop: Shop) -> None:
    for name in FILES:
        (shop.folder / name).unlink()
    (shop.folder / "policy.md").write_text("We are open on Sundays from 9 to 5.", "utf-8")
    config = shop.config(questions=5, mix={"fact": 1})
    values = config.located.values
    values["generator"]["sources"][0]["path"] = "policy.md"
    made = asyncio.run(
        generate_with_model(make_config(values, folder=shop.folder), shop.resources())
    )
    assert made.is_short
    assert made.info.plan is not None
    assert sum(made.info.plan.unfilled.values()) + made.samples == 5
    assert made.info.plan.unfilled["no_chunk"] == 3


def faq(shop: Shop) -> list[str]:
    """Write a table of the team's questions, and return them."""
    asked = [
        f"{thing} 언제 와요" for thing in ("칫솔", "속옷", "신발", "모자", "우산", "가방", "장갑")
    ]
    rows = "".join(f"{question},이틀 뒤에 갑니다.\n" for question in asked)
    (shop.folder / "faq.csv").write_text(f"질문,답변\n{rows}", "utf-8")
    return asked


def test_generate__takes_its_style_from_the_team(shop: Shop) -> None:
    asked = faq(shop)
    shop.generate(faq=True, questions=6, mix={"fact": 1})
    korean = [text for text in shop.writer.prompts if "만들 질문" in text]
    assert korean
    for prompt in korean:
        assert sum(f"- {question}" in prompt for question in asked) == 6
    questions = [s["messages"][-1]["content"] for s in shop.samples()]
    assert len(questions) == len(set(questions)) == 13
    notices = [event.text for event in shop.events if isinstance(event, Noticed)]
    assert not any("style" in text for text in notices)


def test_generate__tells_that_there_is_no_style_to_learn(shop: Shop) -> None:
    shop.generate(questions=1, mix={"fact": 1})
    notices = [event.text for event in shop.events if isinstance(event, Noticed)]
    assert any("add tests or synthesise.style" in text for text in notices)
    shop.events.clear()
    shop.generate(questions=2, mix={"fact": 1}, style=["언제 와요", "얼마예요"])
    assert any("- 언제 와요\n- 얼마예요" in prompt for prompt in shop.writer.prompts)


def test_generate__a_row_of_the_team_takes_the_place_of_a_written_test(shop: Shop) -> None:
    faq(shop)
    shop.generate(faq=True, questions=3, mix={"fact": 1})
    written = next(s for s in shop.samples() if s["provenance"]["method"] == "write")
    with (shop.folder / "faq.csv").open("a", encoding="utf-8") as file:
        file.write(f"{written['messages'][0]['content']},우리 답\n")
    shop.generate(faq=True, questions=3, mix={"fact": 1})
    same = [s for s in shop.samples() if s["id"] == written["id"]]
    assert [s["provenance"]["method"] for s in same] == ["import"]
    assert sum(s["provenance"]["method"] == "write" for s in shop.samples()) == 3


def test_generate__an_edited_row_of_a_source_is_refused_before_anything_is_asked(
    shop: Shop,
) -> None:
    faq(shop)
    shop.generate(faq=True, questions=3, mix={"fact": 1})
    file = shop.folder / "made/test.jsonl"
    file.write_text(file.read_text("utf-8").replace("이틀 뒤에", "사흘 뒤에", 1), "utf-8")
    asked = len(shop.server.requests)
    with pytest.raises(DatasetError, match="was edited after generate wrote it"):
        shop.generate(faq=True, questions=5, mix={"fact": 1})
    assert len(shop.server.requests) == asked


def test_generate__unanswerable_tests_that_another_document_answers_are_thrown_away(
    shop: Shop,
) -> None:
    honest = shop.writer.verdict

    def knows_better(number: int, question: str, passages: list[str]) -> dict[str, Any]:
        told = honest(number, question, passages)
        line = "Import duties are paid by the recipient."
        return told | {"verdict": "answers", "quote": line, "answer": "The recipient."}

    shop.writer.verdict = knows_better  # type: ignore[method-assign]
    imported = faq(shop)
    made = shop.generate(faq=True, questions=10, twins=0, mix={"unanswerable": 1}, per_chunk=1)
    assert made.samples == len(imported)
    assert made.info.plan is not None
    assert dict(made.info.plan.unfilled) == {"answerable_after_all": 10}
    lines = (shop.folder / "made/rejected.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == 30
    assert {json.loads(line)["what"] for line in lines} == {"shipping.md › Customs and taxes"}


async def test_agenerate__and_generate_are_the_command(shop: Shop) -> None:
    values = shop.config(questions=3, mix={"fact": 1}).located.values
    file = shop.folder / "lm-eval-so.yaml"
    file.write_text(json.dumps(values), "utf-8")
    info = await so.agenerate(file)
    assert info.files["test.jsonl"].rows == 3
    before = shop.files()
    assert so.generate(file) == info  # where an event loop runs, too
    assert shop.files() == before


def test_generate__asks_about_what_has_changed_since_an_older_document(
    shop: Shop, toy: list[Document]
) -> None:
    text = next(each.text for each in toy if each.file == "returns.docx")
    changes = {
        "날부터 7일": "날부터 10일",
        "2영업일": "3영업일",
        "| 6,000원(왕복)": "| 5,000원(왕복)",
    }
    for new, old in {**changes, "3,000원이 더해": "2,000원이 더해"}.items():
        text = text.replace(new, old, 1)
    (shop.folder / "returns_2023.md").write_text(text, "utf-8")
    mix = {"superseded": 3, "fact": 3}
    shop.generate(old="returns_2023.md", questions=6, mix=mix, language="ko", twins=0)
    told = [event.text for event in shop.events if isinstance(event, Noticed | Warned)]
    differ = "6,000/5,000, 7/10, 3,000/2,000, 2/3"
    found = next(line for line in told if "returns_2023" in line and "/" in line)
    assert found.startswith("returns.md 문서가 returns_2023.md 문서를 대신합니다. 다른 곳 4곳: ")
    assert sorted(found.partition(": ")[2].split(", ")) == sorted(differ.split(", "))
    asked = [each for each in shop.samples() if each["metadata"]["type"] == "superseded"]
    assert len(asked) == 3
    stored = {each["doc_id"]: each for each in read_lines(shop.folder / "made/sources.jsonl")}
    for each in asked:
        (gold, *others) = each["context"]
        assert [gold["role"], *{other["role"] for other in others}] == ["gold", "distractor"]
        for passage, file in ((gold, "returns.md"), (others[0], "returns_2023.md")):
            document, (start, end) = stored[passage["doc_id"]], passage["span"]
            assert (document["file"], document["text"][start:end]) == (file, passage["text"])
        assert gold["text"] != others[0]["text"]
    checks = [seen.text for seen in shop.server.requests if "verdicts" in seen.text]
    assert checks
    assert not [text for text in checks if "returns_2023" in text]
    written = [e["provenance"]["source"]["file"] for e in shop.samples()]
    assert "returns_2023.md" not in written


def test_generate__not_one_test_is_an_error_and_changes_nothing(shop: Shop) -> None:
    faq(shop)
    few = {"questions": 2, "twins": 0, "attempts": 2, "mix": {"fact": 1}}
    generate(shop.config(faq=True, model=False, **few | {"questions": 0}), shop.resources())
    before = shop.files()
    shop.server.script = lambda _: Reply(text="I cannot.")
    with pytest.raises(NothingToDo, match="no test could be written: bad_json 2"):
        shop.generate(**few)
    with pytest.raises(NothingToDo, match="not_asked 2") as error:
        generate(shop.config(**few), shop.resources())  # as `ci` does
    assert "run lm-eval-so generate" in str(error.value.problems[0].hint)
    for name in FILES:
        (shop.folder / name).write_text("We are open on Sundays.", "utf-8")
    with pytest.raises(NothingToDo, match="no test could be written: no_chunk 2") as error:
        generate(shop.config(model=False, **few), shop.resources())
    assert error.value.exit_code == 3
    assert "name a model" in str(error.value.problems[0].hint)
    assert shop.files() == before


def test_generate__keeps_tests_of_documents_that_no_source_names_any_more(shop: Shop) -> None:
    faq(shop)
    shop.generate(faq=True, questions=4, mix={"fact": 1})
    before = shop.files()
    values = shop.config(model=False, faq=True).located.values
    del values["generator"]["synthesise"]
    del values["generator"]["sources"][1]
    config = make_config(values, folder=shop.folder)
    generate(config, shop.resources())
    after = shop.files()
    assert after["test.jsonl"] == before["test.jsonl"]
    assert validate(shop.folder / "made").quotes
    file = shop.folder / "made/test.jsonl"
    answer = next(s["expected"] for s in shop.samples() if "metadata" in s)
    file.write_text(file.read_text("utf-8").replace(answer, "고친 답"), "utf-8")
    generate(config, shop.resources())
    assert '"edited"' in file.read_text("utf-8")


def test_generate__documents_alone_are_kept_if_no_test_is_wanted(shop: Shop) -> None:
    values = shop.config(model=False).located.values
    del values["generator"]["synthesise"]
    made = generate(make_config(values, folder=shop.folder), shop.resources())
    assert made.samples == 0
    assert [event.text for event in shop.events if isinstance(event, Noticed)][-1] == (
        "the sources hold documents alone, and no test is written from them; "
        "generator.synthesise has them written"
    )
    assert len(read_lines(shop.folder / "made/sources.jsonl")) == 4


def test_scenarios__are_written_kept_and_played(shop: Shop) -> None:
    wanted: dict[str, Any] = {"questions": 0, "scenarios": 3}
    made = shop.generate(**wanted)
    assert made.info.plan is not None
    assert made.info.plan.written == {"scenario": 3}
    samples = shop.samples()
    quotes = [sample["context"][0]["text"] for sample in samples]
    texts = [sample["scenario"]["success"][0]["text"] for sample in samples]
    assert all(text in quote for text, quote in zip(texts, quotes, strict=True))
    assert {s["provenance"]["prompt"]["name"][:9] for s in samples} == {"scenario."}
    assert validate(shop.folder / "made").quotes == 3
    before, asked = shop.files(), len(shop.server.requests)
    shop.generate(**wanted)
    assert shop.files() == before
    assert len(shop.server.requests) == asked
    shown = asyncio.run(try_out(shop.config(questions=0, scenarios=4), shop.resources(), 1))
    assert "goal      " in show(shown, Language.EN)

    scores = played(shop.folder, says=texts[0])
    assert scores == [1.0 if text in texts[0] else 0.0 for text in texts]


def played(folder: Path, *, says: str) -> list[float | None]:
    """Play the dataset with a chatbot that says one thing, and return the scores of `goal`."""
    move = {"progress": True, "done": False, "reason": "open", "message": "?"}
    end = {**move, "done": True, "reason": "goal", "message": ""}
    user = {"pattern": "", "turns": [json.dumps(move), json.dumps(end)]}
    (folder / "user.jsonl").write_text(json.dumps(user), "utf-8")

    def scripted(**options: Any) -> dict[str, Any]:
        return {"name": "scripted", "options": options}

    judge = scripted(default='{"reason": "so", "evidence": [], "label": "yes"}')
    config = {
        "version": 1,
        "suite": "shop",
        "dataset": {"path": "made"},
        "backend": scripted(default=says),
        "run": {"simulator": {"backend": scripted(match="regex", answers="user.jsonl")}},
        "metrics": [{"name": "goal", "backend": judge}],
    }
    file = folder / "play.yaml"
    file.write_text(json.dumps(config), "utf-8")
    so.run(file)
    return [*so.evaluate(file).samples.scores["goal"]]
