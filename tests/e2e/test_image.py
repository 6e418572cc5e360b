"""The container image, built and run as GitHub's runner runs a Docker action.

Needs a container engine, so these tests run where one is: `pytest -m image`. CONTAINER_ENGINE
names the engine's command (docker).
"""

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from servers.checkout import KEY, Checkout, N, open_checkout

from lm_eval_so.core.config.yaml_lines import read_yaml

pytestmark = pytest.mark.image

ENGINE = os.environ.get("CONTAINER_ENGINE", "docker").split()
ROOT = Path(__file__).parents[2]
TAG = "lm-eval-so-test"
RUNNER = 1001


def engine(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*ENGINE, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    done = engine("build", "-t", TAG, str(ROOT))
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Checkout]:
    with open_checkout(tmp_path) as found:
        yield found


def run_action(place: Checkout, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the image with the mounts, owners, environment and inputs of the runner."""
    commands = place.folder.parent / "file_commands"
    commands.mkdir(exist_ok=True)
    environ = dict(place.environ())
    event = Path(environ["GITHUB_EVENT_PATH"])
    event.rename(commands / "event.json")
    for name in ("output", "summary"):
        (commands / name).touch()
    inputs = read_yaml(ROOT / "action.yml").values["inputs"]
    declared = {f"INPUT_{name.upper()}": fields["default"] for name, fields in inputs.items()}
    declared["INPUT_GITHUB_TOKEN"] = environ["INPUT_GITHUB_TOKEN"]
    mounted = {
        "GITHUB_WORKSPACE": "/github/workspace",
        "GITHUB_EVENT_PATH": "/github/file_commands/event.json",
        "GITHUB_OUTPUT": "/github/file_commands/output",
        "GITHUB_STEP_SUMMARY": "/github/file_commands/summary",
        "HOME": "/github/home",
    }
    given: Mapping[str, str] = {**environ, **declared, **mounted, **more}
    subprocess.run(["chown", "-R", f"{RUNNER}:{RUNNER}", str(place.folder.parent)], check=True)
    return engine(
        *("run", "--rm", "--network", "host", "--workdir", "/github/workspace"),
        *("-v", f"{place.folder}:/github/workspace", "-v", f"{commands}:/github/file_commands"),
        *(part for name, value in given.items() for part in ("-e", f"{name}={value}")),
        *(TAG, "ci"),
    )


def test_image__is_the_action(place: Checkout) -> None:
    place.is_worse = True
    worse = run_action(place)
    assert worse.returncode == 1, worse.stderr
    (body,) = place.hub.bodies(7).values()
    assert "회귀" in body
    commands = place.folder.parent / "file_commands"
    output = (commands / "output").read_text(encoding="utf-8")
    assert "regression" in output
    assert "baseline_source" in output
    assert "회귀" in (commands / "summary").read_text(encoding="utf-8")
    assert (place.folder / ".lm-eval-so/cache.sqlite").is_file()
    assert {path.lstat().st_uid for path in place.folder.rglob("*")} == {RUNNER}
    assert KEY not in worse.stdout + worse.stderr + body

    place.is_worse = False
    better = run_action(place, GITHUB_RUN_ID="7")
    assert better.returncode == 0, better.stderr
    assert len(place.hub.bodies(7)) == 1
    assert len(place.bot.requests) == 3 * N  # the baseline, and every event anew


def test_image__runs_ci_in_a_folder_for_any_user(place: Checkout) -> None:
    subprocess.run(["chown", "-R", "1234:1234", str(place.folder)], check=True)
    done = engine(
        *("run", "--rm", "--network", "host", "--user", "1234:1234"),
        *("-e", f"OPENAI_API_KEY={KEY}", "-e", f"BOT_URL={place.bot.url}"),
        *("-v", f"{place.folder}:/src", "-w", "/src", TAG, "ci"),
    )
    assert done.returncode == 0, done.stderr
    assert (place.folder / "reports/report.json").stat().st_uid == 1234
    assert not place.hub.bodies(7)


def test_image__runs_as_any_user_without_network_and_writable_root() -> None:
    done = engine(
        "run", "--rm", "--user", "1234", "--network", "none", "--read-only", TAG, "--help"
    )
    assert done.returncode == 0, done.stderr
    assert "Commands stand in the order of the work" in done.stdout
