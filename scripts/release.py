"""Make what a release consists of, from HEAD alone: its commits, its files, the names that move.

The same HEAD and version give the same commits and files, so a release that broke off goes on with what it
has already published. scripts/release.sh calls this; docs/releasing.md describes the whole.

    python scripts/release.py source 1.2.0 FOLDER         a clone with the version set; prints its commit
    python scripts/release.py files 1.2.0 FOLDER OUT      source distribution, wheel and notes, checked
    python scripts/release.py point 1.2.0 FOLDER DIGEST   action.yml names the image; prints its commit
    python scripts/release.py back 1.2.0 FOLDER COMMIT    what main gets of the release COMMIT; prints that commit
    python scripts/release.py names 1.2.0                 tags of git, then of the image, that move to it
"""

import argparse
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.parser import HeaderParser
from pathlib import Path

ROOT = Path(__file__).parents[1]
REPOSITORY = "https://github.com/mackim-3768/lm-eval-so"
IMAGE = "ghcr.io/mackim-3768/lm-eval-so"
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:rc([1-9]\d*))?")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_BOT = "github-actions[bot]", "41898282+github-actions[bot]@users.noreply.github.com"
_UNRELEASED = "## [Unreleased]"
_RELATIVE = r"\]\((?!https?://|#)"
"""Where the target of a link inside the repository begins."""


class ReleaseError(Exception):
    """A release that must not be made: why, and what to do."""


def order(version: str) -> tuple[int, ...]:
    """Return what versions are sorted by; a candidate comes before its release.

    Raises:
        ReleaseError: If it is no version that all places take: git, the image, the package index.
    """
    found = _VERSION.fullmatch(version)
    if not found:
        raise ReleaseError(f"no version: {version!r}; name X.Y.Z, or X.Y.ZrcN for a candidate")
    major, minor, patch, candidate = found.groups()
    return int(major), int(minor), int(patch), int(candidate or sys.maxsize)


def moving_names(version: str) -> tuple[list[str], list[str]]:
    """Return the tags of git and of the image that move to a release; none for a candidate.

    Before 1.0 a minor version may break what the one before did, so no `v0` is offered.
    """
    major, minor, _, candidate = order(version)
    if candidate != sys.maxsize:
        return [], []
    lines = [f"{major}.{minor}"] if major == 0 else [f"{major}", f"{major}.{minor}"]
    return [f"v{line}" for line in lines], [*lines, "latest"]


def make_source(root: Path, version: str, folder: Path) -> str:
    """Clone HEAD of a repository and commit the version and its section of the changelog.

    Returns:
        The commit. It depends on HEAD and the version alone: author and date are those of the
        bot and of HEAD.

    Raises:
        ReleaseError: If there are changes that are not committed, if the version is not newer than every
            released one (the same HEAD released again is no error), or if the changelog has no entries.
    """
    wanted = order(version)
    if _git("status", "--porcelain", cwd=root):
        raise ReleaseError("there are changes that are not committed; commit or stash them")
    _git("clone", "--quiet", "--shared", str(root), str(folder), cwd=root)
    _git("checkout", "--quiet", "--detach", cwd=folder)
    _git("remote", "set-url", "origin", REPOSITORY, cwd=folder)  # the image's provenance names it
    _set_version(folder, version)
    commit = _commit(folder, f"release: {version}")
    for tag in _git("tag", "--list", "v*.*.*", cwd=folder).split():
        if not _VERSION.fullmatch(tag[1:]) or order(tag[1:]) < wanted:
            continue
        if tag == f"v{version}" and _git("log", "-1", "--format=%P", tag, cwd=folder) == commit:
            continue  # this release, which broke off after its tag
        raise ReleaseError(f"{tag} exists, of another commit; release a newer version")
    return commit


def _set_version(folder: Path, version: str) -> None:
    project = folder / "pyproject.toml"
    (old,) = re.findall(r'^version = "(.+)"$', project.read_text("utf-8"), re.MULTILINE)
    _replace(project, f'\nversion = "{old}"\n', f'\nversion = "{version}"\n')
    for page in ("README.md", "README.ko.md"):
        _replace(folder / page, f"version {old}](", f"version {version}](")
        _replace(folder / page, f"version-{old}-blue", f"version-{version}-blue")
    changelog = folder / "CHANGELOG.md"
    if not re.search(r"^- ", section(changelog.read_text("utf-8"), "Unreleased"), re.MULTILINE):
        raise ReleaseError("CHANGELOG.md has no entries under [Unreleased]; say what changed")
    day = datetime.fromtimestamp(_time_of(folder), UTC).date()
    _replace(changelog, f"{_UNRELEASED}\n", f"{_UNRELEASED}\n\n## [{version}] - {day}\n")
    text = re.sub(r"^\[Unreleased\]: .*\n", "", changelog.read_text("utf-8"), flags=re.MULTILINE)
    links = f"[Unreleased]: {REPOSITORY}/compare/v{version}...main\n[{version}]: {REPOSITORY}/releases/tag/v{version}\n"
    changelog.write_text(_with_links(text, links), encoding="utf-8", newline="\n")


