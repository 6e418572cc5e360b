"""Chats that KakaoTalk exported on Windows, Mac, Android or iOS, in Korean or English; names become roles."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from itertools import groupby
from pathlib import PurePath
from typing import Literal

from pydantic import JsonValue

from lm_eval_so.core.config.sources import SourceSection
from lm_eval_so.generator.clean import clean_text
from lm_eval_so.generator.sources.base import (
    BadFileError,
    RawItem,
    Reason,
    Reject,
    SourceFile,
    numbered,
)
from lm_eval_so.generator.sources.csv_file import read_csv
from lm_eval_so.generator.sources.encoding import read_lines, refuse_bad

TABLE = ("Date", "User", "Message")
"""Columns of a chat that was exported on a Mac."""
_DATE = re.compile(
    r"(?P<y>\d{4})(?:년|[.-]) ?(?P<m>\d{1,2})(?:월|[.-]) ?(?P<d>\d{1,2})(?:일|\.)?"
    r"|(?P<month>[A-Z][a-z]{2})[a-z]{0,6} (?P<day>\d{1,2}), (?P<year>\d{4})"
)
_TIME = re.compile(
    r"(?:(?P<before>오전|오후|[AP]M) )?(?P<h>\d{1,2}):(?P<min>\d{2})(?: ?(?P<after>[AaPp]\.?[Mm]\.?))?"
)
_PLAIN_DATE = re.sub(r"\?P<\w+>", "", _DATE.pattern)
_PLAIN_TIME = re.sub(r"\?P<\w+>", "", _TIME.pattern)
_STAMP = rf"(?:(?:{_PLAIN_DATE})(?:,| at)? (?:{_PLAIN_TIME})|(?:{_PLAIN_TIME}), (?:{_PLAIN_DATE}))"
_ON_PC = re.compile(rf"\[(?P<name>.+?)\] \[(?P<at>{_PLAIN_TIME})\] ?(?P<text>.*)")
_ON_A_PHONE = re.compile(rf"(?P<at>{_STAMP}), (?P<name>.+?) : (?P<text>.*)")
_NOTICE = re.compile(
    rf"{_STAMP}[,:] ?.+"
    r"|.{1,60}님이 (?:들어왔|나갔)습니다\.?(?:채팅방으로 초대하기)?|.{1,60}님을 내보냈습니다\.?"
    r"|.{1,60}님이 .+님을 초대(?:했|하였)습니다\.?|.{1,60}님이 방장이 되었습니다\.?"
    r"|(?:채팅방 관리자가 )?메시지(?:가 삭제되었|를 가렸)습니다\.?"
    r"|.{1,60} (?:joined|left)(?: the chat(?:room)?| this chatroom)?\.|.{1,60} invited .+\."
)
"""Lines of the program itself, with the names of those who come and go."""
_DAY = re.compile(rf"-{{5,}} .*(?:{_PLAIN_DATE}).* -{{5,}}")
_DAY_AFTER_A_GAP = re.compile(
    rf"(?:{_PLAIN_DATE}) [월화수목금토일]요일|[A-Z]\w+day, (?:{_PLAIN_DATE})|{_STAMP}"
)
_MEDIA = re.compile(
    r"[(<]?(?:사진|동영상|이모티콘|음성 ?메시지|photos?|videos?|emoticons?|stickers?|voice (?:note|message))"
    r"(?: \d+장| 읽지 않음)?[)>]?|\d+ photos|(?:파일|지도|연락처|샵검색|file|map|contact): ?.+"
    r"|(?:(?:보이스|페이스|라이브)톡|voice call|video call|live talk)"
    r" ?(?:해요|취소|부재중|종료|ended|canceled|missed)? ?(?:\d+:)*\d*"
    r"|(?:삭제된 메시지입니다|this message was deleted)\.?|[0-9a-f]{16,}\.\w{2,4}",
    re.IGNORECASE,
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NO_NAMES = frozenset((
    "회원님", "나", "you", "고객", "고객님", "고객센터", "상담원", "상담사", "관리자", "운영자", "매니저", "챗봇",
    "알 수 없음", "(알 수 없음)", "unknown",
))  # fmt: skip
_FULL_NAME = re.compile(
    "(?<![가-힣])[김이박최정강조윤장임한오서신권황안송전홍유고문양손배백허남심노하곽성차주우구민류진엄]"
    "([가-힣]{2})(?![가-힣])"
)
"""A name of three syllables by one of the usual surnames, and its given name."""
_WORDS = frozenset((
    "하나", "우리", "나라", "보라", "유리", "하늘", "가을", "여름", "사랑", "소리", "바다", "진실", "미래", "정도", "이상", "기본",
))  # fmt: skip
"""Given names that are words, too, and count as names before 님 and 씨 alone."""
_LONGEST_DAY = 100
"""Characters of a line between days; a longer one would take time."""
_LIKE_A_CHAT = 3
"""Lines of people in the beginning of a file that make it a chat."""


@dataclass(slots=True, kw_only=True)
class _Said:
    """One message."""

    line: int
    name: str
    at: datetime
    lines: list[str]

    @property
    def text(self) -> str:
        return "\n".join(self.lines).strip()


_Found = Iterator[_Said | RawItem | Reject]
"""Messages, blank records for lines of the program, and lines that cannot be read."""


def is_kakaotalk(text: str) -> bool:
    """Return whether the beginning of a text is that of an exported chat."""
    lines = (_plain(line) for line in text.splitlines())
    found = sum(bool(_ON_PC.fullmatch(line) or _ON_A_PHONE.fullmatch(line)) for line in lines)
    return found >= _LIKE_A_CHAT


def read_kakaotalk(file: SourceFile, options: SourceSection, /) -> Iterator[RawItem | Reject]:
    """Read an exported chat: a record for each conversation, as `messages` of the roles user and assistant.

    A conversation ends where nobody writes for `gap_minutes`. Lines of one person in a row are one message.
    Pictures and other media, and lines of the program, are blank records, so they count as skipped.
    """
    read = _table if PurePath(file.name).suffix.lower() == ".csv" else _text
    speakers = {each.name for each in read(file, options) if isinstance(each, _Said)}
    staff = {clean_text(name) for name in options.staff}
    if not speakers:
        what = "no line is that of a chat which KakaoTalk exported"
        hint = "export the chat as text again, and do not change the file"
        raise BadFileError(Reason.UNREADABLE, what, hint)
    if not speakers & staff:
        what = (
            f"none of the {len(speakers)} who speak is named by staff, so nothing tells who answers"
        )
        raise BadFileError(Reason.NO_STAFF, what, 'name them as the file does: staff: ["NAME"]')
    names = _Names(speakers, staff)
    gap = timedelta(minutes=options.gap_minutes)
    yield from numbered(_conversations(file, read(file, options), gap, names))


def _conversations(
    file: SourceFile, found: _Found, gap: timedelta, names: "_Names"
) -> Iterator[RawItem | Reject]:
    said: list[_Said] = []
    for each in found:
        if not isinstance(each, _Said):
            yield each
        elif _MEDIA.fullmatch(each.text) or not each.text:
            yield RawItem(file=file, at={"line": each.line}, payload={})
        else:
            if said and abs(each.at - said[-1].at) > gap:
                yield _conversation(file, said, names)
                said = []
            said.append(each)
    if said:
        yield _conversation(file, said, names)


def _conversation(file: SourceFile, said: Sequence[_Said], names: "_Names") -> RawItem:
    messages: list[JsonValue] = [
        {"role": names.role(name), "content": names.hidden("\n".join(each.text for each in run))}
        for name, run in groupby(said, key=lambda each: each.name)
    ]
    return RawItem(file=file, at={"line": said[0].line}, payload={"messages": messages})


class _Names:
    """The names of those who speak, which give way to roles."""

    def __init__(self, speakers: set[str], staff: set[str]) -> None:
        self._staff = staff
        self._words: dict[str, str] = {}
        for name in sorted(speakers | staff):
            if len(name) > 1 and name.casefold() not in _NO_NAMES:
                self._words[name] = self.role(name)
            for match in _FULL_NAME.finditer(name):
                self._words[match[0]] = self._words[match[1]] = self.role(name)
        by_first: dict[str, list[str]] = {}
        for word in sorted(self._words, key=lambda word: (-len(word), word)):
            by_first.setdefault(word[0], []).append(_as_name(word))
        # one pattern of all would be tried name by name at each character, of which there may be thousands
        self._patterns = {first: re.compile("|".join(each)) for first, each in by_first.items()}

    def role(self, name: str) -> Literal["user", "assistant"]:
        """Return the role of a name."""
        return "assistant" if name in self._staff else "user"

    def hidden(self, text: str) -> str:
        """Return a text with roles for names."""
        roles = {"assistant": "[STAFF]", "user": "[USER]"}
        text, pieces, position = clean_text(text), [], 0
        for start, first in enumerate(text):
            pattern = self._patterns.get(first)
            if pattern and start >= position and (found := pattern.match(text, start)):
                pieces += [text[position:start], roles[self._words[found[0]]]]
                position = found.end()
        return "".join([*pieces, text[position:]])


def _as_name(word: str) -> str:
    """Return the pattern of a name in a text, where particles may follow it (김미소입니다)."""
    is_hangul = "가" <= word[0] <= "힣"
    begins = r"(?<!\w)" if len(word) == 2 or not is_hangul else ""
    ends = "(?= ?[님씨])" if word in _WORDS else "" if is_hangul else r"(?!\w)"
    return begins + re.escape(word) + ends


def _table(file: SourceFile, options: SourceSection) -> _Found:
    """Yield what stands in a table that a Mac exports."""
    for item in read_csv(file, options):
        if isinstance(item, Reject):
            yield replace(item, excerpt="")  # it would show a name
        elif isinstance(item, RawItem):
            stamp, name, text = (str(item.payload.get(column, "")) for column in TABLE)
            at, line = _moment(stamp, date.min), item.at["line"]
            if at is None or not name or _NOTICE.fullmatch(text) or not isinstance(line, int):
                yield replace(item, payload={})
            else:
                yield _Said(line=line, name=clean_text(name), at=at, lines=[text])


def _text(file: SourceFile, _: SourceSection) -> _Found:
    """Yield what stands in a text, without its head and the lines of days."""
    day, said = date.min, None
    is_after_gap = True
    for line in read_lines(file.path, file.encoding or "utf-8"):
        try:
            refuse_bad(line, file.encoding)
        except BadFileError as error:
            yield error.reject(file, {"line": line.number, **error.at})  # a text would show a name
            continue
        text = _plain(line.text)
        found = _ON_PC.fullmatch(text) or _ON_A_PHONE.fullmatch(text)
        at = _moment(found["at"], day) if found else None
        is_day = at is None and _is_day(text, is_after_gap=is_after_gap)
        is_after_gap = not text
        is_notice = at is None and not is_day and _NOTICE.fullmatch(text) is not None
        if said is not None and (at or is_day or is_notice):
            yield said
            said = None
        if found and at:
            name = clean_text(found["name"])
            said = _Said(line=line.number, name=name, at=at, lines=[found["text"]])
        elif is_day:
            moment = _moment(text, day)
            day = moment.date() if moment else day
        elif is_notice:
            yield RawItem(file=file, at={"line": line.number}, payload={})
        elif said is not None:
            said.lines.append(text)
    if said is not None:
        yield said


def _is_day(text: str, *, is_after_gap: bool) -> bool:
    # inside of a message a date is something that somebody wrote
    return len(text) < _LONGEST_DAY and bool(
        _DAY.fullmatch(text) or (is_after_gap and _DAY_AFTER_A_GAP.fullmatch(text))
    )


def _plain(line: str) -> str:
    # newer phones put narrow spaces before PM
    return line.rstrip("\r\n").replace("\u202f", " ").replace("\u00a0", " ")


def _moment(stamp: str, day: date) -> datetime | None:
    """Return the moment of a stamp, without a date on the given day; None if there is no such moment."""
    on, at = _DATE.search(stamp), _TIME.search(stamp)
    try:
        if on:
            month = int(on["m"]) if on["m"] else _MONTHS.index(on["month"]) + 1
            day = date(int(on["y"] or on["year"]), month, int(on["d"] or on["day"]))
        if at is None:
            return datetime.combine(day, time.min)
        hour, half = int(at["h"]), (at["before"] or at["after"] or "").casefold()
        if half:
            hour = hour % 12 + 12 * half.startswith(("오후", "p"))
        return datetime.combine(day, time(hour, int(at["min"])))
    except ValueError:
        return None
