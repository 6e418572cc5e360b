import pytest

from lm_eval_so.core.asking.prices import cost_of
from lm_eval_so.core.backends.base import Price
from lm_eval_so.core.records.chat import Usage

PRICE = Price(input_per_mtok=2.5, output_per_mtok=10)
CACHED = Price(input_per_mtok=2.5, output_per_mtok=10, cached_per_mtok=1.25)


@pytest.mark.parametrize(
    ("usage", "price", "usd"),
    [
        (Usage(input_tokens=1000, output_tokens=100), PRICE, 0.0035),
        (Usage(input_tokens=0, output_tokens=0), PRICE, 0.0),
        (Usage(input_tokens=1000, output_tokens=0, cached_tokens=400), CACHED, 0.002),
        (Usage(input_tokens=1000, output_tokens=0, cached_tokens=400), PRICE, 0.0025),
        (
            Usage(input_tokens=1, output_tokens=1),
            Price(input_per_mtok=0.1, output_per_mtok=0.2),
            3e-7,
        ),
    ],
)
def test_cost_of__configured_price(usage: Usage, price: Price, usd: float):
    assert cost_of(usage, price, is_priced=True) == (usd, "config")


def test_cost_of__not_known():
    told = Usage(input_tokens=1, output_tokens=1)
    assert cost_of(told, None, is_priced=True) == (None, "unknown")
    assert cost_of(Usage(input_tokens=1), PRICE, is_priced=True) == (None, "unknown")
    assert cost_of(Usage(), PRICE, is_priced=True) == (None, "unknown")


def test_cost_of__what_costs_nothing():
    assert cost_of(Usage(), None, is_priced=False) == (0.0, "none")
