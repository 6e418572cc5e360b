"""Canonical JSON and digests: the same value gives the same digest on every machine."""

import hashlib
import json
from array import array
from collections.abc import Iterable, Sequence
from json.encoder import encode_basestring

# made once: `json.dumps` would make one a call
_CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)
_BUCKETS = 256


def canon(value: object) -> bytes:
    """Return a JSON value as canonical bytes: sorted keys, no spaces, UTF-8; NaN is refused."""
    return _CANONICAL.encode(value).encode("utf-8", "surrogatepass")


def canon_text(text: str) -> str:
    """Return a text as it stands in canonical JSON, quotes included."""
    return encode_basestring(text)


def digest(value: object) -> str:
    """Return SHA-256 of the canonical bytes, as 64 hexadecimal digits."""
    return hashlib.sha256(canon(value)).hexdigest()


def digest_text(text: str) -> str:
    """Return SHA-256 of a text in UTF-8, as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def digest_bytes(data: bytes) -> str:
    """Return SHA-256 of bytes, as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def u64(*parts: object) -> int:
    """Return a number in 0 … 2⁶⁴−1 that depends only on the parts: our only source of chance."""
    # one by one, texts and numbers take half the time of a list of them
    texts = ",".join([canon_text(p) if type(p) is str else _canon_part(p) for p in parts])
    data = f"[{texts}]".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big")


def _canon_part(value: object) -> str:
    return str(value) if type(value) is int else _CANONICAL.encode(value)


def sorted_u64(values: Iterable[int]) -> Sequence[int]:
    """Return numbers in 0 … 2⁶⁴−1, sorted, in 8 bytes each; a list of them would take 40."""
    buckets = [array("Q") for _ in range(_BUCKETS)]
    for value in values:
        buckets[value >> 56].append(value)
    ordered = array("Q")
    for bucket in buckets:
        ordered.extend(sorted(bucket))
    return ordered


def row_seed(run_seed: int, sample_id: str, repeat: int) -> int:
    """Return the seed of a row, 0 … 2³¹−1, the same on every machine and in every order."""
    data = f"{run_seed}:{sample_id}:{repeat}".encode()
    return int.from_bytes(hashlib.sha256(data).digest()[:4], "big") & 0x7FFFFFFF
