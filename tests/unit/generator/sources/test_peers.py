"""Files of other tools: what becomes a question, an answer, a passage, and what is told."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from lm_eval_so.errors import DatasetError
from lm_eval_so.generator.sources.shapes import SHAPES

PEERS = Path(__file__).parents[3] / "data" / "peers"


@pytest.fixture
def peers(shop: Any) -> Any:
    shutil.copytree(PEERS, shop.folder, dirs_exist_ok=True)
    return shop


def asked(sample: dict[str, Any]) -> Any:
    if "scenario" in sample:
        return sample["scenario"]["simulated_user"]["goal"]
    texts = [message["content"] for message in sample["messages"]]
    return texts[0] if len(texts) == 1 else texts


SHAPED: dict[str, list[tuple[Any, list[str], dict[str, Any]]]] = {
    "deepeval.json": [
        (
            "칫솔 뜯어 봤는데 반품되나요?",
            ["포장을 뜯은 위생용품은 반품할 수 없습니다."],
            {
                "context": [
                    {
                        "role": "gold",
                        "text": "포장을 뜯은 위생용품(칫솔, 속옷)은 반품 대상이 아닙니다.",
                    }
                ],
                "metadata": {"난이도": "쉬움"},
            },
        ),
        ("How long is the warranty?", ["One year."], {}),
    ],
    "deepeval_conversations.json": [
        (
            "지난주에 산 이어폰이 고장 나서 교환하고 싶습니다.",
            [],
            {
                "ref": "교환-1",
                "language": "ko",
                "scenario": {
                    "simulated_user": {
                        "goal": "지난주에 산 이어폰이 고장 나서 교환하고 싶습니다.",
                        "persona": {"name": "급한 고객"},
                    },
                    "stop": {"max_turns": 8, "give_up_after": 3},
                    "success": [
                        {"type": "judge", "text": "교환 접수 방법과 걸리는 날을 안내받는다."}
                    ],
                },
            },
        ),
        ("You want to change the delivery address of an order.", [], {"language": "en"}),
    ],
    "ragas.csv": [
        (
            "배송비는 얼마인가요?",
            ["3,000원이고 5만원 이상은 무료입니다."],
            {
                "context": [
                    {"role": "gold", "text": "배송비는 3,000원입니다."},
                    {"role": "gold", "text": "5만원 이상 사면 '무료'입니다."},
                ]
            },
        ),
        ("Do you ship to Japan?", ["Yes, in 3–5 days."], {}),
    ],
    "ragas_old.jsonl": [
        ("적립금은 언제 사라지나요?", ["1년 뒤에 사라집니다."], {}),
        ("등급은 몇 개인가요?", ["네 개입니다."], {}),
    ],
    "inspect.jsonl": [
        ("환불은 며칠 걸리나요?", ["3일", "영업일 기준 3일"], {"ref": "q-1"}),
        (
            "Which item cannot be returned?",
            ["B"],
            {"metrics": {"choice": {"options": ["A coat", "An opened toothbrush", "A lamp"]}}},
        ),
        (["짧게 답합니다.", "영업 시간은?"], ["9시부터 6시까지"], {}),
    ],
    "langsmith.csv": [
        ("회원 등급은 어떻게 오르나요?", ["1년 구매 금액으로 정합니다."], {"ref": "ls-1"}),
        (["Hi", "Hello", "Where is my order?"], ["Ask for the order number."], {}),
    ],
    "langsmith.jsonl": [
        ("선물 포장이 되나요?", ["네, 2,000원입니다."], {}),
        ("Is it toxic?", ["false"], {"metadata": {"topic": "safety"}}),
    ],
    "langsmith_runs.jsonl": [
        ("영수증을 다시 받을 수 있나요?", [], {"review": {"status": "unreviewed"}})
    ],
    "langfuse.json": [
        ("회원 탈퇴는 어디에서 하나요?", ["내 정보 메뉴에서 합니다."], {"ref": "lf-1"}),
        ("Can I pay later?", ['{"intent":"pay","allowed":true}'], {}),
    ],
    "openai_evals.jsonl": [
        (["Answer briefly.", "What is the return window?"], ["7 days", "seven days"], {}),
        ("교환 배송비는 누가 내나요?", ["불량이면 판매자가 냅니다."], {}),
    ],
    "alpaca.json": [
        (
            "다음 문의를 한 줄로 줄이세요.\n\n어제 산 옷이 작아서 큰 것으로 바꾸고 싶어요.",
            ["옷 사이즈 교환 문의"],
            {},
        ),
        ("Say when shops close.", ["At 8 pm."], {}),
    ],
    "list.yaml": [
        ("무선 충전이 되나요?", ["no"], {"ref": "010"}),
        ("When was it released?", ["2024-01-02"], {"ref": "011"}),
        ("버전은?", ["1.10"], {}),
        ("몇 개인가요?", ["3"], {}),
    ],
    "korquad.json": [
        (
            "제주 추가 배송비는?",
            ["3,000원", "추가 배송비 3,000원"],
            {
                "ref": "6566495-0-0",
                "context": [
                    {"role": "given", "text": "제주와 도서 지역은 추가 배송비 3,000원이 붙는다."}
                ],
            },
        ),
        ("울릉도까지 며칠 걸리나?", [], {"behavior": "abstain"}),
        ("When do orders before noon leave?", ["on the same day"], {"behavior": "answer"}),
    ],
    "squad_rows.jsonl": [
        ("When does it open?", ["at 9"], {}),
        ("When does it close?", [], {"behavior": "abstain"}),
    ],
}


@pytest.mark.parametrize("name", SHAPED)
def test_shape__questions_and_answers_of_people_and_none_of_a_system(peers: Any, name: str) -> None:
    peers.generate({"path": name})
    for sample, (question, answers, more) in zip(peers.samples(), SHAPED[name], strict=True):
        expected = [*filter(None, [sample.get("expected")]), *sample.get("references", [])]
        assert (asked(sample), expected) == (question, answers)
        assert {key: sample.get(key) for key in more} == more
    assert "봇" not in (peers.folder / "made" / "test.jsonl").read_text("utf-8")
    assert sum("read as" in text for text in peers.notices()) == (name != "list.yaml")


def test_shape__what_is_left_out_is_told(peers: Any) -> None:
    made = peers.generate(
        {"path": ["langsmith.csv", "langsmith.jsonl", "langfuse.json", "korquad.json"]}
    )
    assert sum(source.records for source in made.info.sources) == 13
    assert [(line["file"], line["reason"], line["what"]) for line in peers.rejects()] == [
        ("langsmith.csv", "bad_json", "outputs: no JSON: expected a comma"),
        (
            "langsmith.jsonl",
            "bad_type",
            "input: an object with one, two, none of which is known to be the question",
        ),
        ("korquad.json", "not_object", "found a text, not an object"),
    ]
    assert "langfuse.json: skipped 1 with status: ARCHIVED" in peers.notices()
    paragraphs = [s["group_id"] for s in peers.samples() if s.get("context")]
    assert len(paragraphs) == 3
    assert len(set(paragraphs)) == 2


def test_shape__a_map_of_the_config_takes_the_records_as_they_stand(peers: Any) -> None:
    peers.generate({"path": "ragas_old.jsonl", "map": {"input": "question", "expected": "answer"}})
    assert [sample["expected"] for sample in peers.samples()] == ["봇이 한 말 5", "봇이 한 말 6"]


def test_shape__the_paragraph_may_be_evidence_alone(peers: Any) -> None:
    peers.generate({"path": ["korquad.json", "squad_rows.jsonl"], "context": "gold"})
    roles = [passage["role"] for sample in peers.samples() for passage in sample["context"]]
    assert roles == ["gold"] * 5


def test_shapes__no_answer_of_a_system_is_mapped() -> None:
    mapped = {column for shape in SHAPES for named in shape.map.values() for column in named}
    assert not mapped & {"actual_output", "response", "retrieved_contexts", "retrieval_context"}
    runs = next(shape for shape in SHAPES if "runs" in shape.name)
    assert "outputs" not in {column for named in runs.map.values() for column in named}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "a: &a [x]\n"
            + "".join(
                f"{k}: &{k} [{', '.join([f'*{p}'] * 9)}]\n"
                for p, k in zip("abcdefgh", "bcdefghi", strict=True)
            ),
            "more than 100,000 values",
        ),
        ("- " * 5_000, "nested too deeply"),
        (
            "- {question: !!python/name:os.system x, answer: a}",
            "python/name:os.system is not known",
        ),
        (
            "- question: a\n  question: b\n- question: c\n  answer: 1\n  answer: 2\n",
            '(line 2), the key "answer" stands twice (line 5)',
        ),
        ("- &x [*x]", "inside of what it stands for"),
        ("question: a\n", "found an object, not a list"),
        ("- a\n- {question: b", "no YAML"),
        ("", "empty"),
    ],
)
def test_yaml__hostile_or_broken_files_cost_themselves(shop: Any, text: str, said: str) -> None:
    shop.write("bad.yaml", text)
    shop.write("good.csv", "질문,답변\n가나?,다\n")
    shop.generate({"path": ["bad.yaml", "good.csv"]})
    (line,) = shop.rejects()
    assert said in line["what"]
    assert len(shop.samples()) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "item,question,answer\n램프,색은?,흰색\n"),
        ("a.csv", "title,context,question,answers\n램프,글,색은?,흰색\n"),
        ("a.jsonl", '{"vars": "a", "question": "색은?", "answer": "흰색"}'),
        ("a.jsonl", '{"item": "램프", "question": "색은?", "answers": ["흰색"]}'),
        ("a.json", '{"tests": [{"question": "색은?", "answer": "흰색"}]}'),
        ("a.json", '{"data": [{"question": "색은?", "answer": "흰색"}]}'),
    ],
)
def test_shape__columns_of_people_that_are_called_alike_are_theirs(
    shop: Any, name: str, text: str
) -> None:
    shop.write(name, text)
    shop.generate({"path": name})
    assert [(asked(s), s["expected"], s["behavior"]) for s in shop.samples()] == [
        ("색은?", "흰색", "answer")
    ]
    assert not any("read as" in text for text in shop.notices())


NASTY: list[Any] = [
    None,
    True,
    -1.5,
    "",
    [],
    {},
    [[1]],
    "file://",
    "file:///",
    "[",
    {"type": 3},
    "{{a}}",
    10**30,
]


def mutated(value: Any, chance: random.Random) -> Any:
    if chance.random() < 0.08:
        return chance.choice(NASTY)
    if isinstance(value, dict):
        return {k: mutated(v, chance) for k, v in value.items() if chance.random() > 0.05}
    if isinstance(value, list):
        return [mutated(item, chance) for item in value if chance.random() > 0.05]
    return value


@pytest.mark.parametrize(
    "name",
    ["promptfoo/promptfooconfig.yaml", "openai/eval.json", "openai/run.json", "korquad.json", "langfuse.json"],
)  # fmt: skip
def test_peers__a_broken_file_costs_itself_alone(peers: Any, name: str) -> None:
    whole = yaml.safe_load((PEERS / name).read_text("utf-8"))
    peers.write("good.csv", "질문,답변\n가나?,다\n")
    refused: list[str] = []
    for seed in range(12):
        value = mutated(whole, random.Random(f"{name}{seed}"))
        peers.write(name, json.dumps(value, ensure_ascii=False, default=str))
        files = [name, "openai/rows.jsonl"] if "openai" in name else [name]
        try:
            peers.generate({"path": [*files, "good.csv"]})
        except DatasetError as error:
            refused.append(str(error))
        else:
            assert "가나?" in map(asked, peers.samples())
    assert len(refused) < 12
    assert all("no column looks like a question" in text for text in refused)


def test_peers__half_a_character_in_a_quoted_cell_costs_no_dataset(peers: Any) -> None:
    peers.write("inspect.csv", 'input,target\n"""\\ud800?""",a\n"""b?""",c\n')
    peers.generate({"path": "inspect.csv"})
    assert [asked(sample) for sample in peers.samples()] == ['"\\ud800?"', "b?"]
