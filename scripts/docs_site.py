"""Build the documentation site: docs/ in English and Korean, each page as HTML and as Markdown.

Run `python scripts/docs_site.py [OUT]`; OUT is build/site by default. It needs requirements-docs.lock and no network.
`page` makes llms.txt of the navigation; tests/house/test_docs.py compares it, and with --update-golden writes it.

The pages are written for GitHub. Here their links are mapped: to the page of the same language, to the page in the
other language, or to the file on GitHub. The build fails on a link, an anchor or a picture that leads nowhere, on a
page that the navigation lacks, on a guide whose Korean page has other headings, and on anything that a browser would
load from elsewhere.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import yaml

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CONFIG = yaml.safe_load((DOCS / "site" / "mkdocs.yml").read_text(encoding="utf-8"))
PAGE = ROOT / "llms.txt"
GUIDES = "Guides"
"""Section of the navigation whose pages are in both languages."""
OPTIONAL = "Project"
"""Section that readers of llms.txt may skip."""
IN_FULL = (GUIDES, "In depth", "Reference")
"""Sections that llms-full.txt holds."""
LLMS = """\
# LM-Eval-SO

> LM-Eval-SO builds a test set from your own material, asks a chatbot, scores the answers, compares them with a stored baseline by paired statistics, and keeps one pull request comment up to date. Python ≥ 3.11 (Linux, macOS), package `lm_eval_so`, command `lm-eval-so`, one config `lm-eval-so.yaml`.

Begin with [coding assistants]({site}agents.md) to use it, or [extending]({site}extending.md) to write a backend or a metric. All pages in one file: [llms-full.txt]({site}llms-full.txt). JSON Schemas: {site}schema/config-1.json, and so on for every record. In a clone the same pages are in docs/.
"""
THIS_PAGE = "this-page.html"
"""Stands in the language switch for the name of the page that it is on."""

_CODE = re.compile(r"^(`{3,}).*?^\1$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<=\]\()(?!\w+:)([^)#\s]*)(#[^)\s]*)?(?=\))")
_FRONT = re.compile(r"\A---\n.*?\n---\n\n?", re.DOTALL)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_SWITCH = re.compile(r"(?<=\n\n)\[(?:English|한국어)\]\([\w.-]+\)(?=\n\n)")


@dataclass(frozen=True)
class Page:
    """A page in one language."""

    name: str
    """File name on the site without its ending, as `few-cases`."""
    language: str
    source: Path

    @property
    def is_translated(self) -> bool:
        """Whether it is in the language of its site."""
        return (self.language == "ko") == self.source.name.endswith(".ko.md")

    @property
    def text(self) -> str:
        """What the file says."""
        return self.source.read_text(encoding="utf-8")

    @property
    def title(self) -> str:
        """Its first heading."""
        return re.findall(r"^# (.*)$", self.text, re.MULTILINE)[0]

    @property
    def description(self) -> str:
        """Its front matter's."""
        return next(yaml.safe_load_all(self.text))["description"]


def sections() -> dict[str, list[str]]:
    """Return the names of the pages by section of the navigation; those outside of one are in "" ."""
    found: dict[str, list[str]] = {"": []}
    for entry in CONFIG["nav"]:
        for title, files in entry.items() if isinstance(entry, dict) else [("", [entry])]:
            found.setdefault(title, []).extend(file.removesuffix(".md") for file in files)
    return found


def pages(language: str) -> list[Page]:
    """Return the pages of a language in the order of the navigation; the English page stands in for a missing one."""
    names = [name for group in sections().values() for name in group]
    files = {name: DOCS / f"{name}.ko.md" for name in names if language == "ko"}
    return [
        Page(
            name,
            language,
            found if (found := files.get(name)) and found.exists() else DOCS / f"{name}.md",
        )
        for name in names
    ]


def wrong_pages() -> Iterator[str]:
    """Yield what is wrong with the files themselves."""
    groups = sections()
    named = {name for group in groups.values() for name in group}
    there = {path.name.removesuffix(".md").removesuffix(".ko") for path in DOCS.glob("*.md")}
    yield from (f"docs/{name}.md: the navigation lacks it" for name in sorted(there - named))
    yield from (
        f"docs/site/mkdocs.yml: there is no docs/{name}.md" for name in sorted(named - there)
    )
    for path in sorted(DOCS.glob("*.md")):
        try:
            Page(path.stem, "en", path).description  # noqa: B018 - it reads
        except (yaml.YAMLError, LookupError, TypeError):
            yield f"docs/{path.name}: its front matter is no YAML with a description; quote a text with a colon"
    for name in sorted(named & there):
        korean = DOCS / f"{name}.ko.md"
        if korean.exists():
            if len(anchors(DOCS / f"{name}.md")) != len(anchors(korean)):
                yield f"docs/{name}.ko.md: it has other headings than docs/{name}.md"
        elif name in groups[GUIDES]:
            yield f"docs/{name}.md: a guide needs a Korean page"


