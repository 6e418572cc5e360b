"""The docs are whole and true: made pages, links, tables that repeat the code, both READMEs."""

import ast
import html
import json
import re
import runpy
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path

import cmarkgfm
import markdown
import pytest
import yaml
from evaluation import a_run, a_sample
from snippets import PAGES, READMES, ROOT, blocks, without_code, without_fences

from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.core.backends.base import ChatBackend, SharedOptions, backends
from lm_eval_so.core.backends.error_texts import TEXTS
from lm_eval_so.core.backends.http.conversation import NAMES
from lm_eval_so.core.backends.http.options import (
    PollSection,
    ResponseSection,
    SessionSection,
    StreamSection,
)
from lm_eval_so.core.backends.openai.backend import presets
from lm_eval_so.core.config.load import config_schema
from lm_eval_so.core.records.comparison import BrokenCase, BrokenCases, Comparison
from lm_eval_so.core.records.enums import Language, RunStatus, Verdict
from lm_eval_so.core.records.history import History
from lm_eval_so.core.stats.power import provable_margin_exact, provable_margin_t
from lm_eval_so.core.templates.grammar import CALLED
from lm_eval_so.core.templates.user import UserTemplate
from lm_eval_so.core.words import texts
from lm_eval_so.errors import ExitCode
from lm_eval_so.evaluator.metrics.base import metrics
from lm_eval_so.evaluator.metrics.names import BUILT_IN
from lm_eval_so.generator.sources.base import Reason
from lm_eval_so.runner.plan.run_plan import RunPlan

DOCS = ROOT / "docs"
LINKED = (*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def table(text: str, heading: str, *, number: int = 0) -> list[list[str]]:
    """Return the cells of a table under a heading, by default the first."""
    section = re.split(
        r"^#+ ", without_fences(text.partition(f"# {heading}\n")[2]), flags=re.MULTILINE
    )[0]
    tables = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)
    rows = re.findall(r"^\| (.*) \|$", tables[number], re.MULTILINE) if tables else []
    return [[cell.strip() for cell in row.split(" | ")] for row in rows[2:]]


@pytest.mark.parametrize("name", ["config", "metrics", "cli", "python", "scale_costs", "site"])
def test_made_page__is_what_its_script_makes(name: str, request: pytest.FixtureRequest) -> None:
    script = runpy.run_path(str(ROOT / "scripts" / f"docs_{name}.py"))
    page, path = script["page"](), script["PAGE"]
    if request.config.getoption("--update-golden"):
        path.write_text(page, encoding="utf-8", newline="\n")
    assert path.read_text(encoding="utf-8") == page, "run it with --update-golden"


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.name)
def test_links__lead_somewhere(page: Path) -> None:
    prose = re.sub(
        r"`[^`\n]+`", "x", re.sub(r"^```.*?^```$", "", read(page), flags=re.MULTILINE | re.DOTALL)
    )
    dead = []
    for target in LINK.findall(prose):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name) if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            dead.append(target)
    assert not dead


ELEMENT = re.compile(r"<(ul|ol|li|table|tr|td|pre|h[1-6]|blockquote|strong|em|code|a|img)\b")


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_page__is_read_by_the_site_as_by_github(page: Path) -> None:
    """They differ on lists without an empty line before them, on code in lists, on `*` in words."""
    script = runpy.run_path(str(ROOT / "scripts/docs_site.py"))
    text = read(page).partition("\n---\n")[2]
    reader = markdown.Markdown(extensions=["tables", "pymdownx.superfences"])
    github = cmarkgfm.github_flavored_markdown_to_html(text)
    site = reader.convert(script["unescaped"](text))
    assert Counter(ELEMENT.findall(site)) == Counter(ELEMENT.findall(github))
    assert letters(site) == letters(github)


