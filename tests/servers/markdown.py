"""Markdown as GitHub renders it (cmark-gfm), and what of it must not come from foreign text."""

import html
import re

from cmarkgfm import github_flavored_markdown_to_html
from cmarkgfm.cmark import Options

_CODE = re.compile(r"<code[^>]*>.*?</code>", re.DOTALL)
_TAG = re.compile(r"<(/?[A-Za-z!][^>]*)>")
_LINKING = re.compile(r"@\w|#\d|\bGH-\d|https?:|www\.|\b[0-9a-f]{7,40}\b", re.IGNORECASE)
_OURS = {
    "p", 'pre lang="text"', 'pre lang="sh"', 'pre lang="yaml"', "h1", "h2", "h3", "b", "strong", "em", "sub", "details", "summary", "pre", "code", "br /",
    "table", "thead", "tbody", "tr", "th", "td", 'th align="right"', 'td align="right"',
    "blockquote", "ul", "li",
}  # fmt: skip


def render(markdown: str) -> str:
    """Return the HTML, raw tags included."""
    return github_flavored_markdown_to_html(markdown, options=Options.CMARK_OPT_UNSAFE)


def code_texts(markdown: str) -> list[str]:
    """Return the texts of all code spans, fences and `<code>`."""
    return [html.unescape(re.sub(r"</?code[^>]*>", "", c)) for c in _CODE.findall(render(markdown))]


def dangers(markdown: str) -> list[str]:
    """List tags that we never write, and texts outside code that GitHub would act on."""
    outside = _CODE.sub("", render(markdown))
    outside = re.sub(r"<!-- lm-eval-so/(comment|state)/1 [^>]* -->", "", outside)
    found = [tag for tag in _TAG.findall(outside) if tag.removeprefix("/") not in _OURS]
    return found + _LINKING.findall(html.unescape(_TAG.sub("", outside)))