def anchors(path: Path) -> list[str]:
    """Return the anchors of a page in their order, as GitHub makes them."""
    prose = _CODE.sub(lambda code: "" if code[1] else code[0], path.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings]


def page() -> str:
    """Return the text of llms.txt (https://llmstxt.org): every page with its description, by section."""
    site, groups = CONFIG["site_url"], sections()
    found = {language: {each.name: each for each in pages(language)} for language in ("en", "ko")}
    lists = {
        title: [found["en"][name] for name in names] for title, names in groups.items() if title
    }
    lists["가이드"] = [found["ko"][name] for name in groups[GUIDES]]
    lists["Optional"] = lists.pop(OPTIONAL)
    parts = [LLMS.format(site=site)]
    for title, listed in lists.items():
        lines = [
            f"- [{each.title}]({site}{'ko/' * (each.language == 'ko')}{each.name}.md): {each.description}\n"
            for each in listed
        ]
        parts.append(f"## {title}\n\n{''.join(lines)}")
    return "\n".join(parts)


def mapped(page: Page, *, ending: str, tell: Callable[[str], None]) -> str:
    """Return a page with the links that it needs on the site; lines stay where they are.

    Args:
        page: The page.
        ending: Ending of a page in the other language: "html" for what becomes HTML, or "md".
        tell: Called with each link that leads nowhere.
    """

    def link(match: re.Match[str]) -> str:
        target, anchor = match[1], match[2] or ""
        path = (page.source.parent / target).resolve() if target else page.source
        if not path.exists():
            line = page.text.count("\n", 0, page.text.find(f"]({match[0]})")) + 1
            tell(f"{page.source.relative_to(ROOT)}:{line}: {match[0]} leads nowhere")
        if path == PAGE:
            return f"{'../' * (page.language == 'ko')}llms.txt"
        if not path.is_relative_to(DOCS):
            kind = "tree" if path.is_dir() else "blob"
            return f"{CONFIG['repo_url']}/{kind}/main/{path.relative_to(ROOT).as_posix()}{anchor}"
        if not target or path.suffix != ".md":
            return match[0]
        name = path.name.removesuffix(".md").removesuffix(".ko")
        other = "ko" if path.name.endswith(".ko.md") else "en"
        if page.language == "en" and other == "ko":
            return f"ko/{name}.{ending}{anchor}"
        if page.language == "ko" and other == "en" and name == page.name and page.is_translated:
            return f"../{name}.{ending}{anchor}"
        return f"{name}.md{translated(path, anchor) if page.language == 'ko' else anchor}"

    text = page.text
    if ending == "html":  # the switch in the header does it
        text = unescaped(_SWITCH.sub("", text))
    parts, start = [], 0
    for code in _CODE.finditer(text):
        parts += [_LINK.sub(link, text[start : code.start()]), code[0]]
        start = code.end()
    return "".join([*parts, _LINK.sub(link, text[start:])])


def unescaped(text: str) -> str:
    r"""Return a page with a plain bar for `\|` in code: in tables GitHub needs it escaped, Python-Markdown shows it so."""
    return _CODE.sub(lambda code: code[0] if code[1] else code[0].replace("\\|", "|"), text)


def translated(path: Path, anchor: str) -> str:
    """Return the Korean heading that stands where an English one does, if the page is translated."""
    korean = path.with_name(f"{path.stem}.ko.md")
    if path.name.endswith(".ko.md") or not anchor or not korean.exists():
        return anchor
    known = dict(zip(anchors(path), anchors(korean), strict=False))
    return f"#{known.get(anchor[1:], anchor[1:])}"


def write_tree(folder: Path, language: str, tell: Callable[[str], None]) -> None:
    """Write what the generator reads for one language: its config, its pages, pictures and schemas."""
    found = pages(language)
    words = CONFIG["extra"]["korean"] if language == "ko" else {}
    others = [("en", "English", ""), ("ko", "한국어", "ko/")]
    up = "" if language == "en" else "../"
    here = "" if language == "en" else "ko/"
    config = {
        **CONFIG,
        "site_url": CONFIG["site_url"] + here,
        "docs_dir": "docs",
        "site_dir": "site",
        "nav": [renamed(entry, words) for entry in CONFIG["nav"]],
        "theme": {**renamed(CONFIG["theme"], words), "language": language, "custom_dir": "theme"},
        "extra": {
            **CONFIG["extra"],
            "untranslated": [f"{page.name}.html" for page in found if not page.is_translated],
            "alternate": [
                {
                    "lang": code,
                    "name": name,
                    "link": THIS_PAGE if path == here else f"{up}{path}{THIS_PAGE}",
                }
                for code, name, path in others
            ],
        },
    }
    shutil.copytree(DOCS / "site" / "theme", folder / "theme")
    for each in ("images", "schema"):
        shutil.copytree(DOCS / each, folder / "docs" / each)
    for each in ("site.css", "favicon.svg"):
        shutil.copy(DOCS / "site" / each, folder / "docs")
    for page in found:
        (folder / "docs" / f"{page.name}.md").write_text(
            mapped(page, ending="html", tell=tell), encoding="utf-8"
        )
    (folder / "mkdocs.yml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")


