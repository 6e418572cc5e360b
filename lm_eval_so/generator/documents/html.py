"""HTML: the part of a page that people came to read, as blocks; the only room of selectolax."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from lm_eval_so.generator.documents.block import At, Block, Contents
from lm_eval_so.generator.documents.compose import table_blocks
from lm_eval_so.generator.sources.base import BadFileError, Reason

LINE_ATTRIBUTE: Final = "data-source-line"
"""Attribute by which a converter says on which line of its file an element began."""
_DEEPEST: Final = 2000
"""Deepest nesting: the parser takes quadratic time for more, and browsers show 512 levels."""
_DROPPED: Final = re.compile(
    "script|style|noscript|template|head|nav|aside|svg|math|iframe|object|canvas|audio|video|img"
    "|button|select|textarea|input|datalist|dialog|rp|rt"
)
_BLOCK: Final = re.compile(
    "html|body|main|article|section|div|p|ul|ol|li|dl|dt|dd|blockquote|figure|figcaption|address|center"
    "|header|footer|details|summary|fieldset|legend|hr|form|h[1-6]|pre|table|caption|tr|td|th"
)
_NO_NESTING: Final = re.compile(
    "p|li|dt|dd|tr|td|th|thead|tbody|tfoot|option|optgroup|colgroup|col|br|hr|img|input|meta|link|source"
    "|area|base|embed|param|track|wbr|b|i|u|s|a|em|strong|small|font|code|big|tt|strike|nobr"
)
"""Elements that need no end tag, have none, or that the parser closes by itself."""
_TAG: Final = re.compile(r"<(/?)([A-Za-z][^\s/>]*)")
_DRAWINGS: Final = frozenset({"svg", "math"})
_UNSEEN: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}
_MOST_SPAN: Final = 1000
_MOST_REPEATED: Final = 10_000_000
"""Characters that merged cells may add, beyond four times the page."""


def read_html(text: str, *, selector: str | None = None, is_page: bool = True) -> Contents:
    """Return the blocks of an HTML text, without what surrounds its main part and what nobody sees.

    Args:
        text: The whole page, or a fragment.
        selector: CSS selector of the parts to read; default: `main`, else `article`, else the body.
        is_page: Whether it has surroundings; a fragment of a converter is read whole.

    Raises:
        BadFileError: If it is nested too deeply, or the selector is wrong or finds nothing.
    """
    if _is_too_deep(text):
        what = f"elements are nested deeper than {_DEEPEST:,} levels"
        raise BadFileError(Reason.UNREADABLE, what, "save the page as Markdown or text")
    parser = LexborHTMLParser(text)
    if parser.body is None:
        return Contents(blocks=[])
    blocks: list[Block] = []
    for root in _roots(parser.body, selector) if is_page else [parser.body]:
        left = _MOST_REPEATED + 4 * len(text)
        blocks += _Walk(keeps_header=root.tag != "body", left=left).of(root)
    title, html = parser.css_first("head > title"), parser.css_first("html")
    language = html.attributes.get("lang") if html else None
    return Contents(
        blocks=blocks,
        title=" ".join(title.text().split()) if title else "",
        metadata={"lang": language} if language else {},
    )


def _is_too_deep(text: str) -> bool:
    """Return whether elements are nested too deeply, without a parser.

    The open elements are kept as a parser keeps them: an end tag closes what is inside of its element, one of an
    inline element reaches over no block, one of nothing is ignored; `/>` ends an element inside of drawings only.
    """
    stack: list[str] = []
    places: defaultdict[str, list[int]] = defaultdict(list)  # of each name; under "" of all blocks
    is_drawing, end = False, -1
    for match in _TAG.finditer(text):
        name = match[2].lower()
        is_block = _BLOCK.fullmatch(name) is not None
        if match[1]:
            is_drawing &= name not in _DRAWINGS
            below = -1 if is_block or not places[""] else places[""][-1]
            while places[name] and places[name][-1] > below:
                last = stack.pop()
                places[last].pop()
                if places[""] and places[""][-1] == len(stack):
                    places[""].pop()
                if last == name:
                    break
        elif _NO_NESTING.fullmatch(name):
            is_drawing = False
        else:
            is_drawing &= not is_block
            if is_drawing:
                end = end if end >= match.end() else text.find(">", match.end()) % (len(text) + 1)
                if text[end - 1] == "/":
                    continue
            is_drawing |= name in _DRAWINGS
            for known in (name, "") if is_block else (name,):
                places[known].append(len(stack))
            stack.append(name)
            if len(stack) > _DEEPEST:
                return True
    return False


def _roots(body: LexborNode, selector: str | None) -> list[LexborNode]:
    if selector is not None:
        try:
            found = body.css(selector)
        except SelectolaxError:
            what, hint = f'"{selector}" is no CSS selector', "as main, #content or .post"
            raise BadFileError(Reason.UNREADABLE, what, hint) from None
        if not found:
            what, hint = f"nothing on the page is {selector}", "leave selector: out, or correct it"
            raise BadFileError(Reason.UNREADABLE, what, hint)
        return _outermost(found)
    for query in ("main, [role=main]", "article"):
        if found := [node for node in _outermost(body.css(query)) if not _is_dropped(node)]:
            return found
    return [body]


def _outermost(nodes: list[LexborNode]) -> list[LexborNode]:
    chosen: list[LexborNode] = []
    known: set[int] = set()
    for node in nodes:
        above, inside = node.parent, False
        while above is not None and not inside:
            inside = above.mem_id in known
            above = above.parent
        if not inside:
            known.add(node.mem_id)
            chosen.append(node)
    return chosen


def _is_dropped(node: LexborNode) -> bool:
    attributes = node.attributes
    return (
        bool(_DROPPED.fullmatch(node.tag or ""))
        or "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or bool(_UNSEEN.search(attributes.get("style") or ""))
        or (node.tag == "form" and node.css_first("main, article, h1") is None)
    )


@dataclass(slots=True)
class _Walk:
    """One walk over a part of a page: text is gathered until a block ends; a stack, no recursion."""

    keeps_header: bool
    """Whether header and footer stand inside of the main part, as the title of an article does."""
    left: int
    """Characters that tables may still have."""
    blocks: list[Block] = field(default_factory=list)
    _text: list[str] = field(default_factory=list)
    _lists: list[int | None] = field(default_factory=list)
    """Number of the next item of each open list; None without numbers."""
    _mark: str | None = None
    """Mark of a list item whose first text has not come yet."""
    _heading: int = 0
    _at: At = field(default_factory=dict)

    def of(self, root: LexborNode) -> list[Block]:
        """Return the blocks of a part."""
        stack: list[tuple[LexborNode, bool]] = [(root, False)]
        while stack:
            node, is_end = stack.pop()
            if is_end:
                self._leave(node)
            elif node.is_text_node:
                self._text.append(node.text_content or "")
            elif node.is_element_node and (node is root or not self._is_left_out(node)):
                if node is not root and self._enter(node):
                    continue
                stack.append((node, True))
                stack += [(child, False) for child in reversed(list(_children(node)))]
        self._flush()
        return self.blocks

    def _is_left_out(self, node: LexborNode) -> bool:
        return _is_dropped(node) or (node.tag in {"header", "footer"} and not self.keeps_header)

    def _enter(self, node: LexborNode) -> bool:
        """Begin an element; return whether it was read whole."""
        tag = node.tag or ""
        if tag == "br":
            self._text.append(" ")
        if not _BLOCK.fullmatch(tag):
            return tag == "br"
        self._flush()
        self._at = _place(node) or self._at
        if tag in {"ul", "ol"}:
            start = node.attributes.get("start") or "1"
            number = int(start) if start.isdecimal() and len(start) < 9 else 1
            self._lists.append(number if tag == "ol" else None)
        elif tag == "li":
            self._mark = self._next_mark()
        elif tag in _HEADINGS:
            self._heading = _HEADINGS[tag]
        elif tag == "pre":
            code = "".join(_texts(node))
            self.blocks.append(Block(kind="code", text=code, at=self._at))
            return True
        elif tag == "table" and (found := _grid(node)) is not None:
            rows, trs = found
            has_header = not _is_headed_at_the_side(node)
            ats = [self._at if tr is None else _place(tr) or self._at for tr in trs]
            blocks = table_blocks(rows, ats=ats, has_header=has_header)
            self.left -= sum(len(block.text) for block in blocks)
            if self.left < 0:
                what = "merged cells repeat far more text than the page has"
                raise BadFileError(Reason.TOO_LARGE, what, "save the page as Markdown or text")
            self.blocks += blocks
            return True
        return False

    def _leave(self, node: LexborNode) -> None:
        if _BLOCK.fullmatch(node.tag or ""):
            self._flush()
        if node.tag in {"ul", "ol"} and self._lists:
            self._lists.pop()
        elif node.tag in _HEADINGS:
            self._heading = 0
        elif node.tag == "li":
            self._mark = None

    def _next_mark(self) -> str:
        number = self._lists[-1] if self._lists else None
        if number is None:
            return "-"
        self._lists[-1] = number + 1
        return f"{number}."

    def _flush(self) -> None:
        text, self._text = "".join(self._text), []
        if not text.strip():
            return
        if self._heading:
            block = Block(kind="heading", text=text, level=self._heading, at=self._at)
        elif self._mark is not None:
            depth = max(len(self._lists), 1)
            block = Block(kind="item", text=text, level=depth, mark=self._mark, at=self._at)
            self._mark = None
        else:
            block = Block(kind="paragraph", text=text, at=self._at)
        self.blocks.append(block)


def _place(node: LexborNode) -> At:
    line = node.attributes.get(LINE_ATTRIBUTE) or ""
    return {"line": int(line)} if line.isdecimal() and len(line) < 10 else {}


def _children(node: LexborNode) -> Iterator[LexborNode]:
    child = node.child
    while child is not None:
        yield child
        child = child.next


def _texts(root: LexborNode) -> Iterator[str]:
    """Yield the texts inside a node; ends of blocks and line breaks are spaces, or line ends in code."""
    gap = "\n" if root.tag == "pre" else " "
    stack = [root]
    while stack:
        node = stack.pop()
        if node.is_text_node:
            yield node.text_content or ""
        elif node.is_element_node and not (node is not root and _is_dropped(node)):
            if node is not root and (node.tag == "br" or _BLOCK.fullmatch(node.tag or "")):
                yield gap
            stack += reversed(list(_children(node)))


def _grid(
    table: LexborNode,
) -> tuple[list[list[str | None]], list[LexborNode | None]] | None:
    """Return the cells of a table as `table_blocks` takes them, and the element of each row.

    A caption is a row without an element. None if the table only lays out other blocks.
    """
    # the first is enough: in tables inside of tables all of them would take quadratic time
    inside = (child for child in _children(table) if child.is_element_node)
    if any(child.css_first("table, h1, h2, h3, h4, h5, h6, pre") for child in inside):
        return None
    trs = [tr for tr in table.css("tr") if not _is_dropped(tr)]
    found = [
        [c for c in _children(tr) if c.tag in {"td", "th"} and not _is_dropped(c)] for tr in trs
    ]
    if max(map(len, found), default=0) <= 1 and len(found) <= 1:
        return None
    rows: list[list[str | None]] = []
    below: dict[int, tuple[int, str | None]] = {}
    for number, cells in enumerate(found):
        row: list[str | None] = []
        for cell in cells:
            _fill(row, below)
            text: str | None = "".join(_texts(cell))
            down = min(_span(cell, "rowspan"), len(found) - number)
            for _ in range(min(_span(cell, "colspan"), max(_MOST_SPAN - len(row), 1))):
                if down > 1:
                    below[len(row)] = (down, text)
                row.append(text)
                text = None
        _fill(row, below)
        below = {column: (left - 1, text) for column, (left, text) in below.items() if left > 1}
        rows.append(row)
    caption = table.css_first("caption")
    if caption is None:
        return rows, list(trs)
    return [["".join(_texts(caption))], *rows], [None, *trs]


def _fill(row: list[str | None], below: dict[int, tuple[int, str | None]]) -> None:
    """Repeat cells that reach down from rows above."""
    while (reached := below.get(len(row))) is not None and reached[0] > 0:
        row.append(reached[1])


def _span(cell: LexborNode, name: str) -> int:
    value = cell.attributes.get(name) or "1"
    return min(max(int(value), 1), _MOST_SPAN) if value.isdecimal() and len(value) < 9 else 1


def _is_headed_at_the_side(table: LexborNode) -> bool:
    """Return whether rows, and not columns, are named: a `th` beside a `td` in the first row."""
    first = next((tr for tr in table.css("tr") if not _is_dropped(tr)), None)
    tags = [child.tag for child in _children(first)] if first is not None else []
    return "th" in tags and "td" in tags and tags.index("th") < tags.index("td")
