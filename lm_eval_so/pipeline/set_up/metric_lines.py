"""The metrics of a first config: what the tests at hand hold decides which of them measure anything."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.words import say
from lm_eval_so.generator.scan import BEHAVES, LONG, SHORT

_PHRASES: Final = "keyword_coverage"
_JUDGE: Final = "llm_judge"
_NO_METRICS: Final = frozenset({_PHRASES, _JUDGE, SHORT, LONG, BEHAVES})
_EXAMPLE: Final[Mapping[str, JsonValue]] = {"name": "openai", "params": {"model": "gpt-4.1-mini"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricLine:
    """A metric of the config, or one that is proposed."""

    metric: JsonValue
    why: str
    """Comment behind it."""
    is_active: bool = True
    """Whether it measures; else it stands there commented out."""


def choose_metrics(
    checks: Mapping[str, int],
    *,
    writes: bool,
    judge: Mapping[str, JsonValue] | None,
    language: Language,
) -> list[MetricLine]:
    """Return the metrics that measure tests, the one that says right or wrong first.

    Args:
        checks: Tests by what judges their answers, as a scan counts them.
        writes: Whether tests will be written from documents; these say what must be said.
        judge: Section of a model that may judge; None: there is none at hand.
        language: Language of the comments and of the judge.
    """
    return [*_choose(checks, writes=writes, judge=judge, language=language)]


def _choose(
    checks: Mapping[str, int],
    *,
    writes: bool,
    judge: Mapping[str, JsonValue] | None,
    language: Language,
) -> Iterator[MetricLine]:
    def told(code: str) -> str:
        return say(f"set_up.metric_{code}", language)

    phrases = writes or checks.get(_PHRASES, 0) or not any(checks.values())
    rubrics, short, long = checks.get(_JUDGE, 0), *_by_length(checks)
    if phrases:
        yield MetricLine(metric={"name": _PHRASES, "pass_if": ">= 1"}, why=told("phrases"))
    if short:
        yield MetricLine(metric="contains", why=told("short"))
    for name in sorted(checks.keys() - _NO_METRICS):
        yield MetricLine(metric=name, why=told("own"))
    if rubrics or long or phrases:
        # a rubric of the config's holds for every test that has none, those with phrases, too
        is_active = judge is not None and bool(rubrics or (long and not phrases))
        general = None if rubrics and (phrases or not long) else told("rubric")
        yield MetricLine(
            metric=_judged(general, judge or _EXAMPLE, language),
            why=told("rubrics" if rubrics else "judge"),
            is_active=is_active,
        )
    if long and not phrases and judge is None:
        yield MetricLine(metric="char_f1", why=told("wording"))
    yield MetricLine(metric="behavior", why=told("behavior"))
    base = _PHRASES if phrases else "contains" if short else None
    if base:
        metric: JsonValue = {"name": "invariance", "params": {"of": base}}
        yield MetricLine(metric=metric, why=told("invariance"))


def _judged(
    rubric: str | None, judge: Mapping[str, JsonValue], language: Language
) -> dict[str, JsonValue]:
    params: dict[str, JsonValue] = {"rubric": rubric, "show": ["expected"]} if rubric else {}
    found: dict[str, JsonValue] = {"name": _JUDGE}
    if params:
        found["params"] = params
    found["backend"] = dict(judge)
    if language is Language.KO:
        found["judge"] = {"template": "ko"}
    return found


def unjudged(checks: Mapping[str, int], metrics: list[MetricLine]) -> int:
    """Return how many tests no active metric calls right or wrong."""
    active = {json.dumps(each.metric) for each in metrics if each.is_active}
    is_judged = any(_JUDGE in each for each in active)
    return 0 if is_judged else _by_length(checks)[1] + checks.get(_JUDGE, 0)


def _by_length(checks: Mapping[str, int]) -> tuple[int, int]:
    """Return the tests with short and with long answers; a few short ones among others count as long."""
    short, long = checks.get(SHORT, 0), checks.get(LONG, 0)
    return (short, long) if short > long else (0, short + long)
