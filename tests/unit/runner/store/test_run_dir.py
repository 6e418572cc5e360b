import json
import multiprocessing
import os
import resource
import shutil
from pathlib import Path

import pytest

from lm_eval_so.core.asking.folder_lock import FolderLock
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.run import Response, RunResult
from lm_eval_so.errors import InputError, RecordError, UsageError
from lm_eval_so.runner.store.row_log import ResultsChanged, RowOffsets
from lm_eval_so.runner.store.run_dir import LOCK_FILE, RunDir, read_rows


def row(sample_id: str, text: str = "3일", fingerprint: str = "f") -> RunResult:
    return RunResult(
        sample_id=sample_id,
        sample_hash="h",
        status=RunStatus.OK,
        response=Response(text=text),
        fingerprint=fingerprint,
    )


def texts(folder: Path, fingerprint: str = "f") -> list[str]:
    return [found.text for _, _, found in read_rows(folder, fingerprint)]


def fill(folder: Path, *rows: RunResult) -> None:
    run_dir = RunDir.open(folder)
    for given in rows:
        run_dir.log.append(given)
    run_dir.close()


def test_append__whole_lines_whatever_is_in_them(tmp_path: Path):
    hostile = 'a\nb\u2028c\x85d"\\ 환불 \U0001f600'
    fill(tmp_path, row("a", hostile))
    assert len((tmp_path / "run_results.jsonl").read_text(encoding="utf-8").splitlines()) == 1
    assert texts(tmp_path) == [hostile]


@pytest.mark.parametrize("torn", [b'{"sample_id": "c", "te', "환".encode()[:2], b"{}" * 60000])
def test_open__heals_a_torn_last_line(tmp_path: Path, torn: bytes):
    fill(tmp_path, row("a"), row("b"))
    results = tmp_path / "run_results.jsonl"
    whole = results.read_bytes()
    results.write_bytes(whole + torn)
    assert texts(tmp_path) == ["3일", "3일"]  # readable even before it is healed
    RunDir.open(tmp_path).close()
    assert results.read_bytes() == whole
    assert (tmp_path / "run_results.torn").read_bytes() == torn + b"\n"
    RunDir.open(tmp_path).close()
    assert (tmp_path / "run_results.torn").read_bytes() == torn + b"\n"


def test_open__file_that_is_one_torn_line(tmp_path: Path):
    (tmp_path / "run_results.jsonl").write_bytes(b"{")
    RunDir.open(tmp_path).close()
    assert (tmp_path / "run_results.jsonl").read_bytes() == b""


