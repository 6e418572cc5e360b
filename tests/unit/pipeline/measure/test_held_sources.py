"""Tests held against their sources by `ci`: whose change it is, and what is not looked at."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from servers.commands import git

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.load import make_config
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Event, Noticed
from lm_eval_so.core.records.staleness import Staleness
from lm_eval_so.errors import InputError
from lm_eval_so.generator.generate import generate
from lm_eval_so.pipeline.measure.held_sources import held_against_sources, prepare_dataset
from lm_eval_so.pipeline.measure.plan import Plan, SourceCheck

FILES = {
    "안내/returns.md": "# 반품\n\n## 반품 기간\n\n7일 안에 신청합니다.\n",
    "안내/fees.md": "# 요금\n\n## 배송 요금\n\n3,000원입니다.\n",
}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Return the config of a checkout with documents, and tests that quote them."""
    folder = tmp_path / "repo/eval"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    sources = [{"id": "docs", "as": "documents", "path": "안내"}]
    section = {"sources": sources, "synthesise": {"mix": {"fact": 1}, "twins": 0}}
    values = {"version": 1, "suite": "s", "dataset": {"path": "made"}, "generator": section}
    found = make_config(values, folder=folder)
    generate(found, Resources())
    git("init", "-q", "-b", "main", cwd=folder.parent)
    git("add", "-A", cwd=folder.parent)
    git("commit", "-qm", "tests", cwd=folder.parent)
    return found


def edit(config: Config, name: str, old: str, new: str) -> None:
    file = config.folder / name
    file.write_text(FILES[name].replace(old, new), "utf-8")
    git("commit", "-qam", "edited", cwd=config.folder)


def held(config: Config, **terms: object) -> tuple[Staleness | None, list[str]]:
    events: list[Event] = []
    found = held_against_sources(config, events.append, SourceCheck(**terms))  # type: ignore[arg-type]
    return found, [event.text for event in events if isinstance(event, Noticed)]


def test_held__tells_this_pull_request_from_older_changes(config: Config) -> None:
    assert held(config, base="main") == (None, [])
    edit(config, "안내/fees.md", "3,000원", "5,000원")
    git("checkout", "-qb", "topic", cwd=config.folder)
    edit(config, "안내/returns.md", "7일", "14일")
    git("checkout", "-q", "main", cwd=config.folder)
    edit(config, "안내/fees.md", "3,000원", "6,000원")  # main goes on
    git("checkout", "-q", "topic", cwd=config.folder)
    found, told = held(config, base="main")
    assert found is not None
    assert {(test.file, test.in_pull_request) for test in found.tests} == {
        ("안내/returns.md", True),
        ("안내/fees.md", False),
    }
    assert told == []
    for base in (None, "0" * 40):  # none, and one that a shallow clone lacks
        found, _ = held(config, base=base)
        assert found is not None
        assert {test.in_pull_request for test in found.tests} == {None}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda folder: (folder / "made/metadata.json").unlink(), None),
        (
            lambda folder: subprocess.run(["rm", "-r", folder / "안내"], check=True),
            "no file at 안내",
        ),
        (
            lambda folder: (folder / "안내/out.md").symlink_to("/etc/hosts"),
            "out.md leads out of the workspace",
        ),
    ],
    ids=["not made by generate", "no documents", "a link out of the checkout"],
)
def test_held__no_run_fails_for_its_sake(
    config: Config, change: Callable[[Path], object], told: str | None
) -> None:
    edit(config, "안내/returns.md", "7일", "14일")
    change(config.folder)
    found, texts = held(config, workspace=config.folder.parent)
    assert found is None
    prefix = "the tests were not held against their sources: "
    assert texts == ([] if told is None else [f"{prefix}{told}"])


def test_prepare__no_source_is_read_through_a_link_out_of_the_workspace(config: Config) -> None:
    (config.folder / "안내/out.md").symlink_to("/etc/hosts")
    before = (config.folder / "made/metadata.json").read_bytes()
    check = SourceCheck(workspace=config.folder.parent)
    plan = Plan(run=Path("run"), reports=Path("reports"), make_dataset=True, sources=check)
    with pytest.raises(InputError, match=r"out\.md leads out of the workspace"):
        prepare_dataset(config, Resources(), plan)
    assert (config.folder / "made/metadata.json").read_bytes() == before
