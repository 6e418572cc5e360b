"""A release: its commits from HEAD alone, refusals, distributions, and tags in a real repository.

`gh` and `docker` are stand-ins that write down what they are asked.
"""

import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from servers.commands import git

ROOT = Path(__file__).parents[2]
RELEASE = runpy.run_path(str(ROOT / "scripts" / "release.py"))
ReleaseError = RELEASE["ReleaseError"]
DIGEST = f"sha256:{'5' * 64}"
OTHER = f"sha256:{'6' * 64}"
FILES = ["pyproject.toml", "README.md", "README.ko.md", "CHANGELOG.md", "action.yml", ".gitignore"]
SCRIPTS = [
    f"scripts/{name}" for name in ("release.sh", "release.py", "pin_snippets.py", "python.sh")
]
STAND_IN = """#!/bin/sh
echo "$(basename "$0") $*" >>"$ASKED"
case "$*" in
  *"release view"*) [ -e "$ASKED.published" ] && echo false ;;
  *"release create"*) touch "$ASKED.published" ;;
  *"imagetools inspect"*) echo "$INDEX" ;;
  *"buildx build"*)
    to=${*#*--metadata-file }
    echo "{\\"containerimage.digest\\": \\"$INDEX\\", \\"image.name\\": \\"x\\"}" >"${to%% *}" ;;
  *" --version") echo "lm-eval-so $SAYS" ;;
  *" ci")
    place=${*#*-v }
    mkdir "${place%%:*}/reports"
    echo page >"${place%%:*}/reports/report.html"
    exit 1 ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with what a release touches, on main, with one commit."""
    folder = tmp_path / "project"
    (folder / "scripts").mkdir(parents=True)
    for name in (*FILES, *SCRIPTS):
        shutil.copy(ROOT / name, folder / name)
    changelog = folder / "CHANGELOG.md"
    text = re.sub(r"(?s)(## \[Unreleased\]\n).*?(?=\n\[|\n## \[)", r"\1", changelog.read_text())
    entry = (
        "\n### Added\n\n- ![All](a.png) See [the docs](docs/index.md), [us](https://example.com).\n"
    )
    changelog.write_text(text.replace("## [Unreleased]\n", f"## [Unreleased]\n{entry}"))
    (folder / "example/quickstart").mkdir(parents=True)
    (folder / "example/quickstart/lm-eval-so.yaml").touch()
    git("init", "--quiet", "--initial-branch=main", cwd=folder)
    commit(folder, "all: begin")
    return folder


def commit(folder: Path, message: str) -> str:
    """Commit all that is there, on the morning of a day in Seoul."""
    git("add", "--all", cwd=folder)
    told = {"NAME": "p", "EMAIL": "p@example.com", "DATE": "2026-11-24T06:30:00+0900"}
    who = {f"GIT_{role}_{k}": v for role in ("AUTHOR", "COMMITTER") for k, v in told.items()}
    line = ["git", "commit", "--quiet", "--message", message, "--allow-empty"]
    subprocess.run(line, cwd=folder, env=os.environ | who, check=True)
    return git("rev-parse", "HEAD", cwd=folder)


def test_source__is_head_with_version_and_changelog(project: Path, tmp_path: Path) -> None:
    head = git("rev-parse", "HEAD", cwd=project)
    made = [RELEASE["make_source"](project, "1.2.0", tmp_path / name) for name in ("a", "b")]
    assert made[0] == made[1]
    assert git("rev-parse", f"{made[0]}^", cwd=tmp_path / "a") == head
    assert (git("rev-parse", "HEAD", cwd=project), git("status", "--porcelain", cwd=project)) == (
        head,
        "",
    )

    changed = git("show", "--format=", "--name-only", cwd=tmp_path / "a").split()
    assert changed == ["CHANGELOG.md", "README.ko.md", "README.md", "pyproject.toml"]
    read = {name: (tmp_path / "a" / name).read_text("utf-8") for name in changed}
    assert '\nversion = "1.2.0"\n' in read["pyproject.toml"]
    assert "![version 1.2.0](https://img.shields.io/badge/version-1.2.0-blue)" in read["README.md"]
    assert "\n## [Unreleased]\n\n## [1.2.0] - 2026-11-23\n\n### Added\n" in read["CHANGELOG.md"]
    time = git("log", "-1", "--format=%ct", cwd=project)
    assert git("log", "-1", "--format=%at %ct", cwd=tmp_path / "a") == f"{time} {time}"
    site = RELEASE["REPOSITORY"]
    links = f"\n[Unreleased]: {site}/compare/v1.2.0...main\n[1.2.0]: {site}/releases/tag/v1.2.0\n"
    assert links in read["CHANGELOG.md"]
    assert RELEASE["notes"](read["CHANGELOG.md"], "1.2.0") == (
        f"### Added\n\n- ![All]({site}/raw/v1.2.0/a.png) See [the docs]({site}/blob/v1.2.0/docs/index.md), "
        "[us](https://example.com).\n"
    )


