"""Datasets: reading with all problems at once, and the digests that tell what changed."""

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from lm_eval_so.core.hashing import canon, canon_text, digest, digest_text, sorted_u64
from lm_eval_so.core.jsonl import read_lines
from lm_eval_so.core.records.chat import Message
from lm_eval_so.core.records.codec import loads, parse_checked_json, parse_json, to_json
from lm_eval_so.core.records.dataset import DatasetInfo
from lm_eval_so.core.records.run import DatasetRef
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.sample_line import read_sample
from lm_eval_so.core.text import nfc
from lm_eval_so.errors import DatasetError, InputError, Problem, Where

SAMPLES_FILE = "test.jsonl"
METADATA_FILE = "metadata.json"
_MOST_PROBLEMS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A dataset that has been checked; iterate it to stream its samples."""

    file: Path
    """The file with the samples."""
    ref: DatasetRef

    def __iter__(self) -> Iterator[TestSample]:
        for number, line in read_lines(self.file):
            yield _read_sample(line, self.file, number, parse=parse_checked_json)


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
    ids = array("Q")
    languages: set[str] = set()
    unreviewed = 0
    for number, line in read_lines(file):
        try:
            sample = _read_sample(line, file, number)
        except InputError as error:
            problems += error.problems[: _MOST_PROBLEMS - len(problems)]
            continue
        ids.append(_id_key(sample.id))
        if sample.language is not None and sample.language not in languages:
            languages.add(sample.language)
        unreviewed += sample.review is not None and sample.review.status == "unreviewed"
    if twice := _ids_that_stand_twice(file, ids):
        problems = sorted([*problems, *twice], key=_line_of)
    if not problems and not ids:
        problems.append(Problem(what="the dataset has no samples", where=Where(file=str(file))))
    if problems:
        raise DatasetError.of(problems[:_MOST_PROBLEMS])
    info = read_metadata(path)
    ref = DatasetRef(
        name=(info.name if info else None) or name or path.stem,
        version=(info.version if info else None) or version,
        path=(shown_as or path).as_posix(),
        digest=_file_digest(file),
        n=len(ids),
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
    text = _plain_text(sample)
    return digest(_given(sample)) if text is None else digest_text(text)


def content_id(sample: TestSample) -> str:
    """Give the id that `generate` makes of what is asked: "s" and 16 hexadecimal digits."""
    return f"s{sample_hash(sample)[:16]}"


def revision(sample: TestSample) -> str:
    """Give `rev`: 16 hexadecimal digits that change when the question or what judges it changes."""
    text = _plain_judged(sample)
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


def _plain_text(sample: TestSample) -> str | None:
    """Give the canonical JSON of `_given` for texts alone, in a quarter of the time; else None."""
    asked = _plain_members(sample)
    return None if asked is None else f'{{"given":[],{asked},"scenario":null}}'


def _plain_judged(sample: TestSample) -> str | None:
    """Give the canonical JSON of `_judged` likewise."""
    asked, relation = _plain_members(sample), sample.relation
    if asked is None or relation is not None:
        return None
    expected, language = sample.expected, sample.language
    metrics = _plain(sample.metrics)
    members = [
        f'"behavior":{canon_text(sample.behavior.value)}',
        *([] if expected is None else [f'"expected":{canon_text(nfc(expected))}']),
        f'"given":[],{asked}',
        *([] if language is None else [f'"language":{canon_text(nfc(language))}']),
        *([f'"metrics":{canon(metrics).decode("utf-8", "surrogatepass")}'] if metrics else []),
        *([f'"references":[{_texts(sample.references)}]'] if sample.references else []),
        '"scenario":null',
    ]
    return f"{{{','.join(members)}}}"


def _plain_members(sample: TestSample) -> str | None:
    if sample.tools or sample.tool_results or sample.context or sample.scenario is not None:
        return None
    system = () if sample.system is None else (_message_text("system", sample.system),)
    texts: list[str] = [*system]
    turns = 0
    for message in sample.messages:
        if message.tool_calls or message.tool_call_id is not None:
            return None
        texts.append(_message_text(message.role, message.content))
        turns += message.role != "system"
    kind = "single" if turns == 1 else "multi"
    asked = f"[{','.join(texts)}]" if texts else "null"
    return f'"input":{asked},"kind":"{kind}"'


def _texts(texts: Iterable[str]) -> str:
    return ",".join([canon_text(nfc(text)) for text in texts])


def _message_text(role: str, content: str) -> str:
    return f'{{"content":{canon_text(nfc(content))},"role":"{role}"}}'


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


def _ids_that_stand_twice(file: Path, keys: Sequence[int]) -> list[Problem]:
    """Look at the ids themselves only where their keys meet: a million ids would take 100 MB."""
    shared = {key for key, next_key in pairwise(sorted_u64(keys)) if key == next_key}
    problems: list[Problem] = []
    lines: dict[str, int] = {}
    for number, line in read_lines(file) if shared else ():
        try:
            sample = _read_sample(line, file, number)
        except InputError:
            continue
        if sample.id in lines:
            what = f'the id "{sample.id}" already stands in line {lines[sample.id]}'
            problems.append(Problem(what=what, where=Where(file=str(file), line=number)))
        elif _id_key(sample.id) in shared:
            lines[sample.id] = number
        if len(problems) >= _MOST_PROBLEMS:
            break
    return problems


def _id_key(sample_id: str) -> int:
    return hash(sample_id) & 0xFFFF_FFFF_FFFF_FFFF


def _line_of(problem: Problem) -> int:
    return (problem.where.line or 0) if problem.where else 0


def _read_sample(
    line: bytes, file: Path, number: int, parse: Callable[..., Any] = parse_json
) -> TestSample:
    try:
        return read_sample(line, parse=parse)
    except InputError:  # once more, to say where: making a place for each line would cost more
        return read_sample(line, where=Where(file=str(file), line=number))


def _file_digest(file: Path) -> str:
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()
