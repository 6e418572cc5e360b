"""Texts of a row as judges see them."""

from collections.abc import Collection, Sequence
from itertools import count

from lm_eval_so.core.records.chat import Message, ToolCall
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.text.profiles import basic
from lm_eval_so.evaluator.metrics.judge.panel.labels import one_line
from lm_eval_so.evaluator.metrics.judge.panel.statements import numbered
from lm_eval_so.evaluator.sample_text import (
    exchanges,
    reported_passages,
    shown_calls,
    shown_context,
    shown_input,
    shown_instructions,
    tool_results,
)


def shown_material(
    sample: TestSample, run: RunResult, show: Collection[str], **answers: str
) -> dict[str, str]:
    """Return the texts of a row that a judge may see, by the word in their markers.

    These are the system prompt of the sample, the input with the turns before it, the answer, the
    tools that were called for it with what they returned, and what `show` names.

    Args:
        sample: Sample.
        run: Row of the sample.
        show: Texts to show beside these: expected, context.
        answers: Answers by word. With two of them, nothing is shown that only one of them has.
    """
    is_alone = len(answers) == 1
    instructions = shown_instructions(sample)
    return {
        **({"INSTRUCTIONS": instructions} if instructions else {}),
        "INPUT": shown_input(sample, run),
        **answers,
        **(called_tools(sample, run) if is_alone else {}),
        **shown_beside(sample, show, run if is_alone else None),
    }


def called_tools(sample: TestSample, run: RunResult) -> dict[str, str]:
    """Return the calls that an answer made, and their results, by the word in their markers."""
    calls = run.response.tool_calls if run.response else ()
    said = exchanges(sample, run)[-1:]
    return shown_tools(calls, said[0] if said else ())


def shown_tools(
    calls: Sequence[ToolCall], said: Sequence[Message], turn: int | None = None
) -> dict[str, str]:
    """Return calls of tools and their results by the word in their markers, numbered alike.

    Args:
        calls: Calls of the chatbot.
        said: Messages around them.
        turn: Number of the turn, for the words.
    """
    if not calls:
        return {}
    at = "" if turn is None else f" {turn}"
    results = tool_results(calls, said)
    told = [
        f"{number}. {one_line(text)}" for number, text in enumerate(results, 1) if text is not None
    ]
    shown = {f"TOOL CALLS{at}": numbered(shown_calls(calls))}
    return {**shown, f"TOOL RESULTS{at}": "\n".join(told)} if told else shown


def shown_beside(
    sample: TestSample, show: Collection[str], run: RunResult | None = None
) -> dict[str, str]:
    """Return the texts that `show` names; of `context` also what the chatbot reports in a row."""
    material: dict[str, str] = {}
    if "expected" in show:
        texts = sample.answers
        words = (f"REFERENCE {n}" if len(texts) > 1 else "REFERENCE" for n in count(1))
        material |= dict(zip(words, texts, strict=False))
    if "context" in show:
        reported = reported_passages(run) if run is not None else ()
        passages = {"CONTEXT": shown_context(sample), "REPORTED CONTEXT": "\n\n".join(reported)}
        material |= {word: text for word, text in passages.items() if text}
    return material


def is_blank(text: str) -> bool:
    """Return whether a text has no content to judge."""
    return not basic(text)


def is_empty(run: RunResult) -> bool:
    """Return whether an answer has no content to judge: no text, and no call of a tool."""
    has_calls = run.response is not None and bool(run.response.tool_calls)
    return run.status is RunStatus.EMPTY or (is_blank(run.text) and not has_calls)
