"""Questions and passages of a sample as text, for people and judges."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lm_eval_so.core.records.chat import Message, ToolCall
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import Scenario, SourcePlace, TestSample

_PLACES = ("sheet", "page", "row", "line", "path")
_LONGEST_QUOTE = 300


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a question, as people and judges see it."""

    role: str
    text: str


def shown_input(sample: TestSample, run: RunResult | None = None) -> str:
    """Return the question: the text of a single message, else the turns, each after its role.

    Tools that the chatbot called in an earlier turn stand below its text.

    Args:
        sample: The sample.
        run: The row of a played conversation, shown up to the answer; without it, the turns that
            the scenario plans.
    """
    if sample.scenario is None:  # most samples have one message, and there may be millions
        said = [message for message in sample.messages if message.role != "system"]
        if len(said) == 1:
            return said[0].content
    turns = shown_turns(sample, run)
    return "\n\n".join(f"{turn.role}: {turn.text}" for turn in turns)


def shown_turns(sample: TestSample, run: RunResult | None = None) -> list[Turn]:
    """Return the turns of a question, the last one that of the user; arguments as of `shown_input`."""
    if sample.scenario is not None:
        return list(_played(run) if run is not None and run.turns else _planned(sample.scenario))
    said = (message for message in sample.messages if message.role != "system")
    return [_turn(each.role, each.content, each.tool_calls) for each in said]


def shown_instructions(sample: TestSample) -> str:
    """Return the system prompt that a sample brings along; "" if there is none."""
    given = (message.content for message in sample.messages if message.role == "system")
    return "\n\n".join(filter(None, (sample.system, *given)))


def shown_calls(calls: Iterable[ToolCall]) -> list[str]:
    """Return calls of tools as text: the name, and the arguments as the chatbot wrote them."""
    return [f"{call.name}({call.arguments})" for call in calls]


def exchanges(sample: TestSample, run: RunResult) -> list[tuple[Message, ...]]:
    """Return the messages after each of the user's that were exchanged for this row, in their order.

    The last ones are those of the answer. [] if the row tells no transcript.
    """
    told = run.response.messages if run.response else ()
    if sample.scenario is None:
        return [told[len(sample.messages) :]] if told else []
    found: list[list[Message]] = []
    for message in told:
        if message.role == "user":
            found.append([])
        elif found:
            found[-1].append(message)
    return [tuple(each) for each in found]


def tool_results(calls: Iterable[ToolCall], said: Iterable[Message]) -> list[str | None]:
    """Return the result of each call, from the messages around it; None where none is told."""
    by_id = {each.tool_call_id: each.content for each in said if each.role == "tool"}
    return [by_id.get(call.id) if call.id is not None else None for call in calls]


def source_place(sample: TestSample, *, has_quote: bool = True) -> SourcePlace | None:
    """Return the place that a sample is from, as far as people look for it there; None if it is not known.

    Args:
        sample: The sample.
        has_quote: Whether the passage that its answer rests on is quoted.
    """
    source = sample.provenance.source if sample.provenance else None
    if source is None:
        return None
    passage = next((p.text for p in sample.context if p.role == "gold"), None)
    if passage is not None and len(passage) > _LONGEST_QUOTE:
        passage = f"{passage[: _LONGEST_QUOTE - 1]}…"
    return SourcePlace(
        file=source.file,
        at={k: source.at[k] for k in _PLACES if k in source.at},
        quote=passage if has_quote else None,
    )


def shown_context(sample: TestSample) -> str:
    """Return the passages that an answer may rest on, in their order; never a distractor."""
    return "\n\n".join(sample_passages(sample))


def sample_passages(sample: TestSample) -> tuple[str, ...]:
    """Return the passages of a sample that an answer may rest on, in their order."""
    return tuple(p.text for p in sample.context if p.role in {"gold", "given"})


def reported_passages(run: RunResult) -> tuple[str, ...]:
    """Return the passages that the chatbot reports as used, in its order."""
    passages = run.response.context if run.response else ()
    return tuple(passages) if any(text.strip() for text in passages) else ()


def _played(run: RunResult) -> Iterator[Turn]:
    for turn in run.turns:
        yield Turn("user", turn.user)
        is_the_answer = turn is run.turns[-1] and run.response is not None
        if turn.status.is_answer and not is_the_answer:
            yield _turn("assistant", turn.text, turn.tool_calls)


def _turn(role: str, text: str, calls: Iterable[ToolCall]) -> Turn:
    return Turn(role, "\n".join([text, *(f"→ {call}" for call in shown_calls(calls))]))


def _planned(scenario: Scenario) -> Iterator[Turn]:
    user = scenario.simulated_user
    if user is not None:
        yield Turn("goal", user.goal)
        if user.opening is not None:
            yield Turn("user", user.opening)
    for turn in scenario.turns:
        yield Turn("user", turn.user)
