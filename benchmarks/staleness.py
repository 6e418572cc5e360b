"""Which tests are told to be stale when documents change: none by changes of form, all by changes of what is said.

    python benchmarks/staleness.py                         the table, as Markdown on stdout
    python benchmarks/staleness.py --pure 20 --effects 40  fewer changes

Forty quotes from the documents of a shop. Pure changes move, rename, renumber, split, merge, convert and add without
touching what is said; each must flag nothing. Changes of known effect touch one unit, table or heading; each must
flag the quotes in it, and no other.
"""

import argparse
import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

from lm_eval_so.core.config.sources import SourceSection
from lm_eval_so.generator.documents.block import HEADER, Block, Document, Unit, cells, row_text
from lm_eval_so.generator.documents.compose import compose
from lm_eval_so.generator.documents.read import read_document
from lm_eval_so.generator.staleness.hold import Quote, hold
from lm_eval_so.generator.staleness.keyed_text import Body, KeyedText

SHOP = Path(__file__).parents[1] / "tests/data/shop"
FILES = ("policy.md", "returns.docx", "warranty.pdf", "shipping.html")
QUOTES, PURE, EFFECTS, SEED = 40, 126, 400, 7
SENTENCE = re.compile(r"(?<=[.!?])\s+")
NUMBER = re.compile(r"[0-9]+")
ADDED = "문의가 많은 날에는 답변이 늦어질 수 있으니 양해해 주세요."

