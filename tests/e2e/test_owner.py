"""Root in a workspace of somebody else, as in a container action, leaves nothing of root's there."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from servers.checkout import Checkout, open_checkout
from servers.commands import lm_eval_so
from servers.processes import finish, start, wait, write_config
from servers.runs import write_dataset

from lm_eval_so.testing import ChatServer, Reply

RUNNER = 1001
ON_GITHUB = {"GITHUB_ACTIONS": "true"}
IN_IMAGE = {"LM_EVAL_SO_IN_CONTAINER": "1"}
GENERATOR = """\
generator: {sources: [{id: faq, path: sources/faq.csv, map: {input: q, expected: a}}]}
"""
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be in another's workspace")


@pytest.fixture
def place() -> Iterator[Checkout]:
    # git, which runs as the owner, may not look into pytest's own folders
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    try:
        with open_checkout(root) as found:
            yield found
    finally:
        shutil.rmtree(root)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset of the runner's user."""
    found = tmp_path / "work"
    write_dataset(found, 200)
    give_away(found)
    return found


def give_away(folder: Path) -> None:
    subprocess.run(["chown", "-R", f"{RUNNER}:{RUNNER}", str(folder)], check=True)


def owners(folder: Path) -> dict[str, tuple[int, int]]:
    found = {str(path.relative_to(folder)): path.lstat() for path in folder.rglob("*")}
    return {name: (stat.st_uid, stat.st_gid) for name, stat in found.items()}


def not_the_runners(folder: Path) -> set[str]:
    return {name for name, who in owners(folder).items() if who != (RUNNER, RUNNER)}


def with_sources(place: Checkout, dataset: str) -> None:
    """Let the checkout make its dataset of a table, in a folder that is named."""
    (place.folder / "sources").mkdir()
    rows = "".join(f"질문 #{i},답 {i}\n" for i in range(40))
    (place.folder / "sources/faq.csv").write_text(f"q,a\n{rows}", encoding="utf-8")
    config = place.folder / "lm-eval-so.yaml"
    text = config.read_text(encoding="utf-8").replace("{path: data}", f"{{path: {dataset}}}")
    config.write_text(text + GENERATOR, encoding="utf-8")


def test_ci__all_that_it_makes_belongs_to_the_owner(place: Checkout) -> None:
    with_sources(place, "made/faq")
    give_away(place.folder)
    done = place.ci(INPUT_ON_INCOMPARABLE="warn")
    assert done.returncode == 0, done.stderr
    made = owners(place.folder)
    wanted = {".lm-eval-so/cache.sqlite", "made/faq/test.jsonl", "lm-eval-so-report/report.json"}
    assert wanted | {".lm-eval-so/.gitignore", "lm-eval-so-report/run/run_results.jsonl"} <= {*made}
    assert not not_the_runners(place.folder)
    assert place.outputs()["baseline_source"] == "git"  # git, too, works for the owner


def test_ci__what_was_there_before_stays_whose_it_was(place: Checkout) -> None:
    """As in a job with `container:`, whose checkout leaves all files in the workspace to root."""
    with_sources(place, "data/made")
    os.chown(place.folder, RUNNER, RUNNER)
    outside = place.folder.parent / "outside"
    outside.mkdir(mode=0o700)
    (outside / "file").touch()
    (place.folder / "lm-eval-so-report").mkdir(mode=0o700)
    (place.folder / "lm-eval-so-report/link").symlink_to(outside / "file")
    before = owners(place.folder)
    done = place.ci(INPUT_ON_INCOMPARABLE="warn")
    assert done.returncode == 0, done.stderr
    after = owners(place.folder)
    changed = {name for name, who in before.items() if after[name] != who}
    # git refreshes nothing, and of what was there only our own file is written anew
    assert not changed
    assert {after[name] for name in after.keys() - before.keys()} == {(RUNNER, RUNNER)}
    assert owners(outside) == {"file": (0, 0)}


def test_ci__also_when_it_ends_by_an_error(place: Checkout) -> None:
    with_sources(place, "made")
    give_away(place.folder)
    place.bot.script = lambda _: Reply(status=401)
    done = place.ci()
    assert done.returncode == 4, done.stderr
    assert "made/test.jsonl" in owners(place.folder)
    assert not not_the_runners(place.folder)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("environ", [ON_GITHUB, IN_IMAGE], ids=["github", "image"])
def test_run__also_when_it_is_stopped(
    folder: Path, number: signal.Signals, environ: Mapping[str, str]
) -> None:
    with ChatServer(lambda _: Reply(text="답", latency_s=0.02)) as server:
        config = write_config(folder, server.url, out="made/runs")
        give_away(folder)
        process = start(config, cwd=folder, environ=environ)
        wait(lambda: server.answered >= 30, process)
        process.send_signal(number)
        code, told = finish(process)
    assert code == (130 if number != signal.SIGKILL else -signal.SIGKILL), told
    assert "made/runs/bot/run_results.jsonl" in owners(folder)
    assert not not_the_runners(folder)


def test_run__what_a_program_makes_that_it_starts(folder: Path) -> None:
    script = 'cat > /dev/null; touch "made-$$"; echo 답'
    backend = {"name": "command", "options": {"argv": ["sh", "-c", script], "stdout": "text"}}
    config = {"version": 1, "suite": "s", "dataset": {"path": "."}, "backend": backend}
    write_dataset(folder, 3)
    values = {**config, "metrics": ["exact_match"]}
    (folder / "lm-eval-so.yaml").write_text(json.dumps(values), encoding="utf-8")
    give_away(folder)
    folder.parent.chmod(0o755)
    done = lm_eval_so("run", cwd=folder, environ=IN_IMAGE)
    assert done.returncode == 0, done.stderr
    assert any(name.startswith("made-") for name in owners(folder))
    assert not not_the_runners(folder)


def test_run__elsewhere_root_is_root(folder: Path) -> None:
    with ChatServer(lambda _: Reply(text="답")) as server:
        config = write_config(folder, server.url)
        give_away(folder)
        assert finish(start(config, cwd=folder)) == (0, "")
    assert {"runs", "runs/bot", "runs/bot/run.json"} <= not_the_runners(folder)
