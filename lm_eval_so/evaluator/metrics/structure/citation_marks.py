"""Marks of citations in an answer: [1], 【문서 2】, (출처: 환불 규정), web addresses; and the sentences that they stand in."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final, Literal, NamedTuple

from lm_eval_so.core.text.profiles import basic, loose
from lm_eval_so.core.text.sentences import sentences, without_fences

_NUMBERED_BY: Final = (
    r"(?:(?:문서|출처|자료|참고|근거|doc(?:ument)?|source|ref(?:erence)?|passage) ?)?"
)
_NUMBERS: Final = rf"{_NUMBERED_BY}\^?[0-9]{{1,3}}(?: ?[,;] ?{_NUMBERED_BY}\^?[0-9]{{1,3}})*"
_NAMED_BY: Final = r"(?:출처|근거|참고(?: ?문서| ?자료)?|sources?|ref(?:erence)?s?) ?[::] ?"
_ADDRESS: Final = r"https?://[^\s()<>\[\]「」『』\"']+(?:\([^\s()]*\))?"
_MARK: Final = re.compile(
    rf"\[(?P<said>[^\[\]\n]{{0,200}})\]\((?P<link>{_ADDRESS})[^()\n]{{0,100}}\)"
    rf"|[\[【](?P<numbers>{_NUMBERS})[\]】](?!\()"
    rf"|\((?:{_NAMED_BY})(?P<names>[^()\n]{{1,300}})\)|\[(?:{_NAMED_BY})(?P<titles>[^\[\]\n]{{1,300}})\]"
    rf"|(?P<address>{_ADDRESS})",
    re.IGNORECASE,
)
_FOOTER: Final = re.compile(rf"^\W{{0,6}}(?:{_NAMED_BY})(?P<names>\S.{{0,300}})$", re.IGNORECASE)
_LISTED: Final = re.compile(r"^\W{0,3}\[\^?[0-9]{1,3}\] ?:? ?(?=\S)")
_MOVED: Final = re.compile(r"([.!?。]) ?((?: ?[\[【(][^\[\]()【】\n]{1,300}[\]】)])+)(?= |$)")
_BEFORE_STOP: Final = re.compile(r" ([.!?,。])")
_CODE: Final = re.compile(r"`[^`\n]*`")
_FIRST_LINES: Final = 300


class Mark(NamedTuple):
    """Reference to a passage."""

    kind: Literal["number", "name", "address"]
    text: str
    """Number, name or address."""

    def passages(self, texts: Sequence[str], ids: Sequence[str], *, first: int) -> frozenset[int]:
        """Return the places of the passages that it names, from 0.

        Args:
            texts: Passages that the chatbot reports.
            ids: Ids of the passages, as far as reported.
            first: Number of the first passage in the answer's counting.
        """
        if self.kind == "number":
            at = int(self.text) - first
            return frozenset({at} if 0 <= at < len(texts) else ())
        is_named = _names if self.kind == "name" else _leads_to
        places = range(max(len(texts), len(ids)))
        return frozenset(
            at
            for at in places
            if is_named(
                self.text,
                ids[at] if at < len(ids) else "",
                texts[at] if at < len(texts) else "",
            )
        )


class Cited(NamedTuple):
    """A sentence, without its marks."""

    text: str
    marks: tuple[Mark, ...]


def cited_sentences(answer: str) -> tuple[list[Cited], list[Mark]]:
    """Return the sentences of an answer with their marks, and all marks.

    A mark behind the full stop belongs to the sentence before it. A line of marks alone, or one that begins
    with 출처: or Sources:, cites the sentences before it that have no mark. The list of what [1] means
    at the end is no sentence. Code does not count.
    """
    found: list[Cited] = []
    every: list[Mark] = []
    bare_from = 0  # all sentences before it have marks
    for line in without_fences(answer).splitlines():
        known = basic(_CODE.sub(" ", line))
        if footer := _FOOTER.match(known):
            marks = [*marks_of(footer["names"]), *_named(_MARK.sub(" ", footer["names"]))]
        else:
            marks = marks_of(known)
        every += marks
        is_listed = _LISTED.match(known) and bool(found)
        bare = _MARK.sub(" ", known)
        if marks and (footer or not any(map(str.isalnum, bare))):
            for place in range(bare_from, len(found)):
                own = found[place].marks or tuple(marks)
                found[place] = Cited(found[place].text, own)
            bare_from = len(found)
        elif not is_listed:
            for sentence in sentences(_MOVED.sub(_before_stop, known)):
                text = _BEFORE_STOP.sub(r"\1", " ".join(_MARK.sub(_said, sentence).split()))
                if any(map(str.isalnum, text)):
                    found.append(Cited(text, tuple(marks_of(sentence))))
    return found, list(dict.fromkeys(every))


def marks_of(text: str) -> list[Mark]:
    """Return the marks of a text after the profile `basic`."""
    found: list[Mark] = []
    for match in _MARK.finditer(text):
        if match["numbers"]:
            found += [Mark("number", number) for number in re.findall("[0-9]+", match["numbers"])]
        elif inner := match["names"] or match["titles"]:
            found += [*marks_of(inner), *_named(_MARK.sub(" ", inner))]
        else:
            found.append(Mark("address", (match["link"] or match["address"]).rstrip(".,;:!?'\"")))
    return found


def _before_stop(match: re.Match[str]) -> str:
    """Move marks from behind a full stop to before it; other brackets stay."""
    return f" {match[2]}{match[1]}" if marks_of(match[2]) else match[0]


def _said(match: re.Match[str]) -> str:
    """Return the words of a link; other marks say nothing."""
    said = match["said"] or ""
    return " " if said.strip("^ ").isdecimal() else said or " "


def _named(text: str) -> list[Mark]:
    names = (name.strip(" .*_\"'") for name in re.split(r"[;,·|]| / ", text))
    return [Mark("name", name) for name in names if any(map(str.isalnum, name))]


def _names(name: str, passage_id: str, text: str) -> bool:
    wanted, known = loose(name), loose(passage_id)
    stem = loose(PurePosixPath(passage_id).stem)
    if not wanted:
        return False
    in_id = bool(known) and (wanted in known or (len(stem) > 1 and stem in wanted))
    return wanted == known or (len(wanted) > 1 and (in_id or wanted in loose(text[:_FIRST_LINES])))


def _leads_to(address: str, passage_id: str, text: str) -> bool:
    wanted = _without_scheme(address)
    return wanted == _without_scheme(passage_id) or any(
        wanted == _without_scheme(found) for found in re.findall(_ADDRESS, text)
    )


def _without_scheme(address: str) -> str:
    bare = re.sub(r"^https?://(?:www\.)?", "", address.strip(), flags=re.IGNORECASE)
    return bare.rstrip("/.,;:!?").partition("#")[0].rstrip("/")
