"""Slices of a comparison in report and comment."""

from dataclasses import replace

import pytest
from comparing import flips, judge
from factories import make_report
from full_comparison import a_slice as slice_of
from made_reports import comparison, report
from rendering import comment_body, render

from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.reporter.markdown import Origin


def a_slice(value="refund", *, by="tag", **changes):
    return slice_of(by, value, **changes)


OPEN = {"proven": False, "p_adjusted": 0.4}
SMALL = {"n": 7, "small": True, "proven": False, "ci90": None, "change": None, "p_adjusted": None}


def with_slices(*slices):
    return replace(comparison(), slices=slices, slices_tested=84)


def in_report(made, language=Language.EN, redactor=None):
    style = {"language": language, "examples": 3, "redactor": redactor or Redactor()}
    return render(report(), made, format="md", **style)


def in_comment(made, level=0, language=Language.EN):
    return comment_body(made, report(), level=level, language=language, origin=Origin())


def test_report__shows_slices_with_n_and_interval() -> None:
    made = with_slices(a_slice(), a_slice("ship", **OPEN), a_slice("promo", **SMALL))
    lines = in_report(made).splitlines()
    assert "| tag | refund | exact_match | 44 | 82.0% | 61.0% | −21.0 points (−33.0 to −9.0) |" in (
        line.rsplit(" worse", 1)[0] for line in lines
    )
    rows = [line for line in lines if line.startswith("| tag | ") and "exact_match" in line]
    fold = lines.index("<details><summary>Not proven, or too few to test (2)</summary>")
    assert [lines.index(row) > fold for row in rows] == [False, True, True]
    assert rows[0].endswith("| worse (p 2.0%) |")
    assert rows[1].endswith("| not proven (p 40.0%) |")
    assert rows[2].endswith("| 7 | 82.0% | 61.0% | −21.0 points | too few to test |")
    assert any("84 slices and metrics were tested" in line for line in lines)


def test_report__says_that_no_slice_is_proven() -> None:
    text = in_report(with_slices(a_slice("ship", **OPEN)))
    assert "No slice is proven to have changed" in text.partition("<details>")[0]


def test_report__in_korean() -> None:
    text = in_report(with_slices(a_slice()), Language.KO)
    assert "| 태그 | refund | exact_match | 44 | 82.0% | 61.0% | −21.0%p (−33.0 ~ −9.0) |" in text
    assert "나빠짐(p 2.0%)" in text


def test_comment__shows_proven_ones_only_and_few() -> None:
    made = with_slices(*(a_slice(f"t{i}") for i in range(9)), a_slice("open", **OPEN))
    body = in_comment(made)
    assert [f"| t{i} |" in body for i in range(9)] == [True] * 5 + [False] * 4
    assert "| open |" not in body
    assert "| t0 |" not in in_comment(made, level=4)
    assert "Where it changed" not in in_comment(with_slices(a_slice("open", **OPEN)))


@pytest.mark.parametrize("value", ["@org/team fixes #1", "a | b", "</details>\n# x", "`x``y"])
def test_markdown__hostile_slices_do_nothing(value) -> None:
    made = with_slices(a_slice(value, by=value))
    for text in (in_report(made), in_comment(made)):
        (row,) = (line for line in text.splitlines() if "| 44 |" in line)
        assert row.replace("\\|", "").count(" | ") == 7
        assert "\n# x" not in text


def test_markdown__secrets_are_taken_out_of_slices() -> None:
    redactor = Redactor((("hunter2-hunter2", "KEY"),))
    assert "hunter2" not in in_report(with_slices(a_slice("hunter2-hunter2")), redactor=redactor)


def test_report__cases_of_a_proven_slice_stand_first() -> None:
    before, now = flips(worse=14, better=0, n=200)
    tags = [["refund"] if 4 <= i < 30 else ["ship"] for i in range(200)]
    made = judge(make_report({"m": before}, tags=tags), make_report({"m": now}, tags=tags))
    text = render(None, made, format="md", language=Language.EN, examples=20)
    assert "Worst in tag refund" in text
    assert text.index("**1.** `s4`") < text.index("**11.** `s0`")


def test_report__always_ends_with_what_re_running_means() -> None:
    assert "Re-running until it is green defeats the gate" in in_report(comparison())


def test_report__slices_that_did_not_change_are_left_out() -> None:
    still = a_slice("ship", candidate=0.82, delta=0.0, **OPEN)
    text = in_report(with_slices(a_slice(), still))
    assert ("| tag | refund |" in text, "| tag | ship | exact_match |" in text) == (True, False)
    assert "Where it changed" not in in_report(with_slices(still))


def test_report__without_a_tested_slice_there_is_nothing_to_adjust() -> None:
    made = replace(with_slices(a_slice("promo", **SMALL)), slices_tested=0)
    text = in_report(made)
    assert ("too few to test" in text, "adjusted together" in text) == (True, False)
