"""Texts of a row as judges see them, and those that seem to steer the judge."""

import re
from collections.abc import Collection

from pydantic import JsonValue

from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.text import nfc
from lm_eval_so.core.text.profiles import basic
from lm_eval_so.evaluator.sample_text import shown_context, shown_input

_STEERING = re.compile(
    r"ignore (?:all |any )?(?:the )?(?:previous|above|prior) |give (?:it |me |this )?full marks"
    r"|full score|(?:이전|위의|앞의) ?(?:모든 )?(?:지시|지침)[^.]{0,10}무시|채점자|만점을",
    re.IGNORECASE,
)


def shown_material(
    sample: TestSample, run: RunResult, show: Collection[str], **answers: str
) -> dict[str, str]:
    """Return the texts of a row that a judge may see, by the word in their markers.

    Args:
        sample: Sample.
        run: Row of the sample.
        show: Texts of the sample to show beside the input: expected, context.
        answers: Answers by word.
    """
    return {"INPUT": shown_input(sample, run), **answers, **shown_beside(sample, show)}


def shown_beside(sample: TestSample, show: Collection[str]) -> dict[str, str]:
    """Return the texts of a sample that `show` names; as `shown_material`."""
    material = {}
    if "expected" in show and sample.answers:
        material["REFERENCE"] = "\n".join(sample.answers)
    if "context" in show and (context := shown_context(sample)):
        material["CONTEXT"] = context
    return material


def is_blank(text: str) -> bool:
    """Return whether a text has no content to judge."""
    return not basic(text)


def is_empty(run: RunResult) -> bool:
    """Return whether an answer has no content to judge: no text, and no call of a tool."""
    has_calls = run.response is not None and bool(run.response.tool_calls)
    return run.status is RunStatus.EMPTY or (is_blank(run.text) and not has_calls)


def steering_flags(*texts: str) -> dict[str, JsonValue]:
    """Return the flag of texts that seem to tell the judge what to say; {} of others."""
    # composed, since an answer may come decomposed
    is_steered = any(_STEERING.search(nfc(text)) for text in texts)
    return {"flags": ["judge_injection"]} if is_steered else {}
