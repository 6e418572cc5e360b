"""The documentation site: what is built, and what its build refuses."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from snippets import ROOT

NAV = [
    "index.md",
    {"Guides": ["start.md"]},
    {"In depth": ["deep.md"]},
    {"Reference": ["keys.md"]},
    {"Project": ["tree.md"]},
]
HOME = "# Home\n\n[start](start.md), [deep](deep.md#one), [the script](../scripts/docs_site.py)\n"
START = "# Start\n\n[한국어](start.ko.md)\n\n## First\n\n[deep](deep.md#one)\n"
KOREAN = "# 시작\n\n[English](start.md)\n\n## 먼저\n\n[깊이](deep.md#one)\n"
DEEP = "# Deep\n\n## One\n\n[first](start.md#first), [llms](../llms.txt), `[no](link.md)`\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with five pages, one of them in Korean, too."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/docs_site.py", tmp_path / "scripts")
    shutil.copytree(ROOT / "docs/site", tmp_path / "docs/site")
    config = tmp_path / "docs/site/mkdocs.yml"
    values = yaml.safe_load(config.read_text(encoding="utf-8"))
    config.write_text(yaml.safe_dump({**values, "nav": NAV}), encoding="utf-8")
    for folder in ("images", "schema"):
        (tmp_path / "docs" / folder).mkdir()
    (tmp_path / "llms.txt").write_text("# Project\n", encoding="utf-8")
    pages = {"index": HOME, "start": START, "start.ko": KOREAN, "deep": DEEP}
    pages |= {"keys": "# Keys\n", "tree": "# Tree\n"}
    for name, text in pages.items():
        write(tmp_path, name, text)
    return tmp_path


def write(project: Path, name: str, text: str) -> None:
    text = f"---\ndescription: A page.\n---\n\n{text}"
    (project / f"docs/{name}.md").write_text(text, encoding="utf-8")


def build(project: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "scripts/docs_site.py", "out"]
    return subprocess.run(
        command, cwd=project, capture_output=True, text=True, timeout=60, check=False
    )


def test_site__has_each_page_in_both_languages_and_as_markdown(project: Path) -> None:
    done = build(project)
    assert (done.returncode, done.stderr) == (0, "")
    out = project / "out"
    script = "https://github.com/mackim-3768/lm-eval-so/blob/main/scripts/docs_site.py"
    start, korean, untranslated = (
        (out / f"{name}.html").read_text(encoding="utf-8")
        for name in ("start", "ko/start", "ko/deep")
    )
    assert script in (out / "index.html").read_text(encoding="utf-8")
    assert 'href="./ko/start.html" hreflang="ko"' in start
    assert 'href="../start.html" hreflang="en"' in korean
    assert "시작" in korean
    assert "영어로만" not in korean
    assert "영어로만" in untranslated
    assert 'href="start.html#먼저"' in untranslated, (
        "the Korean heading in the place of the English one"
    )
    assert (out / "ko/deep.md").read_text(encoding="utf-8") == (
        "# Deep\n\n## One\n\n[first](start.md#먼저), [llms](../llms.txt), `[no](link.md)`\n"
    )
    assert (out / "start.md").read_text(encoding="utf-8") == START.replace(
        "start.ko.md", "ko/start.md"
    )
    assert "# Deep" in (out / "llms-full.txt").read_text(encoding="utf-8")


def test_site__what_its_files_lack_is_an_error(project: Path) -> None:
    write(project, "orphan", "# Orphan\n")
    write(project, "start.ko", "# 시작\n\n제목이 없습니다.\n")
    assert build(project).stderr.splitlines() == [
        "error: docs/orphan.md: the navigation lacks it",
        "error: docs/start.ko.md: it has other headings than docs/start.md",
    ]
    (project / "docs/start.ko.md").unlink()
    (project / "docs/deep.md").unlink()
    assert build(project).stderr.splitlines() == [
        "error: docs/orphan.md: the navigation lacks it",
        "error: docs/site/mkdocs.yml: there is no docs/deep.md",
        "error: docs/start.md: a guide needs a Korean page",
    ]


def test_site__what_leads_nowhere_is_an_error(project: Path) -> None:
    """By the script, by the generator, and in what it has built."""
    bad = "[a](nix.md) [b](deep.md#two) [c](../nix.py) ![d](images/nix.png)\n"
    write(project, "index", f"# Home\n\n{bad}")
    done = build(project)
    assert done.returncode == 1
    for told in (
        "index.md:7: nix.md leads",
        "anchor does not exist",
        ":7: ../nix.py leads",
        ":7: images/nix.png",
    ):
        assert told in done.stderr
    assert not (project / "out").exists()
    write(
        project,
        "index",
        '# Home\n\n<a href="nix.html">a</a> <img src="https://example.com/a.png">\n',
    )
    assert build(project).stderr.splitlines() == [
        f"error: {where}index.html: {what}"
        for what, where in (
            ("it loads https://example.com/a.png", ""),
            ("it loads https://example.com/a.png", "ko/"),
            ("nix.html leads nowhere", ""),
            ("nix.html leads nowhere", "ko/"),
        )
    ]
