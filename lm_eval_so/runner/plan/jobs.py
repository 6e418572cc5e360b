"""What is to be asked: samples × repeats, in dataset order, without what is done."""

import secrets
from array import array
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.backends.build import sent_params
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.hashing import row_seed, sample_hash, u64
from lm_eval_so.core.records.chat import ChatRequest, Message
from lm_eval_so.core.records.sample import Scenario, TestSample
from lm_eval_so.errors import DatasetError
from lm_eval_so.runner.plan.checks import SampleChecks

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
    """The first request; of a scenario without messages where a simulated user speaks first."""
    sample: TestSample


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What the requests of a run share."""

    params: Mapping[str, JsonValue]
    system: str | None
    seed: int
    repeats: int
    tools: tuple[Mapping[str, JsonValue], ...] = ()
    """Tools of samples that bring none of their own."""
    tool_choice: JsonValue = None
    can_use_tools: bool = False
    """Whether the backend can be offered tools."""
    has_simulator: bool = False
    """Whether somebody plays simulated users."""
    token: str = field(default_factory=lambda: secrets.token_hex(4))
    """Makes sessions of this pass: a server must not take up those of an earlier one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The rows of a run."""

    keys: Sequence[int]
    """Key of every row in dataset order, `LEFT_OUT` for those that the backend skips."""
    simulates: bool
    """Whether a sample has a simulated user."""


def asking_of(config: Config, backend: ChatBackend) -> Asking:
    """Return what the requests of a config's run share."""
    return Asking(
        params=sent_params(backend),
        system=config.system,
        seed=config.run.seed,
        repeats=config.run.repeats,
        tools=tuple(config.tools),
        tool_choice=config.tool_choice,
        can_use_tools=backend.capabilities.tools,
        has_simulator=config.run.simulator is not None,
    )


def row_key(sample_id: str, sample_hash_: str, repeat: int) -> int:
    """Return the 64-bit key of a row; 0 stands for none.

    Of a million rows two share a key with a chance of 3 in 100 million.
    """
    return u64(sample_id, sample_hash_, repeat) or 1


def plan_rows(
    samples: Iterable[TestSample], asking: Asking, *, skips: Callable[[str, str, int], bool]
) -> Plan:
    """Look at every sample and give its rows.

    Raises:
        DatasetError: That names every sample which cannot be asked.
    """
    keys = array("Q")
    checks = SampleChecks(
        offers_tools=bool(asking.tools),
        can_use_tools=asking.can_use_tools,
        has_simulator=asking.has_simulator,
    )
    for sample in samples:
        checks.look(sample)
        given = sample_hash(sample)
        keys.extend(
            LEFT_OUT if skips(sample.id, given, repeat) else row_key(sample.id, given, repeat)
            for repeat in range(asking.repeats)
        )
    checks.refuse()
    return Plan(keys=keys, simulates=checks.simulates)


def jobs(
    samples: Iterable[TestSample], keys: Sequence[int], done: Container[int], asking: Asking
) -> Iterator[Job]:
    """Yield what is still to be asked, one by one.

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
        messages, facts = _messages(sample), _facts(sample, given)
        for repeat, key in enumerate(wanted):
            if key == LEFT_OUT or key in done:
                continue
            if key != row_key(sample.id, given, repeat):
                hint = "run it again when nobody writes to the dataset"
                raise DatasetError("the dataset changed while it was asked", hint=hint)
            yield _job(sample, given, messages, facts, asking, key=key, repeat=repeat)


def with_given(sample: TestSample, text: str) -> str:
    """Return a text with the sample's given passages before it, a blank line after each."""
    passages = (passage.text for passage in sample.context if passage.role == "given")
    return "\n\n".join([*passages, text])


def _job(
    sample: TestSample,
    given: str,
    messages: tuple[Message, ...],
    facts: Mapping[str, JsonValue],
    asking: Asking,
    *,
    key: int,
    repeat: int,
) -> Job:
    seed = row_seed(asking.seed, sample.id, repeat)
    tools = sample.tools or asking.tools
    request = ChatRequest(
        messages=messages,
        system=asking.system if sample.system is None else sample.system,
        params=asking.params,
        tools=tools,
        tool_choice=asking.tool_choice if tools else None,
        seed=seed,
        session=f"{key:016x}-{asking.token}",
        sample_id=sample.id,
        repeat=repeat,
        metadata=facts,
    )
    return Job(
        key=key,
        sample_id=sample.id,
        sample_hash=given,
        repeat=repeat,
        seed=seed,
        request=request,
        sample=sample,
    )


def _facts(sample: TestSample, given: str) -> dict[str, JsonValue]:
    return {
        "sample_hash": given,
        "tags": list(sample.tags),
        "language": sample.language,
        "metadata": dict(sample.metadata),
    }


def _messages(sample: TestSample) -> tuple[Message, ...]:
    """Return the messages with the given passages before the text of the last user message.

    Of a scenario this is the first user message, where it is known beforehand.
    """
    messages = sample.messages
    if sample.scenario is not None:
        said = _opening(sample.scenario)
        messages = () if said is None else (Message(role="user", content=said),)
    if not sample.context:
        return messages
    last = max((i for i, m in enumerate(messages) if m.role == "user"), default=None)
    if last is None:
        return messages
    asked = messages[last]
    asked = replace(asked, content=with_given(sample, asked.content))
    return (*messages[:last], asked, *messages[last + 1 :])


def _opening(scenario: Scenario) -> str | None:
    if scenario.simulated_user is not None:
        return scenario.simulated_user.opening
    return scenario.turns[0].user
