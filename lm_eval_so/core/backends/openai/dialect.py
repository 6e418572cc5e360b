"""Dialects: the parts of a request that an endpoint takes, learnt from its refusals."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from lm_eval_so.errors import BackendError, ErrorKind

_UNSUPPORTED = re.compile(
    r"unsupported|n[o']t (?:be )?support|not (?:allowed|permitted|accepted)|unknown|unrecogni[sz]ed"
    r"|unexpected|extra inputs|only the default|deprecated|max_completion_tokens"
)
"""Words of endpoints that do not take a parameter at all."""

_FORMAT = re.compile(r"\bresponse_format\b|\bjson_(?:schema|object)\b|\btext\.format\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """Parts of a request that an endpoint takes; narrowed for a run when it refuses one."""

    seed: bool = True
    stream_options: bool = True
    response_format: Literal["json_schema", "json_object"] | None = "json_schema"
    """Form of answers in JSON: by a schema, any object, or not asked for."""
    temperature: bool = True
    max_tokens: bool = True
    """False: it is called `max_completion_tokens`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """Sign in a refusal that narrows one part of a dialect."""

    part: str
    named: re.Pattern[str]
    told: str
    is_param: bool = False
    """Whether it is a parameter of the user's: a refused value of it is the user's to mend."""
    before: Any = True
    """Value of the part to which the sign applies."""
    after: Any = False
    """Value that it gets."""


_RULES = (
    _Rule(
        part="seed", named=re.compile(r"\bseed\b"), told="seed is not sent: the endpoint refuses it"
    ),
    _Rule(
        part="stream_options",
        named=re.compile(r"\bstream_options\b|\binclude_usage\b"),
        told="stream_options is not sent: the endpoint refuses it, and may tell no usage",
    ),
    _Rule(
        part="response_format",
        named=_FORMAT,
        told="response_format asks for json_object: the endpoint refuses json_schema",
        before="json_schema",
        after="json_object",
    ),
    _Rule(
        part="response_format",
        named=_FORMAT,
        told="response_format is not sent: the endpoint refuses it",
        before="json_object",
        after=None,
    ),
    _Rule(
        part="temperature",
        named=re.compile(r"\btemperature\b"),
        told="temperature is not sent: the model takes its default only",
        is_param=True,
    ),
    _Rule(
        part="max_tokens",
        named=re.compile(r"\bmax_tokens\b"),
        told="max_tokens is sent as max_completion_tokens: the endpoint wants that name",
        is_param=True,
    ),
)


def adapted(
    dialect: Dialect, error: BackendError, params: Mapping[str, Any]
) -> tuple[Dialect, str] | None:
    """Return a dialect that asks less of the part that a refused request names, and a text; else None.

    Args:
        dialect: Dialect so far.
        error: Error of the request.
        params: Parameters of the request.
    """
    if error.kind is not ErrorKind.INVALID_REQUEST:
        return None
    named = str(error.details.get("param") or error.message).lower()
    is_unknown = _UNSUPPORTED.search(error.message.lower()) is not None
    for rule in _RULES:
        may_go = not rule.is_param or (is_unknown and rule.part in params)
        applies = getattr(dialect, rule.part) == rule.before
        if applies and may_go and rule.named.search(named):
            return replace(dialect, **{rule.part: rule.after}), rule.told
    return None