def letters(page: str) -> str:
    return "".join(html.unescape(re.sub(r"<[^>]*>", "", page)).split())


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of the headings of a page."""
    headings = re.findall(
        r"^#+ (.*)$",
        re.sub(r"^```.*?^```$", "", read(page), flags=re.MULTILINE | re.DOTALL),
        re.MULTILINE,
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_page__says_what_it_is_about_and_where_to_go_next(page: Path) -> None:
    text = read(page)
    assert re.match(r'---\ndescription: [^\n]+\."?\n---\n\n# [^\n]+\n', text)
    assert [*next(yaml.safe_load_all(text))] == ["description"], "a text with a colon needs quotes"
    assert re.match(r"(?:Next|다음): .*\[[^\]]+\]\([^)]+\)", text.rstrip().rpartition("\n")[2])


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.name)
def test_page__names_no_machine_and_praises_nothing(page: Path) -> None:
    prose = without_code(read(page))
    words = r"/(?:work|home|tmp)/|\b(?:TODO|TBD|blazing|seamless|powerful|cutting-edge|simply|just works)\b|(?<! )!(?!\[|=)"
    assert not re.findall(words, prose)


def test_pages__all_are_named_by_the_index() -> None:
    pages = {page.name for page in DOCS.glob("*.md")}
    korean = {name for name in pages if name.endswith(".ko.md")}
    translated = {name.replace(".ko.md", ".md") for name in korean}
    for index, named in (("index.md", pages - korean), ("index.ko.md", pages - translated)):
        assert named - {index} <= set(LINK.findall(text_of(f"docs/{index}")))


def test_readmes__have_the_same_shape() -> None:
    english, korean = READMES
    assert shape(english) == shape(korean)
    assert all(len(read(page).splitlines()) <= 150 for page in READMES)


def shape(page: Path) -> tuple[list[str], list[str], list[int]]:
    """Return the levels of headings, the languages of blocks, and the rows of tables."""
    text = re.sub(r"^```.*?^```$", "", read(page), flags=re.MULTILINE | re.DOTALL)
    levels = re.findall(r"^(#+) ", text, re.MULTILINE)
    tables = [len(rows.splitlines()) for rows in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)]
    return levels, [block.language for block in blocks(page)], tables


GUIDES = runpy.run_path(str(ROOT / "scripts/docs_site.py"))["sections"]()["Guides"]
"""Pages that answer one question each, in both languages; the others are reference."""


ODD = re.compile(
    r"(?i)\b(?:held against|go(?:es|ne)? on with|mind that|dear|stands? (?:in|on|under|beside|there)"
    r"|at a desk|by hand of|takes? the place of|all the same|no obstacle)\b"
)
"""Phrases that read as translated."""


@pytest.mark.parametrize("guide", GUIDES)
def test_guide__is_short_and_the_same_in_both_languages(guide: str) -> None:
    english, korean = DOCS / f"{guide}.md", DOCS / f"{guide}.ko.md"
    assert len(without_fences(read(english)).split()) <= 600
    assert not ODD.findall(without_code(read(english)))
    assert shape(english) == shape(korean)
    assert code_in(english) == code_in(korean)
    assert f"]({korean.name})" in read(english)
    assert f"]({english.name})" in read(korean)


def code_in(page: Path) -> list[str]:
    """Return the blocks of a page that are not prose or output; comments and reasons may be translated."""
    code = [block.text for block in blocks(page) if block.language != "text"]
    return [re.sub(r"(?m)\breason: .*$|\s*# (?!v\d).*$", "", text) for text in code]


def test_guides__lead_to_guides_of_their_language() -> None:
    """A Korean reader stays among Korean pages, as far as there are any."""
    korean = [*DOCS.glob("*.ko.md"), READMES[1]]
    targets = [(page.name, link) for page in korean for link in LINK.findall(read(page))]
    english = {f"{guide}.md" for guide in GUIDES} | {"README.md"}
    assert not [
        (page, link)
        for page, link in targets
        if "://" not in link
        and (name := link.partition("#")[0].rpartition("/")[2]) in english
        and name.removesuffix(".md") != page.removesuffix(".ko.md")
    ]


@pytest.mark.parametrize("page", ["pull-requests.md", "pull-requests.ko.md"])
def test_guide__first_lines_are_those_of_the_program(page: str) -> None:
    section = read(DOCS / page).partition("| ❌ |")[2].partition("\n\n")[0]
    shown = [line for row in section.splitlines() for line in re.findall(r"`([^`]+)`", row)]
    known = texts(Language.KO if ".ko." in page else Language.EN)
    said = [
        "(?:.+)".join(map(re.escape, re.split(r"\{[^}]*\}", text)))
        for key, text in known.items()
        if key.startswith(("headline.", "broken."))
    ]
    assert len(shown) == 10
    assert not [line for line in shown if not any(re.fullmatch(text, line) for text in said)]


def without_comments(text: str) -> str:
    """Return YAML without the comments that may differ by language; versions of pins stay."""
    return re.sub(r"(?m)(^| +)# (?!v\d).*\n?", "\n", text).strip()


def test_workflows__of_the_pages_are_examples() -> None:
    """What the pages show stands in a file, too, which is linted and can be copied whole."""
    files = [*(ROOT / "example/workflows").glob("*.yml")]
    examples = {without_comments(path.read_text(encoding="utf-8")) for path in files}
    assert len(examples) == len(files), "one stands there twice"
    shown = [block for page in PAGES for block in blocks(page) if block.is_workflow]
    assert not [str(each) for each in shown if without_comments(each.text) not in examples]
    assert {without_comments(each.text) for each in shown} == examples, "one stands on no page"


def test_action__tables_are_those_of_action_yml() -> None:
    action = yaml.safe_load(text_of("action.yml"))
    page = text_of("docs/action.md").replace("&lt;", "<")
    inputs = [
        [f"`{name}`", f"`{told['default']}`" if told["default"] else "–", told["description"]]
        for name, told in action["inputs"].items()
    ]
    assert table(page, "Inputs") == inputs
    outputs = [[f"`{name}`", told["description"]] for name, told in action["outputs"].items()]
    assert table(page, "Outputs") == outputs


def named(page: str, heading: str, *, number: int = 0) -> set[str]:
    """Return what the first column of a table names in code."""
    rows = table(text_of(f"docs/{page}.md"), heading, number=number)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row[0])}


@pytest.mark.parametrize("name", backends.names())
def test_backends__tables_name_every_option(name: str) -> None:
    shared = SharedOptions.model_fields
    own = {
        key
        for key, field in backends.resolve(name).Options.model_fields.items()
        if key not in shared or field.description != shared[key].description
    }
    page, heading = ("http", "Options") if name == "http" else ("backends", name)
    assert named(page, heading) == own


def test_backends__shared_options() -> None:
    assert named("backends", "Backends", number=1) == set(ChatBackend.Options.model_fields)


def test_backends__presets() -> None:
    rows = table(text_of("docs/backends.md"), "Presets")
    told = {name: (f"`{p.base_url}`", p.api_key_env) for name, p in presets().items()}
    assert {row[0].strip("`"): (row[1], row[2].strip("`")) for row in rows} == {
        name: (address, key or "none") for name, (address, key) in told.items()
    }


@pytest.mark.parametrize(
    ("heading", "known"),
    [
        ("The request", NAMES),
        ("The response", ResponseSection.model_fields),
        ("Streams", StreamSection.model_fields),
        ("Sessions that a request opens", SessionSection.model_fields),
        ("Answers that come later", PollSection.model_fields),
    ],
)
def test_http__tables_name_every_key(heading: str, known: Iterable[str]) -> None:
    assert named("http", heading) == set(known)


def test_http__names_every_filter_and_call() -> None:
    _, filters, calls = re.split(
        r"Filters: |Calls: ", text_of("docs/http.md").partition("\n## The response")[0]
    )
    known = {name for name in UserTemplate("", known=())._sandbox.filters if name.isalpha()}
    assert set(re.findall(r"`(\w+)`", filters)) == known
    assert set(re.findall(r"`\.?(\w+)\(\)`", calls)) == {"range", *CALLED}


def test_conversations__table_has_every_reason() -> None:
    rows = table(text_of("docs/conversations.md"), "When it ends")
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    schema = json.loads(text_of("docs/schema/run-1.json"))
    reasons = schema["properties"]["stop_reason"]["description"].partition("bot_<status>")[2]
    unanswered = {f"bot_{status.value}" for status in RunStatus if not status.is_answer}
    assert told == {*re.findall(r"\w+", reasons)} - {"or"} | unanswered


def test_sources__table_has_every_reason() -> None:
    rows = table(text_of("docs/sources.md"), "Reasons")
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(named) == sorted(Reason)


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("decisions", Code),
        ("records", RunStatus),
        ("glossary", [v for v in Verdict if v is not Verdict.REPORTED]),
        ("cli", [f"| {code.value} |" for code in ExitCode]),
    ],
)
def test_page__has_the_whole_list(page: str, words: Iterable[str]) -> None:
    text = text_of(f"docs/{page}.md")
    assert not [word for word in words if not re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text)]


def test_extending__names_every_key_of_the_config() -> None:
    rows = table(text_of("docs/extending.md"), "Config keys")
    named = set(re.findall(r"`(\w+)`", " ".join(row[1] for row in rows)))
    schema = config_schema()
    models = [schema, *schema["$defs"].values()]
    assert named == {key for model in models for key in model.get("properties", {})}


def test_agents__the_keys_that_it_names_are_those_of_the_records() -> None:
    rows = re.findall(r"^\|[^|]+\|[^|]+\| ([^|]+) \|$", read(DOCS / "agents.md"), re.MULTILINE)
    named = {key for row in rows for key in re.findall(r"`([a-z_.]+)`", row)}
    records = (Comparison, BrokenCases, BrokenCase, History, RunPlan)
    known = {each.name for record in records for each in fields(record)}
    assert len(named) > 12
    assert {part for key in named for part in key.split(".")} - {"metrics", "backends"} <= known


@pytest.mark.parametrize("page", ["docs/decisions.md", "docs/config.md"])
def test_pages__name_every_metric_of_wording_alone(page: str) -> None:
    known = [metrics.resolve(name) for name in metrics.names()]
    wording = [metric.name for metric in known if metric.measures_overlap]
    assert wording
    assert [name for name in wording if name not in text_of(page)] == []


def test_extending__names_every_metric() -> None:
    rows = table(text_of("docs/extending.md"), "Metrics")
    assert sorted(re.findall(r"`(\w+)`", " ".join(row[1] for row in rows))) == sorted(BUILT_IN)


SHOWING = ("korean", "which-metric", "which-metric.ko")
"""Pages with tables of what a metric gives."""


def examples() -> list[list[str]]:
    """Return the rows of the pages that show what a metric gives."""
    text = "\n".join(without_fences(text_of(f"docs/{page}.md")) for page in SHOWING)
    head = "| metric | parameters | reference | answer | value |\n| --- | --- | --- | --- | --- |\n"
    rows = "".join(re.findall(rf"^{re.escape(head)}((?:\|.*\n)+)", text, re.MULTILINE))
    return [[cell.strip(" `") for cell in row.strip("|").split(" | ")] for row in rows.splitlines()]


@pytest.mark.parametrize("row", examples(), ids=" · ".join)
def test_pages__examples_have_these_values(row: list[str]) -> None:
    name, params, reference, answer, value = ("" if cell == "–" else cell for cell in row)
    metric = metrics.resolve(name)(params=json.loads(params or "{}"))
    sample = a_sample(expected=reference or None)
    assert metric.check_params() == metric.check_sample(sample) == []
    metric.prepare([sample])
    assert metric.score(sample, a_run(answer)).value == pytest.approx(float(value), abs=5e-5)


def test_decisions__tables_are_what_the_code_gives() -> None:
    page = text_of("docs/decisions.md")
    gate = runpy.run_path(str(ROOT / "benchmarks" / "gate.py"))
    for drop, n, *told in table(page, "What to expect of it"):
        if int(n) <= 100:
            row = gate["binary_row"](int(n), 0.10, 0.05, float(drop), "")
            assert [cell.replace(" %", "%") for cell in told] == row[2:]
    for n, binary, bounded in table(page, "How many samples"):
        exact = [100 * provable_margin_exact(int(n)), 100 * provable_margin_t(int(n))]
        told = [float(cell.removesuffix(" points")) for cell in (binary, bounded)]
        assert all(0 <= t - e < 0.1 for t, e in zip(told, exact, strict=True))


def test_scale_costs__figures_are_those_of_the_benchmarks() -> None:
    page, results = text_of("docs/scale-costs.md"), text_of("benchmarks/RESULTS.md")
    rows = {
        row[0]: row[-1]
        for heading in ("Files and memory", "Time", "Money")
        for row in table(page, heading)
    }
    bytes_a_row = float(table(results, "Growth with n: 2 workers, no latency")[1][-1])
    local = table(results, "200 ms latency, 10,000 samples, 400 at once: at most 2,000 a second")[0]
    rate = float(local[1].partition(" ")[0].replace(",", ""))
    assert number(rows["`run_results.jsonl`"], "GB") == pytest.approx(bytes_a_row / 10, rel=0.05)
    one_process = next(rows[name] for name in rows if name.startswith("one process"))
    assert number(one_process, "h") == pytest.approx(1e8 / rate / 3600, rel=0.05)
    quota = next(rows[name] for name in rows if "a quota of 10,000" in name)
    assert number(quota, "days") == pytest.approx(1e8 / 10_000 / 60 / 24, rel=0.05)
    assert rows["the provider, request by request"] == f"${300 * 40 + 150 * 160:,}"
    after = {row[0]: row[2] for row in table(page, "After the run")}
    for n, step, _, peak_mib, *_ in table(results, "Short answers, one metric"):
        if n == "10,000,000" and step in {"evaluate", "compare"}:
            peak = float(peak_mib.replace(",", "")) * 2**20 / 1e6
            assert peak < 1_000
            assert number(after[f"`{step}`: memory"], "MB") == pytest.approx(peak, rel=0.05)


def number(cell: str, unit: str) -> float:
    value, of = cell.split()
    assert of == unit
    return float(value.replace(",", ""))


def test_troubleshooting__messages_are_those_of_the_program() -> None:
    rows = re.findall(
        r"^\| `(.+?)`(?: [^|]*)? \|", text_of("docs/troubleshooting.md"), re.MULTILINE
    )
    known = list(patterns(rows))
    assert len(rows) > 40
    assert not [message for message in rows if not any(says(p, message) for p in known)]


def patterns(messages: list[str]) -> Iterator[tuple[re.Pattern[str], int]]:
    """Yield the texts of the program that may be among these: patterns, and how many letters are fixed."""
    for parts in said():
        fixed = [part for part in parts if part]
        longest = max(fixed, key=len, default="")
        if any(longest in message.replace("…", "") for message in messages):
            yield re.compile(".*".join(map(re.escape, fixed))), sum(map(len, fixed))


def said() -> Iterator[list[str | None]]:
    """Yield every text that the program can say, as its fixed parts."""
    for message, _ in TEXTS.values():
        parts = re.split(r"\{[^}]*\}", message)
        yield from (parts, *([part] for part in parts))
    for text in texts(Language.EN).values():
        many = re.sub(r"\{(\w+):[^/}]+/([^}]+)\}", r"{\1} \2", text)  # "{n:row/rows}": of several
        yield re.split(r"\{[^}]*\}", many)
    for file in (ROOT / "lm_eval_so").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield [p.value if isinstance(p, ast.Constant) else None for p in node.values]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield [node.value]


def says(pattern: tuple[re.Pattern[str], int], message: str) -> bool:
    """Return whether a documented message is what a text of the program says, for the most part."""
    told = message.replace("…", "")
    return pattern[1] >= 0.5 * len(told) and pattern[0].search(message) is not None
