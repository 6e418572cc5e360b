"""The container image, built and run as GitHub's runner runs a Docker action.

Needs a container engine, so these tests run where one is: `pytest -m image`. CONTAINER_ENGINE
names the engine's command (docker).
"""

import gzip
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from servers.checkout import KEY, Checkout, N, open_checkout
from servers.runner_log import split_masks

from lm_eval_so.core.config.yaml_lines import read_yaml

pytestmark = pytest.mark.image

ENGINE = os.environ.get("CONTAINER_ENGINE", "docker").split()
ROOT = Path(__file__).parents[2]
TAG = "lm-eval-so-test"
RUNNER = 1001


def engine(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*ENGINE, *arguments], capture_output=True, text=True, check=False)


BUILD = {
    "VERSION": "1.2.3",
    "REVISION": "5" * 40,
    "CREATED": "2026-11-24T06:30:00Z",
    "BASE_DIGEST": f"sha256:{'6' * 64}",
}


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    given = [part for item in BUILD.items() for part in ("--build-arg", "=".join(item))]
    done = engine("build", "-t", TAG, *given, str(ROOT))
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
    home = place.folder.parent / "home"
    home.mkdir(exist_ok=True)
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
        *("-v", f"{home}:/github/home"),
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
    # git reads a repository of another user, and is told so for its own calls alone
    assert "safe" not in (place.folder / ".git/config").read_text(encoding="utf-8")
    assert not list((place.folder.parent / "home").iterdir())
    masked, stdout = split_masks(worse.stdout)
    assert KEY in masked
    assert KEY not in stdout + worse.stderr + body

    place.is_worse = False
    asked = len(place.bot.requests)
    better = run_action(place, GITHUB_RUN_ID="7")
    assert better.returncode == 0, better.stderr
    assert len(place.hub.bodies(7)) == 1
    assert len(place.bot.requests) == asked + N  # every event asks anew


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


def test_image__runs_as_any_user_without_network_and_writable_root(tmp_path: Path) -> None:
    folder = shutil.copytree(ROOT / "example/quickstart", tmp_path / "quickstart")
    (folder / "json.py").write_text("raise SystemExit(99)")  # never imported
    subprocess.run(["chown", "-R", "1234:1234", str(tmp_path)], check=True)
    shut = ("run", "--rm", "--user", "1234:1234", "--network", "none", "--read-only")
    done = engine(*shut, "-v", f"{folder}:/src", "-w", "/src", TAG, "ci")
    assert done.returncode == 1, done.stderr  # the recorded answers are a regression
    assert (folder / "reports/report.html").is_file()
    told = engine(*shut, TAG, "--help")
    assert "Commands are listed in the order of the work" in told.stdout, told.stderr


def test_image__compares_with_only_its_home_to_write_to() -> None:
    report = "baselines/support-qa.json"
    done = engine(
        *("run", "--rm", "--read-only", "--tmpfs", "/home/app", "-w", "/src"),
        *("-v", f"{ROOT}/example/quickstart:/src:ro", TAG),
        *("compare", report, "--baseline", report, "-o", "/home/app/reports"),
    )
    assert done.returncode == 0, done.stderr


def test_image__says_what_it_is_made_of() -> None:
    (told,) = json.loads(engine("image", "inspect", TAG).stdout)
    config = told["Config"]
    prefix = "org.opencontainers.image."
    labels = {
        k.removeprefix(prefix): v for k, v in config["Labels"].items() if k.startswith(prefix)
    }
    site = "https://github.com/mackim-3768/lm-eval-so"
    assert {k: labels.pop(k) for k in ("title", "licenses", "source", "url", "documentation")} == {
        "title": "lm-eval-so",
        "licenses": "Apache-2.0",
        "source": site,
        "url": site,
        "documentation": f"{site}#readme",
    }
    assert len(labels.pop("description")) > 20
    assert labels == {
        "version": BUILD["VERSION"],
        "revision": BUILD["REVISION"],
        "created": BUILD["CREATED"],
        "base.name": "docker.io/library/python:3.13-slim",
        "base.digest": BUILD["BASE_DIGEST"],
    }
    assert (config["Entrypoint"], config["Cmd"]) == (["lm-eval-so"], ["--help"])
    assert not config.get("User")  # GitHub asks for root


def test_image__has_bytecode_of_what_ci_imports() -> None:
    code = """
import glob, importlib, os, sys
importlib.import_module("lm_eval_so.pipeline.ci")
cached = {n: m.__cached__ for n, m in sys.modules.items() if getattr(m, "__cached__", None)}
print(len(cached), *sorted(name for name, file in cached.items() if not os.path.exists(file)))
# none has the date of its source, which layers and builds change: PEP 552's flags say so
files = glob.iglob(sys.pycache_prefix + "/**/*.pyc", recursive=True)
print({open(file, "rb").read(8)[4:] for file in files}, file=sys.stderr)
"""
    done = engine("run", "--rm", "--entrypoint", "python", TAG, "-c", code)
    known, *lacking = done.stdout.split()
    assert int(known) > 500, done.stderr
    assert done.stderr.strip() == "{b'\\x01\\x00\\x00\\x00'}"
    # what Python imports before it knows where bytecode lies
    assert all(name in {"site", "codecs"} or name.startswith("encodings") for name in lacking)


def test_image__is_small(tmp_path: Path) -> None:
    saved = tmp_path / "image.tar"
    assert engine("save", "-o", str(saved), TAG).returncode == 0
    final = (ROOT / "Dockerfile").read_text(encoding="utf-8").rpartition("\nFROM ")[2]
    own = len(re.findall(r"^(?:RUN|COPY|ADD) ", final, re.MULTILINE))
    with tarfile.open(saved) as opened:

        def read(name: str) -> bytes:
            member = opened.extractfile(name)
            assert member
            content = member.read()
            return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content

        (manifest,) = json.loads(read("manifest.json"))
        layers = [read(name) for name in manifest["Layers"]]
        environ = json.loads(read(manifest["Config"]))["config"]["Env"]
    packed = [len(gzip.compress(layer, 6)) / 1e6 for layer in layers]
    sizes = [len(layer) / 1e6 for layer in layers]
    figures = f"layers {sizes}, compressed {packed}"
    assert sum(sizes[-own:]) <= 115, figures
    assert sum(packed[-own:]) <= 35, figures
    # where no registry can be reached, something larger may stand in for the official base
    if any(item.startswith("PYTHON_SHA256=") for item in environ):
        assert sum(sizes) <= 250, figures
        assert sum(packed) <= 80, figures
