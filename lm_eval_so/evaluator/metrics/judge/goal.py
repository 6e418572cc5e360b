"""`goal`: the success of a conversation as its scenario defines it."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import regex
from pydantic import JsonValue

from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import Check, TestSample
from lm_eval_so.core.records.score import JudgeVote, Score
from lm_eval_so.core.text import nfc
from lm_eval_so.core.text.keywords import keyword_finder
from lm_eval_so.core.words import Wording, joined, say, say_in_each
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator.metrics.base import Level, Metric
from lm_eval_so.evaluator.metrics.judge.conversation import (
    bot_calls,
    bot_texts,
    failed_turn,
    shown_dialogue,
)
from lm_eval_so.evaluator.metrics.judge.panel import JudgedMetric, Labels, cost_of

__all__ = ["Goal"]

_TIMEOUT_S = 1.0
_LABELS = Labels(values={"yes": 1.0, "no": 0.0})
_REACHED, _MISSED = "reached", "missed"
_OF_ALL = {_REACHED: 1.0, _MISSED: 0.0}
"""Labels of a conversation as a whole, which people can give, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One condition of a scenario, and its outcome."""

    check: Check
    is_wanted: bool
    """True of `success`, false of `must_not`."""
    holds: bool | None = None
    """Whether the condition holds; None: not known."""
    code: str | None = None
    """Reason code if not known."""
    reason: str | Wording | None = None
    votes: tuple[JudgeVote, ...] = ()

    @property
    def kept(self) -> bool | None:
        """Whether the conversation does what the scenario says; None: not known."""
        return None if self.holds is None else self.holds == self.is_wanted


class Goal(JudgedMetric):
    """Success of a conversation as its scenario defines it.

    Definition: 1 if every entry of `scenario.success` holds and none of `scenario.must_not` does,
        else 0; `mode: share`: the share of the entries that are kept. `contains` looks for a
        keyword in the chatbot's turns by the keyword rule, `regex` for a pattern (NFC), each turn
        by itself; `tool_called` for a tool of that name; `judge` asks whether the condition holds
        for the conversation, yes or no. A judge is not asked where a rule decides 0 already.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: an entry is not known and no other decides 0: one for a judge, with the codes
        of `llm_judge`, or a regex that takes longer than 1 s (`regex_timeout`); a turn has no answer
        (`run_error`). Not applicable without success and must_not.
    Language notes: the keyword rule knows Hangul spacing and NFC; `judge.template: ko` asks in
        Korean.
    Source: own rules.
    """

    normalises = True
    checks_every_sample = True
    vote_level: Level = "nominal"
    requires = frozenset({"scenario"})
    templates: tuple[str, ...] = ("condition",)

    class Params(Metric.Params):
        """Rule by which the entries count: all must be kept, or each counts."""

        mode: Literal["all", "share"] = "all"

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.labels = _OF_ALL if self.params.mode == "all" else {}

    def applies(self, sample: TestSample) -> bool:
        """Return whether the scenario has entries."""
        return bool(_entries(sample))

    def guide(self, sample: TestSample) -> str:
        """Return what the user wants and the conditions, for a person in the judge's place."""
        language, user = self.env.language, sample.scenario and sample.scenario.simulated_user
        told = [say("labels.goal_guide", language)]
        if user:
            told.append(say("labels.goal_user", language, {"goal": user.goal}))
        for key, is_wanted in (("success", True), ("must_not", False)):
            found = [
                f"- {say(f'labels.if_{each.check.type}', language, {'text': each.check.text})}"
                for each in _entries(sample)
                if each.is_wanted is is_wanted
            ]
            if found:
                told.append("\n".join([say(f"labels.goal_{key}", language), *found]))
        return "\n\n".join(told)

    def check_sample(self, sample: TestSample) -> list[Problem]:
        """Find patterns that do not compile, and conditions for a judge where there is none."""
        return [*_problems(self, sample), *super().check_sample(sample)]

    def decided(self, sample: TestSample, run: RunResult) -> Score | None:
        """Return the score where a turn failed or the rules decide."""
        if (failed := failed_turn(self, sample, run)) is not None:
            return failed
        ruled = _ruled(sample, run)
        is_open = any(map(_is_judged, ruled)) and not self._is_lost(ruled, sample)
        return None if is_open else self._score(sample, ruled)

    def calls(self, sample: TestSample, run: RunResult) -> int:
        """Return the number of conditions that need a judge, or 0 if the rules decide."""
        return super().calls(sample, run) * sum(map(_is_judged, _entries(sample)))

    def request(self, sample: TestSample, run: RunResult) -> ChatRequest:
        """Return the request about the first condition that needs a judge."""
        return self._request(sample, run, next(filter(_is_judged, _entries(sample))))

    async def score(self, sample: TestSample, run: RunResult) -> Score:
        """Look at every entry: the rules first, then the judges if they can still decide."""
        decided = self.decided(sample, run)
        if decided is not None:
            return decided
        self.require_judges()
        asked = (self._asked(sample, run, entry) for entry in _ruled(sample, run))
        return self._score(sample, await asyncio.gather(*asked))

    def _request(self, sample: TestSample, run: RunResult, entry: Entry) -> ChatRequest:
        condition = entry.check.text
        prompt = _LABELS.prompt("condition", condition, shown_dialogue(sample, run))
        return self.request_of(prompt, self.row(sample, run, f":{condition}"))

    def _is_lost(self, entries: Sequence[Entry], sample: TestSample) -> bool:
        """Return whether the value is 0, whatever the other entries come to."""
        return self.params_for(sample).mode == "all" and any(e.kept is False for e in entries)

    async def _asked(self, sample: TestSample, run: RunResult, entry: Entry) -> Entry:
        """Return an entry after its judges, if it needs them."""
        if not _is_judged(entry):
            return entry
        request = self._request(sample, run, entry)
        replies = await asyncio.gather(
            *(self.ask(judge, request, _LABELS.read) for judge in self.env.judges)
        )
        votes = tuple(map(_LABELS.vote, replies))
        decision = _LABELS.decide(votes, self.env.quorum)
        chosen = None if decision.at is None or decision.code else votes[decision.at]
        return replace(
            entry,
            holds=chosen.label == "yes" if chosen else None,
            code=decision.code,
            reason=decision.reason,
            votes=votes,
        )

    def _score(self, sample: TestSample, entries: Sequence[Entry]) -> Score:
        votes = [vote for entry in entries for vote in entry.votes]
        details: dict[str, JsonValue] = {"entries": [_shown(entry) for entry in entries]}
        unknown = next((entry for entry in entries if entry.kept is None), None)
        if unknown is not None and not self._is_lost(entries, sample):
            code = unknown.code or "judge_invalid"
            score = self.unscored(sample, code, unknown.reason, details, votes=votes)
        else:
            kept = sum(entry.kept is True for entry in entries)
            is_share = self.params_for(sample).mode == "share"
            value = kept / len(entries) if is_share else float(kept == len(entries))
            score = self.make_score(
                sample,
                value=value,
                label=None if is_share else _REACHED if value else _MISSED,
                reason=self._why(entries),
                details=details,
                votes=votes,
            )
        return replace(score, cost_usd=cost_of(votes))

    def _why(self, entries: Sequence[Entry]) -> Wording | None:
        reasons = []
        for is_wanted, key in ((True, "goal_missed"), (False, "goal_violated")):
            broken = [e for e in entries if e.kept is False and e.is_wanted is is_wanted]
            if broken:
                texts = ", ".join(f'"{entry.check.text}"' for entry in broken)
                reasons.append(say_in_each(f"metrics.{key}", {"texts": texts}))
        return joined("; ", reasons) if reasons else None


