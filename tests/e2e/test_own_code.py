"""Chatbots of the user's own code, run by the command: a program, and a Python function."""

import json
import os
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from servers.commands import lm_eval_so
from servers.runs import rows, write_dataset

CONFIG = """
version: 1
suite: e2e
dataset: {{path: .}}
backend: {{name: {name}, label: bot, options: {options}}}
run: {{concurrency: 4, max_attempts: 3}}
metrics: [exact_match]
"""
WORKER = """
import json, os, pathlib, sys
for line in sys.stdin:
    values = json.loads(line)
    if values["sample"]["id"] == "q0007":
        try:
            pathlib.Path("died").mkdir()
            os.kill(os.getpid(), 9)
        except FileExistsError:
            pass
    answer = {"id": values["id"], "text": "답: " + values["messages"][-1]["content"]}
    print(json.dumps(answer, ensure_ascii=False), flush=True)
"""


def write(folder: Path, name: str, code: str, samples: int, **options: Any) -> None:
    (folder / "bot.py").write_text(textwrap.dedent(code), encoding="utf-8")
    config = CONFIG.format(name=name, options=json.dumps(options))
    (folder / "lm-eval-so.yaml").write_text(config, encoding="utf-8")
    write_dataset(folder, samples)


def is_running(pid: str) -> bool:
    """Return whether a process runs; one that has ended may wait to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_command__workers_under_a_plain_locale(tmp_path: Path) -> None:
    write(tmp_path, "command", WORKER, 100, argv=["python3", "bot.py"], mode="jsonl")
    done = lm_eval_so("run", cwd=tmp_path, environ={"LANG": "C"})
    assert done.returncode == 0, done.stderr
    found = rows(tmp_path / "runs" / "bot")
    assert [row["response"]["text"] for row in found] == [
        f"답: 환불은 며칠? #{number}" for number in range(100)
    ]
    assert {row["status"] for row in found} == {"ok"}
    (again,) = [row for row in found if row["attempts"] == 2]
    assert (again["sample_id"], again["retries"][0]["kind"]) == ("q0007", "subprocess")


@pytest.mark.parametrize("program", ["./봇.sh", "../bin/bot", "{absolute}", "bot"])
def test_command__program_from_any_folder(tmp_path: Path, program: str) -> None:
    folder, binaries = tmp_path / "shop", tmp_path / "bin"
    for each in (folder, binaries):
        each.mkdir()
    for file in (folder / "봇.sh", binaries / "bot"):
        file.write_text("#!/bin/sh\necho 네\n", encoding="utf-8")
        file.chmod(0o755)
    argv = [program.format(absolute=binaries / "bot")]
    write(folder, "command", "", 2, argv=argv, stdout="text")
    environ = {"PATH": f"{binaries}:{os.environ['PATH']}"}
    here = lm_eval_so("run", cwd=folder, environ=environ)
    assert here.returncode == 0, here.stderr
    config = "shop/lm-eval-so.yaml"
    elsewhere = lm_eval_so("run", "-c", config, "--fresh", cwd=tmp_path, environ=environ)
    assert elsewhere.returncode == 0, elsewhere.stderr
    found = rows(folder / "runs" / "bot")
    assert [row["response"]["text"] for row in found] == ["네", "네"]


def test_command__program_that_writes_cp949(tmp_path: Path) -> None:
    code = "import sys; sys.stdout.buffer.write('영업일 기준 3일'.encode('cp949'))"
    write(tmp_path, "command", code, 3, argv=["python3", "bot.py"], stdout="text")
    done = lm_eval_so("run", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    for row in rows(tmp_path / "runs" / "bot"):
        assert (row["status"], row["error"]["kind"]) == ("error", "bad_response")
        assert row["attempts"] == 1
        assert "no UTF-8 at byte 0" in row["error"]["message"]
        assert "CP949" in row["error"]["hint"]


def test_command__time_out_leaves_no_child(tmp_path: Path) -> None:
    code = """
    import os, pathlib, subprocess, sys, time
    child = subprocess.Popen(["sleep", "60"])
    with open("pids", "a") as file:
        file.write(f"{os.getpid()} {child.pid}\\n")
    time.sleep(60)
    """
    write(tmp_path, "command", code, 2, argv=["python3", "bot.py"], timeout_s=0.5)
    done = lm_eval_so("run", "--set", "run.max_attempts=1", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert {row["status"] for row in rows(tmp_path / "runs" / "bot")} == {"timeout"}
    pids = (tmp_path / "pids").read_text().split()
    assert len(pids) == 4
    assert not [pid for pid in pids if is_running(pid)]


def test_command__secrets_stay_out(tmp_path: Path) -> None:
    key = "sk-test-1234567890abcdef"
    code = "import os, sys; sys.exit('bad key ' + os.environ['BOT_KEY'])"
    write(tmp_path, "command", code, 2, argv=["python3", "bot.py"], env=["BOT_KEY"])
    done = lm_eval_so("run", cwd=tmp_path, environ={"BOT_KEY": key})
    written = [file.read_text("utf-8") for file in tmp_path.rglob("run*.json*")]
    assert len(written) == 2
    assert any("bad key [redacted:BOT_KEY]" in text for text in written)
    assert not any(key in text for text in (*written, done.stderr, done.stdout))


def test_command__output_that_the_config_does_not_expect(tmp_path: Path) -> None:
    write(tmp_path, "command", "print('답')", 2, argv=["python3", "bot.py"])
    done = lm_eval_so("run", cwd=tmp_path)
    assert done.returncode == 2
    assert "the output is no JSON" in done.stderr
    assert "set stdout: text" in done.stderr
    assert lm_eval_so("run", "--set", "backend.options.stdout=text", cwd=tmp_path).returncode == 0


def test_python__sync_function_in_threads(tmp_path: Path) -> None:
    code = """
    import time
    def answer(messages, *, sample):
        time.sleep(0.01)
        if sample["id"] == "q0003":
            raise ValueError("주문 없음\\n둘째 줄")
        return "답"
    """
    write(tmp_path, "python", code, 40, target="bot:answer", threads=4)
    done = lm_eval_so("run", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = rows(tmp_path / "runs" / "bot")
    (failed,) = [row for row in found if row["status"] == "error"]
    assert (failed["error"]["kind"], failed["attempts"]) == ("callable", 1)
    assert failed["error"]["message"] == "ValueError: 주문 없음"
    assert len(found) == 40


def test_python__all_threads_lost_stops_the_run(tmp_path: Path) -> None:
    code = "import time\ndef answer(messages): time.sleep(60)"
    write(tmp_path, "python", code, 20, target="bot.py:answer", threads=2, timeout_s=0.2)
    began = time.monotonic()
    done = lm_eval_so("run", "--set", "run.max_attempts=1", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "all 2 threads hang" in done.stderr
    assert time.monotonic() - began < 50  # a call alone takes 60 s
    assert {row["status"] for row in rows(tmp_path / "runs" / "bot")} == {"timeout"}


def test_python__another_code_is_another_chatbot(tmp_path: Path) -> None:
    write(tmp_path, "python", "def answer(messages): return 'one'", 2, target="bot.py:answer")
    assert lm_eval_so("run", cwd=tmp_path).returncode == 0
    write(tmp_path, "python", "def answer(messages): return 'two'", 2, target="bot.py:answer")
    done = lm_eval_so("run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = rows(tmp_path / "runs" / "bot")
    assert {row["response"]["text"] for row in found} == {"two"}
    assert (tmp_path / "runs" / "bot.1").is_dir()
