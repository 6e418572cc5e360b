"""Decisions of people come back into a dataset: all or none, twice as once, in any order."""

import csv
import io
import json
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from servers.question_writer import QuestionWriter

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.load import make_config
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.dataset import load_dataset
from lm_eval_so.core.events import Event, Warned, ignore
from lm_eval_so.core.hashing import content_id, revision
from lm_eval_so.core.records.chat import Message
from lm_eval_so.core.records.enums import Behavior, Language
from lm_eval_so.core.records.review import Decision
from lm_eval_so.core.records.sample import Passage, TestSample
from lm_eval_so.errors import DatasetError, InputError, NothingToDo, Where
from lm_eval_so.generator.dataset.stored import still_counting
from lm_eval_so.generator.dataset_tools.verify import validate
from lm_eval_so.generator.generate import Edits, generate, generate_with_model
from lm_eval_so.generator.review.decision_file import Given
from lm_eval_so.generator.review.decisions import Decisions, apply
from lm_eval_so.generator.review.fitting import fit
from lm_eval_so.generator.staleness.find_stale import find_stale
from lm_eval_so.generator.take_review import export_review, take_review
from lm_eval_so.generator.twins.make_twins import Twins, make_twins
from lm_eval_so.testing import ChatServer, Reply

SHOP = Path(__file__).parents[3] / "data/shop"
FAQ = "번호,질문,답변\n1,환불은 며칠 걸리나요?,3일 걸립니다.\n2,매장은 어디인가요?,성수에 있습니다.\n3,교환되나요?,됩니다.\n"


@dataclass
class Desk:
    """A dataset of a table and a document, and a person who reviews it."""

    folder: Path
    url: str | None = None
    twins: int = 0

    @property
    def made(self) -> Path:
        return self.folder / "made"

    def config(self, questions: int = 15) -> Config:
        backend = {"name": "openai", "params": {"model": "m"}}
        options = {"base_url": self.url, "api_key_env": ""}
        writer = {"backend": {**backend, "options": options}} if self.url else {}
        return make_config(
            {
                "version": 1,
                "suite": "shop",
                "language": "ko",
                "dataset": {"path": "made"},
                "run": {"cache": "cache.sqlite"},
                "generator": {
                    **writer,
                    "sources": [
                        {"id": "faq", "path": "faq.csv"},
                        {"id": "docs", "as": "documents", "path": ["policy.md", "shipping.html"]},
                    ],
                    "synthesise": {
                        "questions": questions,
                        "mix": {"fact": 1},
                        "per_chunk": 4,
                        "twins": self.twins,
                    },
                },
            },
            folder=self.folder,
        )

    def generate(self, edits: Edits = Edits.REFUSE) -> list[dict[str, Any]]:
        generate(self.config(), Resources(), edits=edits)
        return self.samples()

    def is_stale(self) -> bool:
        return find_stale(self.config(), ignore).fails(strict=True)

    def samples(self) -> list[dict[str, Any]]:
        lines = (self.made / "test.jsonl").read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def written(self) -> list[dict[str, Any]]:
        return [each for each in self.samples() if each["provenance"]["method"] != "import"]

    def info(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.made / "metadata.json").read_text("utf-8"))
        return found

    def files(self) -> dict[str, bytes]:
        """Return the files but for the page, which shows how its folder was named."""
        names = sorted(path for path in self.made.iterdir() if path.suffix != ".html")
        return {path.name: path.read_bytes() for path in names}

    def decide(self, lines: Iterable[Mapping[str, Any]], **options: Any) -> Any:
        file = self.folder / "decisions.jsonl"
        head = {"schema": "lm-eval-so/review/1", "dataset_sha256": "0" * 64, "reviewer": "지수"}
        texts = [json.dumps(each) for each in (head, *lines)]
        file.write_text("\n".join(texts), "utf-8")
        return take_review(self.made, file, **options)

    def refused(self, lines: Iterable[Mapping[str, Any]]) -> list[tuple[int | None, str]]:
        before = self.files()
        with pytest.raises(DatasetError) as error:
            self.decide(lines)
        assert error.value.exit_code == 2
        assert self.files() == before
        return [(p.where.line if p.where else None, p.what) for p in error.value.problems]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "faq.csv").write_text(FAQ, "utf-8")
    for name in ("policy.md", "shipping.html"):
        shutil.copy(SHOP / name, tmp_path / name)
    return Desk(tmp_path)


