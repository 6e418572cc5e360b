"""A chat server on loopback that fails as often as it is told, the same way each time.

What it does with the nth request for a question is a function of seed, question and n, and so is the
answer of the question: a client's rows can be compared with it one by one. It keeps a line a request, which it
writes to `--log` when stdin ends. The first line on stdout is the base URL.
"""

import argparse
import asyncio
import hashlib
import json
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET

SHARES: Mapping[str, float] = {
    "refused, says 1 s": 0.025,
    "refused": 0.025,
    "server": 0.02,
    "reset": 0.01,
    "hang": 0.01,
    "malformed": 0.01,
}
"""How often it does what, of all requests; else it answers."""
SAYS_S = 1
SHORTEST_S, LONGEST_S = 0.02, 0.06
MALFORMED = (
    b'{"choices": [{"message": {"content": "half an ans',
    b"<html><body>502 Bad Gateway</body></html>",
    b'{"choices": []}',
    b'{"choices": [{"message": {"content": "\xc8\xaf\xba\xd2"}}]}',
    b"",
)
RESET = struct.pack("ii", 1, 0)
"""Linger for no time: the connection ends with a reset."""


@dataclass(slots=True)
class Taken:
    """A request as the server saw it, in seconds on the machine's monotonic clock."""

    question: str
    move: str
    came_at: float
    left_at: float = 0.0
    """When it began to answer, or the client was gone."""


def answer_to(question: str) -> str:
    """Return the one right answer to a question."""
    return f"답 {hashlib.sha256(question.encode()).hexdigest()[:16]}: 영업일 기준 3일"


def draws(seed: int, question: str, nth: int) -> Iterator[float]:
    """Yield numbers from 0 to 1 that belong to a request."""
    for which in range(3):
        text = f"{seed}:{nth}:{which}:{question}".encode()
        yield int.from_bytes(hashlib.sha256(text).digest()[:8], "big") / 2**64


def move_of(chance: float) -> str:
    """Choose what to do."""
    for move, share in SHARES.items():
        if chance < share:
            return move
        chance -= share
    return "answered"


class Server:
    """Answers and keeps what came."""

    def __init__(self, seed: int) -> None:
        self.taken: list[Taken] = []
        self._seed = seed
        self._asked: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer what comes over a connection."""
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has gone
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; tell whether the connection goes on."""
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        size = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        body = json.loads(await reader.readexactly(size))
        question = body["messages"][-1]["content"]
        move_at, latency_at, which = draws(self._seed, question, self._asked[question])
        self._asked[question] += 1
        taken = Taken(question, move_of(move_at), came_at=time.monotonic())
        self.taken.append(taken)
        if taken.move == "hang":
            await reader.read(1)  # a client that waits sends nothing; only its end is read
            taken.left_at = time.monotonic()
            return False
        await asyncio.sleep(SHORTEST_S + latency_at * (LONGEST_S - SHORTEST_S))
        taken.left_at = time.monotonic()
        if taken.move == "reset":
            writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, RESET)
            writer.transport.abort()
            return False
        writer.write(_reply(taken, which))
        await writer.drain()
        return True


def _reply(taken: Taken, which: float) -> bytes:
    status, fields = "200 OK", "content-type: application/json\r\n"
    body = MALFORMED[int(which * len(MALFORMED))]
    if taken.move == "answered":
        message = {"role": "assistant", "content": answer_to(taken.question)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 20, "completion_tokens": 10}
        body = json.dumps({"choices": [choice], "usage": usage}, ensure_ascii=False).encode()
    elif taken.move == "server":
        status, body = "500 Internal Server Error", b'{"error": {"message": "broken"}}'
    elif taken.move.startswith("refused"):
        status, body = "429 Too Many Requests", b'{"error": {"message": "slow down"}}'
        fields += f"retry-after: {SAYS_S}\r\n" * taken.move.endswith("s")
    return f"HTTP/1.1 {status}\r\n{fields}content-length: {len(body)}\r\n\r\n".encode() + body


async def main() -> None:
    parser = argparse.ArgumentParser(description="A chat server that fails now and then.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, required=True)
    given = parser.parse_args()
    server = Server(given.seed)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=1024)
    port = listening.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}/v1", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    listening.close()
    with given.log.open("w", encoding="utf-8") as log:
        log.writelines(json.dumps(asdict(taken)) + "\n" for taken in server.taken)


if __name__ == "__main__":
    asyncio.run(main())
