"""Labels by people, as spreadsheets and programs save them."""

import json
from pathlib import Path

import pytest

from lm_eval_so.core.hashing import digest_bytes
from lm_eval_so.errors import DatasetError, InputError
from lm_eval_so.evaluator.calibration.label_cells import HumanLabel, LabelFile
from lm_eval_so.evaluator.calibration.label_file import has_labels, read_answers, read_labels

KNOWN = {
    "helpful": {"good": "good", "bad": "bad", "좋음": "good"},
    "tone": {str(step): str(step) for step in range(1, 6)},
}
ONE = {"helpful": KNOWN["helpful"]}
HEADER = "id,repeat,metric,label,annotator,note"
PLAIN = f"{HEADER}\nq1,0,helpful,Good.,김,메모\nq2,1,helpful,좋음,,\n"


def read(tmp_path: Path, data: str | bytes, name: str = "labels.csv", known=KNOWN) -> LabelFile:
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read_labels(path, known)


def problems(tmp_path: Path, text: str, known=KNOWN, name: str = "labels.csv") -> list[str]:
    with pytest.raises(DatasetError) as caught:
        read(tmp_path, text, name=name, known=known)
    found = caught.value.problems
    assert {problem.where.file for problem in found if problem.where} == {str(tmp_path / name)}
    return [f"{problem.where.line}: {problem.what}" for problem in found if problem.where]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_csv__as_spreadsheets_save_it(
    tmp_path: Path, encoding: str, delimiter: str, line_end: str
) -> None:
    text = PLAIN.replace(",", delimiter).replace("\n", line_end)
    found = read(tmp_path, text.encode(encoding))
    assert [(each.sample_id, each.repeat, each.label) for each in found.labels] == [
        ("q1", 0, "good"),
        ("q2", 1, "good"),
    ]
    assert [(each.annotator, each.note) for each in found.labels] == [("김", "메모"), ("", "")]
    assert found.is_lossy == (encoding == "cp949")
    assert found.digest == digest_bytes(text.encode(encoding))


def test_jsonl__is_read_as_well(tmp_path: Path) -> None:
    rows = [
        {"id": "q1", "label": "GOOD", "metric": "helpful", "annotator": "a", "answer": "답"},
        {"id": "q1", "label": 4, "metric": "tone", "repeat": 2, "note": "a\nb"},
        {"id": "q2", "label": None, "metric": "tone"},
    ]
    text = "\ufeff" + "".join(json.dumps(row) + "\n\n" for row in rows)
    found = read(tmp_path, text, name="labels.jsonl")
    assert found.labels == (
        HumanLabel(
            metric="helpful",
            sample_id="q1",
            repeat=0,
            label="good",
            annotator="a",
            note="",
            answer="답",
        ),
        HumanLabel(
            metric="tone",
            sample_id="q1",
            repeat=2,
            label="4",
            annotator="",
            note="a b",
            answer=None,
        ),
    )
    assert found.empty == {"tone": 1}


def test_metric__need_not_be_named_where_there_is_one(tmp_path: Path) -> None:
    (found,) = read(tmp_path, "ID, Label\nq1,bad\n", known=ONE).labels
    assert (found.metric, found.label) == ("helpful", "bad")
    assert problems(tmp_path, "id,label\nq1,bad\n") == [
        "2: which metric? it is one of helpful, tone"
    ]


@pytest.mark.parametrize(
    "said", ["GOOD", " 'good'. ", "ＧＯＯＤ", "좋음", "\u110c\u1169\u11c2\u110b\u1173\u11b7"]
)
def test_label__compared_as_a_judges(tmp_path: Path, said: str) -> None:
    (found,) = read(tmp_path, f"id,label\nq1,{said}\n", known=ONE).labels
    assert found.label == "good"


def test_rows__without_a_label_are_counted(tmp_path: Path) -> None:
    text = f"{HEADER}\nq1,0,helpful, ,,\nq2,0,helpful,bad,,\n,,,,,\n\nq3,0,gone,,,\n"
    found = read(tmp_path, text)
    assert ([each.sample_id for each in found.labels], found.empty) == (
        ["q2"],
        {"helpful": 1, "gone": 1},
    )