def _with_links(text: str, links: str) -> str:
    """Put links before those of older versions, at the end of a changelog."""
    older = re.search(r"^\[[^]]+\]: ", text, re.MULTILINE)
    place = older.start() if older else len(text)
    return text[:place] + links + text[place:]


def section(changelog: str, name: str) -> str:
    """Return what a changelog says of a version, without its heading; "" if there is no such section."""
    head = re.search(rf"^## \[{re.escape(name)}\].*\n", changelog, re.MULTILINE)
    if not head:
        return ""
    rest = changelog[head.end() :]
    end = re.search(r"^## \[|^\[[^]]+\]: ", rest, re.MULTILINE)
    return rest[: end.start() if end else len(rest)].strip() + "\n"


def notes(changelog: str, version: str) -> str:
    """Return the notes of a release: its section, with links that lead to the files of its tag."""
    return with_whole_links(section(changelog, version), version)


def with_whole_links(markdown: str, version: str) -> str:
    """Return a page of the repository as it is shown elsewhere: links and pictures name a tag's files."""

    def whole(found: re.Match[str]) -> str:
        picture = found[1] == "!"
        return f"{found[0]}{REPOSITORY}/{'raw' if picture else 'blob'}/v{version}/"

    return re.sub(rf"(!?)\[[^]]*{_RELATIVE}", whole, markdown)


def point(folder: Path, version: str, digest: str) -> str:
    """Commit an action.yml that runs the published image, and return the commit.

    Raises:
        ReleaseError: If the digest is none, or action.yml does not build its image.
    """
    if not _DIGEST.fullmatch(digest):
        raise ReleaseError(f"no digest of an image: {digest!r}")
    image = f"docker://{IMAGE}:{version}@{digest}"
    _replace(folder / "action.yml", "\n  image: Dockerfile\n", f"\n  image: {image}\n")
    return _commit(folder, "release: run the published image")


def bring_back(folder: Path, version: str, released: str) -> str:
    """Commit, on version and changelog, workflows to copy that are pinned to the release; return the commit."""
    _git("checkout", "--quiet", f"{released}^", cwd=folder)
    _run([sys.executable, "scripts/pin_snippets.py", released, version], folder)
    return _commit(folder, f"docs: pin {version}")


def make_files(folder: Path, version: str, out: Path) -> list[Path]:
    """Build the source distribution, from it the wheel, check both, and install the wheel.

    Returns:
        Source distribution and wheel; `notes.md` lies beside the folder of the two.
    """
    environ = {**os.environ, "SOURCE_DATE_EPOCH": str(_time_of(folder))}
    python, dist = sys.executable, out / "dist"
    readme = folder / "README.md"  # the package index shows it
    text = with_whole_links(readme.read_text("utf-8"), version)
    readme.write_text(text, encoding="utf-8", newline="\n")
    sdist_of = ["build", "-t", "sdist", "-d", str(dist.resolve())]
    _run([python, "-m", "hatchling", *sdist_of], folder, environ)
    _git("checkout", "--quiet", "README.md", cwd=folder)
    (sdist,) = dist.glob("*.tar.gz")
    offline = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    wheel_of = ["wheel", *offline, "--no-build-isolation", "--wheel-dir", str(dist)]
    _run([python, "-m", "pip", *wheel_of, str(sdist)], ROOT, environ)
    (wheel,) = dist.glob("*.whl")
    tracked = _git("ls-files", "lm_eval_so", cwd=folder).splitlines()
    check_files(sdist, wheel, tracked=tracked, version=version)
    _install(wheel, offline, version)
    text = notes((folder / "CHANGELOG.md").read_text("utf-8"), version)
    (out / "notes.md").write_text(text, encoding="utf-8", newline="\n")
    return [sdist, wheel]


