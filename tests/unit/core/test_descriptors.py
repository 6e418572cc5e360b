"""In processes of their own: a limit that is lowered here would be everybody's."""

import subprocess
import sys

SET = """
import os, resource, sys
from pathlib import Path
from lm_eval_so.core import descriptors

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
        print(error, "|", error.hint, descriptors.is_out_of_files(error))

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
    descriptors.raise_limit()
    print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    assert told(code) == ["(100, 100)"] * 2


def test_raise_limit__not_without_bound() -> None:
    code = """
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
limit(64, hard)
descriptors.raise_limit()
soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
print(soft == min(hard, 65_536) if hard != resource.RLIM_INFINITY else soft in {65_536, 10_240})
"""
    assert told(code) == ["True"]


def test_free_files__counts_what_is_open() -> None:
    code = """
limit(100, 100)
before = descriptors.free_files()
held = [os.dup(0) for _ in range(5)]
print(before - descriptors.free_files(), descriptors.open_limit(), descriptors.are_used_up())
fill()
print(descriptors.free_files(), descriptors.are_used_up())
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
