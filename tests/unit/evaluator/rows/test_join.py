"""Samples and the answers to them."""

import io
import json
from pathlib import Path

import pytest
from evaluation import FINGERPRINT, a_run, a_sample, placed, write_dataset, write_run

from lm_eval_so.core.dataset import load_dataset
from lm_eval_so.core.records.codec import dumps
from lm_eval_so.errors import RecordError
from lm_eval_so.evaluator.rows.join import Answers, JoinedRow, RowPlaces, join, line_at

ROWS = [{"id": f"q{i}", "input": f"질문 {i}"} for i in range(3)]


def joined(run: Path, dataset: Path) -> list[JoinedRow]:
    loaded = load_dataset(dataset)
    with Answers([run]) as answers:
        return list(join(loaded, answers, digest=loaded.ref.digest))


def texts(rows: list[JoinedRow]) -> list[str | None]:
    return [row.run.text if row.run else None for row in rows]


def test_join__dataset_order_whatever_the_order_of_the_run(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, ROWS)
    run = write_run(tmp_path, dataset, lambda s, r: a_run(f"{s.id}.{r}"), repeats=2)
    file = run / "run_results.jsonl"
    file.write_text("".join(reversed(file.read_text("utf-8").splitlines(keepends=True))), "utf-8")
    rows = joined(run, dataset)
    assert texts(rows) == ["q0.0", "q0.1", "q1.0", "q1.1", "q2.0", "q2.1"]
    assert [row.repeat for row in rows] == [0, 1] * 3


def test_join__last_row_of_a_key_wins(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, ROWS[:1])
    run = write_run(tmp_path, dataset, lambda s, r: a_run("old"))
    (sample,) = load_dataset(dataset)
    with (run / "run_results.jsonl").open("a", encoding="utf-8") as file:
        file.write(dumps(placed(a_run("new"), sample, 0)) + "\n")
    assert texts(joined(run, dataset)) == ["new"]


def test_join__changed_sample_has_no_answer(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, ROWS)
    run = write_run(tmp_path, dataset, lambda s, r: a_run(s.id) if s.id != "q2" else None)
    write_dataset(tmp_path, [ROWS[0], {"id": "q1", "input": "다른 질문"}, ROWS[2]])
    rows = joined(run, dataset)
    assert texts(rows) == ["q0", None, None]
    assert [row.is_changed for row in rows] == [False, True, False]


def test_join__corrected_reference_keeps_the_answer(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, ROWS[:1])
    run = write_run(tmp_path, dataset, lambda s, r: a_run("답"))
    write_dataset(tmp_path, [{**ROWS[0], "expected": "고친 답"}])
    assert texts(joined(run, dataset)) == ["답"]


def test_join__rows_of_another_fingerprint_do_not_count(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, ROWS[:2])

    def answer(sample: object, repeat: int) -> object:
        return a_run("답", fingerprint=FINGERPRINT if sample.id == "q0" else "0" * 64)

    run = write_run(tmp_path, dataset, answer)
    assert texts(joined(run, dataset)) == ["답", None]


def test_join__rows_left_out_by_plan_are_not_missing(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, ROWS)
    run = write_run(
        tmp_path, dataset, lambda s, r: a_run("답") if s.id == "q0" else None, planned=1
    )
    assert texts(joined(run, dataset)) == ["답"]
    other = write_run(
        tmp_path,
        dataset,
        lambda s, r: a_run("답") if s.id == "q0" else None,
        planned=1,
        name="stopped",
        state="interrupted",
    )
    assert texts(joined(other, dataset)) == ["답", None, None]


def test_join__plain_file_of_rows(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, ROWS[:2])
    run = write_run(tmp_path, dataset, lambda s, r: a_run("답"), repeats=2)
    plain = tmp_path / "answers.jsonl"
    (run / "run_results.jsonl").rename(plain)
    with Answers([plain]) as answers:
        assert (answers.infos, answers.repeats, answers.label) == ([], 2, "answers")
    assert texts(joined(plain, dataset)) == ["답"] * 4


def test_join__several_runs(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, ROWS)
    loaded = load_dataset(dataset)
    first = write_run(
        tmp_path, dataset, lambda s, r: a_run("1") if s.id == "q0" else None, name="one"
    )
    second = write_run(
        tmp_path, dataset, lambda s, r: a_run("2") if s.id != "q0" else None, name="two"
    )
    with Answers([first, second]) as answers:
        rows = list(join(loaded, answers, digest=loaded.ref.digest))
    assert texts(rows) == ["1", "2", "2"]


def test_answers__runs_of_different_chatbots_are_refused(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, ROWS)
    runs = [
        write_run(tmp_path, dataset, lambda s, r: a_run("답"), name=name, fingerprint=name * 64)
        for name in "ab"
    ]
    with pytest.raises(RecordError, match="different chatbots"):
        Answers(runs)


