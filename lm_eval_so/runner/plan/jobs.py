"""The rows to ask: samples × repeats in dataset order, checked, without those that are done."""

import itertools
import re
import secrets
from array import array
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.backends.build import sent_params
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.hashing import row_seed, row_u64, sample_hash
from lm_eval_so.core.records.chat import ChatRequest, Message
from lm_eval_so.core.records.sample import Scenario, TestSample
from lm_eval_so.core.words import counted
from lm_eval_so.errors import DatasetError, Problem, Where

LEFT_OUT = 0
"""Key of a row that the backend leaves out."""

_MOST_NAMES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One row to ask."""

    key: int
    sample_id: str
    sample_hash: str
    repeat: int
    seed: int
    request: ChatRequest
    """First request; without messages if a simulated user speaks first."""
    sample: TestSample


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSettings:
    """Settings that all requests of a run share."""

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
    """Whether the config has a simulator."""
    token: str = field(default_factory=lambda: secrets.token_hex(4))
    """Part of the session names: a server must not resume the sessions of an earlier pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The rows of a run."""

    samples: Iterable[TestSample]
    settings: RequestSettings
    keys: Sequence[int]
    """Key of every row in dataset order, `LEFT_OUT` for those of other shards, and those that the backend skips."""
    simulates: bool
    """Whether a sample has a simulated user."""

    def todo(self, done: Container[int]) -> Iterator[Job]:
        """Yield the rows that are still to be asked; errors as of `jobs`."""
        return jobs(self.samples, self.keys, done, self.settings)


def request_settings(config: Config, backend: ChatBackend) -> RequestSettings:
    """Return the settings that all requests of a config's run share."""
    return RequestSettings(
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
    return row_u64(sample_id, sample_hash_, repeat) or 1


def plan_rows(
    samples: Iterable[TestSample],
    settings: RequestSettings,
    *,
    skips: Callable[[str, str, int], bool],
    has: Callable[[str], bool] | None = None,
) -> Plan:
    """Check every sample and return the rows.

    Those of other shards are checked, too: what a run is, and whether it can be asked, is the same
    for all of them.

    Args:
        samples: Samples of the whole dataset.
        settings: Settings of their requests.
        skips: Test whether the backend leaves a row out, by sample id, digest and repeat.
        has: Test whether a sample belongs to the shard, by its id; None for the whole.

    Raises:
        DatasetError: If samples cannot be asked; names them all.
    """
    keys = array("Q")
    checks = SampleChecks(
        offers_tools=bool(settings.tools),
        can_use_tools=settings.can_use_tools,
        has_simulator=settings.has_simulator,
    )
    for sample in samples:
        checks.look(sample)
        if has is not None and not has(sample.id):
            keys.extend(itertools.repeat(LEFT_OUT, settings.repeats))
            continue
        given = sample_hash(sample)
        keys.extend(
            LEFT_OUT if skips(sample.id, given, repeat) else row_key(sample.id, given, repeat)
            for repeat in range(settings.repeats)
        )
    checks.refuse()
    return Plan(samples=samples, settings=settings, keys=keys, simulates=checks.simulates)


def jobs(
    samples: Iterable[TestSample],
    keys: Sequence[int],
    done: Container[int],
    settings: RequestSettings,
) -> Iterator[Job]:
    """Yield the rows that are still to be asked, one by one.

    Raises:
        DatasetError: If the dataset has changed since `plan_rows`.
    """
    position = 0
    for sample in samples:
        wanted = keys[position : position + settings.repeats]
        position += settings.repeats
        todo = [each for each in enumerate(wanted) if each[1] != LEFT_OUT and each[1] not in done]
        if not todo:
            continue
        given = sample_hash(sample)
        common = _Common(sample, given, _messages(sample), _facts(sample, given))
        for repeat, key in todo:
            if key != row_key(sample.id, given, repeat):
                hint = "run it again when nobody writes to the dataset"
                raise DatasetError("the dataset changed while it was asked", hint=hint)
            yield _job(common, settings, key=key, repeat=repeat)


def with_given(sample: TestSample, text: str) -> str:
    """Return a text with the sample's given passages before it, a blank line after each."""
    passages = (passage.text for passage in sample.context if passage.role == "given")
    return "\n\n".join([*passages, text])


@dataclass(frozen=True, slots=True)
class _Common:
    """Parts of a sample's rows that all repeats share."""

    sample: TestSample
    sample_hash: str
    messages: tuple[Message, ...]
    facts: Mapping[str, JsonValue]


def _job(common: _Common, settings: RequestSettings, *, key: int, repeat: int) -> Job:
    sample = common.sample
    seed = row_seed(settings.seed, sample.id, repeat)
    tools = sample.tools or settings.tools
    request = ChatRequest(
        messages=common.messages,
        system=settings.system if sample.system is None else sample.system,
        params=settings.params,
        tools=tools,
        tool_choice=settings.tool_choice if tools else None,
        seed=seed,
        session=f"{key:016x}-{settings.token}",
        sample_id=sample.id,
        repeat=repeat,
        metadata=common.facts,
    )
    return Job(
        key=key,
        sample_id=sample.id,
        sample_hash=common.sample_hash,
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


class SampleChecks:
    """Checks every sample, and refuses the bad ones together.

    Args:
        offers_tools: Whether the config offers tools to the chatbot.
        can_use_tools: Whether the backend can be offered tools.
        has_simulator: Whether the config has a simulator.
    """

    def __init__(self, *, offers_tools: bool, can_use_tools: bool, has_simulator: bool) -> None:
        self._can_use_tools = can_use_tools
        self._has_simulator = has_simulator
        self._problems: list[Problem] = []
        self._with_tools: list[str] = []
        self._with_user: list[str] = []
        self.simulates = False
        """Whether a sample has a simulated user."""
        if offers_tools and not can_use_tools:
            what = "the backend cannot be offered tools"
            self._problems.append(Problem(what=what, where=Where(key="tools")))

    def look(self, sample: TestSample) -> None:
        """Collect the problems of a sample."""
        if sample.tools or sample.tool_results:
            self._with_tools.append(sample.id)
        self._problems += _tool_problems(sample)
        scenario = sample.scenario
        if scenario is None:
            return
        if scenario.simulated_user is not None:
            self.simulates = True
            self._with_user.append(sample.id)
        self._problems += (
            Problem(what=f'sample "{sample.id}": {what}') for what in _scenario_faults(scenario)
        )

    def refuse(self) -> None:
        """Refuse the samples that cannot be asked.

        Raises:
            DatasetError: If samples cannot be asked; names them all.
        """
        if self._with_tools and not self._can_use_tools:
            self._problems.append(
                Problem(
                    what=f"{_names(self._with_tools)} with tools, which the backend cannot be offered",
                    hint="choose a backend with tools, or take tools and tool_results away",
                )
            )
        if self._with_user and not self._has_simulator:
            self._problems.append(
                Problem(
                    what=f"{_names(self._with_user)} with a simulated user, whom nobody plays",
                    where=Where(key="run.simulator"),
                    hint="set run.simulator: {backend: {name: …}, template: en}",
                )
            )
        if self._problems:
            raise DatasetError.of(self._problems)


def _tool_problems(sample: TestSample) -> Iterator[Problem]:
    for number, row in enumerate(sample.tool_results):
        if not isinstance(row.get("name"), str) or "result" not in row:
            what = "needs a name and a result"
        elif not isinstance(row.get("arguments") or {}, Mapping):
            what = "has arguments that are no mapping"
        elif unknown := sorted({*row} - {"name", "arguments", "result"}):
            what = f'has an unknown key "{unknown[0]}"'
        else:
            continue
        yield Problem(what=f'sample "{sample.id}": tool_results[{number}] {what}')


def _scenario_faults(scenario: Scenario) -> Iterator[str]:
    if bool(scenario.turns) == (scenario.simulated_user is not None):
        yield "a scenario has either turns or a simulated_user"
    if scenario.turns and scenario.turns[0].when is not None:
        yield "scenario.turns[0].when has no answer to look at"
    patterns = [(f"turns[{n}].when", turn.when) for n, turn in enumerate(scenario.turns)]
    for key, pattern in (*patterns, ("stop.on_match", scenario.stop.on_match)):
        try:
            re.compile(pattern or "")
        except re.error as error:
            yield f"scenario.{key} is no regular expression: {error}"
    for key in ("max_turns", "give_up_after"):
        if getattr(scenario.stop, key) < 1:
            yield f"scenario.stop.{key} must be 1 or more"


def _names(ids: list[str]) -> str:
    """Return "3 samples (a, b, c)", with an end."""
    more = [f"and {len(ids) - _MOST_NAMES:,} more"] if len(ids) > _MOST_NAMES else []
    return f"{counted(len(ids), 'sample')} ({', '.join([*ids[:_MOST_NAMES], *more])})"
