"""`dataset validate`: whatever is damaged is told with its file and line, all at once."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers.commands import lm_eval_so

from lm_eval_so.errors import DatasetError
from lm_eval_so.generator.dataset_tools.verify import validate
from lm_eval_so.generator.generate import generate

FAQ = {"path": "faq.csv", "map": {"input": "질문", "expected": "답변"}}
ROWS = "질문,답변\r\n환불은 며칠?,3일\r\n배송은 며칠?,2일\r\n"
DOCUMENT = "# 적립\n\n등급마다 적립률이 다릅니다.\n\n| 등급 | 적립률 |\n|---|---|\n| 숲 | 3% |\n| 나무 | 2% |\n"


@pytest.fixture
def made(shop: Any) -> Path:
    shop.write("faq.csv", ROWS)
    shop.write("docs.md", DOCUMENT)
    config = shop.config(FAQ, {"path": "docs.md", "as": "documents"})
    section = config.generator.model_copy(update={"synthesise": _wanted()})
    generate(config.model_copy(update={"generator": section}), shop.resources())
    folder: Path = shop.folder / "made"
    return folder


def _wanted() -> Any:
    from lm_eval_so.core.config.sources import SynthesiseSection

    return SynthesiseSection(questions=2, twins=0, mix={"fact": 1})


def line(number: int, change: Callable[[dict[str, Any]], None], name: str = "test.jsonl") -> Any:
    """Return what changes the values of one line of a file."""

    def apply(folder: Path) -> None:
        lines = (folder / name).read_text("utf-8").splitlines()
        values = json.loads(lines[number - 1])
        change(values)
        lines[number - 1] = json.dumps(values, ensure_ascii=False)
        (folder / name).write_text("\n".join(lines) + "\n", "utf-8")

    return apply


def at(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(values: dict[str, Any]) -> None:
        *keys, last = path.split(".")
        inner: Any = values
        for key in keys:
            inner = inner[int(key)] if key.isdigit() else inner[key]
        inner[last] = value

    return change


def told(folder: Path) -> list[tuple[str, str]]:
    with pytest.raises(DatasetError) as error:
        validate(folder)
    return [
        (str(each.where).removeprefix(f"{folder}/"), each.what) for each in error.value.problems
    ]


def own_base(values: dict[str, Any]) -> None:
    values["relation"] = {**RELATION, "base": values["id"]}


def from_the_end(folder: Path) -> None:
    """Count the span of a passage from the end of its document, as Python's slices could."""
    [document] = (folder / "sources.jsonl").read_text("utf-8").splitlines()
    length = len(json.loads(document)["text"])

    def change(values: dict[str, Any]) -> None:
        passage = values["context"][0]
        passage["span"] = [place - length for place in passage["span"]]

    line(3, change)(folder)


def other_digest(folder: Path) -> None:
    file = folder / "metadata.json"
    file.write_text(
        file.read_text("utf-8").replace('"dataset_sha256": "', '"dataset_sha256": "0'), "utf-8"
    )


GOLD = "context.0."
RELATION = {"base": "s0", "type": "typo", "expect": "same"}


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        (line(1, at("weight", "heavy")), "test.jsonl:1  weight", "valid number"),
        (line(2, at("expected", "4일")), "test.jsonl:2", "the rev"),
        (line(2, at("messages.0.content", "배송은?")), "test.jsonl:2", "is not that of the question"),
        (line(1, at("messages", [])), "test.jsonl:1", "nothing is asked"),
        (line(3, at(GOLD + "span", [0, 4])), "test.jsonl:3", "characters 0 to 4 of docs.md"),
        (from_the_end, "test.jsonl:3", "are not the text of its passage"),
        (line(1, own_base), "test.jsonl:1", "which is itself"),
        (other_digest, "metadata.json", "dataset_sha256 is not the digest"),
        (line(3, at(GOLD + "doc_id", "d0")), "test.jsonl:3", "quotes d0, which is not in sources"),
        (line(3, at(GOLD + "sha256", "0")), "test.jsonl:3", "that of its sha256"),
        (line(1, at("relation", RELATION)), "test.jsonl:1", "the base s0, which is no test here"),
        (line(1, at("text", 1), "sources.jsonl"), "sources.jsonl:1  text", "valid string"),
        (lambda folder: (folder / "rejected.jsonl").unlink(), "metadata.json", "rejected.jsonl is missing"),
        (line(1, at("x", 1), "sources.jsonl"), "sources.jsonl", "is not the file that metadata"),
    ],
)  # fmt: skip
def test_validate__tells_what_is_damaged_and_where(
    made: Path, change: Callable[[Path], None], where: str, what: str
) -> None:
    assert (validate(made).samples, validate(made).quotes, validate(made).documents) == (4, 2, 1)
    change(made)
    found = told(made)
    assert any(place == where and what in said for place, said in found), found


def test_validate__all_problems_at_once_in_the_order_of_lines(made: Path) -> None:
    line(4, at(GOLD + "text", "다른 말"))(made)
    line(1, at("relation", RELATION))(made)
    line(2, at("messages", []))(made)
    done = lm_eval_so("dataset", "validate", "made", cwd=made.parent)
    assert done.returncode == 2
    places = [x.removeprefix("  --> ") for x in done.stderr.splitlines() if "-->" in x]
    lines = ["1", "1", "2", "4", "4"]
    assert places == [*(f"made/test.jsonl:{number}" for number in lines), "made/test.jsonl"]


def test_validate__line_ends_are_no_damage_and_files_by_hand_need_no_metadata(made: Path) -> None:
    file = made / "test.jsonl"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    done = lm_eval_so("dataset", "validate", "made", cwd=made.parent)
    assert done.stdout == ("made: 이상 없음. 테스트 4개, 문서 1개의 인용문 2개를 확인했습니다\n")
    own = made.parent / "own.jsonl"
    own.write_text('{"id": "q1", "input": "환불은 며칠?", "expected": "3일"}\n', "utf-8")
    assert validate(own).samples == 1
    assert lm_eval_so("dataset", "validate", "nowhere", cwd=made.parent).returncode == 2
