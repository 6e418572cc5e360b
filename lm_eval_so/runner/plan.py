"""What is to be asked: samples × repeats, in dataset order, without what is done."""

from array import array
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from lm_eval_so.core.dataset import sample_hash
from lm_eval_so.core.hashing import row_seed, u64
from lm_eval_so.core.records.chat import ChatRequest, Message
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.errors import DatasetError, Problem

LEFT_OUT = 0
"""Key of a row that the backend leaves out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One row to ask."""

    key: int
    sample_id: str
    sample_hash: str
    repeat: int
    seed: int
    request: ChatRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What the requests of a run share."""

    params: Mapping[str, JsonValue]
    system: str | None
    seed: int
    repeats: int


def row_key(sample_id: str, sample_hash_: str, repeat: int) -> int:
    """Give the 64-bit key of a row; 0 stands for none.

    Of a million rows two share a key with a chance of 3 in 100 million.
    """
    return u64(sample_id, sample_hash_, repeat) or 1


def plan_rows(
    samples: Iterable[TestSample], *, repeats: int, skips: Callable[[str, str, int], bool]
) -> Sequence[int]:
    """Give the key of every row in dataset order, `LEFT_OUT` for those that the backend skips.

    Raises:
        DatasetError: That names every sample which cannot be asked.
    """
    keys = array("Q")
    problems: list[Problem] = []
    for sample in samples:
        reason = _cannot_ask(sample)
        if reason is not None:
            problems.append(Problem(what=f'sample "{sample.id}" {reason}'))
            continue
        given = sample_hash(sample)
        keys.extend(
            LEFT_OUT if skips(sample.id, given, repeat) else row_key(sample.id, given, repeat)
            for repeat in range(repeats)
        )
    if problems:
        raise DatasetError.of(problems)
    return keys


def jobs(
    samples: Iterable[TestSample], keys: Sequence[int], done: Container[int], asking: Asking
) -> Iterator[Job]:
    """Give what is still to be asked, one by one.

    Raises:
        DatasetError: If the dataset has changed since `plan_rows`.
    """
    position = 0
    for sample in samples:
        wanted = keys[position : position + asking.repeats]
        position += asking.repeats
        if all(key == LEFT_OUT or key in done for key in wanted):
            continue
        given = sample_hash(sample)
        for repeat, key in enumerate(wanted):
            if key == LEFT_OUT or key in done:
                continue
            if key != row_key(sample.id, given, repeat):
                hint = "run it again when nobody writes to the dataset"
                raise DatasetError("the dataset changed while it was asked", hint=hint)
            yield _job(sample, given, repeat, asking)


def _job(sample: TestSample, given: str, repeat: int, asking: Asking) -> Job:
    seed = row_seed(asking.seed, sample.id, repeat)
    facts: dict[str, JsonValue] = {
        "sample_hash": given,
        "tags": list(sample.tags),
        "language": sample.language,
    }
    request = ChatRequest(
        messages=_with_given(sample),
        system=asking.system if sample.system is None else sample.system,
        params=asking.params,
        seed=seed,
        session=f"{sample.id}:{repeat}",
        sample_id=sample.id,
        repeat=repeat,
        metadata=facts,
    )
    return Job(
        key=row_key(sample.id, given, repeat),
        sample_id=sample.id,
        sample_hash=given,
        repeat=repeat,
        seed=seed,
        request=request,
    )


def _with_given(sample: TestSample) -> tuple[Message, ...]:
    """Give the messages with the given passages before the text of the last user message."""
    passages = [passage.text for passage in sample.context if passage.role == "given"]
    last = max((i for i, m in enumerate(sample.messages) if m.role == "user"), default=None)
    if not passages or last is None:
        return sample.messages
    asked = sample.messages[last]
    text = "\n\n".join([*passages, asked.content])
    return (*sample.messages[:last], replace(asked, content=text), *sample.messages[last + 1 :])


def _cannot_ask(sample: TestSample) -> str | None:
    if sample.scenario is not None:
        return "has a scenario, which this version cannot play"
    if sample.tools or sample.tool_results:
        return "has tools, which this version cannot offer to the chatbot"
    return None
