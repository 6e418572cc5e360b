"""Whatever is printed, in whatever pieces: GitHub's runner executes none of it."""

import io

from hypothesis import example, given
from hypothesis import strategies as st
from servers.runner_log import Command, executed

from lm_eval_so.terminal.github_log import GuardedLog, write_command

PIECES = [
    "##[a]x",
    "##[",
    "##[b;c=d]",
    "#",
    "##",
    "[",
    "]",
    ":",
    "::",
    "::a::x",
    "::b",
    "c=d::x",
    "a",
    "b",
    "│",
    "가",
    "\\",
    "%0A",
    "%3A",
    "\x1b[0m",
    "\x1b",
    "\u200b",
    "\ufeff",
    "\xad",
    "̸",
    "\x00",
]
BLANKS = [" ", "\t", "\v", "\x85", "\xa0", "\u2028", "\u3000", "\n", "\r", "\r\n"]


def written(pieces: list[str]) -> str:
    stream = io.BytesIO()
    log = GuardedLog(stream, encoding="utf-8")
    for piece in pieces:
        log.write(piece)
    log.flush()
    return stream.getvalue().decode()


@given(st.lists(st.lists(st.sampled_from([*PIECES, *BLANKS]), max_size=6).map("".join)))
@example(["##", "[a]x"])
@example(["#", "", "#", "[a]x"])
@example([":", ":a::x"])
@example(["\ufeff::a::x"])
@example(["x\r", " \u2028::a::x"])
def test_guarded_log__nothing_is_executed(pieces: list[str]) -> None:
    shown = written(pieces)
    assert not executed(shown, names={"a", "b"})
    assert shown.replace("##\\u005b", "##[").replace("│ ", "") == "".join(pieces).replace("│ ", "")


@given(st.lists(st.sampled_from([*PIECES, " "]), max_size=6).map("".join))
def test_guarded_log__our_own_command_is_executed_once(data: str) -> None:
    stream = io.BytesIO()
    log = GuardedLog(stream, encoding="utf-8")
    log.write("before\n")
    write_command(log, f"::a::{data}")
    log.write("::a::after\n")
    log.flush()
    found = executed(stream.getvalue().decode(), names={"a", "b"})
    assert found == [Command("a", data.replace("##[", "##\\u005b"))]
