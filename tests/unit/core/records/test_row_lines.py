"""`samples.jsonl`: rows of a report in a file of their own."""

import hashlib
import json
import os
import tracemalloc
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from comparing import judge
from evaluation import a_config
from factories import make_report
from rows_apart import apart, held

from lm_eval_so.core.columns.column import Picked, is_large
from lm_eval_so.core.records.enums import ReportFormat
from lm_eval_so.core.records.row_lines import AGAIN, read_rows
from lm_eval_so.core.records.sample import UNWRITTEN, SourcePlace
from lm_eval_so.core.report_file import fewest_answers, parse_report, read_report, with_rows
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.errors import InputError, Where
from lm_eval_so.pipeline.reports import Results, write_report, write_reports

KEY = "sk-test-1234567890abcdef"


def written(folder: Path, name: str = "report.json") -> Path:
    """Write a report of six rows, three samples twice, with its rows in a file."""
    made = make_report(
        {"exact_match": [[1, 0], [1, None], [0, 0]]},
        inputs=["질문"] * 6,
        answers=["답", None, f"열쇠는 {KEY}", "\u2028", "", "답"],
        labels={"length": ["≤ 50", "> 200", "≤ 50"]},
        not_applicable={"exact_match": (3,)},
        cached=(4,),
    )
    columns = replace(
        made.samples,
        refs=("1", "1", None, None, "3", "3"),
        sources=(SourcePlace(file="faq.csv", at={"row": 2}), *[None] * 5),
        references=(("3일", "사흘"), *[()] * 5),
        failures={"HTTP 500": (1, 5), "timeout": (2,)},
        file=UNWRITTEN,
    )
    redactor = make_redactor({"API_KEY": KEY})
    write_report(folder / name, replace(made, samples=columns), redactor)
    return folder / name


def test_rows__are_read_back_without_secrets(tmp_path: Path) -> None:
    file = written(tmp_path)
    report = read_report(file)
    columns = report.samples
    assert [*map(len, (columns.ids, columns.answers, columns.scores["exact_match"]))] == [6, 6, 6]
    assert [*columns.ids] == ["s0", "s0", "s1", "s1", "s2", "s2"]
    assert [*columns.answers] == ["답", None, "열쇠는 [redacted:API_KEY]", "\u2028", "", "답"]
    assert [*columns.scores["exact_match"]] == [1, 0, 1, None, 0, 0]
    assert [*columns.repeats] == [0, 1, 0, 1, 0, 1]
    assert columns.sources[0] == SourcePlace(file="faq.csv", at={"row": 2})
    assert columns.references[0] == ("3일", "사흘")
    assert {why: [*rows] for why, rows in columns.failures.items()} == {
        "HTTP 500": [1, 5],
        "timeout": [2],
    }
    assert dict(columns.own_ids) == {"s0": "1", "s2": "3"}
    assert (report.sample_count, fewest_answers(report)) == (3, 2)
    some = with_rows(report, (1, 2, 5)).samples
    assert ([*some.ids], [*some.labels["length"].places]) == (["s0", "s1", "s2"], [0, 1, 0])
    assert dict(some.failures) == {"HTTP 500": (0, 2), "timeout": (1,)}
    assert is_large(some.answers)
    values = json.loads(file.read_text())["samples"]
    assert (values["ids"], values["inputs"], values["expected"]) == ([], [], None)
    assert values["file"]["rows"] == len((tmp_path / "samples.jsonl").read_text().split("\n")) - 1


def test_rows__of_two_reports_in_a_folder(tmp_path: Path) -> None:
    files = [written(tmp_path, name) for name in ("report.json", "support-qa.json")]
    assert {file.name for file in tmp_path.iterdir()} == {
        "report.json",
        "samples.jsonl",
        "support-qa.json",
        "support-qa.samples.jsonl",
    }
    assert read_report(files[0]).samples.ids == read_report(files[1]).samples.ids


def rewritten(folder: Path, lines: list[str], **told: object) -> None:
    """Write rows as a stranger would: the report names their digest."""
    data = "".join(lines).encode()
    (folder / "samples.jsonl").write_bytes(data)
    values = json.loads((folder / "report.json").read_text())
    digest = hashlib.sha256(data).hexdigest()
    values["samples"]["file"] |= {"bytes": len(data), "sha256": digest, **told}
    (folder / "report.json").write_text(json.dumps(values))


def row(**changes: object) -> str:
    given = {"sample_id": "s9", "sample_hash": "h", "rev": "r", "status": "ok"}
    return json.dumps({**given, "labels": {"length": "≤ 50"}, **changes}) + "\n"


@pytest.mark.parametrize(
    ("lines", "told", "line", "what"),
    [
        ([row(), "{}\n"], 2, 2, "field required"),
        ([row(), "no JSON\n"], 2, 2, "no JSON"),
        ([row(scores={"other": 1})], 1, 1, "a score of a metric that is not named"),
        ([row(scores={"exact_match": 1}).replace("1", "NaN")], 1, 1, "NaN"),
        ([row(scores={"exact_match": "1,0"})], 1, 1, "number"),
        ([row(labels={"length": "42"})], 1, 1, "'42' is not named in the report"),
        ([row(labels={})], 1, 1, "'length' is not named"),
        ([row(not_applicable=["other"])], 1, 1, "'other' is not named"),
        ([row(repeat=-1)], 1, 1, "repeat"),
        ([row(schema="lm-eval-so/report-row/2")], 1, 1, "report-row/2 is not readable"),
        ([row()], 2, 2, "rows are missing"),
        ([row(), row()], 1, 2, "more than the 1 rows"),
    ],
)
def test_read__a_row_that_does_not_fit_is_named_by_its_line(
    tmp_path: Path,
    lines: list[str],
    told: int,
    line: int,
    what: str,
) -> None:
    file = written(tmp_path)
    rewritten(tmp_path, lines, rows=told)
    with pytest.raises(InputError) as caught:
        read_report(file)
    problem = caught.value.problems[0]
    assert problem.where
    assert (problem.where.file, problem.where.line) == (str(tmp_path / "samples.jsonl"), line)
    assert what in f"{problem.what} {problem.where.key}"