def renamed(value: Any, words: Mapping[str, str]) -> Any:
    """Return a part of the config with other words for some of its keys and texts."""
    match value:
        case dict():
            return {words.get(key, key): renamed(each, words) for key, each in value.items()}
        case list():
            return [renamed(each, words) for each in value]
        case str():
            return words.get(value, value)
    return value


def generate(folders: Sequence[Path]) -> Iterator[str]:
    """Run the generator in some folders at once, and yield what it complains about."""
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    running = [
        subprocess.Popen(  # noqa: S603 - our own command, no shell
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for folder in folders
    ]
    for folder, process in zip(folders, running, strict=True):
        told, _ = process.communicate()
        if process.returncode:
            complaints, _, trace = _COLOUR.sub("", told).partition("\nTraceback")
            yield f"{folder.name}: {complaints.strip()}\n{trace.strip().rpartition(chr(10))[2]}"


def publish(out: Path, folders: Mapping[str, Path]) -> None:
    """Put both languages together, and the Markdown of each page beside it."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(folders["en"] / "site", out)
    shutil.copytree(folders["ko"] / "site", out / "ko")
    (out / "ko" / "404.html").unlink()  # GitHub serves that of the root alone
    for file in out.rglob("*.html"):
        name = "index.html" if file.name == "404.html" else file.name
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace(THIS_PAGE, name), encoding="utf-8")
    copies: dict[str, str] = {}
    for language, folder in (("en", out), ("ko", out / "ko")):
        for page in pages(language):
            text = _FRONT.sub("", mapped(page, ending="md", tell=lambda _: None))
            (folder / f"{page.name}.md").write_text(text, encoding="utf-8")
            copies.setdefault(page.name, text)
    shutil.copy(ROOT / "llms.txt", out)
    groups = sections()
    whole = [copies[name].strip() for title in IN_FULL for name in groups[title]]
    (out / "llms-full.txt").write_text("\n\n---\n\n".join(whole) + "\n", encoding="utf-8")


@dataclass
class Read(HTMLParser):
    """What a page of the site holds: its anchors, what it links to, and what a browser loads for it."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one tag."""
        told = {name: value for name, value in attrs if value}
        self.anchors |= {told[key] for key in ("id", "name") if key in told}
        if tag == "a" or (
            tag == "link" and told.get("rel") in {"alternate", "canonical", "next", "prev"}
        ):
            self.links += [told["href"]] if "href" in told else []
        else:
            self.loads += [told[key] for key in ("src", "href") if key in told]


def wrong_links(out: Path) -> Iterator[str]:
    """Yield each link, anchor or file of the built site that leads nowhere, and what comes from elsewhere."""
    known: dict[str, set[str]] = {}
    linked: list[tuple[Path, str]] = []
    for file in sorted(out.rglob("*.html")):
        page = Read()
        page.feed(file.read_text(encoding="utf-8"))
        known[file.relative_to(out).as_posix()] = page.anchors
        linked += [(file, target) for target in [*page.links, *page.loads]]
        yield from (
            f"{file.relative_to(out)}: it loads {target}"
            for target in page.loads
            if urlsplit(target).scheme in {"http", "https"}
        )
    for file in sorted([*out.rglob("*.md"), out / "llms.txt", out / "llms-full.txt"]):
        prose = _CODE.sub("", file.read_text(encoding="utf-8"))
        linked += [(file, target) for target in re.findall(r"\]\(([^)\s]+)\)", prose)]
    for file, target in linked:
        where = file.relative_to(out).as_posix()
        whole = urljoin(CONFIG["site_url"] + where, target)
        if urlsplit(target).scheme and not whole.startswith(CONFIG["site_url"]):
            continue
        path, _, anchor = whole.removeprefix(CONFIG["site_url"]).partition("#")
        to = unquote(path)
        there = out / to / "index.html" if (out / to).is_dir() else out / to
        page = Path(to).with_suffix(".html").as_posix()
        if not there.is_file() or (
            anchor and there.suffix in {".html", ".md"} and unquote(anchor) not in known[page]
        ):
            yield f"{where}: {target} leads nowhere"


def build(out: Path) -> list[str]:
    """Build the site into a folder, and return what is wrong with it."""
    if wrong := [*wrong_pages()]:
        return wrong
    with tempfile.TemporaryDirectory() as work:
        folders = {language: Path(work, language) for language in ("en", "ko")}
        for language, folder in folders.items():
            write_tree(folder, language, wrong.append)
        wrong += generate([*folders.values()])
        if not wrong:
            publish(out, folders)
            wrong += wrong_links(out)
    return [*dict.fromkeys(wrong)]  # a page that both languages show is told once


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "site"
    problems = build(target.absolute())
    for problem in problems:
        sys.stderr.write(f"error: {problem}\n")
    if problems:
        sys.exit(1)
    count = len([*target.rglob("*.html")])
    sys.stdout.write(f"{target}: {count} pages\n")