def test_source__refuses(project: Path, tmp_path: Path) -> None:
    def refusal(version: str) -> str:
        with pytest.raises(ReleaseError) as caught:
            RELEASE["make_source"](project, version, tmp_path / "made")
        shutil.rmtree(tmp_path / "made", ignore_errors=True)
        return str(caught.value)

    for version in ("1.2", "v1.2.3", "1.2.3-rc.1", "1.2.3rc0", "01.2.3", "1.2.3\n"):
        assert "no version" in refusal(version)
    git("tag", "v1.2.0", cwd=project)
    assert "v1.2.0 exists" in refusal("1.2.0")
    assert "v1.2.0 exists" in refusal("1.2.0rc1")
    assert "v1.2.0 exists" in refusal("1.1.9")
    RELEASE["make_source"](project, "1.10.0", tmp_path / "newer")

    (project / "new").touch()
    assert "not committed" in refusal("1.3.0")
    (project / "new").unlink()
    changelog = project / "CHANGELOG.md"
    changelog.write_text(re.sub(r"(?m)^- .*\n", "", changelog.read_text()))
    commit(project, "all: forget the changelog")
    assert "no entries under [Unreleased]" in refusal("1.3.0")


def test_point__changes_one_line(project: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    commit = RELEASE["make_source"](project, "1.2.0", source)
    with pytest.raises(ReleaseError, match="no digest"):
        RELEASE["point"](source, "1.2.0", DIGEST[:-1])
    pointed = RELEASE["point"](source, "1.2.0", DIGEST)
    changed = git("diff", "--unified=0", commit, pointed, cwd=source).splitlines()
    assert changed[-2:] == [
        "-  image: Dockerfile",
        f"+  image: docker://ghcr.io/mackim-3768/lm-eval-so:1.2.0@{DIGEST}",
    ]
    assert len([line for line in changed if re.match(r"[-+](?![-+])", line)]) == 2
    with pytest.raises(ReleaseError, match="0 times"):
        RELEASE["point"](source, "1.2.0", DIGEST)


@pytest.mark.parametrize(
    ("version", "of_git", "of_image"),
    [
        ("1.2.3", ["v1", "v1.2"], ["1", "1.2", "latest"]),
        ("12.0.0", ["v12", "v12.0"], ["12", "12.0", "latest"]),
        ("0.3.1", ["v0.3"], ["0.3", "latest"]),
        ("1.2.3rc1", [], []),
    ],
)
def test_moving_names(version: str, of_git: Sequence[str], of_image: Sequence[str]) -> None:
    assert RELEASE["moving_names"](version) == (of_git, of_image)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("", ""),
        ("wheel", "missing ['lm_eval_so/words/ko.json'], not expected ['tests/test_it.py']"),
        ("sdist", "missing ['lm_eval_so/words/ko.json'], not expected ['tests/test_it.py']"),
        ("version", "its metadata says ['LM-Eval-SO', '1.1.0'"),
        ("link", "nowhere leads ](docs/index.md)"),
    ],
)
def test_files__are_those_that_git_knows(fault: str, told: str, tmp_path: Path) -> None:
    tracked = ["lm_eval_so/__init__.py", "lm_eval_so/words/ko.json"]
    wrong = ["lm_eval_so/__init__.py", "tests/test_it.py"]
    info = "lm_eval_so-1.2.0.dist-info"
    version = "1.1.0" if fault == "version" else "1.2.0"
    metadata = f"Name: LM-Eval-SO\nVersion: {version}\nLicense-Expression: Apache-2.0\nRequires-Python: >=3.11\n"
    metadata += f"\n[here]({'docs/index.md' if fault == 'link' else 'https://example.com'})\n"
    wheel, sdist = tmp_path / "x.whl", tmp_path / "x.tar.gz"
    with zipfile.ZipFile(wheel, "w") as out:
        for name in wrong if fault == "wheel" else tracked:
            out.writestr(name, "")
        out.writestr(f"{info}/METADATA", metadata)
        for name in ("WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"):
            out.writestr(f"{info}/{name}", "")
    beside = ["CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml", ".gitignore"]
    with tarfile.open(sdist, "w:gz") as packed:
        for name in (*(wrong if fault == "sdist" else tracked), *beside):
            packed.addfile(tarfile.TarInfo(f"lm_eval_so-1.2.0/{name}"))

    def check() -> None:
        RELEASE["check_files"](sdist, wheel, tracked=tracked, version="1.2.0")

    if fault:
        with pytest.raises(ReleaseError, match=re.escape(told)):
            check()
    else:
        check()


