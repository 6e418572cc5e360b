"""Rules of `instructions`: a function per type of check.

The first sentence of each docstring is its definition; the page of metrics shows it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from lm_eval_so.core.text.json_in_text import read_json
from lm_eval_so.core.text.keywords import keyword_finder
from lm_eval_so.core.text.korean import close_spaces
from lm_eval_so.core.text.lengths import count_units, has_emoji
from lm_eval_so.core.text.profiles import basic
from lm_eval_so.core.text.scripts import HAN, language_share
from lm_eval_so.core.text.sentences import paragraphs, sentences, without_fences, without_marks
from lm_eval_so.core.text.speech import speech_counts
from lm_eval_so.evaluator.metrics.form.honorific import level_share

_DIVIDER: Final = re.compile(r"[ \t]*(?:\*[ \t]*){3,}|[ \t]*(?:-[ \t]*){3,}|[ \t]*(?:_[ \t]*){3,}")
_BULLET: Final = re.compile(r"[-*+·◦▪‣] ")
_NUMBERED: Final = re.compile(r"(?:[0-9]{1,3}[.)]|\([0-9]{1,3}\)) |[①-⑳]")
_HEADING: Final = re.compile(r"#{1,6} \S")
_HIGHLIGHT: Final = re.compile(r"(?<!\*)\*{1,2}(?![\s*])[^*\n]*(?<!\s)\*{1,2}(?!\*)")
_PLACEHOLDER: Final = re.compile(r"\[[^\[\]\n]+\](?!\()")
_TITLE: Final = re.compile(r"<<([^<>]+)>>|《([^《》]+)》")
_FENCED: Final = re.compile(r"\A(`{3,}|~{3,})[^\n`]*\n(.*)\n\1\Z", re.DOTALL)
_HAN: Final = re.compile(f"[{HAN}]")
_CLOSING: Final = "\"'」』》» "
_POSTSCRIPTS: Final = ("p.s", "ps.", "ps:", "추신")


class Answer(NamedTuple):
    """Answer and question."""

    text: str
    question: str


def _length(answer: Answer, check: Any) -> bool:
    """The length in `unit` is within the bounds, counted as by the metric `length`."""
    return _within(check, count_units(answer.text, check.unit, count_spaces=check.count_spaces))


def _sentences(answer: Answer, check: Any) -> bool:
    """Number of sentences; they end with . ! ? or 。 before a space, or with the line."""
    return _within(check, len(sentences(answer.text)))


def _paragraphs(answer: Answer, check: Any) -> bool:
    """Number of paragraphs; blank lines and lines of `***`, `---` or `___` alone part them."""
    return _within(check, len(_parts(answer.text)))


def _bullets(answer: Answer, check: Any) -> bool:
    """Number of lines that begin with `-`, `*`, `+`, `•` or `·` and a space."""
    return _within(check, sum(map(bool, map(_BULLET.match, _lines(answer.text)))))


def _numbered(answer: Answer, check: Any) -> bool:
    """Number of lines that begin with "1.", "1)", "(1)" and a space, or with ①."""
    return _within(check, sum(map(bool, map(_NUMBERED.match, _lines(answer.text)))))


def _headings(answer: Answer, check: Any) -> bool:
    """Number of lines that begin with one to six `#` and a space."""
    return _within(check, sum(map(bool, map(_HEADING.match, _lines(answer.text)))))


def _highlights(answer: Answer, check: Any) -> bool:
    """Number of texts within a line between `*` and `*`, or `**` and `**`."""
    return _within(check, sum(1 for _ in _HIGHLIGHT.finditer(without_fences(answer.text))))


def _placeholders(answer: Answer, check: Any) -> bool:
    """Number of texts in square brackets, such as [이름]; links do not count."""
    return _within(check, sum(1 for _ in _PLACEHOLDER.finditer(answer.text)))


def _title(answer: Answer, _: Any) -> bool:
    """A line is `<<title>>` or `《title》`, or the first one begins with one `#`."""
    lines = [line.replace("*", "").strip() for line in _lines(answer.text)]
    is_heading = bool(lines) and re.match(r"# \S", lines[0]) is not None
    titles = filter(None, map(_TITLE.fullmatch, lines))
    return is_heading or any((title[1] or title[2]).strip() for title in titles)


def _json(answer: Answer, _: Any) -> bool:
    """The whole answer is JSON, with or without a fence around it."""
    text = answer.text.strip()
    fenced = _FENCED.match(text)
    try:
        read_json(fenced[2] if fenced else text, extract="strict")
    except ValueError:
        return False
    return True


def _starts_with(answer: Answer, check: Any) -> bool:
    """The answer begins with `text`, after the profile `basic` and without case."""
    return _folded(answer.text).startswith(_folded(check.text))


def _ends_with(answer: Answer, check: Any) -> bool:
    """The answer ends with `text`, closing quotation marks apart, after the profile `basic` and without case."""
    said, wanted = _folded(answer.text), _folded(check.text)
    return said.endswith(wanted) or said.rstrip(_CLOSING).endswith(wanted)


def _include(answer: Answer, check: Any) -> bool:
    """All of `texts` (`mode: any`: one of them) are found by the keyword rule."""
    found = map(keyword_finder(answer.text, boundary=check.boundary), check.texts)
    return any(found) if check.mode == "any" else all(found)


def _exclude(answer: Answer, check: Any) -> bool:
    """None of `texts` (`mode: any`: not all of them) is found by the keyword rule."""
    found = map(keyword_finder(answer.text, boundary=check.boundary), check.texts)
    return not all(found) if check.mode == "any" else not any(found)


def _count_of(answer: Answer, check: Any) -> bool:
    """`text` occurs a number of times, without overlap, case and spaces beside Hangul."""
    return _within(
        check, close_spaces(_folded(answer.text)).count(close_spaces(_folded(check.text)))
    )


def _no_comma(answer: Answer, _: Any) -> bool:
    """No comma, not even in numbers: , ， 、 and ،."""
    return not re.search("[,、،]", basic(answer.text))


def _no_char(answer: Answer, check: Any) -> bool:
    """None of the characters in `chars`, after the profile `basic` and without case."""
    return {*_folded(check.chars)}.isdisjoint(_folded(answer.text))


def _postscript(answer: Answer, check: Any) -> bool:
    """A line begins with `marker`, by default with P.S., PS: or 추신."""
    markers = _POSTSCRIPTS if check.marker is None else (_folded(check.marker),)
    return any(line.replace("*", "").strip().startswith(markers) for line in _folded_lines(answer))


def _quoted(answer: Answer, _: Any) -> bool:
    """The whole answer stands in double quotation marks."""
    text = basic(answer.text)
    return len(text) > 2 and text.startswith('"') and text.endswith('"')


def _nth_paragraph_starts(answer: Answer, check: Any) -> bool:
    """Paragraph `n`, from 1, begins with `text`, marks of lists and headings apart."""
    parts = _parts(answer.text)[check.n - 1 : check.n]
    return any(
        _folded(without_marks(basic(part))).startswith(_folded(check.text)) for part in parts
    )


def _repeat_prompt(answer: Answer, check: Any) -> bool:
    """The answer begins with `text`, by default the question, and goes on after it."""
    prompt, said = basic(check.text or answer.question), basic(answer.text)
    return bool(prompt) and said.startswith(prompt) and len(said) > len(prompt)


def _two_answers(answer: Answer, check: Any) -> bool:
    """The answer is exactly two different texts, parted by `separator`."""
    parts = [basic(part) for part in answer.text.split(check.separator)]
    return len(parts) == 2 and all(parts) and parts[0] != parts[1]


def _language(answer: Answer, check: Any) -> bool:
    """The words are in `language`, as by the metric `language_match`."""
    share = language_share(answer.text, check.language)
    return share is None or share >= check.min_share


def _honorific(answer: Answer, check: Any) -> bool:
    """The share of sentences at `level`, as by the metric `honorific`, is at least `min_share`."""
    share = level_share(speech_counts(answer.text), check.level)
    return share is None or share >= check.min_share


def _no_hanja(answer: Answer, _: Any) -> bool:
    """No Chinese character."""
    return not _HAN.search(answer.text)


def _no_emoji(answer: Answer, _: Any) -> bool:
    """No emoji: ★, → and © are allowed, ❤ and ✔ are not."""
    return not has_emoji(answer.text)


def _hangul_only(answer: Answer, _: Any) -> bool:
    """All letters are Hangul; figures and marks are allowed."""
    return all(
        "가" <= char <= "힣" or "ㄱ" <= char <= "ㆎ"
        for char in filter(str.isalpha, basic(answer.text))
    )


Rule = Callable[[Answer, Any], bool]

RULES: Final[Mapping[str, Rule]] = {
    rule.__name__.removeprefix("_"): rule
    for rule in (
        _length, _sentences, _paragraphs, _bullets, _numbered, _headings, _highlights, _title,
        _json, _starts_with, _ends_with, _include, _exclude, _count_of, _no_comma, _no_char,
        _placeholders, _postscript, _quoted, _nth_paragraph_starts, _repeat_prompt, _two_answers,
        _language, _honorific, _no_hanja, _no_emoji, _hangul_only,
    )
}  # fmt: skip
"""Rule by the `type` of the check."""


def variants(text: str) -> Iterator[str]:
    """Yield the text without its first line, its last line, both or none, each with and without `*`."""
    lines = text.strip().splitlines()
    for kept in (lines, lines[1:], lines[:-1], lines[1:-1]):
        part = "\n".join(kept).strip()
        yield from (each for each in (part, part.replace("*", "").strip()) if each)


def _within(check: Any, n: int) -> bool:
    least = 1 if check.min is None and check.max is None else check.min or 0
    return n >= least and (check.max is None or n <= check.max)


def _parts(text: str) -> list[str]:
    lines = ["" if _DIVIDER.fullmatch(line) else line for line in text.splitlines()]
    return paragraphs("\n".join(lines))


def _lines(text: str) -> list[str]:
    return [known for line in without_fences(text).splitlines() if (known := basic(line))]


def _folded(text: str) -> str:
    return basic(text).casefold()


def _folded_lines(answer: Answer) -> list[str]:
    return [without_marks(line).casefold() for line in _lines(answer.text)]