def test_append__a_row_that_did_not_fit_leaves_no_half_line(tmp_path: Path):
    run_dir = RunDir.open(tmp_path)
    run_dir.log.append(row("a"))
    size = (tmp_path / "run_results.jsonl").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, before[1]))
    try:
        with pytest.raises(InputError, match="cannot write"):
            run_dir.log.append(row("b"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    run_dir.log.append(row("c", "셋"))
    run_dir.close()
    assert texts(tmp_path) == ["3일", "셋"]


def places(folder: Path) -> dict[str, tuple[int, int]]:
    return {found.sample_id: (key, offset) for key, offset, found in read_rows(folder, "f")}


def test_put_in_order__order_and_the_last_row_of_a_key(tmp_path: Path):
    fill(tmp_path, row("b", "1"), row("a", "2"), row("b", "3"), row("gone", "4"))
    there = places(tmp_path)
    run_dir = RunDir.open(tmp_path)
    assert run_dir.log.put_in_order(lambda: [there["a"], there["b"]]) is None
    run_dir.log.append(row("c", "5"))
    run_dir.close()
    assert texts(tmp_path) == ["2", "3", "5"]
    assert not list(tmp_path.glob("*.new"))


def test_read_rows__only_of_this_fingerprint(tmp_path: Path):
    fill(tmp_path, row("a", "old", "other"), row("a", "new"))
    assert texts(tmp_path) == ["new"]


def test_read_rows__names_the_line_that_is_no_row(tmp_path: Path):
    fill(tmp_path, row("a"))
    with (tmp_path / "run_results.jsonl").open("a") as file:
        file.write('{"sample_id": 3}\n')
    with pytest.raises(RecordError) as failed:
        texts(tmp_path)
    assert failed.value.problems[0].where
    assert failed.value.problems[0].where.line == 2


def test_move_aside__numbers_grow_with_age(tmp_path: Path):
    folder = tmp_path / "bot"
    for name in ("bot.3x", "bot.٣", "other.7", "bot-again.9"):  # not of this run
        (tmp_path / name).mkdir()
    for number in (1, 2, 3):
        fill(folder, row(str(number)))
        run_dir = RunDir.open(folder)
        assert run_dir.move_aside() == tmp_path / f"bot.{number}"
        run_dir.close()
        if number == 2:
            shutil.rmtree(tmp_path / "bot.1")  # which makes no room for a newer one
    assert texts(tmp_path / "bot.3") == ["3일"]


def test_move_aside__leaves_what_is_not_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    project = tmp_path / "project"
    fill(project, row("a"))
    (project / "lm-eval-so.yaml").write_text("version: 1")
    monkeypatch.chdir(project)
    run_dir = RunDir.open(Path())
    assert run_dir.move_aside() == tmp_path / "project.1"
    run_dir.close()
    assert [path.name for path in project.iterdir()] == ["lm-eval-so.yaml"]
    assert texts(tmp_path / "project.1") == ["3일"]


def test_read_rows__a_blank_line_is_none(tmp_path: Path):
    fill(tmp_path, row("a"))
    with (tmp_path / "run_results.jsonl").open("ab") as file:
        file.write(b"\n")
    fill(tmp_path, row("b", "둘"))
    assert texts(tmp_path) == ["3일", "둘"]


def test_append__tells_where_the_row_stands(tmp_path: Path):
    fill(tmp_path, row("a"))
    run_dir = RunDir.open(tmp_path)
    offset = run_dir.log.append(row("b", "둘"))
    there = places(tmp_path)
    assert there["b"][1] == offset
    assert run_dir.log.put_in_order(lambda: [there["b"], there["a"]]) is None
    run_dir.close()
    assert texts(tmp_path) == ["둘", "3일"]


@pytest.mark.parametrize(
    ("now", "is_seen"),
    [
        ((b"old", b"o}d"), False),  # still a row, of an earlier run: nobody can know
        ((b'"sample_id":"a"', b'"sample_id":"z"'), True),
        ((b'{"schema"', b'x"schema"'), True),
        ((b"new", b"n}w"), True),  # still a row, but not the one that was written
    ],
)
def test_put_in_order__refuses_what_changed_in_place(
    tmp_path: Path, now: tuple[bytes, bytes], is_seen: bool
):
    fill(tmp_path, row("b", "old"), row("a", "old"))
    run_dir, log = RunDir.open(tmp_path), tmp_path / "run_results.jsonl"
    run_dir.log.append(row("c", "new"))
    there = places(tmp_path)
    content = log.read_bytes()
    log.write_bytes(content.replace(*now))  # the same file, of the same size
    wanted = [there["a"], there["b"], there["c"]]
    if is_seen:
        with pytest.raises(ResultsChanged):
            run_dir.log.put_in_order(lambda: wanted)
    else:
        assert run_dir.log.put_in_order(lambda: wanted) is None
    run_dir.close()


def test_row_offsets__know_planned_rows_only():
    places = RowOffsets([2**64 - 1, 5])
    places.put(5, 0)
    places.put(7, 100)
    assert (places.get(5), places.get(7), places.get(2**64 - 1)) == (0, None, None)
    assert 5 in places
    places.drop(5)
    assert 5 not in places


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="needs a device that is full")
def test_lock__full_disk_is_told_and_leaves_nothing(tmp_path: Path):
    (tmp_path / "run.lock").symlink_to("/dev/full")
    with pytest.raises(InputError, match="cannot write"):
        FolderLock(tmp_path / LOCK_FILE, hint="wait")


def test_lock__second_writer_is_told_who_writes(tmp_path: Path):
    lock = FolderLock(tmp_path / LOCK_FILE, hint="wait")
    with pytest.raises(UsageError, match=f"is being written by process {os.getpid()} on"):
        FolderLock(tmp_path / LOCK_FILE, hint="wait")
    lock.release()
    assert not (tmp_path / "run.lock").exists()
    FolderLock(tmp_path / LOCK_FILE, hint="wait").release()


def _hold_and_die(folder: Path) -> None:
    FolderLock(folder / LOCK_FILE, hint="wait")
    os._exit(9)


def test_lock__dies_with_its_process(tmp_path: Path):
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_hold_and_die, args=(tmp_path,))
    process.start()
    process.join()
    assert (tmp_path / "run.lock").exists()
    FolderLock(tmp_path / LOCK_FILE, hint="wait").release()


def test_rows_are_plain_json(tmp_path: Path):
    fill(tmp_path, row("a"))
    values = json.loads((tmp_path / "run_results.jsonl").read_text(encoding="utf-8"))
    assert values["schema"] == "lm-eval-so/run/1"
    assert values["response"]["text"] == "3일"
