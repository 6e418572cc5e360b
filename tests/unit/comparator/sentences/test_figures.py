"""What one more sample costs."""

import pytest
from comparing import flips, judge
from factories import make_report

from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.costs import CostSummary


def summary(**costs):
    values = {"bot_usd": 1.0, "bot_priced": 100, "bot_rows": 100, "judges_usd": None, **costs}
    return CostSummary(**values, usage=Usage())


@pytest.mark.parametrize(
    ("costs", "price"),
    [
        ({}, 0.01),
        ({"bot_rows": 300}, 0.03),  # three answers to each
        ({"bot_priced": 50}, 0.02),
        ({"judges_usd": 2.0, "judges_priced": 100, "judges_rows": 100}, 0.03),
        ({"judges_usd": 2.0, "judges_priced": 100, "judges_rows": 200}, 0.05),  # half have no price
        ({"simulator_usd": 0.5, "simulator_priced": 50, "simulator_rows": 50}, 0.015),
        ({"bot_usd": 0.0, "bot_saved_usd": 4.0}, 0.04),  # all from the cache
        ({"judges_usd": 0.5}, 0.015),  # a report that does not count judged rows
        ({"judges_rows": 100}, None),
        ({"simulator_rows": 100}, None),
        ({"bot_usd": None, "bot_priced": 0}, None),
        ({"bot_usd": 0.0}, 0.0),
    ],
)
def test_price__adds_up_what_a_sample_takes(costs, price) -> None:
    found = summary(**costs).price_per(100)
    assert found == (price if price is None else pytest.approx(price))


def test_price__of_no_samples_is_not_known() -> None:
    assert summary(bot_rows=0, bot_usd=None).price_per(0) is None


def test_compare__the_needed_samples_are_priced_with_judges() -> None:
    before, now = flips(worse=8, better=6, n=100)
    costs = {"judges_usd": 0.59, "judges_priced": 100, "judges_rows": 100}
    made = make_report({"m": now}, bot_usd=0.41, costs=costs)
    metric = judge(make_report({"m": before}), made).metrics["m"]
    assert metric.needed_cost_usd == pytest.approx(metric.needed_n * 0.01)
    assert "(about USD 3.80)" in metric.sentence
