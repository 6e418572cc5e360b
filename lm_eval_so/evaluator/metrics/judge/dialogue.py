"""A conversation as a judge sees it, and as rules look at it."""

from collections.abc import Iterator

from lm_eval_so.core.records.chat import ToolCall
from lm_eval_so.core.records.run import RunResult, Turn
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.evaluator.transcript import shown_input


def shown_dialogue(sample: TestSample, run: RunResult) -> dict[str, str]:
    """Return the turns of a conversation by the words in their markers, numbered.

    Each turn has markers of its own, so that no text can pose as a turn. A row that does not tell
    its turns shows what the user was to say, and the answer.
    """
    if not run.turns:
        return {"USER": shown_input(sample), "ASSISTANT": run.text}
    material = {}
    for number, turn in enumerate(run.turns, start=1):
        material[f"USER {number}"] = turn.user
        material[f"ASSISTANT {number}"] = turn.text
        if turn.tool_calls:
            calls = (f"{call.name}({call.arguments})" for call in turn.tool_calls)
            material[f"TOOL CALLS {number}"] = "\n".join(calls)
    return material


def bot_texts(run: RunResult) -> tuple[str, ...]:
    """Return what the chatbot said, turn by turn."""
    return tuple(turn.text for turn in run.turns) if run.turns else (run.text,)


def bot_calls(run: RunResult) -> Iterator[ToolCall]:
    """Yield the tools that the chatbot called, in their order."""
    for turn in run.turns:
        yield from turn.tool_calls
    if not run.turns and run.response is not None:
        yield from run.response.tool_calls


def failed_turn(run: RunResult) -> tuple[int, Turn] | None:
    """Return the first turn without an answer, and its number; None if all have one."""
    turns = enumerate(run.turns, start=1)
    return next(((number, turn) for number, turn in turns if not turn.status.is_answer), None)
