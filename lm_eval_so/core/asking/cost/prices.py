"""Prices of answers: from the config, or from a public list."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Literal, NamedTuple

from lm_eval_so.core.backends.base import ChatBackend, Price
from lm_eval_so.core.records.chat import Usage

__all__ = ["Cost", "Rates", "Tariff", "cost_of", "known_rates", "rates_of", "tariff_of"]

_DECIMALS = 10
_TOKENS = Decimal(1_000_000)
_REQUESTS = Decimal(1_000)
_LONGEST_NAME = 200

Steps = tuple[tuple[int, Decimal], ...]
"""US dollars a million tokens: (if the input has more tokens than this, this), highest first."""


class Cost(NamedTuple):
    """Amount and its source; null if not known."""

    usd: float | None
    source: Literal["prices", "config", "none", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Prices of a model; cached tokens are part of the input."""

    source: Literal["prices", "config", "none"]
    input: Steps
    output: Steps
    cached: Steps
    request_usd: Decimal = Decimal(0)
    """Price of a request besides its tokens."""

    def usd(self, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> Decimal:
        """Return the price of so many tokens in US dollars."""
        cached = min(cached_tokens, input_tokens)
        amount = (
            (input_tokens - cached) * _step(self.input, input_tokens)
            + cached * _step(self.cached, input_tokens)
            + output_tokens * _step(self.output, input_tokens)
        )
        return amount / _TOKENS + self.request_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """Source of a backend's prices."""

    price: Price | None = None
    """Price that the config sets; goes over the list."""
    is_priced: bool = True
    """False for backends whose answers cost nothing."""
    url: str | None = None
    """Address of the endpoint: the same model costs nothing on a server of one's own."""


def tariff_of(backend: ChatBackend) -> Tariff:
    """Return the source of a backend's prices."""
    return Tariff(
        price=getattr(backend.options, "price", None),
        is_priced=backend.capabilities.priced,
        url=backend.price_url(),
    )


def known_rates(backend: ChatBackend) -> Rates | None:
    """Return the prices of the model that is asked, or None if they are not known."""
    model = getattr(backend.params, "model", None)
    return rates_of(tariff_of(backend), model=model if isinstance(model, str) else None)


def cost_of(
    usage: Usage, tariff: Tariff, *, model: str | None = None, at: datetime | None = None
) -> Cost:
    """Return the cost of an answer in US dollars.

    Args:
        usage: Tokens; without those of input and output the cost is not known.
        tariff: Source of prices.
        model: Model as it called itself, else as it was asked for.
        at: Time of the request, with a time zone; default: now.
    """
    if tariff.price is None and not tariff.is_priced:
        return Cost(0.0, "none")
    if usage.input_tokens is None or usage.output_tokens is None:
        return Cost(None, "unknown")
    rates = rates_of(tariff, model=model, at=at)
    if rates is None:
        return Cost(None, "unknown")
    usd = rates.usd(usage.input_tokens, usage.output_tokens, usage.cached_tokens or 0)
    return Cost(float(round(usd, _DECIMALS)), rates.source)


def rates_of(
    tariff: Tariff, *, model: str | None = None, at: datetime | None = None
) -> Rates | None:
    """Return the prices of a model, or None if they are not known; arguments as of `cost_of`."""
    if tariff.price is not None:
        return _configured(tariff.price)
    if not tariff.is_priced:
        return _FREE
    if not model or not tariff.url or len(model) > _LONGEST_NAME:
        return None
    # prices change by the day, and of some models by the time of day
    minute = int((at or datetime.now(UTC)).timestamp()) // 60
    return _listed(model, tariff.url, minute)


@lru_cache(maxsize=64)
def _configured(price: Price) -> Rates:
    cached = price.input_per_mtok if price.cached_per_mtok is None else price.cached_per_mtok
    return Rates(
        source="config",
        input=_flat(price.input_per_mtok),
        output=_flat(price.output_per_mtok),
        cached=_flat(cached),
    )


@lru_cache(maxsize=64)
def _listed(model: str, url: str, minute: int) -> Rates | None:
    """Look a model up in the list that genai-prices ships; it never asks the network here.

    Always by address: by the model's name alone the list guesses the provider, and a local server
    that calls its model gpt-4o would get OpenAI's price.

    The list's own calculation takes 70 µs an answer, this one 5; a test holds them together.
    """
    from genai_prices import Usage as ListedUsage  # noqa: PLC0415 - takes 0.2 s, once
    from genai_prices import calc_price  # noqa: PLC0415

    try:
        found = calc_price(
            ListedUsage(input_tokens=0, output_tokens=0),
            model_ref=model,
            provider_api_url=url,
            genai_request_timestamp=datetime.fromtimestamp(minute * 60, UTC),
        )
    except LookupError:
        return None
    prices: Mapping[str, object] = vars(found.model_price)
    by_input = _steps(prices.get("input_mtok"))
    cached = prices.get("cache_read_mtok")
    request = prices.get("requests_kcount")
    return Rates(
        source="prices",
        input=by_input,
        output=_steps(prices.get("output_mtok")),
        cached=by_input if cached is None else _steps(cached),
        request_usd=_decimal(request) / _REQUESTS,
    )


def _steps(listed: object) -> Steps:
    """Return a price of the list, which may rise for long inputs, as steps."""
    tiers = [(tier.start, _decimal(tier.price)) for tier in getattr(listed, "tiers", ())]
    return (*sorted(tiers, reverse=True), (-1, _decimal(getattr(listed, "base", listed))))


def _decimal(value: object) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(0)


def _flat(usd: float) -> Steps:
    return ((-1, Decimal(str(usd))),)


def _step(steps: Steps, input_tokens: int) -> Decimal:
    return next(usd for above, usd in steps if input_tokens > above)


_NOTHING = ((-1, Decimal(0)),)
_FREE = Rates(source="none", input=_NOTHING, output=_NOTHING, cached=_NOTHING)