def decision(sample: Mapping[str, Any], ruling: str, **more: Any) -> dict[str, Any]:
    return {"id": sample["id"], "rev": sample["rev"], "decision": ruling, **more}


def fifteen(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return 10 accepted, 3 edited and 2 rejected tests: a question, an answer and a phrase are edited."""
    samples = sorted(samples, key=lambda each: ("metrics" in each, "–" not in each["expected"]))
    answer = samples[11]["expected"]
    return [
        *(decision(each, "accept") for each in samples[:10]),
        decision(samples[10], "edit", question="나무 등급은 얼마부터예요?"),
        decision(samples[11], "edit", expected=f"{answer}입니다."),
        decision(samples[12], "edit", must_say=[], note="답이 여러 가지"),
        decision(samples[13], "reject", reason="unnatural"),
        decision(samples[14], "reject", reason="other", note="아무도 안 물음"),
    ]


def test_take_review__shuffled_and_twice_gives_the_same_bytes(desk: Desk, tmp_path: Path) -> None:
    desk.generate()
    lines = fifteen(desk.written())
    original = desk.files()
    taken = desk.decide(lines)
    assert (taken.n, taken.accepted, taken.edited, taken.rejected) == (15, 10, 3, 2)
    assert (taken.open, taken.problems, taken.language) == (2, (), Language.KO)
    first = desk.files()
    assert not (desk.made / "review.html").exists()  # nothing is left to review
    desk.decide(lines)
    assert desk.files() == first
    for seed in range(5):
        shutil.rmtree(desk.made)
        desk.made.mkdir()
        for name, data in original.items():
            (desk.made / name).write_bytes(data)
        random.Random(seed).shuffle(lines)
        half = len(lines) // 2
        desk.decide(lines[:half])
        desk.decide(lines[half:])
        later = desk.files()
        assert {n for n in first if first[n] != later[n]} <= {"rejected.jsonl", "metadata.json"}
        assert sorted(first["rejected.jsonl"].split()) == sorted(later["rejected.jsonl"].split())
    validate(desk.made)
    load_dataset(desk.made)


def test_take_review__states_ids_and_what_generate_makes_of_them(desk: Desk) -> None:
    before = {each["id"]: each for each in desk.generate() if "slot" in each["provenance"]}
    lines = fifteen([*before.values()])
    found = desk.made / "metrics-from-openai-evals.yaml"  # as a source gave them
    found.write_text("metrics: []\n", "utf-8")
    desk.decide(lines)
    assert found.exists()
    after = {each["id"]: each for each in desk.written()}
    assert Counter(each["review"]["status"] for each in after.values()) == {
        "accepted": 10,
        "edited": 3,
    }
    old, answered, loose = (before[line["id"]] for line in lines[10:13])
    (new,) = after.keys() - before.keys()
    assert after[new]["review"] == {"status": "edited", "edited_from": old["id"]}
    assert after[new]["messages"][-1]["content"] == "나무 등급은 얼마부터예요?"
    assert after[new]["provenance"] == old["provenance"]
    assert after[answered["id"]]["rev"] != answered["rev"]
    assert "metrics" not in after[loose["id"]]
    assert after[loose["id"]]["review"]["note"] == "답이 여러 가지"
    for sample in load_dataset(desk.made):
        assert (sample.id, revision(sample)) == (
            content_id(sample),
            after.get(sample.id, {}).get("rev", revision(sample)),
        )
    info = desk.info()
    assert (info["plan"]["written"], info["plan"]["unfilled"]) == ({"fact": 13}, {"not_asked": 2})
    assert info["tries"] == {"review_reject": 2}
    accepted = {i: each for i, each in after.items() if each["review"]["status"] == "accepted"}
    policy = desk.folder / "policy.md"
    policy.write_text(policy.read_text("utf-8").replace("24시간", "48시간"), "utf-8")
    again = {each["id"]: each for each in desk.generate()}
    assert {i: again[i] for i in after} == after
    assert accepted
    assert [each for each in again if each in after] == [*after]
    rejected = {line["id"] for line in lines[13:]}
    assert not rejected & again.keys()
    assert len(again) == 3 + 15
    asked = {each["messages"][-1]["content"] for each in before.values() if each["id"] in rejected}
    assert not asked & {each["messages"][-1]["content"] for each in again.values()}
    assert not desk.is_stale()


def test_take_review__the_dataset_is_what_generate_makes_of_the_decisions(desk: Desk) -> None:
    samples = desk.generate()
    imported = [each for each in samples if each["provenance"]["method"] == "import"]
    desk.decide(
        [
            decision(
                imported[0], "edit", question="환불은 언제 되나요?", expected="사흘 걸립니다."
            ),
            decision(imported[1], "reject", reason="wrong_answer"),
            decision(imported[2], "accept"),
        ]
    )
    taken = desk.files()
    assert desk.info()["rejected"] == {"review_reject": 1}
    assert desk.info()["sources"][0] | {"kept": 2, "rejected": 1} == desk.info()["sources"][0]
    desk.generate()
    assert desk.files() == taken
    for name in ("test.jsonl", "rejected.jsonl", "metadata.json", "sources.jsonl"):
        (desk.made / name).unlink()
    desk.generate()  # of the sources and review.jsonl alone
    assert desk.files() == taken
    (reject,) = [
        json.loads(x) for x in (desk.made / "rejected.jsonl").read_text("utf-8").splitlines()
    ]
    assert (reject["stage"], reject["reason"], reject["at"]["line"]) == (
        "review",
        "review_reject",
        3,
    )
    (desk.folder / "faq.csv").write_text(FAQ.replace("며칠", "얼마나"), "utf-8")
    events: list[Event] = []
    generate(desk.config(), Resources(listener=events.append))
    warned = [each.text for each in events if isinstance(each, Warned)]
    assert [text for text in warned if "환불은 언제 되나요?" in text and "faq.csv:2" in text]


def spoiled(samples: list[dict[str, Any]]) -> list[tuple[dict[str, Any], str]]:
    """Return decisions that do not fit, each with the beginning of what is said."""
    one, two, three, other = samples[:4]
    name = one["id"]
    taken = two["messages"][-1]["content"]
    return [
        ({**decision(one, "accept"), "id": "s0"}, "there is no test s0"),
        (
            {**decision(one, "accept"), "rev": "0" * 16},
            f"{name} was changed since: its rev is {one['rev']}, not 0000",
        ),
        (decision(one, "edit"), f"{name} is edited, and no text of it differs"),
        (decision(one, "edit", question=""), f"{name}: the question is empty"),
        (decision(one, "edit", expected=" "), f"{name}: the answer is empty"),
        (decision(one, "edit", question="왜?"), f"{name}: too_short: 왜?"),
        (decision(one, "edit", expected="가" * 601), f"{name}: too_long: 0 + 601"),
        (
            decision(one, "edit", question="제 번호는 010-1234-5678인데 되나요?"),
            f"{name}: the edited text has personal data (phone)",
        ),
        (decision(one, "edit", question=taken), f"{name} asks now what {two['id']} asks"),
        (
            decision(three, "edit", expected="그때그때 다릅니다."),
            f"{three['id']}: the answer does not say ",
        ),
        (
            decision(other, "accept", question="다른 질문인가요?"),
            f"{other['id']} is accepted, and question changed",
        ),
        (
            {**decision(one, "accept"), "decision": "maybe"},
            "input should be 'accept', 'edit' or 'reject'",
        ),
        (decision(one, "accept", note="좋아요 \ud83d"), "it holds half a character"),
    ]


def test_take_review__lists_every_misfit_with_its_line_and_takes_nothing(desk: Desk) -> None:
    desk.generate()
    samples = [each for each in desk.written() if each.get("metrics")]
    misfits = spoiled(samples)
    for line, said in misfits:
        [(number, what)] = desk.refused([line])
        assert number == 2
        assert what.startswith(said)
    note = "010-1234-5678로 확인함"
    fits = [decision(each, "accept", note=note) for each in samples[4:6]]
    contradiction = {**fits[1], "decision": "reject"}
    lines = [misfits[0][0], fits[0], misfits[1][0], fits[1], contradiction]
    found = desk.refused(lines)
    assert [number for number, _ in found] == [2, 4, 6]
    assert found[2][1] == f"{fits[1]['id']} was decided in line 5 already"
    taken = desk.decide(lines, partial=True)
    assert (taken.accepted, len(taken.problems)) == (2, 3)
    states = {each["id"]: each["review"]["status"] for each in desk.samples()}
    assert [states[each["id"]] for each in fits] == ["accepted", "accepted"]
    kept = (desk.made / "review.jsonl").read_text("utf-8")
    assert kept.count('"note":"010-****-5678로 확인함"') == 2
    assert desk.refused([{**fits[0], "decision": "reject", "rev": "1" * 16}])


def test_take_review__a_later_decision_counts_and_an_old_page_does_not(desk: Desk) -> None:
    desk.generate()
    one, two = desk.written()[:2]
    desk.decide([decision(one, "accept"), decision(two, "edit", question="이거 얼마예요?")])
    [(_, what)] = desk.refused([decision(two, "edit", question="저거 얼마예요?")])
    assert what == f"{two['id']} was decided before, and otherwise: edit"
    desk.decide([decision(one, "reject", reason="duplicate")])
    assert one["id"] not in {each["id"] for each in desk.samples()}
    new = next(each for each in desk.written() if each["review"]["status"] == "edited")
    desk.decide([decision(new, "edit", question=two["messages"][-1]["content"])])  # back again
    assert two["id"] in {each["id"] for each in desk.generate()}
    assert not desk.is_stale()


def as_excel_saves(rows: list[dict[str, str]], encoding: str) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(encoding, "replace")  # what CP949 lacks becomes a question mark


def test_take_review__a_table_gives_what_the_page_gives(desk: Desk, tmp_path: Path) -> None:
    desk.generate()
    samples = desk.written()
    lines = {line["id"]: line for line in fifteen(samples)}
    (file,) = export_review(desk.made, None, table=True)
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8-sig"), newline="")))
    assert {(row["id"], row["rev"]) for row in rows} == {
        (i, f"#{x['rev']}") for i, x in lines.items()
    }
    words = {"accept": "승인", "edit": "수정", "reject": "거절"}
    for row in rows:
        line = lines[row["id"]]
        row |= {"decision": words[line["decision"]], "reason": line.get("reason", "")}
        row |= {k: line[k] for k in ("question", "expected", "note") if k in line}
        if "must_say" in line:
            row["must_say"] = ""
    file.unlink()
    original = desk.files()
    desk.decide(lines.values())
    expected = desk.files()
    expected["review.jsonl"] = expected["review.jsonl"].replace(',"reviewer":"지수"'.encode(), b"")
    for encoding in ("cp949", "utf-8-sig", "utf-16"):
        for name, data in original.items():
            (desk.made / name).write_bytes(data)
        (desk.made / "review.jsonl").unlink(missing_ok=True)
        back = tmp_path / "back.csv"
        back.write_bytes(as_excel_saves(rows, encoding))
        assert take_review(desk.made, back).n == 15
        found = desk.files()
        assert found.keys() == expected.keys()
        assert [name for name in found if found[name] != expected[name]] == []


def test_take_review__a_table_says_what_nobody_decided(desk: Desk, tmp_path: Path) -> None:
    desk.generate()
    (file,) = export_review(desk.made, None, table=True, everything=True)
    rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8-sig"), newline="")))
    assert len(rows) == 18
    file.unlink()
    back = tmp_path / "back.csv"
    back.write_bytes(as_excel_saves(rows, "utf-8-sig"))
    before = desk.files()
    assert take_review(desk.made, back).n == 0
    assert desk.files() == before
    rows[0]["expected"] += " 아마도"
    rows[1]["decision"] = "좋음"
    rows[2] |= {"decision": "승인", "question": "=1+1은 뭐예요?"}
    back.write_bytes(as_excel_saves(rows, "utf-8-sig"))
    with pytest.raises(DatasetError) as error:
        take_review(desk.made, back)
    assert [(p.where.line if p.where else 0, p.what) for p in error.value.problems] == [
        (2, f"{rows[0]['id']}: a text was changed, and nothing decided"),
        (3, '"좋음" is no decision'),
        (4, f"{rows[2]['id']} is accepted, and question changed"),
    ]


def test_take_review__a_table_that_lost_characters_edits_none_of_them(
    desk: Desk, tmp_path: Path
) -> None:
    desk.generate()
    (file,) = export_review(desk.made, None, table=True)
    rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8-sig"), newline="")))
    row = next(row for row in rows if "–" in row["expected"])
    row |= {"decision": "수정", "expected": row["expected"] + "입니다"}
    back = tmp_path / "back.csv"
    back.write_bytes(as_excel_saves(rows, "cp949"))
    with pytest.raises(DatasetError, match="the encoding of the file has no –"):
        take_review(desk.made, back)
    back.write_bytes(as_excel_saves(rows, "utf-8-sig"))
    assert take_review(desk.made, back).edited == 1


def test_export_review__nothing_is_left(desk: Desk) -> None:
    desk.generate()
    desk.decide([decision(each, "accept") for each in desk.written()])
    with pytest.raises(NothingToDo, match="every test was reviewed"):
        export_review(desk.made, None, table=True)
    (page,) = export_review(desk.made, Language.EN, table=False, everything=True)
    assert page.name == "review.html"


def test_take_review__a_twin_follows_its_base(desk: Desk) -> None:
    desk.twins = 8
    samples = {each["id"]: each for each in desk.generate()}
    twins = [each for each in samples.values() if each["provenance"]["method"] == "twin"]
    bases = [samples[each["relation"]["base"]] for each in twins]
    own = [n for n, base in enumerate(bases) if base["provenance"]["method"] != "import"][:4]
    accepted, answered, asked, lone = (twins[n] for n in own)
    desk.decide(
        [
            decision(bases[own[0]], "accept"),
            decision(bases[own[1]], "edit", expected=bases[own[1]]["expected"] + "입니다."),
            decision(bases[own[2]], "edit", question="완전히 다르게 물어볼까요?"),
            decision(lone, "reject", reason="unnatural"),
        ]
    )
    validate(desk.made)
    left = {each["id"]: each for each in desk.samples()}
    assert left[accepted["id"]]["review"] == {"status": "accepted"}
    assert left[answered["id"]]["expected"].endswith("입니다.")
    assert not {asked["id"], lone["id"]} & left.keys()
    assert desk.info()["twins"] == Counter(
        each["relation"]["type"] for each in left.values() if "relation" in each
    )
    after = {each["id"]: each for each in desk.generate()}
    assert {i: after[i] for i in left} == left
    assert not {asked["id"], lone["id"]} & after.keys()
    assert len(after) == len(samples)


def test_apply__an_answer_to_a_test_without_one() -> None:
    question = (Message(role="user", content="브라질에도 보내나요?"),)
    sample = TestSample(id="s1", rev="r1", messages=question, behavior=Behavior.ABSTAIN)
    edit = Decision(id="s1", rev="r1", decision="edit", expected="네, 보냅니다.", must_say=("네",))
    made = apply(sample, edit)
    assert (made.behavior, made.expected) == (Behavior.ANSWER, "네, 보냅니다.")
    assert made.metrics == {"keyword_coverage": {"keywords": ["네"]}}
    assert (made.id, made.rev) == (content_id(sample), revision(made))
    base = replace(made, relation=None)
    terms = Twins(wanted=1, seed=7)
    (twin,) = make_twins([base], (), terms)
    (other,) = make_twins([base], (), replace(terms, rejected={twin.id}))
    assert other.id != twin.id


def test_fit__an_edit_may_have_the_address_that_its_evidence_has() -> None:
    passage = Passage(text="문의는 help@example.com으로 보냅니다.")
    question = (Message(role="user", content="어디에 물어보나요?"),)
    sample = TestSample(id="s1", messages=question, expected="메일로요.", context=(passage,))
    for address, n in (("help@example.com", 0), ("kim@example.com", 1)):
        edit = Decision(id="s1", rev=revision(sample), decision="edit", expected=f"{address}로요.")
        given = Given(where=Where(line=1), decision=edit)
        assert len(fit([given], [sample], Decisions())[1]) == n


def test_still_counting__tries_before_a_rejection_do_not() -> None:
    def line(stage: str, slot: str, n: int) -> dict[str, Any]:
        return {"stage": stage, "slot": slot, "attempt": n}

    lines = [
        line("write", "a", 0),
        line("write", "b", 0),
        line("review", "a", 0),
        line("write", "a", 1),
    ]
    assert [*still_counting(lines)] == [line("write", "a", 1), line("write", "b", 0)]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda made: (made / "metadata.json").unlink(), "has no metadata.json or"),
        (lambda made: (made / "metadata.json").write_text("{}"), "is damaged"),
        (lambda made: (made / "test.jsonl").write_text((made / "test.jsonl").read_text("utf-8").replace("성수에", "합정에"), "utf-8"), "the tests were edited by hand"),
        (lambda made: (made / "review.jsonl").write_text("{}\n"), "field required"),
    ],
    ids=["no_metadata", "damaged", "edited", "decisions"],
)  # fmt: skip
def test_take_review__refuses_what_it_would_spoil(
    desk: Desk, spoil: Callable[[Path], object], said: str
) -> None:
    samples = desk.generate()
    spoil(desk.made)
    with pytest.raises(InputError, match=said):
        desk.decide([decision(samples[-1], "accept")])


def test_generate__a_rejected_slot_gets_another_question_of_the_model(
    desk: Desk, tmp_path: Path
) -> None:
    import asyncio

    writer = QuestionWriter()
    with ChatServer(lambda seen: Reply(text=writer.reply(seen.text))) as server:
        desk.url = server.url
        config = desk.config(questions=4)
        asyncio.run(generate_with_model(config, Resources()))
        before = {each["id"]: each for each in desk.written()}
        gone, *kept = before.values()
        desk.decide([decision(gone, "reject", reason="wrong_answer"), decision(kept[0], "accept")])
        standing = (desk.made / "test.jsonl").read_bytes().splitlines()
        asked = len(server.requests)
        made = asyncio.run(generate_with_model(config, Resources()))
        after = {each["id"]: each for each in desk.written()}
        (new,) = after.keys() - before.keys()
        assert after[new]["provenance"]["slot"] == gone["provenance"]["slot"]
        assert set(standing) <= set((desk.made / "test.jsonl").read_bytes().splitlines())
        prompts = [seen.text for seen in server.requests[asked:]]
        assert len(prompts) == 2  # one is written, and checked
        assert gone["messages"][-1]["content"] in prompts[0]
        assert made.info.tries
        assert made.info.tries["review_reject"] == 1
        assert not made.is_short
        files, asked = desk.files(), len(server.requests)
        asyncio.run(generate_with_model(config, Resources()))
        assert (desk.files(), len(server.requests)) == (files, asked)
