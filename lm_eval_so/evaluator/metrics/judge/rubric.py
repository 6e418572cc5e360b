"""The rubric of a judge: a text, or a file beside the config."""

import re
from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.text import nfc
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.env import MetricEnv

_FILE = re.compile(r"[^\n]{1,255}\.(?:md|txt)")
_STEERING = re.compile(
    r"ignore (?:all |any )?(?:the )?(?:previous|above|prior) |give (?:it |me |this )?full marks"
    r"|full score|(?:이전|위의|앞의) ?(?:모든 )?(?:지시|지침)[^.]{0,10}무시|채점자|만점을",
    re.IGNORECASE,
)


def names_file(rubric: str) -> bool:
    """Return whether a rubric is the name of a file, not a text."""
    return _FILE.fullmatch(rubric.strip()) is not None


def read_rubric(rubric: str | None, env: MetricEnv) -> str:
    """Return the text of a rubric; "" if there is none."""
    rubric = rubric or ""
    return ((env.read_file(rubric) if names_file(rubric) else None) or rubric).strip()


def rubric_problems(rubric: str | None, env: MetricEnv) -> list[Problem]:
    """Find a rubric file that is not there."""
    if rubric is None or not names_file(rubric) or env.read_file(rubric) is not None:
        return []
    return [Problem(what=f"no rubric file {rubric}", hint="paths start at the config's folder")]


def sample_problems(
    metric: Metric, sample: TestSample, *, fixed: Sequence[str]
) -> Iterator[Problem]:
    """Find parameters of a sample that cannot differ by sample.

    Args:
        metric: The metric.
        sample: The sample.
        fixed: Parameters that are the same for all samples.
    """
    own, at = metric.own_params(sample), metric.place_in(sample)
    for key in fixed:
        if key in own:
            yield Problem(what=f"{at}: {key} cannot differ by sample")
    rubric = own.get("rubric")
    if isinstance(rubric, str) and names_file(rubric):
        what = f"{at}.rubric: a sample's rubric is a text"
        yield Problem(what=what, hint=f"write out what {rubric} says")


def steering_flags(*texts: str) -> dict[str, JsonValue]:
    """Return the flag of answers that seem to tell the judge what to say; none of others."""
    # composed, since an answer may come decomposed
    is_steered = any(_STEERING.search(nfc(text)) for text in texts)
    return {"flags": ["judge_injection"]} if is_steered else {}