class Steps:
    """Steps of the script in a project whose GitHub is a bare repository."""

    def __init__(self, project: Path, place: Path) -> None:
        self.project, self.asked, self.site = project, place / "asked", place / "site.git"
        git("clone", "--quiet", "--bare", str(project), str(self.site), cwd=place)
        programs = place / "bin"
        programs.mkdir()
        for name in ("gh", "docker"):
            (programs / name).write_text(STAND_IN)
            (programs / name).chmod(0o755)
        self.environ = {
            "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(place),
            "ASKED": str(self.asked),
            "INDEX": DIGEST,
            "SAYS": "1.2.0",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{self.site}.insteadOf",
            "GIT_CONFIG_VALUE_0": RELEASE["REPOSITORY"],
        }

    def run(self, step: str, version: str, **environ: str) -> subprocess.CompletedProcess[str]:
        self.asked.write_text("")
        git("fetch", "--quiet", "--tags", "--force", str(self.site), cwd=self.project)
        return subprocess.run(
            ["bash", "scripts/release.sh", step, version],
            cwd=self.project,
            env=self.environ | environ,
            capture_output=True,
            text=True,
            check=False,
        )

    def refs(self) -> dict[str, str]:
        lines = git("for-each-ref", "--format=%(refname:short) %(objectname)", cwd=self.site)
        return dict(line.split() for line in lines.splitlines())


