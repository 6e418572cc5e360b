"""What went wrong as a sentence, for reports and comments."""

from dataclasses import replace

from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.words import say
from lm_eval_so.errors import Problem


def unmeasured_sentence(problem: Problem, language: Language) -> str:
    """Say that nothing could be measured: why, where, and what to do."""
    what = problem.what.removeprefix("could not measure: ")
    told = problem_sentence(replace(problem, what=what), language)
    return say("comment.unmeasured", language, {"problem": told})


def problem_sentence(problem: Problem, language: Language) -> str:
    """Say what is wrong, where, and what to do."""
    what = " · ".join(filter(None, (problem.what.rstrip("."), str(problem.where or ""))))
    fix = say("comment.fix", language, {"hint": problem.hint}) if problem.hint else ""
    return " ".join(f"{what}. {fix}".replace("`", "").split())  # as a terminal marks words
