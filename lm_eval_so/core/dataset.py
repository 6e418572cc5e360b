"""Datasets: reading with all problems at once, and the digests that tell what changed."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lm_eval_so.core.hashing import digest, digest_text
from lm_eval_so.core.jsonl import read_lines
from lm_eval_so.core.records.chat import Message
from lm_eval_so.core.records.codec import dump_line, from_json, loads, parse_json, to_json
from lm_eval_so.core.records.dataset import DatasetInfo
from lm_eval_so.core.records.run import DatasetRef
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.text import nfc
from lm_eval_so.errors import DatasetError, InputError, Problem, Where

SAMPLES_FILE = "test.jsonl"
METADATA_FILE = "metadata.json"
_MOST_PROBLEMS = 1000
_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A dataset that has been checked; iterate it to stream its samples."""

    file: Path
    """The file with the samples."""
    ref: DatasetRef

    def __iter__(self) -> Iterator[TestSample]:
        for number, line in read_lines(self.file):
            yield _read_sample(line, Where(file=str(self.file), line=number))


def load_dataset(
    path: Path,
    *,
    name: str | None = None,
    version: str | None = None,
    shown_as: Path | None = None,
) -> Dataset:
    """Check a dataset and give it for streaming.

    Args:
        path: A folder with test.jsonl (and metadata.json), or a .jsonl file.
        name: Name, where metadata.json does not give one; default: that of folder or file.
        version: Version, likewise.
        shown_as: The path as the config has it, for records.

    Raises:
        DatasetError: With every problem of the file and its line: no JSON, wrong shape, an id
            that stands twice, nothing to ask. An empty dataset is one, too.
    """
    file = path / SAMPLES_FILE if path.is_dir() else path
    if not file.is_file():
        hint = "run lm-eval-so generate, or set dataset.path"
        raise DatasetError(f"no dataset at {path}", where=Where(file=str(file)), hint=hint)
    problems: list[Problem] = []
    lines_by_id: dict[str, int] = {}
    languages: set[str] = set()
    unreviewed = 0
    for number, line in read_lines(file):
        where = Where(file=str(file), line=number)
        try:
            sample = _read_sample(line, where)
        except InputError as error:
            problems += error.problems
            continue
        if sample.id in lines_by_id:
            first = lines_by_id[sample.id]
            problems.append(
                Problem(what=f'the id "{sample.id}" already stands in line {first}', where=where)
            )
        lines_by_id.setdefault(sample.id, number)
        languages.update([sample.language] if sample.language else [])
        unreviewed += sample.review is not None and sample.review.status == "unreviewed"
    if not problems and not lines_by_id:
        problems.append(Problem(what="the dataset has no samples", where=Where(file=str(file))))
    if problems:
        raise DatasetError.of(problems[:_MOST_PROBLEMS])
    info = read_metadata(path)
    ref = DatasetRef(
        name=(info.name if info else None) or name or path.stem,
        version=(info.version if info else None) or version,
        path=(shown_as or path).as_posix(),
        digest=_file_digest(file),
        n=len(lines_by_id),
        languages=tuple(sorted(languages)),
        unreviewed=unreviewed,
    )
    return Dataset(file=file, ref=ref)


def read_metadata(path: Path) -> DatasetInfo | None:
    """Read metadata.json of a dataset folder; None if there is none.

    Raises:
        RecordError: If it is there and cannot be read.
    """
    file = path / METADATA_FILE
    if not (path.is_dir() and file.is_file()):
        return None
    return loads(file.read_bytes(), DatasetInfo, where=Where(file=str(file)))


def sample_hash(sample: TestSample) -> str:
    """Give the digest of what the chatbot is given: 64 hexadecimal digits.

    A corrected reference leaves it as it is, so the sample is not asked again.
    """
    return digest(_given(sample))


def content_id(sample: TestSample) -> str:
    """Give the id that `generate` makes of what is asked: "s" and 16 hexadecimal digits."""
    return f"s{sample_hash(sample)[:16]}"


def revision(sample: TestSample) -> str:
    """Give `rev`: 16 hexadecimal digits that change when the question or what judges it changes."""
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
    return digest({**_given(sample), **_plain(judged)})[:16]


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
    """Give JSON values without what is absent, and NFC texts: the form of Hangul makes no digest."""
    if isinstance(value, str):
        return nfc(value)
    if isinstance(value, Mapping):
        kept = ((key, _plain(item)) for key, item in value.items())
        return {nfc(key): item for key, item in kept if item is not None and item not in ([], {})}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _read_sample(line: bytes, where: Where) -> TestSample:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        hint = "save the file as UTF-8"
        raise DatasetError(f"no UTF-8 at byte {error.start}", where=where, hint=hint) from None
    values = parse_json(text, where=where)
    if _HALF_PAIR.search(text) and not _is_writable(values):
        raise DatasetError("half a surrogate pair, which no file can hold", where=where)
    sample = from_json(_long_form(values), TestSample, where=where)
    ways = [w for w in ("messages", "input", "scenario") if getattr(sample, w) not in (None, ())]
    if len(ways) != 1 or not sample.id:
        what = (
            "the id is empty"
            if not sample.id
            else "nothing is asked"
            if not ways
            else f"{' and '.join(ways)} cannot stand together"
        )
        raise DatasetError(what, where=where, hint="give one of messages, input or scenario")
    if sample.messages and sample.messages[-1].role not in {"user", "tool"}:
        what = "the last message must be the user's or a tool's result"
        raise DatasetError(what, where=where)
    return sample


def _long_form(values: Any) -> Any:
    """Turn what people may write by hand into the shape of the record."""
    if not isinstance(values, dict):
        return values
    # a `rev` that stands in the file is not believed: somebody may have corrected an answer by hand
    values = {key: v for key, v in values.items() if v is not None and key != "rev"}
    is_short = isinstance(values.get("input"), str)
    if is_short and not values.get("messages") and "scenario" not in values:
        values["messages"] = [{"role": "user", "content": values.pop("input")}]
    expected = values.get("expected")
    if isinstance(expected, list):
        texts = [_as_text(item) for item in expected]
        values = {**values, "expected": texts[0] if texts else None}
        if isinstance(values.setdefault("references", []), list):
            values["references"] = [*texts[1:], *values["references"]]
    elif expected is not None:
        values = {**values, "expected": _as_text(expected)}
    context = values.get("context")
    if isinstance(context, str):
        context = [context]
    if isinstance(context, list):
        passages = [{"role": "gold", "text": p} if isinstance(p, str) else p for p in context]
        values = {**values, "context": passages}
    return values


def _is_writable(values: Any) -> bool:
    try:
        dump_line(values).encode()
    except UnicodeEncodeError:
        return False
    return True


def _as_text(value: object) -> object:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else value


def _file_digest(file: Path) -> str:
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()
