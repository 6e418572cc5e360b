"""The example of a chatbot whose code is in the pull request: both versions are started and asked."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from servers.commands import git, lm_eval_so

EXAMPLE = Path(__file__).parents[2] / "example/app-in-the-pull-request"
SHIM = """\
#!/bin/sh
printf '%s\\n' "$PWD" "$@" >"$PLACE/asking" && mv "$PLACE/asking" "$PLACE/asked"
while [ ! -e "$PLACE/told" ]; do sleep 0.02; done
read -r code <"$PLACE/told" && rm "$PLACE/told"
exit "$code"
"""
"""Stands for the program, which the test runs: to start it anew would take most of the time."""


def free_ports() -> dict[str, str]:
    with socket.create_server(("", 0)) as one, socket.create_server(("", 0)) as other:
        ports = [str(each.getsockname()[1]) for each in (one, other)]
    return dict(zip(("BOT_PORT", "MAIN_PORT"), ports, strict=True))


def test_app_example__a_broken_answer_is_proven_by_main(tmp_path: Path) -> None:
    ports = free_ports()
    shim = tmp_path / "bin/lm-eval-so"
    shim.parent.mkdir()
    shim.write_text(SHIM, encoding="utf-8")
    shim.chmod(0o755)
    path = f"{shim.parent}:{os.environ['PATH']}"
    environ = {**ports, "PATH": path, "PLACE": str(tmp_path), "TMPDIR": str(tmp_path)}
    found, told = {}, ""
    with subprocess.Popen(
        ["bash", str(EXAMPLE / "try.sh")], env=environ, stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None:
            time.sleep(0.01)
            if not (tmp_path / "asked").exists():
                continue
            folder, *arguments = (tmp_path / "asked").read_text("utf-8").splitlines()
            (tmp_path / "asked").unlink()
            done = lm_eval_so(*arguments, cwd=Path(folder), environ=ports)
            found = json.loads((Path(folder) / "reports/comparison.json").read_text("utf-8"))
            (tmp_path / "telling").write_text(f"{done.returncode}\n", encoding="utf-8")
            (tmp_path / "telling").rename(tmp_path / "told")
        told = process.stderr.read() if process.stderr else ""
    assert process.returncode == 1, told
    assert found["control"]["state"] == "asked"
    assert {case["sample_id"]: case["main"] for case in found["broken"]["cases"]} == {
        f"return-{i}": [3, 3] for i in (1, 2, 3)
    }
    for port in ports.values():  # nothing is left running
        with socket.create_server(("127.0.0.1", int(port))):
            pass


def test_app_example__the_first_pull_request_has_no_chatbot_on_main(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    repo.mkdir()
    git("init", "-q", cwd=repo)
    git("commit", "-qm", "main", "--allow-empty", cwd=repo)
    for name in ("bot.py", "start.sh"):
        shutil.copy(EXAMPLE / name, repo)
    git("add", "-A", cwd=repo)
    git("commit", "-qm", "the chatbot", cwd=repo)
    ports = free_ports()
    done = subprocess.run(
        ["bash", "start.sh"],
        cwd=repo,
        env={**ports, "PATH": os.environ["PATH"], "RUNNER_TEMP": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    os.kill(int((tmp_path / "bot.pid").read_text()), signal.SIGTERM)
    assert done.returncode == 0, done.stderr
    assert "main has no chatbot" in done.stderr
    assert not (tmp_path / "main.pid").exists()
