"""Canonical JSON and digests, of samples too: the same on every machine."""

import hashlib
import json
from array import array
from collections.abc import Iterable, Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any

from lm_eval_so.core.records.chat import Message
from lm_eval_so.core.records.codec import to_json
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.text import nfc

# made once: `json.dumps` would make one a call; what is digested comes from files, so nothing is in itself
_CANONICAL = json.JSONEncoder(
    sort_keys=True,
    separators=(",", ":"),
    ensure_ascii=False,
    allow_nan=False,
    check_circular=False,
)
_BUCKETS = 256


def canon(value: object) -> bytes:
    """Return a JSON value as canonical bytes: sorted keys, no spaces, UTF-8, no NaN."""
    return canon_text(value).encode("utf-8", "surrogatepass")


def canon_text(value: object) -> str:
    """Return a JSON value as canonical JSON, as `canon` does before it encodes it."""
    return _CANONICAL.encode(value)


def plain_message(role: str, content: str) -> str:
    """Return role and text of a message as canonical JSON, in a tenth of the time of `canon_text`."""
    return f'{{"content":{encode_basestring(content)},"role":"{role}"}}'


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
    """Return a pseudo-random number in 0 … 2⁶⁴−1 that depends only on the parts."""
    return int.from_bytes(hashlib.sha256(canon(parts)).digest()[:8], "big")


def row_u64(sample_id: str, sample_hash_: str, repeat: int) -> int:
    """Return `u64` of these three in half the time: every row of a run needs it, three times."""
    parts = f"[{encode_basestring(sample_id)},{encode_basestring(sample_hash_)},{repeat}]"
    return int.from_bytes(
        hashlib.sha256(parts.encode("utf-8", "surrogatepass")).digest()[:8], "big"
    )


def sorted_u64(values: Iterable[int]) -> Sequence[int]:
    """Return sorted numbers in 0 … 2⁶⁴−1, in 8 bytes each (a list would take 40)."""
    buckets = [array("Q") for _ in range(_BUCKETS)]
    for value in values:
        buckets[value >> 56].append(value)
    ordered = array("Q")
    for bucket in buckets:
        ordered.extend(sorted(bucket))
    return ordered


def row_seed(run_seed: int, sample_id: str, repeat: int) -> int:
    """Return the seed of a row, 0 … 2³¹−1, independent of machine and order."""
    data = f"{run_seed}:{sample_id}:{repeat}".encode()
    return int.from_bytes(hashlib.sha256(data).digest()[:4], "big") & 0x7FFFFFFF


def sample_hash(sample: TestSample) -> str:
    """Return the digest of the question, with everything sent to the chatbot: 64 hexadecimal digits.

    A corrected reference does not change it, so the sample is not asked again.
    """
    text = _quick_text(sample)
    return digest(_given(sample)) if text is None else digest_text(text)


def content_id(sample: TestSample) -> str:
    """Return the id that `generate` derives from the question: "s" and 16 hexadecimal digits."""
    return f"s{sample_hash(sample)[:16]}"


def revision(sample: TestSample) -> str:
    """Return `rev`: digest of question and expectations, 16 hexadecimal digits."""
    text = _quick_judged(sample)
    return (digest(_judged(sample)) if text is None else digest_text(text))[:16]


def _judged(sample: TestSample) -> dict[str, Any]:
    relation = sample.relation
    judged = {
        "scenario": _scenario(sample),
        "expected": sample.expected,
        "references": sample.references,
        "behavior": sample.behavior,
        "language": sample.language,
        "metrics": sample.metrics,
        "relation": relation
        and {"base": relation.base, "type": relation.type, "expect": relation.expect},
        "context": [{"role": p.role, "text": p.text} for p in sample.context],
    }
    return {**_given(sample), **_plain(judged)}


def _given(sample: TestSample) -> dict[str, Any]:
    messages = [_message_key(message) for message in sample.messages]
    if sample.system is not None:
        messages.insert(0, {"role": "system", "content": nfc(sample.system)})
    turns = [message for message in messages if message["role"] != "system"]
    scenario = _scenario(sample)
    return {
        "given": [digest_text(nfc(p.text)) for p in sample.context if p.role == "given"],
        "input": messages or None,
        "kind": "scenario" if scenario else "single" if len(turns) == 1 else "multi",
        "scenario": _without_judgement(scenario) if scenario else None,
        **_plain({"tools": sample.tools, "tool_results": sample.tool_results}),
    }


def _quick_text(sample: TestSample) -> str | None:
    """Return the canonical JSON of `_given` for plain messages, in a quarter of the time.

    None for other samples. Every row of a run needs it, twice.
    """
    asked = _quick_members(sample)
    return None if asked is None else f'{{{asked},"scenario":null}}'


def _quick_judged(sample: TestSample) -> str | None:
    """Return the canonical JSON of `_judged` for plain messages; None for other samples."""
    asked = _quick_members(sample)
    if asked is None or sample.relation is not None or sample.metrics:
        return None
    expected = f'"expected":{_quoted(sample.expected)},' if sample.expected is not None else ""
    language = f'"language":{_quoted(sample.language)},' if sample.language is not None else ""
    texts = ",".join(map(_quoted, sample.references))
    references = f'"references":[{texts}],' if texts else ""
    behavior = f'"behavior":{_quoted(sample.behavior)}'
    return f'{{{behavior},{expected}{asked},{language}{references}"scenario":null}}'


def _quick_members(sample: TestSample) -> str | None:
    if sample.tools or sample.tool_results or sample.context or sample.scenario is not None:
        return None
    texts = [] if sample.system is None else [plain_message("system", nfc(sample.system))]
    turns = 0
    for message in sample.messages:
        if message.tool_calls or message.tool_call_id is not None:
            return None
        texts.append(plain_message(message.role, nfc(message.content)))
        turns += message.role != "system"
    kind = "single" if turns == 1 else "multi"
    asked = f"[{','.join(texts)}]" if texts else "null"
    return f'"given":[],"input":{asked},"kind":"{kind}"'


def _quoted(text: str) -> str:
    return encode_basestring(nfc(text))


def _message_key(message: Message) -> dict[str, Any]:
    key: dict[str, Any] = {"role": message.role, "content": nfc(message.content)}
    if message.tool_calls or message.tool_call_id is not None:
        calls = [
            {"id": call.id, "name": call.name, "arguments": call.arguments}
            for call in message.tool_calls
        ]
        key |= _plain({"tool_calls": calls, "tool_call_id": message.tool_call_id})
    return key


def _scenario(sample: TestSample) -> dict[str, Any]:
    return _plain(to_json(sample.scenario)) if sample.scenario is not None else {}


def _without_judgement(scenario: Mapping[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in scenario.items() if k not in {"success", "must_not"}}
    if "turns" in kept:
        kept["turns"] = [{k: v for k, v in t.items() if k != "expect"} for t in kept["turns"]]
    return kept


def _plain(value: Any) -> Any:
    """Return JSON values without absent ones, with texts in NFC, so that Unicode forms do not matter."""
    if isinstance(value, str):
        return nfc(value)
    if isinstance(value, Mapping):
        kept = ((key, _plain(item)) for key, item in value.items())
        return {nfc(key): item for key, item in kept if item is not None and item not in ([], {})}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