def _entries(sample: TestSample) -> list[Entry]:
    scenario = sample.scenario
    if scenario is None:
        return []
    wanted = [Entry(check=check, is_wanted=True) for check in scenario.success]
    return wanted + [Entry(check=check, is_wanted=False) for check in scenario.must_not]


def _is_judged(entry: Entry) -> bool:
    return entry.check.type == "judge"


def _ruled(sample: TestSample, run: RunResult) -> list[Entry]:
    """Return the entries as far as the rules go."""
    return [_by_rule(entry, run) for entry in _entries(sample)]


def _by_rule(entry: Entry, run: RunResult) -> Entry:
    check, texts = entry.check, bot_texts(run)
    match check.type:
        case "contains":
            return replace(entry, holds=any(keyword_finder(text)(check.text) for text in texts))
        case "tool_called":
            return replace(entry, holds=any(call.name == check.text for call in bot_calls(run)))
        case "regex":
            pattern = regex.compile(nfc(check.text))
            try:
                found = any(pattern.search(nfc(text), timeout=_TIMEOUT_S) for text in texts)
            except TimeoutError:
                return replace(entry, code="regex_timeout", reason=check.text)
            return replace(entry, holds=found)
        case _:
            return entry


def _shown(entry: Entry) -> dict[str, JsonValue]:
    of = "success" if entry.is_wanted else "must_not"
    return {"of": of, "type": entry.check.type, "text": entry.check.text, "kept": entry.kept}


def _problems(metric: Goal, sample: TestSample) -> Iterator[Problem]:
    for entry in _entries(sample):
        text = entry.check.text
        at = f"sample {sample.id}, scenario.{'success' if entry.is_wanted else 'must_not'}"
        if not text.strip():
            yield Problem(what=f"{at}: a condition without a text")
        elif entry.check.type == "regex":
            try:
                regex.compile(nfc(text))
            except regex.error as error:
                yield Problem(what=f'{at}: "{text}" is no regular expression: {error}')
        elif _is_judged(entry) and not metric.env.judges:
            hint = f"give the metric {metric.id} a backend"
            yield Problem(what=f'{at}: "{text}" needs a judge', hint=hint)
