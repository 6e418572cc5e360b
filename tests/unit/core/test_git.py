"""Reading a checkout with the real git."""

import os
import subprocess
from pathlib import Path

import pytest

from lm_eval_so.core import git
from lm_eval_so.errors import UsageError


def run(folder, *arguments):
    env = os.environ | {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.org",
    }
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=env, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    """Return a folder with two commits on main and one on a branch off the first."""
    run(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "하위").mkdir()
    for text in ("one", "two"):
        (tmp_path / "하위" / "기준.json").write_text(text, "utf-8")
        run(tmp_path, "add", ".")
        run(tmp_path, "commit", "-q", "-m", text)
    run(tmp_path, "checkout", "-q", "-b", "기능/환불", "HEAD~1")
    run(tmp_path, "commit", "-q", "--allow-empty", "-m", "three")
    return tmp_path


def test_git__is_told_no_secret(repository, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting of a repository may name programs, which git would start."""
    told = tmp_path / "told"
    program = tmp_path / "bin/git"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n/usr/bin/env > "{told}"\n', "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.setenv("BOT_URL", "https://bot.example")
    assert git.head(repository) is None
    names = {line.partition("=")[0] for line in told.read_text("utf-8").splitlines()}
    assert {"PATH", "HOME", "LC_ALL", "GIT_TERMINAL_PROMPT"} <= names
    assert not [name for name in names if "KEY" in name or "BOT" in name]


def test_show__gives_the_file_of_a_commit(repository) -> None:
    path = Path("하위/기준.json")
    assert git.show("main", path, cwd=repository) == b"two"
    assert git.show("main~1", path, cwd=repository) == b"one"
    assert git.show("기능/환불", Path("기준.json"), cwd=repository / "하위") == b"one"


@pytest.mark.parametrize(
    ("ref", "path"), [("main", "하위/없음.json"), ("nowhere", "하위/기준.json"), ("main", "하위")]
)
def test_show__gives_none_for_what_is_not_there(repository, ref, path) -> None:
    assert git.show(ref, Path(path), cwd=repository) is None


def test_show__follows_links_inside_the_commit_only(repository) -> None:
    run(repository, "checkout", "-q", "main")
    links = {"a": "b", "b": "하위/기준.json", "out": "/etc/hostname", "up": "../x", "loop": "loop"}
    for name, target in links.items():
        (repository / name).symlink_to(target)
    run(repository, "add", ".")
    run(repository, "commit", "-q", "-m", "links")
    assert git.show("main", Path("a"), cwd=repository) == b"two"
    assert git.show("main", Path("../a"), cwd=repository / "하위") == b"two"
    for name in ("loop", "b/x", "a\nb"):
        assert git.show("main", Path(name), cwd=repository) is None
    for name in ("out", "up"):
        with pytest.raises(UsageError, match=f"{name} is a symbolic link that leads out"):
            git.show("main", Path(name), cwd=repository)


def test_show__gives_the_bytes_as_they_are(repository) -> None:
    data = b"\x00\xff\n blob 3\n\n"
    (repository / "raw").write_bytes(data)
    run(repository, "add", ".")
    run(repository, "commit", "-q", "-m", "raw")
    assert git.show("HEAD", Path("raw"), cwd=repository) == data


def test_head_and_parents__are_full_ids(repository) -> None:
    here = git.head(repository)
    assert here == run(repository, "rev-parse", "HEAD")
    assert git.parents(here, cwd=repository) == (run(repository, "rev-parse", "main~1"),)
    assert git.parents("main~1", cwd=repository) == ()


def test_parents__of_a_merge_have_the_first_first(repository) -> None:
    run(repository, "merge", "-q", "--no-ff", "-m", "merge", "main")
    expected = (run(repository, "rev-parse", "HEAD^1"), run(repository, "rev-parse", "main"))
    assert git.parents("HEAD", cwd=repository) == expected


def test_merge_base__is_the_common_ancestor(repository) -> None:
    base = run(repository, "rev-parse", "main~1")
    assert git.merge_base("main", "HEAD", cwd=repository) == base
    assert git.merge_base("main", "nowhere", cwd=repository) is None


def test_a_full_id__of_no_commit_here_is_known_to_no_command(repository) -> None:
    here, gone = run(repository, "rev-parse", "HEAD"), "0" * 39 + "1"
    assert git.show(here, Path("하위/기준.json"), cwd=repository) == b"one"
    assert git.show(gone, Path("하위/기준.json"), cwd=repository) is None
    assert git.parents(gone, cwd=repository) == ()
    assert git.merge_base(gone, here, cwd=repository) is None
    assert git.merge_base(gone, gone, cwd=repository) is None
    assert git.changed_files(here, cwd=repository) == frozenset()
    assert git.changed_files(gone, cwd=repository) is None


@pytest.mark.parametrize("name", ["fix(ui)", "a,b", "R&D", "it's", "100%!", "기능/환불"])
def test_find_commit__knows_branches_by_any_plain_name(repository, name: str) -> None:
    here = run(repository, "rev-parse", "HEAD")
    run(repository, "update-ref", f"refs/remotes/origin/{name}", here)
    assert git.find_commit(f"refs/remotes/origin/{name}", cwd=repository) == here


@pytest.mark.parametrize(
    "ref",
    ["--upload-pack=x", "-h", "", "a b", "main:file", "a..b", "a\nb", "../x", "x" * 300, "$(x)"],
)
def test_find_commit__refuses_what_is_no_revision(tmp_path, ref) -> None:
    with pytest.raises(UsageError, match="no git revision"):
        git.find_commit(ref, cwd=tmp_path)


def test_git__without_a_repository_knows_nothing(tmp_path) -> None:
    assert git.head(tmp_path) is None
    assert git.show("main", Path("x"), cwd=tmp_path) is None


def test_git__absent_knows_nothing(repository, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert not git.is_installed()
    assert git.head(repository) is None


def test_git__looks_at_this_repository_whatever_a_hook_set(
    repository, monkeypatch, tmp_path
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert git.head(repository) is not None


def test_git__a_folder_that_looks_like_a_repository_is_none(repository) -> None:
    """A commit may hold such a folder, with a history of its author's choice."""
    here = run(repository, "rev-parse", "HEAD")
    folder = repository / "하위"
    run(repository, "clone", "-q", "--bare", "--template=", ".", "own.git")
    run(repository / "own.git", "update-ref", "refs/heads/기능/환불", "main")
    for each in (repository / "own.git").iterdir():
        each.rename(folder / each.name)
    assert run(folder, "rev-parse", "HEAD") != here  # what git itself makes of it
    assert git.head(folder) == here
    assert git.show("HEAD", Path("기준.json"), cwd=folder) == b"one"
    changed = git.changed_files("main", cwd=folder)
    assert changed == {folder / "기준.json"}


def test_git__runs_nothing_that_the_repository_names(repository, tmp_path) -> None:
    trace = tmp_path / "ran"
    script = tmp_path / "monitor.sh"
    script.write_text(f"#!/bin/sh\ntouch {trace}\n")
    script.chmod(0o755)
    run(repository, "config", "core.fsmonitor", str(script))
    run(repository, "config", "filter.x.smudge", str(script))
    (repository / ".gitattributes").write_text("* filter=x\n")
    assert git.show("main", Path("하위/기준.json"), cwd=repository) == b"two"
    assert not trace.exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give files away")
def test_git__reads_a_checkout_of_another_user(repository) -> None:
    for folder, _, files in os.walk(repository):
        for name in [".", *files]:
            os.chown(Path(folder, name), 12345, 12345)
    assert git.head(repository) is not None
    assert git.show("main", Path("기준.json"), cwd=repository / "하위") == b"two"


@pytest.mark.parametrize(
    ("name", "told"),
    [("김 검토", "김 검토"), ("  Kim  ", "Kim"), ("", None), ("k@example.org", None)],
)
def test_user_name__is_never_an_address(repository, name, told) -> None:
    run(repository, "config", "user.name", name)
    assert git.user_name(repository) == told


def test_user_name__unknown(repository, tmp_path_factory, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    assert git.user_name(repository) is None
    outside = tmp_path_factory.mktemp("outside")
    assert git.user_name(outside) is None
    assert (git.is_checkout(repository / "하위"), git.is_checkout(outside)) == (True, False)


def test_changes__are_what_tracked_files_hold_and_the_commit_does_not(repository) -> None:
    file = repository / "하위" / "기준.json"
    clean = git.changes(repository)
    file.write_text("three", "utf-8")
    changed = git.changes(repository / "하위")
    assert clean != changed == git.changes(repository)
    file.write_text("four", "utf-8")
    assert git.changes(repository) not in {clean, changed}
    run(repository, "add", ".")
    file.write_text("three", "utf-8")  # what lies on disk is what runs
    assert git.changes(repository) == changed
    file.write_text("one", "utf-8")
    os.utime(file, (1, 1))  # git lists it, though it holds what it held
    assert git.changes(repository) == clean


def test_changes__new_files_modes_links_and_gone_ones(repository) -> None:
    file, seen = repository / "하위" / "기준.json", [git.changes(repository)]
    (repository / "new.txt").write_text("not told to git", "utf-8")
    assert git.changes(repository) == seen[0]
    run(repository, "add", "new.txt")
    seen.append(git.changes(repository))
    file.chmod(0o755)
    seen.append(git.changes(repository))
    file.unlink()
    seen.append(git.changes(repository))
    file.symlink_to("nowhere")
    seen.append(git.changes(repository))
    file.unlink()
    os.mkfifo(file)  # reading it would wait for ever
    seen.append(git.changes(repository))
    assert len(set(seen)) == len(seen)


def test_changes__some_files_do_not_count(repository) -> None:
    clean = git.changes(repository)
    (repository / "하위" / "기준.json").write_text("three", "utf-8")
    for left_out in (repository / "하위", repository / "하위" / "기준.json"):
        assert git.changes(repository, without=[left_out]) == clean
    assert git.changes(repository, without=[repository / "하"]) != clean


def test_changes__a_submodule_counts_by_its_commit(tmp_path) -> None:
    inner = tmp_path / "bot"
    for folder in (tmp_path, inner):
        folder.mkdir(exist_ok=True)
        run(folder, "init", "-q")
        (folder / "file").write_text("one", "utf-8")
    run(inner, "add", ".")
    run(inner, "commit", "-qm", "one")
    run(tmp_path, "add", ".")
    run(tmp_path, "commit", "-qm", "one")
    clean = git.changes(tmp_path)
    run(inner, "commit", "-qm", "two", "--allow-empty")
    assert git.changes(tmp_path) != clean


def test_changes__runs_no_filter(repository) -> None:
    run(repository, "config", "filter.f.clean", f"touch {repository}/ran; cat")
    (repository / ".gitattributes").write_text("* filter=f\n", "utf-8")
    (repository / "하위" / "기준.json").write_text("two!", "utf-8")
    os.utime(repository / "하위" / "기준.json", (1, 1))
    assert git.changes(repository)
    assert not (repository / "ran").exists()


def test_changes__are_not_known_without_a_commit(tmp_path) -> None:
    assert git.changes(tmp_path) is None
    run(tmp_path, "init", "-q")
    assert git.changes(tmp_path) is None


def test_changed_files__are_what_differs_from_a_commit(repository) -> None:
    main = run(repository, "rev-parse", "main")
    run(repository, "checkout", "-q", "main")
    assert git.changed_files("main", cwd=repository) == frozenset()
    top = repository.resolve()
    (repository / "new.txt").write_text("new")
    assert git.changed_files("main", cwd=repository) == frozenset()  # nobody committed it
    run(repository, "add", "new.txt")
    run(repository, "commit", "-qm", "new")
    assert git.changed_files(main, cwd=repository) == {top / "new.txt"}
    (repository / "new.txt").write_text("newer")
    assert git.changed_files("HEAD", cwd=repository) == {top / "new.txt"}
    assert git.changed_files("nowhere", cwd=repository) is None


def test_show_named__reads_the_name_in_the_commit_whatever_it_leads_to_now(repository) -> None:
    for folder in ("one", "two"):
        (repository / folder).mkdir()
        (repository / folder / "x.txt").write_text(folder)
    run(repository, "add", "-A")
    run(repository, "commit", "-qm", "two files")
    here = run(repository, "rev-parse", "HEAD")
    run(repository, "rm", "-rq", "one")
    (repository / "one").symlink_to("two")
    file = repository / "one/x.txt"
    assert file.read_text() == "two"
    assert git.show_named(here, file) == b"one"
    assert git.show_named(here, repository / "two/../two/x.txt") == b"two"
    assert git.show_named(here, repository / "three.txt") is None


def test_show_named__outside_of_a_checkout_is_nothing(tmp_path) -> None:
    assert git.show_named("0" * 40, tmp_path / "x.txt") is None
