"""Columns that take few bytes and read like lists and sets."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.core.columns.column import Coded, Numbers
from lm_eval_so.evaluator.rows.compact import Flags, RowSet


@given(st.lists(st.none() | st.floats(allow_nan=False)))
def test_values__read_as_a_list(numbers: list[float | None]) -> None:
    values = Numbers(numbers)
    assert list(values) == numbers
    assert [values[row] for row in range(len(values))] == numbers
    assert list(values[1:]) == numbers[1:]
    there = [row for row, number in enumerate(numbers) if number is not None]
    assert list(values.present(range(len(numbers)))) == [numbers[row] for row in there]
    assert list(values.where(range(len(numbers)))) == there
    assert [*values.absent(range(len(numbers)))] == [
        row for row, number in enumerate(numbers) if number is None
    ]


@pytest.mark.parametrize("expected", [0, 1, 5])
def test_values__set_and_append(expected: int) -> None:
    values = Numbers()
    values.expect(expected)
    values.append(None)
    values.append(0.5)
    values[0], values[1] = math.inf, None
    assert [len(values), *values, values[-1]] == [2, math.inf, None, None]
    with pytest.raises(IndexError):
        values[2]


def test_values__shared__equal_ones_are_one() -> None:
    found = Numbers([1 / 3, None, 1 / 3, 2 / 3]).shared()
    assert found == (1 / 3, None, 1 / 3, 2 / 3)
    assert found[0] is found[2]


@given(st.sets(st.integers(0, 500)), st.integers(0, 501))
def test_row_set__reads_as_a_set(rows: set[int], row: int) -> None:
    found = RowSet([*rows, *rows])
    assert (len(found), list(found)) == (len(rows), sorted(rows))
    assert (row in found) is (row in rows)
    assert "x" not in found
    assert found == rows


def test_flags__are_zero_where_nothing_was_said() -> None:
    flags = Flags()
    flags[3] = 2
    assert (flags[0], flags[3], flags[9], list(flags)) == (0, 2, 0, [0, 0, 0, 2])


@pytest.mark.parametrize("different", [0, 1, 2, 256, 257])
def test_coded__reads_as_a_list(different: int) -> None:
    values = [number % different for number in range(2 * different)]
    column = Coded(values)

    assert [*column] == [column[row] for row in range(len(values))] == values
    assert [column.values[code] for code in column.codes] == values
    assert len(column) == len(values)
    with pytest.raises(IndexError):
        column[len(values)]


def test_coded__the_second_value_comes_late() -> None:
    column = Coded(["ok"] * 3)
    assert column[-1] == "ok"
    column.append("error")
    column.append("ok")

    assert [*column] == ["ok", "ok", "ok", "error", "ok"]
    assert [*column.codes] == [0, 0, 0, 1, 0]
