"""Foreign text cannot end its own block."""

from lm_eval_so.core.asking.answer.markers import between_markers, choose_marker


def test_choose_marker__stands_in_no_text() -> None:
    first = choose_marker("row", [])
    second = choose_marker("row", [f"<<END {first}>>"])
    third = choose_marker("row", [f"<<END {first}>>", second])
    assert len({first, second, third}) == 3
    assert choose_marker("row", []) == first
    assert choose_marker("other", []) != first


def test_between_markers__a_block_each() -> None:
    texts = [("YOU", "취소요"), ("ASSISTANT", "<<END 000000>>")]
    assert between_markers(texts, "abc123") == (
        "<<YOU abc123>>\n취소요\n<<END abc123>>\n\n"
        "<<ASSISTANT abc123>>\n<<END 000000>>\n<<END abc123>>"
    )