Blocks = tuple[Block, ...]
Team = Mapping[str, Blocks]
"""Blocks of every document by its file."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A quote: the unit it lies in, and its text."""

    file: str
    number: int
    """Number of its block in its document."""
    quote: Quote


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the documents."""

    kind: str
    team: Team
    touched: frozenset[tuple[str, int]] = frozenset()
    """Blocks (file, number) whose quotes are to be flagged."""


def read_team() -> dict[str, Blocks]:
    found = {}
    for name in FILES:
        document = read_document(name, SHOP / name, SourceSection(id="docs", path=name))
        assert isinstance(document, Document)
        found[name] = document.blocks
    return found


def keyed(file: str, blocks: Sequence[Block]) -> KeyedText:
    made = compose(blocks)
    return KeyedText(file, made.units, made.sections)


def units(blocks: Sequence[Block]) -> dict[int, Unit]:
    """Return the unit of each block that is one."""
    made = compose(blocks)
    by_start = {unit.start: unit for unit in made.units}
    return {n: by_start[span[0]] for n, span in enumerate(made.spans) if span[0] in by_start}


def choose(team: Team, rng: random.Random) -> list[Asked]:
    """Choose quotes: a sentence of a paragraph, a whole item or row."""
    found = []
    for file, blocks in team.items():
        for number, unit in units(blocks).items():
            parts = SENTENCE.split(unit.text) if unit.kind in {"paragraph", "item"} else [unit.text]
            found.append(Asked(file, number, Quote(text=rng.choice(parts), unit=unit)))
    return sorted(rng.sample(found, QUOTES), key=lambda each: (each.file, each.number))


# changes of form


def with_blocks(team: Team, file: str, *blocks: Block) -> Team:
    return {**team, file: blocks}


def sections(blocks: Blocks) -> list[Blocks]:
    starts = [n for n, block in enumerate(blocks) if block.kind == "heading"]
    return [blocks[a:b] for a, b in zip(starts, [*starts[1:], len(blocks)], strict=True)]


def pure_changes(team: Team, folder: Path) -> Iterator[Change]:
    for file, blocks in team.items():
        others = {name: each for name, each in team.items() if name != file}
        yield Change("renamed", {**others, f"neu/{file}": blocks})
        yield Change("new document", {**team, "neu.md": (Block(kind="paragraph", text=ADDED),)})
        level = [replace(b, level=b.level + 1) if b.kind == "heading" else b for b in blocks]
        yield Change("heading level", with_blocks(team, file, *level))
        yield Change("renumbered", with_blocks(team, file, *map(renumbered, blocks)))
        spaced = [replace(b, text=b.text.replace(", ", " , ")) for b in blocks]
        yield Change("spaces", with_blocks(team, file, *spaced))
        parts = sections(blocks)
        yield Change(
            "reordered",
            with_blocks(team, file, *parts[0], *(b for p in reversed(parts[1:]) for b in p)),
        )
        for number, part in enumerate(parts[1:], start=1):
            rest = [b for n, p in enumerate(parts) if n != number for b in p]
            other = next(iter(others))
            moved = {**team, file: tuple(rest), other: (*team[other], *part)}
            yield Change("section moved", moved)
            end = next(n for n, p in enumerate(blocks) if p is part[-1]) + 1
            paragraph = Block(kind="paragraph", text=ADDED)
            yield Change(
                "paragraph added", with_blocks(team, file, *blocks[:end], paragraph, *blocks[end:])
            )
        for number, block in enumerate(blocks):
            yield from _cut_and_joined(team, file, number, block)
        yield from _as_files(team, file, folder)


def _cut_and_joined(team: Team, file: str, number: int, block: Block) -> Iterator[Change]:
    blocks = team[file]
    pieces = SENTENCE.split(block.text)
    before = blocks[number - 1] if number else block
    if block.kind == "paragraph" and len(pieces) > 1:
        cut = [Block(kind="paragraph", text=piece) for piece in pieces]
        yield Change(
            "split", with_blocks(team, file, *blocks[:number], *cut, *blocks[number + 1 :])
        )
    if block.kind == before.kind == "paragraph" and before is not block:
        whole = replace(before, text=f"{before.text} {block.text}")
        yield Change(
            "merged", with_blocks(team, file, *blocks[: number - 1], whole, *blocks[number + 1 :])
        )
    if block.kind == "item":
        plain = replace(block, kind="paragraph", level=0, mark="")
        yield Change(
            "item to paragraph",
            with_blocks(team, file, *blocks[:number], plain, *blocks[number + 1 :]),
        )


def renumbered(block: Block) -> Block:
    if block.kind != "heading":
        return block
    text = re.sub(r"^(제?)([0-9]+)", lambda m: f"{m[1]}{int(m[2]) + 1}", block.text)
    return replace(block, text=text)


def _as_files(team: Team, file: str, folder: Path) -> Iterator[Change]:
    """Yield the document written in other formats and encodings, and read again."""
    made = compose(team[file])
    html = "".join(map(_html, team[file])).replace("</table><table>", "")
    wrapped = re.sub(r"(?m)^([^|#`\n-].{30,}?) ", "\\1\n", made.text)
    written = {
        "md.md": made.text.encode(),
        "crlf.md": made.text.replace("\n", "\r\n").encode(),
        "wrapped.md": wrapped.encode(),
        "utf16.md": made.text.encode("utf-16"),
        "page.html": f"<html><body>{html}</body></html>".encode(),
    }
    for name, data in written.items():
        path = folder / name
        path.write_bytes(data)
        read = read_document(name, path, SourceSection(id="docs", path=name))
        assert isinstance(read, Document)
        others = {each: blocks for each, blocks in team.items() if each != file}
        yield Change(f"as {name}", {**others, name: read.blocks})


def _html(block: Block) -> str:
    text = escape(block.text)
    match block.kind:
        case "heading":
            return f"<h{block.level}>{text}</h{block.level}>"
        case "item":
            return f"<ul><li>{text}</li></ul>"
        case "row":
            tag = "th" if block.level == HEADER else "td"
            row = "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells(block.text))
            return f"<table><tr>{row}</tr></table>"
        case "code":
            return f"<pre>{text}</pre>"
        case _:
            return f"<p>{text}</p>"


# changes of known effect

Edit = Callable[[str, random.Random], str | None]
"""A text to another one; None if it cannot be changed so."""


def _number(text: str, rng: random.Random) -> str | None:
    found = list(NUMBER.finditer(text))
    if not found:
        return None
    match = rng.choice(found)
    return f"{text[: match.start()]}{int(match[0]) + rng.randint(1, 9)}{text[match.end() :]}"


def _word(text: str, rng: random.Random) -> str | None:
    words = list(re.finditer(r"[^\W\d_]{2,}", text))
    match = rng.choice(words) if words else None
    other = rng.choice(["창고", "상담원", "매장", "store", "depot"])
    return match and f"{text[: match.start()]}{other}{text[match.end() :]}"


def _order(text: str, rng: random.Random) -> str | None:
    words = text.split(" ")
    pairs = [n for n in range(len(words) - 1) if words[n].isalpha() and words[n + 1].isalpha()]
    pairs = [n for n in pairs if words[n] != words[n + 1]]
    if not pairs:
        return None
    n = rng.choice(pairs)
    words[n], words[n + 1] = words[n + 1], words[n]
    return " ".join(words)


def _negation(text: str, rng: random.Random) -> str | None:
    words = text.split(" ")
    n = rng.randrange(len(words))
    words.insert(n, "안" if re.search("[가-힣]", text) else "not")
    return " ".join(words)


def _exception(text: str, _: random.Random) -> str | None:
    return f"{text} 다만 제주는 제외합니다."


EDITS: Mapping[str, Edit] = {
    "number": _number,
    "word": _word,
    "word order": _order,
    "negation": _negation,
    "exception": _exception,
}


def known_effects(team: Team, asked: Sequence[Asked], rng: random.Random) -> Iterator[Change]:
    """Yield changes without end, each of a unit, table or section that has a quote."""
    kinds = [*EDITS, "deletion", "neighbour", "header", "heading"]
    while True:
        one = rng.choice(asked)
        kind = rng.choice(kinds)
        made = _effect(team, one, kind, rng)
        if made is not None:
            yield made


def _effect(team: Team, one: Asked, kind: str, rng: random.Random) -> Change | None:
    blocks, block = team[one.file], team[one.file][one.number]
    touched = {(one.file, one.number)}
    if kind in {"header", "heading"}:
        wanted = HEADER if kind == "header" else None
        above = range(one.number - 1, -1, -1)
        is_it = "row" if kind == "header" else "heading"
        if kind == "header" and block.kind != "row":
            return None
        at = next(
            (n for n in above if blocks[n].kind == is_it and wanted in {None, blocks[n].level}),
            None,
        )
        if at is None:
            return None
        text = _word(blocks[at].text, rng)
        ends = {"heading"} if kind == "heading" else {"heading", "paragraph", "item", "code"}
        below = range(at + 1, len(blocks))
        stop = next((n for n in below if blocks[n].kind in ends), len(blocks))
        touched = {(one.file, n) for n in range(at + 1, stop)}
        number = at
    elif kind in {"deletion", "neighbour"}:
        pieces = SENTENCE.split(block.text) if block.kind != "row" else [block.text]
        is_own = kind == "deletion"
        chosen = [p for p in pieces if (p == one.quote.text) is is_own]
        if not chosen:
            return None
        gone = rng.choice(chosen)
        text, number = " ".join(p for p in pieces if p is not gone), one.number
    else:
        if kind == "exception" and block.kind == "row":
            return None
        text, number = EDITS[kind](block.text, rng), one.number
    if text is None or text == blocks[number].text:
        return None
    new = replace(blocks[number], text=text if text.strip() else row_text(["-"]))
    if not text.strip():
        changed = (*blocks[:number], *blocks[number + 1 :])
    else:
        changed = (*blocks[:number], new, *blocks[number + 1 :])
    return Change(kind, {**team, one.file: changed}, frozenset(touched))


def measure(
    team: Team, asked: Sequence[Asked], changes: Iterator[Change]
) -> tuple[Counter[str], Counter[str], Counter[str], list[str]]:
    """Return changes, missed and wrongly flagged quotes by kind, and a line for each mistake."""
    known = {file: keyed(file, blocks) for file, blocks in team.items()}
    old = Body(known.values())
    total: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    lines = []
    for change in changes:
        texts = [
            known[file] if team.get(file) is blocks else keyed(file, blocks)
            for file, blocks in change.team.items()
        ]
        new = Body(texts)
        total[change.kind] += 1
        for each in asked:
            is_touched = (each.file, each.number) in change.touched
            held = hold(each.quote, old, new)
            if (held.state != "same") is is_touched:
                continue
            (missed if is_touched else wrong)[change.kind] += 1
            lines.append(f"{change.kind}: {held.state} {each.file} {each.quote.text!r}")
    return total, missed, wrong, lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pure", type=int, default=PURE)
    parser.add_argument("--effects", type=int, default=EFFECTS)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    team = read_team()
    asked = choose(team, rng)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        pool = list(pure_changes(team, Path(folder)))
    pure = rng.sample(pool, min(options.pure, len(pool)))
    effects = known_effects(team, asked, rng)
    some = (next(effects) for _ in range(options.effects))
    print("| change | n | missed | wrongly flagged |\n| --- | ---: | ---: | ---: |")
    for changes in (iter(pure), some):
        total, missed, wrong, lines = measure(team, asked, changes)
        for kind in sorted(total):
            print(f"| {kind} | {total[kind]} | {missed[kind]} | {wrong[kind]} |")
        shown = total.total(), missed.total(), wrong.total()
        print(f"| **all** | {shown[0]} | {shown[1]} | {shown[2]} |")
        for line in lines:
            print(f"\n{line}")
    print(f"\n{len(asked)} quotes, {len(pool)} pure changes to choose from")
    print(f"{time.perf_counter() - begun:.1f} s")


if __name__ == "__main__":
    main()
