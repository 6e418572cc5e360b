"""Where the rows of runs stand."""

import io

import pytest

from lm_eval_so.evaluator.row_places import RowPlaces, line_at


def test_find__the_last_row_of_a_key() -> None:
    places = RowPlaces()
    for number, (sample_id, repeat, digest) in enumerate(
        [("q1", 0, "a"), ("q2", 0, "a"), ("q1", 0, "a"), ("q1", 1, "a"), ("q1", 0, "b")]
    ):
        places.add(sample_id, repeat, digest, file=number % 2, offset=100 * number)
    places.close()
    assert places.find("q1", 0, "a") == (0, 200)
    assert places.find("q1", 1, "a") == (1, 300)
    assert places.find("q1", 0, "b") == (0, 400)
    assert places.find("q2", 1, "a") is None
    assert places.find("q1", 0, "c") is None
    assert places.asked == 3
    assert (places.was_asked("q2", 0), places.was_asked("q2", 1)) == (True, False)


def test_find__of_nothing() -> None:
    places = RowPlaces()
    places.close()
    assert (places.find("q1", 0, "a"), places.asked) == (None, 0)


@pytest.mark.parametrize(("offset", "line"), [(0, 1), (2, 2), (3, 3), (5, 4)])
def test_line_at__counts_lines(offset: int, line: int) -> None:
    assert line_at(io.BytesIO(b"a\n\nb\n{}\n"), offset) == line
