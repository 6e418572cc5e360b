"""Escaping of foreign text for Markdown, HTML and GitHub's log: shown as written, without effect.

The order is always: redact, normalise, cut, escape for the place. Only code spans, fences and
`<code>` stop mentions, issue links and autolinks; text outside them is checked word by word.
"""

from typing import Final

import regex

_LONGEST_INLINE: Final = 200
_CLUSTER_UNIT: Final = 32

_ANSI = regex.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: titles and links
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours and cursor
    r"|\x1b[ -/]*[0-~]"
)
_REMOVED = regex.compile(r"[\u200B\u2060\uFEFF]")
_REPLACED = regex.compile(r"[\x00\uD800-\uDFFF]")
_SHOWN = regex.compile(r"[\x01-\x08\x0B-\x1F\x7F-\x9F\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]")
_LINE_END = regex.compile(r"[\n\u2028\u2029]")
_BACKTICKS = regex.compile(r"`+")
_CLUSTER = regex.compile(r"\X")

# A word outside code: runs of letters and digits, joined by single marks that mean nothing in
# Markdown. Underscores only inside a word, colons only inside a number or at the end (`:x:` is an
# emoji), no `@`, `#`, `<`, `&`, `*`, `[`, `$`, backslash or backtick; `~` only between spaces.
_ALNUM = r"[^\W_]\p{M}*+"
_RUN = rf"(?:{_ALNUM})++"
_JOINED = rf"[+−±×-]?{_RUN}(?:(?:_+|['’./,·→-]|[()=%]{{1,2}}|(?<=\d):(?=\d)){_RUN})*+"
_PLAIN = regex.compile(
    rf"[(\"“‘']*{_JOINED}[)\"”’'.,;:!?…%]*"
    r"|[→·—–×=…−~/›📄✅❌➖⚪⚠🟢🟡↑↓]\uFE0F?"
    r"|\(?<\d[\d.,]*%?[).,;]*"  # less than a number
    r"|\[[+−-]?\d[\d.,]*%?"  # an interval's first bound
    r"|[+−-]?\d[\d.,]*%?\][.,;)]*"
)
_LINKED = regex.compile(r"(?i)www\.|(?<![^\W_])gh-\d|(?<![^\W_])[0-9a-f]{7,40}(?![^\W_])")
_LIST_MARKER = regex.compile(r"\d{1,9}[.)]|[+-]")
_URL = regex.compile(
    r"https?://[A-Za-z0-9.-]+(?::\d+)?(?:/[A-Za-z0-9._~-]+)*/?(?:#[A-Za-z0-9_-]+)?"
)
_MARKS: Final = ".,:;?"
_PARTICLE: Final = regex.compile("([!-~]+)[가-힣]{1,4}")
"""Marks of a sentence that do nothing behind a code span."""


class Safe(str):
    """Text that may go into a Markdown template as it is."""

    __slots__ = ()


