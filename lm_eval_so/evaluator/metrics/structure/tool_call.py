"""`tool_call`: the calls of the chatbot against the expected ones."""

from collections.abc import Sequence
from itertools import chain
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from lm_eval_so.core.asking.answer.json_answer import writable
from lm_eval_so.core.records import chat
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.json_in_text import composed, read_json
from lm_eval_so.core.text.profiles import Profile
from lm_eval_so.core.words import Wording, say_in_each
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.structure.json_leaves import same_json
from lm_eval_so.evaluator.metrics.structure.schemas import find_broken, schema_problem

__all__ = ["ToolCall"]

_MOST_CALLS = 1000
"""Most calls of an answer that are matched."""
_MOST_SHOWN = 10


class ExpectedCall(BaseModel):
    """Call that the chatbot should make."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)


class ToolCall(Metric):
    """Match of the tool calls with the expected ones.

    Definition: the expected `calls` are matched with those made, one to one: by name and
        `arguments`, which are `exact`ly those expected, have them as a `subset` (objects may have
        more keys, at every level), keep them as a JSON `schema`, or are `ignore`d; texts after
        `profile`, 1 = 1.0, true is not 1; no arguments are {}, and those that are no JSON never
        match. `order: strict` matches in order, whatever lies between; `any` in whatever order fits most.
        `mode: all`: 1 if all are matched and, with `extra: forbid`, none is left over, else 0, so
        `strict` with `extra: allow` asks for A before B and lets any other call happen;
        `mode: f1`: 2PR/(P+R) of matched, made and expected calls. None expected, none made: 1.
        In a conversation the calls of all turns count, up to the first 1,000.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: a `pattern` of a schema takes longer than a second (`regex_timeout`); not
        applicable without `calls`; an empty list expects no call.
    Language notes: names are compared in NFC; `profile: loose` takes 환불규정 for "환불 규정".
    Source: own rules.
    """

    normalises = True
    requires = frozenset({"params.calls"})

    class Params(Metric.Params):
        """Expected calls, and the rules of matching."""

        calls: tuple[ExpectedCall, ...] | None = None
        order: Literal["strict", "any"] = "strict"
        arguments: Literal["exact", "subset", "schema", "ignore"] = "subset"
        profile: Profile = "basic"
        mode: Literal["all", "f1"] = "all"
        extra: Literal["forbid", "allow"] = "forbid"

    def check_params(self) -> list[Problem]:
        """Find problems of the schemas of arguments."""
        return _call_problems(self.params, "")

    def check_sample(self, sample: TestSample) -> list[Problem]:
        """Find problems of a sample's schemas of arguments."""
        at = f"{self.place_in(sample)}: "
        return super().check_sample(sample) or _call_problems(self.params_for(sample), at)

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return the match of the calls."""
        params = self.params_for(sample)
        expected, made = params.calls or (), _calls_of(run)[:_MOST_CALLS]
        try:
            fits = [[_fits(call, other, params) for other in made] for call in expected]
        except TimeoutError:
            why = say_in_each("metrics.regex_timeout", {"seconds": "1"})
            return self.unscored(sample, "regex_timeout", why)
        pairs = _in_order(fits) if params.order == "strict" else _in_any_order(fits)
        missing = [call.name for n, call in enumerate(expected) if n not in pairs]
        used = {*pairs.values()}
        extra = [writable(call.name) for n, call in enumerate(made) if n not in used]
        if params.mode == "f1":
            total = len(expected) + len(made)
            value = 2 * len(pairs) / total if total else 1.0
        else:
            value = float(not missing and (params.extra == "allow" or not extra))
        code, reason = (None, None) if value == 1 else self._why(missing, extra)
        details: dict[str, JsonValue] = {"missing": [*missing], "extra": [*extra[:_MOST_SHOWN]]}
        return self.make_score(sample, value=value, code=code, reason=reason, details=details)

    def _why(self, missing: Sequence[str], extra: Sequence[str]) -> tuple[str, Wording]:
        code, names = ("calls_missing", missing) if missing else ("calls_extra", extra)
        more = " …" if len(names) > _MOST_SHOWN else ""
        figures = {"calls": ", ".join(names[:_MOST_SHOWN]) + more}
        return code, say_in_each(f"metrics.{code}", figures)


def _calls_of(run: RunResult) -> tuple[chat.ToolCall, ...]:
    """Return all calls of a row: of a conversation, those of every turn."""
    if run.turns:
        return tuple(chain.from_iterable(turn.tool_calls for turn in run.turns))
    return run.response.tool_calls if run.response else ()


def _fits(expected: ExpectedCall, made: chat.ToolCall, params: ToolCall.Params) -> bool:
    if composed(expected.name) != composed(made.name):
        return False
    try:
        given = read_json(made.arguments, extract="strict") if made.arguments.strip() else {}
    except ValueError:
        return False
    match params.arguments:
        case "ignore":
            return True
        case "schema":
            return find_broken(expected.arguments, given) is None
        case _:
            is_subset = params.arguments == "subset"
            wanted = composed(expected.arguments)
            return same_json(wanted, given, is_subset=is_subset, profile=params.profile)


def _in_order(fits: Sequence[Sequence[bool]]) -> dict[int, int]:
    """Return the longest common subsequence: as many pairs as possible in order."""
    n, m = len(fits), len(fits[0]) if fits else 0
    best = [[0] * (m + 1) for _ in range(n + 1)]
    for i in reversed(range(n)):
        for j in reversed(range(m)):
            skipped = max(best[i + 1][j], best[i][j + 1])
            best[i][j] = max(skipped, best[i + 1][j + 1] + 1) if fits[i][j] else skipped
    pairs: dict[int, int] = {}
    i = j = 0
    while i < n and j < m:
        if fits[i][j] and best[i][j] == best[i + 1][j + 1] + 1:
            pairs[i] = j
            i, j = i + 1, j + 1
        elif best[i + 1][j] >= best[i][j + 1]:
            i += 1
        else:
            j += 1
    return pairs


def _in_any_order(fits: Sequence[Sequence[bool]]) -> dict[int, int]:
    """Pair as many as can be: greedily, and a pair gives way where that lets one more in.

    Source: Kuhn (1955), Naval Research Logistics Quarterly 2, 83–97.
    """
    taken: dict[int, int] = {}  # call made → call expected

    def place(call: int, tried: set[int]) -> bool:
        for other, is_fit in enumerate(fits[call]):
            if is_fit and other not in tried:
                tried.add(other)
                if other not in taken or place(taken[other], tried):
                    taken[other] = call
                    return True
        return False

    for call in range(len(fits)):
        place(call, set())
    return {call: other for other, call in taken.items()}


def _call_problems(params: ToolCall.Params, at: str) -> list[Problem]:
    if params.arguments != "schema":
        return []
    found = [(call.name, schema_problem(call.arguments)) for call in params.calls or ()]
    return [
        Problem(what=f"{at}the schema of {name} cannot be used: {problem}")
        for name, problem in found
        if problem
    ]
