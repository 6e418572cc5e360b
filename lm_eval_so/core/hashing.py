"""Canonical JSON and digests: the same value gives the same digest on every machine."""

import hashlib
import json


def canon(value: object) -> bytes:
    """Give a JSON value as canonical bytes: sorted keys, no spaces, UTF-8; NaN is refused."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode("utf-8", "surrogatepass")


def digest(value: object) -> str:
    """Give SHA-256 of the canonical bytes, as 64 hexadecimal digits."""
    return hashlib.sha256(canon(value)).hexdigest()


def digest_text(text: str) -> str:
    """Give SHA-256 of a text in UTF-8, as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def digest_bytes(data: bytes) -> str:
    """Give SHA-256 of bytes, as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def u64(*parts: object) -> int:
    """Give a number in 0 … 2⁶⁴−1 that depends only on the parts: our only source of chance."""
    return int.from_bytes(hashlib.sha256(canon(list(parts))).digest()[:8], "big")


def row_seed(run_seed: int, sample_id: str, repeat: int) -> int:
    """Give the seed of a row, 0 … 2³¹−1, the same on every machine and in every order."""
    data = f"{run_seed}:{sample_id}:{repeat}".encode()
    return int.from_bytes(hashlib.sha256(data).digest()[:4], "big") & 0x7FFFFFFF