def test_several_people__are_several_lines(tmp_path: Path) -> None:
    text = f"{HEADER}\n" + "".join(
        f"q1,0,helpful,{label},{name},\n"
        for label, name in [("good", "김"), ("bad", "이"), ("good", ""), ("good", "")]
    )
    assert [each.annotator for each in read(tmp_path, text).labels] == ["김", "이", "", ""]


def test_read_answers__each_once_labelled_or_not(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(
        "id,repeat,metric,answer,label,annotator\nq1,0,helpful,'=1,좋음,김\nq1,0,helpful,'=1,bad,이\n"
        "q1,1,helpful,둘,,\nq1,0,tone,'=1,,\n",
        "utf-8",
    )
    found = read_answers(tmp_path / "labels.csv", KNOWN)
    assert [(x.metric, x.sample_id, x.repeat, x.label, x.cells["answer"]) for x in found] == [
        ("helpful", "q1", 0, "good", "=1"),
        ("helpful", "q1", 1, None, "둘"),
        ("tone", "q1", 0, None, "=1"),
    ]
    assert (found[0].cells["annotator"], found[0].cells["rubric"]) == ("김", "")
    (tmp_path / "labels.csv").write_text("id,metric,label\nq1,other,\n,helpful,great\n", "utf-8")
    with pytest.raises(DatasetError) as caught:
        read_answers(tmp_path / "labels.csv", KNOWN)
    assert [problem.where.line for problem in caught.value.problems if problem.where] == [2, 3, 3]


def test_guarded_ids__come_back_as_they_were(tmp_path: Path) -> None:
    text = "id,label,answer\n'=q1,bad,'-3도\n''+q,good,'quoted'\n"
    found = read(tmp_path, text, known=ONE).labels
    assert [(each.sample_id, each.answer) for each in found] == [
        ("=q1", "-3도"),
        ("'+q", "'quoted'"),
    ]


def test_problems__all_at_once_with_their_lines(tmp_path: Path) -> None:
    text = (
        'id,repeat,metric,label,annotator,answer\nq1,0,helpful,great,,"two\nlines"\n'
        "q2,x,helpful,good,,\n,0,helpful,good,,\nq3,0,helpfull,good,,\nq4,0,other,good,,\n"
        "q5,0,helpful,good,김,\nq5,0,helpful,bad,김,\nq6,-1,helpful,good,,\nq7,0,tone,6,,\n"
    )
    assert problems(tmp_path, text) == [
        '2: the label "great" is not one of good, bad',
        "4: repeat 'x' is no count",
        "5: the id is missing",
        '6: no metric "helpfull" that judges by labels (did you mean "helpful"?)',
        '7: no metric "other" that judges by labels',
        "9: 김 labelled q5 already in line 8",
        "10: repeat '-1' is no count",
        '11: the label "6" is not one of 1, 2, 3, 4, 5',
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "1: the file is empty"),
        ("a,b\n1,2\n", "1: no column id and no column label"),
        ("id,metric\n1,2\n", "1: no column label"),
        ('id,label\nq1,"good\n', "2: no CSV: unexpected end of data"),
    ],
)
def test_problems__of_the_whole_file(tmp_path: Path, text: str, what: str) -> None:
    assert problems(tmp_path, text, known=ONE) == [what]


def test_problems__of_json_lines(tmp_path: Path) -> None:
    text = '{"id": "q1"}\n{"id": \n[1]\n{"id": "q1", "label": ["good"]}\n'
    found = problems(tmp_path, text, known=ONE, name="labels.jsonl")
    assert [line.partition(":")[0] for line in found] == ["1", "2", "3", "4"]
    assert found[0] == "1: no label"
    assert found[3] == '4: the label ["good"] is not one of good, bad'


def test_encoding__neither_utf8_nor_cp949(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, b"id,label\nq1,\xff\xff\n")
    assert str(caught.value) == "neither UTF-8 nor CP949 at byte 12"


def test_file__missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_labels(tmp_path / "none.csv", KNOWN)


@pytest.mark.parametrize(
    ("text", "begun"),
    [
        (None, False),
        ("id,label\nq1,\nq2, \n", False),
        ("id,label\nq1,\nq2,bad\n", True),
        ("id,label\nq1,whatever they mean\n", True),
        ("something else\n", False),
        (b"\xff\xff\xff", True),
    ],
)
def test_has_labels(tmp_path: Path, text: str | bytes | None, begun: bool) -> None:
    path = tmp_path / "labels_todo.csv"
    if text is not None:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    assert has_labels(path) is begun