def test_read__another_file_than_the_report_was_written_with(tmp_path: Path) -> None:
    file, rows = written(tmp_path), tmp_path / "samples.jsonl"
    rows.write_bytes(rows.read_bytes().replace(b'"exact_match":0.0', b'"exact_match":1.0', 1))
    with pytest.raises(InputError, match="not the file that the report was written with") as caught:
        read_report(file)
    assert caught.value.problems[0].hint == AGAIN
    rows.unlink()
    with pytest.raises(InputError, match=r"rows of .*report\.json are missing") as caught:
        read_report(file)
    assert caught.value.problems[0].hint == "copy samples.jsonl beside it: the two belong together"
    with pytest.raises(InputError, match=r"the rows of main:a\.json are missing"):
        parse_report(file.read_text(), shown_as="main:a.json")


def test_read__a_line_that_is_too_long(tmp_path: Path) -> None:
    columns = read_report(written(tmp_path)).samples
    with pytest.raises(InputError, match="the line is too long"):
        read_rows((tmp_path / "samples.jsonl").open("rb"), columns, shown_as="x", longest=80)


@pytest.mark.parametrize("name", ["../samples.jsonl", "/etc/passwd", "", "..", "a/b"])
def test_read__rows_lie_beside_the_report_and_nowhere_else(tmp_path: Path, name: str) -> None:
    file = written(tmp_path)
    rewritten(tmp_path, [row()], name=name)
    with pytest.raises(InputError, match="not in a file beside the report"):
        read_report(file)


@pytest.mark.parametrize("made", [os.mkfifo, os.mkdir])
def test_read__rows_in_what_is_no_regular_file(
    tmp_path: Path, made: Callable[[Path], None]
) -> None:
    file, rows = written(tmp_path), tmp_path / "samples.jsonl"
    rows.unlink()
    made(rows)
    with ExitStack() as stack:
        if (
            made is os.mkfifo
        ):  # with a writer, so that a reader that opens it would not wait for ever
            stack.callback(os.close, os.open(rows, os.O_RDWR | os.O_NONBLOCK))
        with pytest.raises(InputError, match=r"samples\.jsonl is no regular file") as caught:
            read_report(file)
    assert caught.value.problems[0].hint == AGAIN


def test_write__rows_of_an_earlier_report_do_not_stay_beside_one_without(tmp_path: Path) -> None:
    file, rows = written(tmp_path), tmp_path / "samples.jsonl"
    read = read_report(file)
    inline = replace(read, samples=held(read))
    write_report(tmp_path / "other.json", inline, make_redactor({}))
    assert rows.exists()
    results, config = Results(report=inline), a_config(tmp_path, ())
    files = write_reports(results, tmp_path, config, make_redactor({}), formats=[ReportFormat.JSON])
    assert (files, rows.exists()) == ((file,), False)
    rows.write_text('{"schema":"mine"}\n')
    write_report(file, inline, make_redactor({}))
    assert rows.read_text() == '{"schema":"mine"}\n'
    assert read_report(file) == inline


def with_failed(n: int, folder: Path) -> Path:
    """Write a report of which a fifth failed, with its rows in a file, and the failed ids last to first."""
    scores = {"right": [float(i % 5 > 0) for i in range(n)]}
    answers = [f"{i} 번째 답입니다. " * 5 for i in range(n)]
    made = make_report(scores, answers=answers, tags=[("가",)] * n)
    apart(replace(made, failed_ids=made.samples.ids[::5][::-1]), folder)
    return folder / "report.json"


def test_read__many_failed_ids_are_places_among_the_rows(tmp_path: Path) -> None:
    file = with_failed(6_000, tmp_path)
    report = read_report(file)
    assert isinstance(report.failed_ids, Picked)
    assert [*report.failed_ids] == [*report.samples.ids][::5][::-1]
    values = json.loads(file.read_text())
    values["failed_ids"][7] = "unknown"
    file.write_text(json.dumps(values))
    with pytest.raises(InputError, match="1 of the failed ids are those of no row") as caught:
        read_report(file)
    assert caught.value.problems[0].where == Where(file=str(file), key="failed_ids")


def test_compare__rows_in_files_take_few_bytes_each(tmp_path: Path) -> None:
    """Texts stay in the files, and failed ids, too: what a row takes is mostly its numbers."""
    peaks = []
    for n in (2_000, 6_000):
        file = with_failed(n, tmp_path)
        tracemalloc.start()
        now, before = read_report(file), read_report(file)
        keys = [now.samples.ids.keys, before.samples.ids.keys, before.samples.revs.keys]
        assert now.samples.ids == before.samples.ids
        assert (keys[1], keys[2]) == (before.samples.ids.keys, before.samples.revs.keys)
        assert before.samples.ids.keys is not now.samples.ids.keys  # to compare changes nothing
        del keys
        assert judge(now, before).verdict == "pass"
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        for column in ("ids", "revs"):  # a comparison keeps equal keys once
            assert getattr(before.samples, column).keys is getattr(now.samples, column).keys
    assert (peaks[1] - peaks[0]) / 4_000 < 155, peaks
