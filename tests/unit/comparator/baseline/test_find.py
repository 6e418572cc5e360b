"""Where the baseline comes from."""

import subprocess
from dataclasses import replace

import pytest
from factories import make_report

from lm_eval_so.comparator.baseline.find import Place, find_baseline
from lm_eval_so.comparator.baseline.promote import accept
from lm_eval_so.core.config.load import make_config
from lm_eval_so.core.records.codec import dumps
from lm_eval_so.core.records.report import Acceptance
from lm_eval_so.errors import InputError, NoBaseline, UsageError

OLD = make_report({"exact_match": [1, 1]}, commit="a" * 40, model="old-model")
NEW = make_report({"exact_match": [1, 0]}, commit="b" * 40)
PATH = "기준/support-qa.json"


def config_in(folder, *, path=PATH, ref="", policy="warn"):
    values = {
        "version": 1,
        "suite": "support-qa",
        "dataset": {"path": "data.jsonl"},
        "baseline": {"path": path, "ref": ref},
        "gate": {"on_missing_baseline": policy},
    }
    return make_config(values, folder=folder)


@pytest.fixture
def checkout(tmp_path):
    """Return a checkout whose only commit has the old report, and the folder the new one."""
    file = tmp_path / PATH
    file.parent.mkdir()
    file.write_text(dumps(OLD), "utf-8")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for arguments in (
        ["init", "-q", "-b", "main"],
        ["add", "."],
        [*identity, "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True, capture_output=True)
    file.write_text(dumps(NEW), "utf-8")
    return tmp_path


def test_find_baseline__reads_the_file_of_the_config(checkout) -> None:
    report, place = find_baseline(config_in(checkout))
    assert report == NEW
    assert (place.source, place.path, place.ref) == ("file", PATH, None)
    assert (place.commit, place.model) == ("b" * 40, "gpt-4.1-mini")


@pytest.mark.parametrize("by_config", [True, False])
def test_find_baseline__reads_it_as_it_was_in_a_commit(checkout, by_config) -> None:
    config = config_in(checkout, ref="main" if by_config else "")
    report, place = find_baseline(config, Place(ref=None if by_config else "main"))
    assert report == OLD
    assert (place.source, place.path, place.commit) == ("git", PATH, "a" * 40)
    assert len(place.ref) == 40


def test_find_baseline__an_explicit_file_wins(checkout) -> None:
    file = checkout / "other.json"
    file.write_text(dumps(OLD), "utf-8")
    report, place = find_baseline(config_in(checkout), Place(report=file, ref="main"))
    assert (report, place.source, place.path) == (OLD, "file", str(file))


@pytest.mark.parametrize("else_file", [True, False])
def test_find_baseline__a_commit_without_it(checkout, else_file) -> None:
    file = checkout / "new.json"
    file.write_text(dumps(NEW), "utf-8")
    config = config_in(checkout, path="new.json")
    report, place = find_baseline(config, Place(ref="main", else_file=else_file))
    assert (report, place.source) == ((NEW, "file") if else_file else (None, "none"))
    assert place.path == "new.json"


@pytest.mark.parametrize("path", ["missing.json", None])
def test_find_baseline__none_is_no_error_unless_demanded(tmp_path, path) -> None:
    report, place = find_baseline(config_in(tmp_path, path=path))
    assert (report, place.source, place.path) == (None, "none", path)
    assert find_baseline(config_in(tmp_path, path=path), is_demanded=True)[0] is None
    demanded = config_in(tmp_path, path=path, policy="fail")
    assert find_baseline(demanded)[0] is None
    with pytest.raises(NoBaseline, match=path or "names no baseline"):
        find_baseline(demanded, is_demanded=True)


def test_find_baseline__an_unknown_revision_says_what_to_do(checkout) -> None:
    with pytest.raises(InputError, match="git knows no commit v9 here") as raised:
        find_baseline(config_in(checkout), Place(ref="v9"))
    assert "fetch-depth: 0" in raised.value.problems[0].hint
    with pytest.raises(UsageError):
        find_baseline(config_in(checkout), Place(ref="--exec=x"))


def test_find_baseline__a_revision_without_git_says_so(checkout, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="git is not installed") as raised:
        find_baseline(config_in(checkout), Place(ref="main"))
    assert "--baseline" in raised.value.problems[0].hint
    assert find_baseline(config_in(checkout))[0] == NEW


def test_find_baseline__an_explicit_file_must_be_there(checkout) -> None:
    with pytest.raises(InputError, match="no such file"):
        find_baseline(config_in(checkout), Place(report=checkout / "missing.json"))


def test_find_baseline__tells_how_it_became_one(checkout) -> None:
    why = Acceptance(reason="둘째", at="2026-11-24T06:30:00.000Z", by="김 검토")
    accepted = accept(NEW, accept(OLD, None, replace(why, reason="첫째")), why)
    (checkout / PATH).write_text(dumps(accepted), "utf-8")
    _, place = find_baseline(config_in(checkout))
    assert place.accepted == why  # the last one, without what it replaced
    assert find_baseline(config_in(checkout), Place(ref="main"))[1].accepted is None
