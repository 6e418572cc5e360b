"""What an answer costs, as far as it is known."""

from decimal import Decimal
from typing import Literal, NamedTuple

from lm_eval_so.core.backends.base import Price
from lm_eval_so.core.records.chat import Usage

_DECIMALS = 10
_TOKENS = Decimal(1_000_000)


class Cost(NamedTuple):
    """An amount and where it is from; null if it is not known."""

    usd: float | None
    source: Literal["prices", "config", "none", "unknown"]


def cost_of(usage: Usage, price: Price | None, *, is_priced: bool) -> Cost:
    """Give what an answer costs in US dollars.

    Args:
        usage: Its tokens.
        price: The price that the config sets.
        is_priced: False for backends whose answers cost nothing.
    """
    if price is None:
        return Cost(None, "unknown") if is_priced else Cost(0.0, "none")
    if usage.input_tokens is None or usage.output_tokens is None:
        return Cost(None, "unknown")
    cached = min(usage.cached_tokens or 0, usage.input_tokens)
    cached_price = price.input_per_mtok if price.cached_per_mtok is None else price.cached_per_mtok
    amount = (
        (usage.input_tokens - cached) * Decimal(str(price.input_per_mtok))
        + cached * Decimal(str(cached_price))
        + usage.output_tokens * Decimal(str(price.output_per_mtok))
    ) / _TOKENS
    return Cost(float(round(amount, _DECIMALS)), "config")
