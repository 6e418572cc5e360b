import unicodedata
from decimal import Decimal

import pytest

from lm_eval_so.core.asking.cost.cost_estimate import (
    Estimate,
    bound_of,
    estimate,
    input_estimate,
    output_bound,
)
from lm_eval_so.core.asking.cost.prices import Tariff, rates_of
from lm_eval_so.core.backends.base import Price
from lm_eval_so.core.records.chat import ChatRequest, Message, ToolCall

RATES = rates_of(Tariff(price=Price(input_per_mtok=1, output_per_mtok=10)))


def request(text: str, **values) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", content=text),), **values)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("a" * 35, 10),
        ("a" * 36, 11),
        ("환" * 7, 6),  # 3 bytes a syllable
        (unicodedata.normalize("NFD", "환") * 7, 18),
        ("\ud800", 1),
    ],
)
def test_input_estimate__bytes_of_utf8(text: str, tokens: int):
    assert input_estimate(request(text)) == tokens


def test_input_estimate__all_that_is_sent():
    bare = input_estimate(request("a" * 35))
    call = Message(role="assistant", tool_calls=(ToolCall(name="find", arguments="x" * 31),))
    more = [
        request("a" * 35, system="b" * 35),
        ChatRequest(messages=(*request("a" * 35).messages, call)),
        request("a" * 35, tools=({"name": "b" * 20},)),
        request("a" * 35, response_format={"json_schema": {"b": 1}}),
    ]
    assert all(input_estimate(each) > bare for each in more)


@pytest.mark.parametrize(
    ("params", "tokens"),
    [
        ({}, 1024),
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 800}, 800),
        ({"max_output_tokens": 20}, 20),
        ({"max_tokens": 0}, 1024),
        ({"max_tokens": None}, 1024),
        ({"max_tokens": "many"}, 1024),
    ],
)
def test_output_bound(params: dict, tokens: int):
    assert output_bound(params) == tokens


def test_bound_of__with_a_price_and_without():
    asked = request("a" * 3500, params={"max_tokens": 100})
    priced, unpriced = bound_of(asked, RATES), bound_of(asked, None)
    assert (priced.input_tokens, priced.output_tokens) == (1000, 100)
    assert priced.usd == Decimal("0.002")
    assert unpriced.usd == 0


def test_estimate__sums():
    asked = [request("a" * 3500, params={"max_tokens": 100})] * 1000
    assert estimate(asked, RATES) == Estimate(
        requests=1000, input_tokens=1_000_000, output_tokens=100_000, usd_low=1.0, usd_high=2.0
    )
    assert estimate(asked, None).usd_high is None
    assert estimate([], RATES) == Estimate(usd_low=0.0, usd_high=0.0)
