"""Whether the answer chooses the right option."""

import textwrap
from typing import Self

from pydantic import model_validator

from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.profiles import basic
from lm_eval_so.core.words import say
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.choice_rules import LABELS, Choices, find_choice, option_of

__all__ = ["Choice"]


class Choice(Metric):
    """Whether the answer chooses the option of the reference.

    Definition: 1 if the option that the answer chooses is one that a reference names by label or
        text, else 0. A–E, 1–5, ①–⑤ and 가–마 are places and mean the same, unless `labels` names
        others; one that is the text of another option is that text (of 2, 4 and 6, "2" is the first
        and "2번" the second). The first rule that finds something decides: the JSON key `answer` or `정답`; the
        last "정답은 X", "답: X", "answer is X" or "X가 정답"; "X." "X)" "(X)" "X번" or ① at the start,
        if no other line starts with another one, or X as the whole answer; X as the last line; the
        text of one option, as a word. Nothing found is 0 (`no_choice`), two options are 0
        (`ambiguous`).
    Range: 0 or 1.
    Direction: higher is better.
    Unscored when: never, for an answered row; not applicable without a reference. A sample whose
        references name no option is an error before anything is scored.
    Language notes: particles, 번, 입니다 and Markdown around a label do not matter; "A customer" and
        "나중에" are no choices, and "2번이 아니라" is none of 2.
    Source: own rules.
    """

    kind = MetricKind.BINARY
    normalises = True
    requires = frozenset({"expected"})
    checks_every_sample = True

    class Params(Metric.Params):
        """The options' texts and what they are called, in their order."""

        options: tuple[str, ...] = ()
        labels: tuple[str, ...] = ()

        @model_validator(mode="after")
        def _is_whole(self) -> Self:
            for name in ("options", "labels"):
                texts = [basic(text).casefold() for text in getattr(self, name)]
                if not all(texts) or len(set(texts)) != len(texts):
                    raise ValueError(f"one of the {name} is empty or stands there twice")
            most = len(self.labels or LABELS[0])
            if len(self.options) > most:
                raise ValueError(f"{len(self.options)} options have only {most} labels")
            return self

    def check_sample(self, sample: TestSample) -> list[Problem]:
        """Find references that name no option."""
        problems = super().check_sample(sample)
        if problems or not sample.answers or self._right(sample):
            return problems
        shown = textwrap.shorten(sample.answers[0], 60, placeholder=" …")
        what = f'{self.id}: sample {sample.id} has no option "{shown}", its expected one'
        hint = "give a label (A, 1, ①, 가), or the text of one of params.options"
        return [Problem(what=what, hint=hint)]

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Find the choice."""
        right = self._right(sample)
        if not right:
            return self.unscored(sample, "invalid_value", "the references name no option")
        chosen, by = find_choice(run.text, self._choices(sample))
        if len(chosen) == 1:
            details = {"by": by, "chosen": min(chosen) + 1}
            return self.make_score(sample, value=chosen <= right, details=details)
        code = "ambiguous" if chosen else "no_choice"
        places = ", ".join(str(place + 1) for place in sorted(chosen))
        key = "choice_ambiguous" if chosen else "no_choice"
        why = say(f"metrics.{key}", self.env.language, {"places": places})
        return self.make_score(sample, value=False, code=code, reason=why)

    def _choices(self, sample: TestSample) -> Choices:
        params = self.params_for(sample)
        return Choices(params.options, params.labels)

    def _right(self, sample: TestSample) -> frozenset[int]:
        choices = self._choices(sample)
        named = {option_of(text, choices) for text in sample.answers}
        return frozenset(place for place in named if place is not None)
