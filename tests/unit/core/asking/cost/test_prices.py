import subprocess
import sys
import timeit
from datetime import UTC, datetime, timedelta

import pytest

from lm_eval_so.core.asking.cost.prices import Tariff, cost_of, rates_of
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
    assert cost_of(usage, Tariff(price=price)) == (usd, "config")


def test_cost_of__not_known():
    told = Usage(input_tokens=1, output_tokens=1)
    assert cost_of(told, Tariff()) == (None, "unknown")
    assert cost_of(Usage(input_tokens=1), Tariff(price=PRICE)) == (None, "unknown")
    assert cost_of(Usage(), Tariff(price=PRICE)) == (None, "unknown")


def test_cost_of__what_costs_nothing():
    assert cost_of(Usage(), Tariff(is_priced=False)) == (0.0, "none")


OPENAI = "https://api.openai.com/v1"
LONG = Usage(input_tokens=1000, output_tokens=100)
NOW = datetime(2026, 11, 25, 12, 30, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("model", "url", "cost"),
    [
        ("gpt-4o", OPENAI, (0.0035, "prices")),
        ("gpt-4o-2024-08-06", OPENAI, (0.0035, "prices")),
        ("gpt-4o", "https://shop.openai.azure.com/openai/v1", (0.0035, "prices")),
        ("gpt-4o", "http://127.0.0.1:8080/v1", (None, "unknown")),
        ("gpt-4o", "https://bot.example.com/v1", (None, "unknown")),
        ("gpt-4o", None, (None, "unknown")),
        ("gpt-4o", "", (None, "unknown")),
        (None, OPENAI, (None, "unknown")),
        ("no-such-model", OPENAI, (None, "unknown")),
        ("우리 모델", OPENAI, (None, "unknown")),
        ("gpt-4o" + "x" * 100_000, OPENAI, (None, "unknown")),
    ],
)
def test_cost_of__listed_price(model: str | None, url: str | None, cost: tuple):
    assert cost_of(LONG, Tariff(url=url), model=model, at=NOW) == cost


def test_cost_of__cached_tokens_are_part_of_the_input():
    usage = Usage(input_tokens=1000, output_tokens=0, cached_tokens=400)
    listed = cost_of(usage, Tariff(url=OPENAI), model="gpt-4o", at=NOW)
    assert listed == (0.002, "prices")
    too_many = Usage(input_tokens=1000, output_tokens=0, cached_tokens=4000)
    listed = cost_of(too_many, Tariff(url=OPENAI), model="gpt-4o", at=NOW)
    assert listed == (0.00125, "prices")


def test_cost_of__unknown_tokens_cost_an_unknown_amount():
    for usage in (Usage(input_tokens=1000), Usage(output_tokens=100), Usage()):
        cost = cost_of(usage, Tariff(url=OPENAI), model="gpt-4o")
        assert cost == (None, "unknown")


def test_cost_of__configured_price_goes_over_the_list():
    cost = cost_of(LONG, Tariff(price=CACHED, url=OPENAI), model="gpt-4o-mini")
    assert cost == (0.0035, "config")


ENDPOINTS = {
    "openai": OPENAI,
    "azure": "https://shop.openai.azure.com/openai/v1",
    "anthropic": "https://api.anthropic.com/v1",
    "google": "https://generativelanguage.googleapis.com/v1beta/openai",
    "groq": "https://api.groq.com/openai/v1",
    "mistral": "https://api.mistral.ai/v1",
    "deepseek": "https://api.deepseek.com/v1",
    "perplexity": "https://api.perplexity.ai",
}


@pytest.mark.parametrize("provider_id", ENDPOINTS)
def test_rates_of__as_the_list_itself_calculates(provider_id: str):
    from genai_prices import Usage as ListedUsage
    from genai_prices import calc_price
    from genai_prices.data import providers

    url, at = ENDPOINTS[provider_id], NOW.replace(second=0)
    names = [m.id for p in providers if p.id == provider_id for m in p.models]
    known = {n: rates_of(Tariff(url=url), model=n, at=NOW) for n in names}
    # a few ids stand for names with a prefix that the list wants
    assert sum(rates is not None for rates in known.values()) > 0.8 * len(names) > 1
    for name, rates in known.items():
        for given, cached in ((1000, 0), (150_000, 400), (200_001, 150_000), (600_000, 0)):
            usage = ListedUsage(input_tokens=given, output_tokens=77, cache_read_tokens=cached)
            if rates is not None:
                listed = calc_price(
                    usage, model_ref=name, provider_api_url=url, genai_request_timestamp=at
                )
                assert rates.usd(given, 77, cached) == listed.total_price, name


def test_rates_of__price_of_the_time():
    """Off-peak prices, and those before a cut."""
    from genai_prices.data import providers

    changed = [
        (model.id, constraint.start_date)
        for provider in providers
        if provider.id == "openai"
        for model in provider.models
        if isinstance(model.prices, list)
        for constraint in [model.prices[-1].constraint]
        if hasattr(constraint, "start_date")
    ]
    assert changed
    name, day = changed[0]
    since = datetime(day.year, day.month, day.day, tzinfo=UTC)
    before, after = (
        rates_of(Tariff(url=OPENAI), model=name, at=at)
        for at in (since - timedelta(days=1), since + timedelta(days=1))
    )
    assert before != after


def test_cost_of__needs_no_network():
    code = """
import socket
def refuse(*args, **kwargs):
    raise AssertionError("the network was asked")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from lm_eval_so.core.asking.cost.prices import Tariff, cost_of
from lm_eval_so.core.records.chat import Usage
import sys
assert "genai_prices" not in sys.modules
usage = Usage(input_tokens=1000, output_tokens=100)
def cost(model, url):
    return cost_of(usage, Tariff(url=url), model=model)
assert cost("gpt-4o", "https://api.openai.com/v1") == (0.0035, "prices")
assert cost("no-such-model", "https://api.openai.com/v1") == (None, "unknown")
assert cost("gpt-4o", "http://127.0.0.1:8080/v1") == (None, "unknown")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_cost_of__is_cheap_when_asked_again():
    def ask() -> None:
        cost_of(LONG, Tariff(url=OPENAI), model="gpt-4o", at=NOW)

    ask()
    assert min(timeit.repeat(ask, number=200, repeat=5)) / 200 < 50e-6
