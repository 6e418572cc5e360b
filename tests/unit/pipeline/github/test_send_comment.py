"""What a comment of a comparison that is there already tells of."""

from dataclasses import replace

import pytest
from comparing import judge
from factories import make_report

from lm_eval_so.core.records.codec import dumps
from lm_eval_so.errors import InputError
from lm_eval_so.pipeline.github.send_comment import read_results

BEFORE = make_report({"정확도": [1] * 20})
NOW = make_report({"정확도": [1] * 19 + [0]})


@pytest.fixture
def place(tmp_path):
    (tmp_path / "comparison.json").write_text(dumps(judge(BEFORE, NOW)), "utf-8")
    return tmp_path


def test_read_results__takes_the_report_beside_the_comparison(place) -> None:
    (place / "report.json").write_text(dumps(NOW), "utf-8")
    assert read_results(place / "comparison.json", None).report == NOW


def test_read_results__a_report_is_not_needed(place) -> None:
    assert read_results(place / "comparison.json", None).report is None


@pytest.mark.parametrize("is_named", [False, True])
def test_read_results__refuses_another_report(place, is_named) -> None:
    other = place / "report.json"
    other.write_text(dumps(BEFORE), "utf-8")
    with pytest.raises(InputError, match="is about another report than") as caught:
        read_results(place / "comparison.json", other if is_named else None)
    assert "--report" in (caught.value.problems[0].hint or "")


def test_read_results__a_comparison_that_does_not_know_its_report_takes_any(place) -> None:
    older = replace(judge(BEFORE, NOW), candidate_digest=None)
    (place / "comparison.json").write_text(dumps(older), "utf-8")
    (place / "report.json").write_text(dumps(BEFORE), "utf-8")
    assert read_results(place / "comparison.json", None).report == BEFORE
