"""Whether the answer keeps instructions that can be verified."""

from typing import Literal

from pydantic import BaseModel, JsonValue

from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.forms import nfc
from lm_eval_so.core.words import say
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.instruction_checks import Check
from lm_eval_so.evaluator.metrics.instruction_rules import RULES, Answer, variants

__all__ = ["Instructions"]


class Instructions(Metric):
    """How many of the instructions about its form the answer keeps.

    Definition: checks that hold / all `checks`; `mode: all` is 1 if all hold, else 0. `loose: true`
        also looks at the answer without its first line, without its last line, without both, and
        each without `*`: a check holds if it does for one of them. An answer with nothing in it keeps
        none.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: never, for an answered row; not applicable without `checks`.
    Language notes: made for Korean and English alike: words are what spaces part (어절), texts are
        compared after the profile `basic`, keywords take particles.
    Source: in the spirit of Zhou et al. (2023), IFEval, arXiv:2311.07911, §2; own rules.
    """

    normalises = True
    requires = frozenset({"params.checks"})

    class Params(Metric.Params):
        """The instructions, each with its type."""

        checks: tuple[Check, ...] = ()
        mode: Literal["share", "all"] = "share"
        loose: bool = False

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Check each instruction."""
        params = self.params_for(sample)
        text = nfc(run.text)
        texts = list(variants(text)) if params.loose else [text]
        answers = [Answer(text, sample.question) for text in texts if text.strip()]
        broken = [
            check
            for check in params.checks
            if not any(RULES[check.type](answer, check) for answer in answers)
        ]
        kept = len(params.checks) - len(broken)
        value = float(not broken) if params.mode == "all" else kept / len(params.checks)
        names = ", ".join(map(_shown, broken))
        why = say("metrics.instructions_broken", self.env.language, {"checks": names})
        details: dict[str, JsonValue] = {"kept": kept, "broken": [check.type for check in broken]}
        return self.make_score(sample, value=value, reason=why if broken else None, details=details)


def _shown(check: BaseModel) -> str:
    given = check.model_dump(exclude_defaults=True)
    figures = ", ".join(f"{key}: {value}" for key, value in given.items() if key != "type")
    return f"{given['type']} ({figures})" if figures else given["type"]
