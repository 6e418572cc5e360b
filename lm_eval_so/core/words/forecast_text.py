"""A forecast as lines of text."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lm_eval_so.core.records.enums import Direction, Language, MetricKind
from lm_eval_so.core.records.forecast import Forecast, ForecastOption, ForecastScenario, MetricNoise
from lm_eval_so.core.stats.trials import TRIALS
from lm_eval_so.core.text import width
from lm_eval_so.core.words import say
from lm_eval_so.core.words.formats import MetricFigures, count, usd
from lm_eval_so.core.words.plan_lines import plan_lines

_MOST_NAMED = 3
_MOST_DAYS = 3
_GAP = "   "
_FEW_SAMPLES = 100
_LEAST_REPEATS = 3
"""Answers of a baseline that are suggested for few samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Facts about the answers behind a forecast, for people."""

    language: Language
    is_share: bool
    """Whether the leading metric says right or wrong."""
    is_unit: bool
    """Whether its scores lie in 0 … 1."""
    questions: Mapping[str, tuple[str, str, int, int]]
    """Of each noisy sample: shown id, question, right answers, answers; no right ones for scores."""
    is_earlier: bool
    """Whether the answers are of the chatbot before the latest change."""
    reached: int
    """Answers that at least 80 % of the samples have."""
    held: int
    """Answers to a sample that the baseline at hand holds; 0 without one."""
    next_baseline: int
    """Answers to a sample when the next one is made."""


def forecast_lines(forecast: Forecast, told: Told) -> list[str]:
    """Return a forecast as lines; without known answers only what is missing."""
    language = told.language
    lines = [_head(forecast, told)]
    if told.is_earlier:
        lines.append(say("forecast.earlier", language))
    if forecast.scenarios:
        lines += _scenarios(forecast, told)
    else:
        lines += _too_few(forecast, told)
    lines += _case(forecast, language)
    if forecast.left_out:
        figures = {"metrics": ", ".join(forecast.left_out)}
        lines.append(say("forecast.left_out", language, figures))
    if not forecast.scenarios and forecast.plan is not None:
        lines += ["", *plan_lines(forecast.plan, language)]
    if why := list(_why(forecast, told)):
        lines += ["", *why]
    if forecast.options:
        lines += ["", *_options(forecast, told)]
    return lines


def _head(forecast: Forecast, told: Told) -> str:
    language, answers, gate = told.language, forecast.answers, forecast.gate
    low, high = answers.k_min, math.ceil(answers.k_median)
    figures: dict[str, object] = {"k": low, "low": low, "high": high}
    each = say(f"forecast.answers_{'each' if low == high else 'range'}", language, figures)
    days, margin = _days(answers.days), ""
    if gate.margin is not None:
        margin = say("forecast.margin", language, {"margin": _size(gate.margin, told)})
    more = ""
    if len(gate.metrics) > 1:
        more = say("forecast.more_metrics", language, {"metrics": ", ".join(gate.metrics[1:])})
    sides = "sides_these" if gate.claim == "these" else "sides"
    asked = {"k_b": gate.k_b, "k_c": gate.k_c, "held": _held(told)}
    return say(
        "forecast.head",
        language,
        {
            "n": count(forecast.n),
            "answers": each,
            "from": say("forecast.from", language, {"days": days}) if days else "",
            "metrics": gate.metrics[0] + margin + more,
            "sides": say(f"forecast.{sides}", language, asked),
        },
    )


def _held(told: Told) -> str:
    if told.held in {0, told.next_baseline}:
        return ""
    code = "held_more" if told.held > told.next_baseline else "held_fewer"
    return say(f"forecast.{code}", told.language, {"k": told.held})


def _days(days: Sequence[str]) -> str:
    return f"{days[0]} … {days[-1]}" if len(days) > _MOST_DAYS else ", ".join(days)


def _scenarios(forecast: Forecast, told: Told) -> list[str]:
    rows = [list(_scenario(each, told)) for each in forecast.scenarios]
    lines = _aligned(rows)
    if forecast.trials < TRIALS:
        points = f"{100 * 0.5 / math.sqrt(forecast.trials):.1f}"
        figures = {"n": count(forecast.trials), "points": points}
        lines.append(say("forecast.trials", told.language, figures))
    return lines


def _scenario(each: ForecastScenario, told: Told) -> Iterator[str]:
    language = told.language
    figures = {"x": each.broken, "n": count(each.of)}
    passes, fails = _share("passes", each.passes, language), _share("fails", each.fails, language)
    unclear = _share("unclear", each.inconclusive, language)
    of_fails = fails + _range(each.ranges["fail"], language)
    if not each.broken:
        yield say("forecast.unchanged", language)
        yield from (passes + _range(each.ranges["pass"], language), unclear, of_fails)
        return
    code = "broken" if told.is_share else "worse"
    yield say(f"forecast.{code}{'_one' if each.broken == 1 else ''}", language, figures)
    yield from (of_fails, unclear, passes)


def _too_few(forecast: Forecast, told: Told) -> Iterator[str]:
    gate, language = forecast.gate, told.language
    figures = {"known": told.reached, "needed": gate.k_b + gate.k_c}
    yield say(f"forecast.{'too_few' if told.reached else 'none'}", language, figures)
    if forecast.missing:
        yield say("forecast.ask", language, {"n": count(forecast.missing)})


def _case(forecast: Forecast, language: Language) -> Iterator[str]:
    if forecast.case is None:
        return
    code = f"case_{forecast.case}"
    repeats, k_b = forecast.case_repeats, forecast.gate.k_b
    if forecast.case == "named" and repeats is not None and repeats > k_b:
        code = "case_repeats"
    yield say(f"forecast.{code}", language, {"k": repeats, "k_b": k_b})


def _why(forecast: Forecast, told: Told) -> Iterator[str]:
    language = told.language
    if not forecast.noise:
        return
    leading = next((n for n in forecast.noise if n.metric == forecast.gate.metrics[0]), None)
    if leading is None:
        return
    text = say("forecast.why", language, {"noise": _noise(leading, told)})
    days = len(forecast.answers.days)
    if days == 1:
        text = f"{text} {say('forecast.one_day', language)}"
    elif leading.between_days is not None and days < 4:
        code = "between_days" if leading.is_share else "between_days_score"
        figures = {"metric": leading.metric, "extra": _amount(leading.between_days, leading)}
        text = f"{text} {say(f'forecast.{code}', language, figures)}"
    yield text
    if leading.half_by:
        yield _half(leading.half_by, forecast, told)
    elif leading.half_by is None and leading.total.value > 0:
        yield say("forecast.half_unknown", language)


def _noise(noise: MetricNoise, told: Told) -> str:
    language = told.language
    figures = {"total": _amount(noise.total.value, noise), "metric": noise.metric}
    text = say(f"forecast.why_{'share' if noise.is_share else 'score'}", language, figures)
    if noise.chatbot is not None and noise.judge is not None:
        parts = {}
        for name, part in (("chatbot", noise.chatbot), ("judge", noise.judge)):
            parts[name] = _amount(part.value, noise)
            parts[f"{name}_low"] = _amount(part.low, noise)
            parts[f"{name}_high"] = _amount(part.high, noise)
        text += say(f"forecast.why_parts{'' if noise.is_share else '_score'}", language, parts)
    return text if language is Language.KO else f"{text}."


def _amount(value: float, noise: MetricNoise) -> str:
    """Return answers of 100 that flip, or the usual difference of two scores."""
    if noise.is_share:
        return f"{100 * value:.0f}"
    # of scores that differ as normal ones do, the mean difference is √(2/π) of its deviation
    return f"{math.copysign(math.sqrt(abs(value) * 2 / math.pi), value):.2f}"


def _half(names: Sequence[str], forecast: Forecast, told: Told) -> str:
    shown = [_named(told.questions[name], told) for name in names[:_MOST_NAMED]]
    if more := len(names) - len(shown):
        shown.append(say("forecast.more", told.language, {"x": more}))
    figures = {"x": len(names), "n": count(forecast.n), "named": ", ".join(shown)}
    return say("forecast.half", told.language, figures)


def _named(question: tuple[str, str, int, int], told: Told) -> str:
    name, text, right, k = question
    figures = {"id": name, "question": text, "right": right, "k": k}
    return say(f"forecast.named{'_right' if told.is_share else ''}", told.language, figures)


def _options(forecast: Forecast, told: Told) -> Iterator[str]:
    language, has_prices = told.language, any(each.usd is not None for each in forecast.options)
    last = forecast.scenarios[-1]
    figures = {"x": last.broken, "n": count(last.of)}
    head = [
        say("forecast.help", language),
        say("forecast.column_pass", language),
        say("forecast.column_find", language, figures),
        say("forecast.column_requests", language),
        *([say("forecast.column_usd", language)] if has_prices else []),
        "",
    ]
    rows = [_option(each, told, has_prices=has_prices) for each in forecast.options]
    yield from _aligned([head, *rows], right={1, 2, 3, 4} if has_prices else {1, 2, 3})
    if any(each.source == "formula" for each in forecast.options):
        yield say("forecast.formula", language)
    yield from _suggestion(forecast, told)


def _option(each: ForecastOption, told: Told, *, has_prices: bool) -> list[str]:
    about = "~" if each.source == "formula" else ""
    merge = ""
    if each.requests_merge:
        merge = say("forecast.a_merge", told.language, {"x": count(each.requests_merge)})
    price = "–" if each.usd is None else usd(each.usd).removeprefix("USD ")
    return [
        _option_name(each, told),
        f"{about}{_percent(each.passes)}",
        f"{about}{_percent(each.detect)}",
        count(each.requests_run),
        *([price] if has_prices else []),
        merge,
    ]


def _option_name(each: ForecastOption, told: Told) -> str:
    if each.name == "margin":
        figures = {"margin": _size(each.value or 0.0, told)}
        return say("forecast.margin_of", told.language, figures)
    return say(f"forecast.{each.name}", told.language, {"x": count(int(each.value or 0))})


def _suggestion(forecast: Forecast, told: Told) -> Iterator[str]:
    language = told.language
    if forecast.suggestion == "as_is":
        yield say("forecast.suggestion_as_is", language)
    elif forecast.suggestion is not None:
        best = next(each for each in forecast.options if each.name == forecast.suggestion)
        yield say("forecast.suggestion", language, {"option": _option_name(best, told)})
    if forecast.n < _FEW_SAMPLES:
        repeats = ""
        if told.next_baseline < _LEAST_REPEATS:
            repeats = say("forecast.small_repeats", language, {"k": _LEAST_REPEATS})
        yield say("forecast.small", language, {"repeats": repeats})


def _aligned(rows: Sequence[Sequence[str]], *, right: Collection[int] = frozenset()) -> list[str]:
    """Return rows as lines whose columns begin, or end if named, at one place; empty ones take none."""
    broad = [max(map(width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = []
        for at, (cell, columns) in enumerate(zip(row, broad, strict=True)):
            space = " " * (columns - width(cell))
            gap = _GAP if at and columns else ""
            cells.append(gap + (space + cell if at in right else cell + space))
        lines.append("".join(cells).rstrip())
    return lines


def _size(margin: float, told: Told) -> str:
    kind = MetricKind.BINARY if told.is_share else MetricKind.BOUNDED
    figures = MetricFigures(
        kind=kind, direction=Direction.HIGHER, is_unit=told.is_unit, language=told.language
    )
    return figures.size(margin)


def _share(code: str, share: float, language: Language) -> str:
    return say(f"forecast.{code}", language, {"p": _percent(share)})


def _range(ends: tuple[float, float], language: Language) -> str:
    figures = {"low": f"{100 * ends[0]:.0f}", "high": f"{100 * ends[1]:.0f}"}
    return say("forecast.range", language, figures)


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"