def check_files(sdist: Path, wheel: Path, *, tracked: Sequence[str], version: str) -> None:
    """Compare what the distributions contain with what git knows of the package.

    Args:
        sdist: Source distribution.
        wheel: Wheel.
        tracked: Files of the package, as paths in the repository.
        version: Version that both must have.

    Raises:
        ReleaseError: If a file is missing or too many, or if the metadata tells of something else.
    """
    package = {*tracked}
    with zipfile.ZipFile(wheel) as opened:
        in_wheel = set(opened.namelist())
        (info,) = {name.partition("/")[0] for name in in_wheel if ".dist-info/" in name}
        metadata = HeaderParser().parsestr(opened.read(f"{info}/METADATA").decode())
    extra = ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
    _same(in_wheel, package | {f"{info}/{name}" for name in extra}, wheel)
    with tarfile.open(sdist) as opened:
        in_sdist = {name.partition("/")[2] for name in opened.getnames()}
    beside = {"CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml", ".gitignore"}
    _same(in_sdist, package | beside, sdist)
    told = [metadata[key] for key in ("Name", "Version", "License-Expression", "Requires-Python")]
    if found := re.search(_RELATIVE + r"[^)]*", str(metadata.get_payload())):
        raise ReleaseError(f"{wheel.name}: nowhere leads {found[0]})")
    if told != ["LM-Eval-SO", version, "Apache-2.0", ">=3.11"]:
        raise ReleaseError(f"{wheel.name}: its metadata says {told}")


def _same(found: set[str], wanted: set[str], file: Path) -> None:
    if found != wanted:
        missing, more = sorted(wanted - found)[:5], sorted(found - wanted)[:5]
        raise ReleaseError(f"{file.name}: missing {missing}, not expected {more}")


def _install(wheel: Path, offline: Sequence[str], version: str) -> None:
    """Install a wheel in a fresh environment, which borrows the libraries of this one, and ask it."""
    with tempfile.TemporaryDirectory() as folder:
        _run([sys.executable, "-m", "venv", "--without-pip", folder], ROOT)
        python = str(Path(folder, "bin", "python"))
        pip = [sys.executable, "-m", "pip", "--python", python, "install", *offline, str(wheel)]
        _run(pip, ROOT)
        (packages,) = Path(folder, "lib").glob("python*/site-packages")
        (packages / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
        environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        told = _run([str(Path(folder, "bin", "lm-eval-so")), "--version"], Path(folder), environ)
        if told != f"lm-eval-so {version}":
            raise ReleaseError(f"{wheel.name}: installed, it says {told!r}")


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    if text.count(old) != 1:
        raise ReleaseError(
            f"{file.name}: {old.strip()!r} stands in it {text.count(old)} times, not once"
        )
    file.write_text(text.replace(old, new), encoding="utf-8", newline="\n")


def _commit(folder: Path, message: str) -> str:
    name, address = _BOT
    date = f"{_time_of(folder)} +0000"
    told = {"NAME": name, "EMAIL": address, "DATE": date}
    who = {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in told.items()
    }
    settings = ["-c", "commit.gpgSign=false", "-c", "core.hooksPath=/dev/null"]
    _run(
        ["git", *settings, "commit", "--quiet", "--all", "--message", message],
        folder,
        {**os.environ, **who},
    )
    return _git("rev-parse", "HEAD", cwd=folder)


def _time_of(folder: Path) -> int:
    return int(_git("log", "-1", "--format=%ct", cwd=folder))


def _git(*arguments: str, cwd: Path) -> str:
    return _run(["git", *arguments], cwd)


def _run(command: Sequence[str], cwd: Path, environ: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(  # noqa: S603 - our own commands, no shell
        command, cwd=cwd, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ReleaseError(
            f"{' '.join(command)}: exit {done.returncode}\n{done.stderr.strip()[-3000:]}"
        )
    return done.stdout.strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a step and print what the next one needs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("step", choices=("source", "files", "point", "back", "names"))
    parser.add_argument("version")
    parser.add_argument("folder", type=Path, nargs="?", default=Path())
    parser.add_argument("more", nargs="?", default="")
    given = parser.parse_args(arguments)
    try:
        match given.step:
            case "source":
                told = [make_source(ROOT, given.version, given.folder)]
            case "files":
                told = [
                    str(file) for file in make_files(given.folder, given.version, Path(given.more))
                ]
            case "point":
                told = [point(given.folder, given.version, given.more)]
            case "back":
                told = [bring_back(given.folder, given.version, given.more)]
            case _:
                told = [" ".join(names) for names in moving_names(given.version)]
    except ReleaseError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.write("".join(f"{line}\n" for line in told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
