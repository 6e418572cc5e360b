"""The least that a client can do: aiohttp, workers over one iterator, one flushed line an answer.

It reads the dataset's lines, asks, and writes the lines of `run_results.jsonl`, with the digest and
the seed that each of them tells. It checks nothing, retries nothing, resumes nothing, and knows no
limit: what remains is the price of Python, aiohttp and JSON.
"""

import argparse
import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import aiohttp

HASH = "0" * 64
Sample = dict[str, Any]
Said = tuple[str, str | None, str | None, int, int]
"""Text, finish reason, model, tokens in and out."""


def read(dataset: Path) -> Iterator[Sample]:
    """Yield the samples one by one."""
    with dataset.open("rb") as lines:
        for line in lines:
            yield json.loads(line)


def openai_body(asked: str, seed: int) -> dict[str, Any]:
    """Ask as OpenAI's chat completions want it."""
    messages = [{"role": "user", "content": asked}]
    return {"messages": messages, "seed": seed, "model": "bench", "temperature": 0}


def openai_answer(values: dict[str, Any]) -> Said:
    """Read the answer."""
    choice, usage = values["choices"][0], values["usage"]
    tokens = usage["prompt_tokens"], usage["completion_tokens"]
    return choice["message"]["content"], choice["finish_reason"], values["model"], *tokens


def http_body(asked: str, seed: int) -> dict[str, Any]:  # noqa: ARG001 - this one takes none
    """Ask the chatbot with its own shape."""
    return {"message": asked}


def http_answer(values: dict[str, Any]) -> Said:
    """Read the answer."""
    return values["answer"]["text"], None, None, values["usage"]["in"], values["usage"]["out"]


KINDS: dict[str, tuple[str, Callable[..., Any], Callable[..., Any]]] = {
    "openai": ("/v1/chat/completions", openai_body, openai_answer),
    "http": ("/chat", http_body, http_answer),
}


def digest(text: str) -> str:
    """Return SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def seed_of(sample: Sample) -> int:
    """Return the seed of a row: the first 31 bits of a digest of its id."""
    data = f"0:{sample['id']}:0".encode()
    return int.from_bytes(hashlib.sha256(data).digest()[:4], "big") & 0x7FFFFFFF


def sample_hash(sample: Sample) -> str:
    """Return the digest of what is asked."""
    asked = json.dumps(sample["input"], ensure_ascii=False)
    kept = f'[{{"content":{asked},"role":"user"}}],"kind":"single","scenario":null}}'
    return digest(f'{{"given":[],"input":{kept}')


def row(sample: Sample, seed: int, body: str, said: Said, began: float, at: str) -> dict[str, Any]:
    """Return the row of an answer."""
    text, finish_reason, model, tokens_in, tokens_out = said
    took_ms = round((time.monotonic() - began) * 1000, 1)
    return {
        "schema": "lm-eval-so/run/1",
        "sample_id": sample["id"],
        "sample_hash": sample_hash(sample),
        "repeat": 0,
        "status": "ok",
        "response": {
            "text": text,
            "messages": [],
            "tool_calls": [],
            "finish_reason": finish_reason,
            "refusal": None,
            "reasoning": None,
            "context": [],
            "context_ids": [],
            "logprobs": None,
            "raw": None,
        },
        "usage": {
            "input_tokens": tokens_in,
            "output_tokens": tokens_out,
            "cached_tokens": None,
            "reasoning_tokens": None,
        },
        "cost_usd": None,
        "cost_source": "unknown",
        "latency_ms": took_ms,
        "ttft_ms": None,
        "total_ms": took_ms,
        "queue_ms": 0.0,
        "attempts": 1,
        "retries": [],
        "cached": False,
        "error": None,
        "model": model,
        "seed": seed,
        "started_at": at,
        "request_hash": digest(body),
        "cost_saved_usd": None,
        "turns": [],
        "stop_reason": None,
        "simulator": None,
        "fingerprint": HASH,
        "redactions": 0,
    }


async def work(
    samples: Iterator[Sample], session: aiohttp.ClientSession, url: str, kind: str, out: TextIO
) -> None:
    """Ask one sample after another, until there are no more."""
    path, make_body, read_answer = KINDS[kind]
    headers = {"content-type": "application/json", "authorization": "Bearer bench"}
    for sample in samples:
        seed = seed_of(sample)
        body = json.dumps(make_body(sample["input"], seed), ensure_ascii=False)
        began = time.monotonic()
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        async with session.post(url + path, data=body.encode(), headers=headers) as response:
            said = read_answer(json.loads(await response.read()))
        values = row(sample, seed, body, said, began, at)
        out.write(json.dumps(values, ensure_ascii=False, separators=(",", ":")) + "\n")
        out.flush()


async def ask_all(dataset: Path, url: str, kind: str, concurrency: int, out: Path) -> None:
    """Ask the whole dataset."""
    samples = read(dataset)
    connector = aiohttp.TCPConnector(limit=concurrency)
    with out.open("w", encoding="utf-8") as rows:
        async with (
            aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(concurrency):
                group.create_task(work(samples, session, url, kind, rows))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("dataset", type=Path)
    arguments.add_argument("--url", required=True)
    arguments.add_argument("--kind", choices=KINDS, default="openai")
    arguments.add_argument("--concurrency", type=int, default=64)
    arguments.add_argument("--out", type=Path, required=True)
    told = arguments.parse_args()
    asyncio.run(ask_all(told.dataset, told.url, told.kind, told.concurrency, told.out))


if __name__ == "__main__":
    main()
