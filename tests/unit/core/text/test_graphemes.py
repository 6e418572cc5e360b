"""What people see as one character."""

import pytest

from lm_eval_so.core.text.graphemes import count_graphemes


@pytest.mark.parametrize(
    ("text", "n"),
    [("", 0), ("abc", 3), ("한국", 2), ("\u1112\u1161\u11ab", 1), ("👨‍👩‍👧", 1), ("é\r\n", 2)],
    ids=["empty", "ascii", "hangul", "jamo", "family", "crlf"],
)
def test_count_graphemes__counts_what_people_see(text: str, n: int) -> None:
    assert count_graphemes(text) == n
