"""What a model's token probabilities say beside the step that it named."""

import math
import re
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from pydantic import JsonValue

_LEAST_MASS = 0.8
_LABEL = re.compile(r'"label"\s*:\s*"?\s*([1-5])(?![0-9])')
_STEPS = frozenset("12345")


def expected_step(logprobs: JsonValue, said: str) -> float | None:
    """Return the mean of the steps 1 … 5, each weighted by how likely it was to be named.

    Args:
        logprobs: As chat completions give them: `content`, a list of tokens, each with the
            `top_logprobs` of its place.
        said: The step that was named.

    Returns:
        The mean; None if there are no probabilities, if the step is no token of its own, or if
        the steps had less than 0.8 of the probability together.
    """
    place = _place(logprobs, said)
    if place is None:
        return None
    chances: dict[int, float] = {}
    for each in place.get("top_logprobs") or ():
        token, logprob = each.get("token"), each.get("logprob")
        if isinstance(token, str) and token.strip() in _STEPS and _is_number(logprob):
            step = int(token.strip())
            chances[step] = chances.get(step, 0.0) + math.exp(min(0.0, logprob))
    mass = math.fsum(chances.values())
    if mass < _LEAST_MASS:
        return None
    mean = math.fsum(step * chance for step, chance in chances.items()) / mass
    return min(5.0, max(1.0, mean))


def _place(logprobs: JsonValue, said: str) -> Mapping[str, Any] | None:
    """Return the token that names the step; None unless it stands alone in one."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(content, list):
        return None
    places = [each for each in content if isinstance(each, dict)]
    tokens = [each.get("token") if isinstance(each.get("token"), str) else "" for each in places]
    found = list(_LABEL.finditer("".join(map(str, tokens))))
    if not found or found[-1][1] != said:
        return None
    ends = accumulate(len(str(token)) for token in tokens)
    at = next(i for i, end in enumerate(ends) if end > found[-1].start(1))
    is_alone = str(tokens[at]).strip() == said
    top = places[at].get("top_logprobs")
    is_whole = isinstance(top, list) and all(isinstance(each, dict) for each in top)
    return places[at] if is_alone and is_whole else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not math.isnan(value)
