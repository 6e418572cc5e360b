"""Files are written whole or not at all; lines are appended whole."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lm_eval_so.core.files import Appender, folder_problems, read_lines, read_text, write_atomic
from lm_eval_so.errors import InputError


def test_write_atomic__makes_the_folder_and_leaves_nothing_beside(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b.json"
    write_atomic(file, "하나\n")
    write_atomic(file, "둘\n")
    assert file.read_text(encoding="utf-8") == "둘\n"
    assert [f.name for f in file.parent.iterdir()] == ["b.json"]


def test_write_atomic__takes_pieces_and_leaves_the_old_text_if_one_fails(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    write_atomic(file, iter(["하나\n", "둘\n"]))

    def pieces() -> Iterator[str]:
        yield "셋\n"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write_atomic(file, pieces())
    assert [file.read_text("utf-8"), [*tmp_path.iterdir()]] == ["하나\n둘\n", [file]]


def test_write_atomic__says_why_it_cannot(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot write"):
        write_atomic(tmp_path / "file" / "x.json", "text")


def test_folder_problems__makes_nothing_where_all_can_be_written(tmp_path: Path) -> None:
    assert folder_problems([tmp_path, tmp_path / "보고서" / "둘"]) == []
    assert [*tmp_path.iterdir()] == []


def test_folder_problems__names_each_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    refused = [tmp_path / "file", tmp_path / "file" / "a" / "b", tmp_path / "link"]
    if Path("/proc/self").exists():  # where not even root makes files
        refused.append(Path("/proc/reports"))
    found = folder_problems([tmp_path, *refused])
    assert [p.what.partition(": ")[0] for p in found] == [
        f"cannot write {each}" for each in refused
    ]
    assert all(p.hint for p in found)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_problems__knows_what_rights_forbid(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    (found,) = folder_problems([tmp_path / "reports"])
    assert "Permission denied" in found.what


def test_read_text__names_byte_and_line(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"a\n" + "가격".encode("cp949"))
    with pytest.raises(InputError, match="no UTF-8 at byte 2") as caught:
        read_text(tmp_path / "f")
    where = caught.value.problems[0].where
    assert where is not None
    assert where.line == 2
    with pytest.raises(InputError, match="no such file"):
        read_text(tmp_path / "absent")


def test_appender__appends_after_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    for text in ("하나", "둘"):
        appender = Appender(file)
        appender.append(text)
        appender.close()
    assert [line.decode() for _, line in read_lines(file)] == ["하나", "둘"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_appender__says_that_the_disk_is_full() -> None:
    appender = Appender(Path("/dev/full"))
    with pytest.raises(InputError, match="No space left"):
        appender.append("x")
    os.close(appender._descriptor)


def test_read_lines__keeps_physical_numbers(tmp_path: Path) -> None:
    file = tmp_path / "f.jsonl"
    file.write_bytes(b"\xef\xbb\xbf{}\r\n\r\n  \n[]\n")
    assert list(read_lines(file)) == [(1, b"{}"), (4, b"[]")]


def test_appender__a_thread_brings_it_to_the_disk(tmp_path: Path) -> None:
    appender = Appender(tmp_path / "rows.jsonl")
    for number in range(100):
        appender.append(str(number))
        appender.sync_soon()
    appender.sync()
    appender.close()
    assert (tmp_path / "rows.jsonl").read_text().split() == [str(n) for n in range(100)]
    assert not [t.name for t in threading.enumerate() if t.name.startswith("sync")]


def test_appender__tells_that_the_disk_does_not_take_it(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    appender = Appender(fifo)
    appender.append("a")
    appender.sync_soon()  # a pipe cannot be synced: EINVAL
    with pytest.raises(InputError, match="cannot write"):
        appender.sync()
    with pytest.raises(InputError, match="cannot write"):
        appender.sync_soon()
    with pytest.raises(InputError, match="cannot write"):
        appender.close()
    os.close(reader)


# in processes of their own: a limit that is lowered here would be everybody's
SET = """
import os, resource, sys
from pathlib import Path
from lm_eval_so.core import files

def limit(soft, hard):
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

def fill():
    try:
        while True:
            os.dup(0)
    except OSError:
        pass
"""
FULL_HTTP = """
import asyncio
from lm_eval_so.core.http.client import HttpClient

client = HttpClient(concurrency=1, connect_timeout_s=5, idle_timeout_s=5)

async def ask(host):
    try:
        await client.send("GET", f"http://{host}:1/", headers={}, body=None)
    except Exception as error:
        print(error, "|", error.hint, files.is_out_of_files(error))

async def main():
    await ask("127.0.0.1")
    limit(40, 40)
    fill()
    await ask("127.0.0.1")
    await ask("bot.invalid")
    await client.close()

asyncio.run(main())
"""


def told(code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SET + code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_raise_limit__to_what_is_granted() -> None:
    code = """
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
for soft, most in ((64, 100), (100, 100)):
    limit(soft, most)
    files.raise_limit()
    print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    assert told(code) == ["(100, 100)"] * 2


def test_raise_limit__not_without_bound() -> None:
    code = """
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
limit(64, hard)
files.raise_limit()
soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
print(soft == min(hard, 65_536) if hard != resource.RLIM_INFINITY else soft in {65_536, 10_240})
"""
    assert told(code) == ["True"]


def test_free_files__counts_what_is_open() -> None:
    code = """
limit(100, 100)
before = files.free_files()
held = [os.dup(0) for _ in range(5)]
print(before - files.free_files(), files.open_limit(), files.are_used_up())
fill()
print(files.free_files(), files.are_used_up())
"""
    assert told(code) == ["5 100 False", "0 True"]


def test_out_of_files__is_told_as_such() -> None:
    sentence = "no more files can be opened (this process may have 40)"
    fix = "raise the limit of open files (ulimit -n 4096), or lower run.concurrency"
    before, *after = told(FULL_HTTP)
    assert before.startswith("cannot reach http://127.0.0.1:1 (")
    assert after == [f"{sentence} | {fix} True"] * 2


def test_out_of_files__is_not_blamed_on_the_disk() -> None:
    code = """
from lm_eval_so.core.files import folder_problems, read_text, write_atomic
from lm_eval_so.errors import InputError

limit(40, 40)
fill()
for work in (lambda: write_atomic(Path("a"), "a"), lambda: read_text(Path("/etc/hosts"))):
    try:
        work()
    except InputError as error:
        print(error.problems[0].hint)
print(folder_problems([Path("/tmp")])[0].hint)
"""
    fix = "raise the limit of open files (ulimit -n 4096), or lower run.concurrency"
    assert told(code) == [fix] * 3
