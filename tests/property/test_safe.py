from hypothesis import given
from hypothesis import strategies as st
from servers.markdown import code_texts, dangers, render

from lm_eval_so.core.templates import safe

TOKENS = [
    "`",
    "``",
    "|",
    "\\",
    "<",
    ">",
    "&",
    "*",
    "_",
    "~",
    "[",
    "]",
    "(",
    ")",
    "!",
    "@a",
    "#1",
    "GH-1",
    "www.",
    "http://",
    "<!--",
    "-->",
    "</details>",
    ":",
    "가",
    "x1",
    "1.",
    "-",
    "+",
    "=",
    "abcdef1",
    "<1",
    "'",
    '"',
    "{{",
    "}}",
    "$",
]
PIECES = st.lists(
    st.one_of(st.sampled_from([*TOKENS, " ", "\n", "\t"]), st.text(max_size=3)), max_size=12
).map("".join)


@given(PIECES)
def test_every_place__does_nothing(text):
    for place in (safe.inline, safe.block, safe.prose, safe.name):
        assert dangers(place(text)) == []
    assert dangers(f"<details><summary>{safe.summary(text)}</summary>\n\nx\n</details>") == []


@given(PIECES, PIECES)
def test_table__cells_stay_apart(left, right):
    html = render(
        f"| a | b | c |\n| --- | --- | --- |\n| {safe.cell(left)} | {safe.prose(right)} | x |\n"
    )
    assert html.count("<td>") == 3
    assert html.count("<tr>") == 2


@given(PIECES)
def test_inline__shows_the_text(text):
    shown = safe.normalise(text).replace("\n", "⏎").replace("\u2028", "⏎").replace("\u2029", "⏎")
    assert code_texts(f"x {safe.inline(text)} x") == [shown or " "]


@given(PIECES, st.integers(min_value=1, max_value=20))
def test_cut__keeps_a_prefix(text, graphemes):
    short = safe.cut(text, graphemes)
    whole = safe.normalise(text)
    assert short == whole or whole.startswith(short.rpartition("… (+")[0])
    assert safe.normalise(short) == short