def test_answers__missing_run_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RecordError) as caught:
        Answers([tmp_path / "nowhere"])
    assert caught.value.problems[0].hint == "make it with lm-eval-so run"


def test_answers__broken_rows_are_named_by_line(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    good = dumps(placed(a_run("답"), a_sample(), 0))
    file.write_text(f"{good}\n{{\n\n[]\n" + '{"sample_id":1}\n', "utf-8")
    with pytest.raises(RecordError) as caught:
        Answers([file])
    assert [problem.where.line for problem in caught.value.problems] == [2, 4, 5]


def test_answers__a_document_is_told_once(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text('{\n  "schema": "lm-eval-so/report/1",\n  "metrics": {}\n}\n', encoding="utf-8")
    with pytest.raises(RecordError) as caught:
        Answers([file])
    (problem,) = caught.value.problems
    assert problem.what == "a JSON document is no run"


def test_answers__torn_last_line_is_no_row(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, ROWS[:1])
    run = write_run(tmp_path, dataset, lambda s, r: a_run("답"))
    with (run / "run_results.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"sample_id":"q0","sam')
    assert texts(joined(run, dataset)) == ["답"]


@pytest.mark.parametrize(
    ("shard", "options"), [(None, ""), ("1/2", " --shard 1/2")], ids=["whole", "shard"]
)
def test_answers__damaged_line_of_a_run_says_what_mends_it(
    tmp_path: Path, shard: str | None, options: str
) -> None:
    dataset = write_dataset(tmp_path, ROWS[:2])
    run = write_run(tmp_path, dataset, lambda s, r: a_run("답"))
    info = json.loads((run / "run.json").read_text("utf-8"))
    (run / "run.json").write_text(json.dumps({**info, "shard": shard}), "utf-8")
    log = run / "run_results.jsonl"
    first, second = log.read_bytes().splitlines(keepends=True)
    wrong = first.replace(b'"ok"', b'"fine"')
    log.write_bytes(wrong + second)
    given = json.loads(first)["sample_hash"]
    with Answers([run]) as answers, pytest.raises(RecordError) as found:
        answers.find("q0", 0, given)
    log.write_bytes(b"\0" * 90 + b"\n" + second)
    with pytest.raises(RecordError) as looked_for:
        Answers([run])
    with pytest.raises(RecordError) as configured:
        Answers([run], "my bot.yaml")
    hint = configured.value.problems[0].hint or ""
    assert hint.startswith(f"lm-eval-so run -c 'my bot.yaml'{options} -o {run} keeps")
    for caught in (found, looked_for):
        problem = caught.value.problems[0]
        assert problem.where is not None
        assert (problem.where.file, problem.where.line) == (str(log), 1)
        assert problem.hint == (
            f"lm-eval-so run{options} -o {run} keeps the line apart and asks its row again"
        )


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_answers__run_json_that_cannot_be_read_says_what_to_do(tmp_path: Path, text: str) -> None:
    run = write_run(tmp_path, write_dataset(tmp_path, ROWS[:1]), lambda s, r: a_run("답"))
    (run / "run.json").write_text(text)
    with pytest.raises(RecordError) as caught:
        Answers([run, tmp_path / "nowhere"])
    first, second = caught.value.problems
    assert first.where
    assert first.where.file == str(run / "run.json")
    assert (
        first.hint
        == "put a copy of it back, or lm-eval-so run begins anew and keeps this one aside"
    )
    assert second.what.startswith("no run at")


def test_find__row_of_another_shape_is_named_by_line(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"sample_id":"a","sample_hash":"h","status":"fine"}\n', "utf-8")
    with Answers([file]) as answers, pytest.raises(RecordError) as caught:
        answers.find("a", 0, "h")
    assert caught.value.problems[0].where.line == 1


def test_find__rows_of_a_key_the_last_first() -> None:
    places = RowPlaces()
    for number, (sample_id, repeat) in enumerate(
        [("q1", 0), ("q2", 0), ("q1", 0), ("q1", 1), ("q1", 0)]
    ):
        places.add(sample_id, repeat, file=number % 2, offset=100 * number)
    places.close()
    assert [*places.find("q1", 0)] == [(0, 400), (0, 200), (0, 0)]
    assert [*places.find("q1", 1)] == [(1, 300)]
    assert [*places.find("q2", 1)] == []
    assert places.asked == 3


def test_find__of_nothing() -> None:
    places = RowPlaces()
    places.close()
    assert ([*places.find("q1", 0)], places.asked) == ([], 0)


@pytest.mark.parametrize(("offset", "line"), [(0, 1), (2, 2), (3, 3), (5, 4)])
def test_line_at__counts_lines(offset: int, line: int) -> None:
    assert line_at(io.BytesIO(b"a\n\nb\n{}\n"), offset) == line
