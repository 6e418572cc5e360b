"""What keeps samples from being asked, all of it found before anything is paid for."""

import re
from collections.abc import Iterator, Mapping

from lm_eval_so.core.records.sample import Scenario, TestSample
from lm_eval_so.core.words import counted
from lm_eval_so.errors import DatasetError, Problem, Where

_MOST_NAMES = 20


class SampleChecks:
    """Looks at every sample, and refuses them together.

    Args:
        offers_tools: Whether the config offers tools to the chatbot.
        can_use_tools: Whether the backend can be offered tools.
        has_simulator: Whether the config says who plays users.
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
        """Note what is wrong with a sample."""
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
        """Stop here if something was found.

        Raises:
            DatasetError: That names every sample which cannot be asked.
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
