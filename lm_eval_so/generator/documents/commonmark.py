"""Markdown: front matter, then CommonMark with tables, by way of the HTML reader; the only room of markdown-it."""

import re
from collections.abc import Mapping
from typing import Final

from markdown_it import MarkdownIt
from pydantic import JsonValue

from lm_eval_so.core.config.yaml_lines import parse_yaml
from lm_eval_so.errors import ConfigError
from lm_eval_so.generator.documents.block import Contents
from lm_eval_so.generator.documents.html import LINE_ATTRIBUTE, read_html

_FRONT: Final = re.compile(r"---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_CONTAINERS: Final = frozenset({"bullet_list_open", "ordered_list_open", "blockquote_open"})


def read_markdown(text: str) -> Contents:
    """Return the blocks of a Markdown text, with their lines, and its front matter.

    Front matter that is no YAML mapping is left out all the same, and empty here. HTML in the text is read as
    HTML; comments go.

    Args:
        text: Text with LF or CRLF.

    Raises:
        BadFileError: If it is nested too deeply.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    front = _FRONT.match(text)
    body = text[front.end() :] if front else text
    above = text.count("\n", 0, front.end()) if front else 0
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = parser.parse(body)
    for token in tokens:
        is_block = token.nesting == 1 and token.type not in _CONTAINERS
        if token.map and (is_block or token.type in {"fence", "code_block"}):
            token.attrSet(LINE_ATTRIBUTE, str(above + token.map[0] + 1))
    html = parser.renderer.render(tokens, parser.options, {})
    blocks = read_html(html, is_page=False).blocks
    return Contents(blocks=blocks, metadata=_metadata(front[1] or "" if front else ""))


def _metadata(front: str) -> Mapping[str, JsonValue]:
    try:
        value = parse_yaml(front, file="front matter").values
    except ConfigError:
        return {}
    return value if isinstance(value, dict) else {}