def normalise(text: str) -> str:
    """Return a text with characters made visible that could hide, reorder or overwrite text.

    Line ends become LF.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _REMOVED.sub("", _ANSI.sub("", text))
    text = _REPLACED.sub("\N{REPLACEMENT CHARACTER}", text)
    return _SHOWN.sub(lambda match: f"\\u{{{ord(match[0]):04X}}}", text)


def cut(text: str, graphemes: int) -> str:
    """Return the first grapheme clusters of a normalised text, with the number of those left out.

    A cluster of more than 32 code points counts as several, so that a pile of combining marks
    does not count as one character.
    """
    text = normalise(text)
    if len(text) <= graphemes:
        return text
    if text.isascii():  # each character is a cluster
        return f"{text[:graphemes]}… (+{len(text) - graphemes:,})"
    kept, units, end = 0, 0, 0
    for match in _CLUSTER.finditer(text):
        units += 1 + (len(match[0]) - 1) // _CLUSTER_UNIT
        if units <= graphemes:
            kept, end = units, match.end()
    return text if units <= graphemes else f"{text[:end]}… (+{units - kept:,})"


def one_line(text: str, graphemes: int | None = None) -> str:
    """Return a text, cut if need be, on one line, without what a terminal would obey."""
    return " ".join((normalise(text) if graphemes is None else cut(text, graphemes)).split())


def block(text: str, info: str = "text") -> Safe:
    """Return a fenced block; it must start a line."""
    text = normalise(text)
    fence = "`" * max(3, _longest_run(text) + 1)
    return Safe(f"{fence}{info}\n{text.removesuffix(chr(10))}\n{fence}")


def inline(text: str) -> Safe:
    """Return a code span on one line."""
    text = _LINE_END.sub("⏎", normalise(text)) or " "
    delimiter = "`" * (_longest_run(text) + 1)
    edges = text[0] + text[-1]
    # CommonMark strips one space at both ends, and a backtick must not touch the delimiter
    pad = " " if "`" in edges or (edges == "  " and text.strip(" ")) else ""
    return Safe(f"{delimiter}{pad}{text}{pad}{delimiter}")


def cell(text: str) -> Safe:
    """Return a code span for a table's cell."""
    return Safe(inline(text).replace("|", "\\|"))


def summary(text: str) -> Safe:
    """Return `<code>` on one line, for `<summary>`, where Markdown is not read."""
    text = _LINE_END.sub("⏎", normalise(text))
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(char, entity)
    return Safe(f"<code>{text}</code>")


def quote(text: str, graphemes: int) -> Safe:
    """Return a cut text to follow a label: a code span if it is short, else a block below."""
    text = cut(text, graphemes)
    if len(text) <= _LONGEST_INLINE and not _LINE_END.search(text):
        return Safe(f" {inline(text)}")
    return Safe(f"\n\n{block(text)}")


def prose(text: str) -> Safe:
    """Return a sentence on one line: plain words stay plain, any other word becomes a code span."""
    words = normalise(text).split()
    shown = [word if _is_plain(word) else _marked(word) for word in words]
    if words and shown[0] == words[0] and _LIST_MARKER.fullmatch(words[0]):
        shown[0] = cell(words[0])
    return Safe(" ".join(shown))


def fit(text: str, units: int, *, quoted: bool = False) -> Safe:
    """Return a sentence as `prose` does, cut to a number of UTF-16 units.

    Args:
        text: The sentence.
        units: The number.
        quoted: Whether all of it is shown as one code span, since the words are not ours.
    """
    show, graphemes = inline if quoted else prose, units
    shown = show(cut(text, graphemes))
    while utf16_units(shown) > units and graphemes:
        graphemes //= 2
        shown = show(cut(text, graphemes))
    return shown


def utf16_units(text: str) -> int:
    """Return the length of a text in UTF-16: two for a character beyond U+FFFF."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def name(text: str) -> Safe:
    """Return an identifier: plain if all of it is harmless, else one code span."""
    return Safe(text) if text and prose(text) == text else cell(text)


def link(text: Safe, url: str) -> Safe:
    """Return a link to an address of ours; the text alone if the address is anything unusual."""
    return Safe(f"[{text}]({url})") if _URL.fullmatch(url) else text


def escape_data(text: str) -> str:
    """Escape the data of a workflow command."""
    text = normalise(text)
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """Escape a property of a workflow command."""
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")


def _marked(word: str) -> Safe:
    """Return a word as code; the marks of the sentence behind it are none of it, nor is a Korean particle."""
    core = word.rstrip(_MARKS if "(" in word else f"{_MARKS})")
    if not core or core.startswith(":"):  # as `:tada:`
        return cell(word)
    if particle := _PARTICLE.fullmatch(core):
        core = particle[1]
    return Safe(cell(core) + word[len(core) :])


def _longest_run(text: str) -> int:
    return max((len(match[0]) for match in _BACKTICKS.finditer(text)), default=0)


def _is_plain(word: str) -> bool:
    return bool(_PLAIN.fullmatch(word)) and not _LINKED.search(word)