def test_steps__tag_once_and_move_the_names(project: Path, tmp_path: Path) -> None:
    steps = Steps(project, tmp_path)

    def asked(step: str, **environ: str) -> str:
        done = steps.run(step, "1.2.0", **environ)
        assert done.returncode == 0, done.stderr
        return steps.asked.read_text() + done.stdout

    image = RELEASE["IMAGE"]
    builds = {"AMD64": OTHER, "ARM64": DIGEST}
    named = asked("name", **builds)
    assert f"imagetools create --tag {image}:1.2.0 {image}@{OTHER} {image}@{DIGEST}\n" in named
    assert named.endswith(f"\ndigest={DIGEST}\n")
    again = asked("name", DIGEST=OTHER)  # an earlier run made the image
    assert "imagetools" not in again
    assert again.endswith(f"\ndigest={OTHER}\n")
    assert set(steps.refs()) == {"main"}

    assert "release create v1.2.0 --verify-tag" in asked("tag", DIGEST=DIGEST)
    first = steps.refs()
    assert set(first) == {"main", "v1.2.0", "release/1.2.0"}
    assert "release create" not in asked("tag", DIGEST=DIGEST)
    names = "".join(f" --tag {image}:{name}" for name in ("1", "1.2", "latest"))
    assert f"imagetools create{names} {image}@{DIGEST}\n" in asked("move", DIGEST=DIGEST)
    refs = steps.refs()
    assert refs["v1"] == refs["v1.2"] == refs["v1.2.0"] == first["v1.2.0"]
    assert DIGEST in git("show", "v1:action.yml", cwd=steps.site)
    assert git("rev-parse", "v1.2.0~2", cwd=steps.site) == refs["main"]
    # what goes back to main is not the release: version, changelog, and workflows pinned to it
    assert git("rev-parse", "v1.2.0~", cwd=steps.site) == git(
        "rev-parse", "release/1.2.0~", cwd=steps.site
    )
    back = git("show", "release/1.2.0", cwd=steps.site)
    assert f"+      - uses: mackim-3768/lm-eval-so@{refs['v1']} # v1.2.0" in back
    assert "image: Dockerfile" in git("show", "release/1.2.0:action.yml", cwd=steps.site)
    assert "image: Dockerfile" in git("show", "main:action.yml", cwd=steps.site)

    # another digest, or another commit, is not this release
    assert steps.run("tag", "1.2.0", DIGEST=OTHER).returncode != 0
    commit(project, "all: go on")
    again = steps.run("tag", "1.2.0", DIGEST=DIGEST)
    assert again.returncode != 0
    assert "v1.2.0 exists" in again.stderr
    assert steps.refs() == refs

    for step in ("tag", "move"):
        assert steps.run(step, "1.3.0rc1", DIGEST=OTHER).returncode == 0
    assert {name: ref for name, ref in steps.refs().items() if name != "v1.3.0rc1"} == refs


def test_image__is_pushed_by_digest_and_tried(project: Path, tmp_path: Path) -> None:
    steps = Steps(project, tmp_path)
    told = tmp_path / "output"
    given = {"BASE": OTHER, "PLATFORM": "arm64", "GITHUB_OUTPUT": str(told)}
    done = steps.run("image", "1.2.0", **given)
    assert done.returncode == 0, done.stderr
    assert told.read_text() == f"arm64={DIGEST}\n"
    image = RELEASE["IMAGE"]
    *_, build, pull, logout, version, ci = steps.asked.read_text().splitlines()
    assert f"python:3.13-slim=docker-image://docker.io/library/python:3.13-slim@{OTHER}" in build
    assert f"--build-arg BASE_DIGEST={OTHER} --build-arg SOURCE_DATE_EPOCH=" in build
    for part in ("linux/arm64", "--provenance mode=max", "--sbom true", "push-by-digest=true"):
        assert part in build
    assert pull == f"docker pull --quiet {image}@{DIGEST}"
    assert logout == "docker logout ghcr.io"  # before the image runs
    assert f" --network none --read-only --user {os.getuid()}:{os.getgid()} " in version
    assert version.endswith(f" {image}@{DIGEST} --version")
    assert ci.endswith(f" {image}@{DIGEST} ci")

    wrong = steps.run("image", "1.2.0", **given, DIGEST=OTHER, SAYS="1.1.0")
    assert wrong.returncode == 3
    assert "the image says 'lm-eval-so 1.1.0'" in wrong.stderr
    assert "buildx build" not in steps.asked.read_text()


@pytest.mark.image
def test_dry_run__builds_and_installs_what_would_be_published(tmp_path: Path) -> None:
    source = tmp_path / "clone"
    # not by `git`, whose environment has no SUDO_UID: with it, root may read the clone of a user
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(source)], check=True)
    changelog = source / "CHANGELOG.md"
    head = "## [Unreleased]\n"
    changelog.write_text(changelog.read_text("utf-8").replace(head, f"{head}\n- An entry.\n"))
    commit(source, "changelog: one entry more")
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "scripts/release.sh", "--dry-run", "97.2.0", DIGEST],
        cwd=source,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "would upload to the package index: lm_eval_so-97.2.0-py3-none-any.whl" in done.stdout
    assert f"+  image: docker://ghcr.io/mackim-3768/lm-eval-so:97.2.0@{DIGEST}" in done.stdout
    assert git("status", "--porcelain", cwd=source) == ""
