"""`choice`: the option that an answer chooses, by rules in the order in which they are tried."""

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, Self

from pydantic import model_validator

from lm_eval_so.core.asking.answer.json_answer import find_objects
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.keywords import keyword_finder
from lm_eval_so.core.text.korean import endings_after
from lm_eval_so.core.text.profiles import basic
from lm_eval_so.core.words import say_in_each
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator.metrics.base import Metric

__all__ = ["Choice"]

LABELS: Final = ("ABCDE", "12345", "①②③④⑤", "가나다라마")
"""Default labels; those of one place mean the same."""

Positions = frozenset[int]
"""Places of options, from 0: several if an answer is ambiguous, none if it makes no choice."""

_NONE: Final[Positions] = frozenset()
_KEYS: Final = ("정답", "answer")
_MARKS: Final = str.maketrans(dict.fromkeys("*`"))
_COPULA: Final = "(?:이었습니다|였습니다|입니다|이에요|예요|에요|이다|이야|요|임)"
_REASON: Final = r"(?:because|since|as|and|or|but|which|is|for|due|the|with|not)\b"


class Choices(NamedTuple):
    """Options of a sample."""

    options: tuple[str, ...] = ()
    """Texts, if known."""
    labels: tuple[str, ...] = ()
    """Labels in order; empty for `LABELS`."""


class Choice(Metric):
    """Choice of the option that the reference names.

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
        """Texts and labels of the options, in order."""

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
        """Find references without an option."""
        problems = super().check_sample(sample)
        if problems or not sample.answers or self._right(sample):
            return problems
        shown = textwrap.shorten(sample.answers[0], 60, placeholder=" …")
        what = f'{self.id}: sample {sample.id} has no option "{shown}", its expected one'
        hint = "give a label (A, 1, ①, 가), or the text of one of params.options"
        return [Problem(what=what, hint=hint)]

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return whether the choice is right."""
        right = self._right(sample)
        if not right:
            return self.unscored(sample, "invalid_value", say_in_each("metrics.no_choice_wanted"))
        chosen, by = find_choice(run.text, self._choices(sample))
        if len(chosen) == 1:
            details = {"by": by, "chosen": min(chosen) + 1}
            return self.make_score(sample, value=chosen <= right, details=details)
        code = "ambiguous" if chosen else "no_choice"
        places = ", ".join(str(place + 1) for place in sorted(chosen))
        key = "choice_ambiguous" if chosen else "no_choice"
        why = say_in_each(f"metrics.{key}", {"places": places})
        return self.make_score(sample, value=False, code=code, reason=why)

    def _choices(self, sample: TestSample) -> Choices:
        params = self.params_for(sample)
        return Choices(params.options, params.labels)

    def _right(self, sample: TestSample) -> frozenset[int]:
        choices = self._choices(sample)
        named = {option_of(text, choices) for text in sample.answers}
        return frozenset(place for place in named if place is not None)


def find_choice(text: str, choices: Choices) -> tuple[Positions, str | None]:
    """Return the choice of the first rule that finds one, and the name of the rule."""
    lines = [line for line in map(basic, text.translate(_MARKS).splitlines()) if line]
    rules: dict[str, Callable[[], Positions]] = {
        "json": lambda: _in_json(text, choices),
        "statement": lambda: _stated("\n".join(lines), choices),
        "start": lambda: _at_start(lines, choices),
        "last_line": lambda: _alone(lines[-1], choices) if lines else _NONE,
        "option_text": lambda: _by_text(text, choices.options),
    }
    return next(((found, by) for by, rule in rules.items() if (found := rule())), (_NONE, None))


def option_of(text: str, choices: Choices) -> int | None:
    """Return the place of the option that a text names by its text or its label."""
    folded = basic(text).casefold()
    for position, option in enumerate(choices.options):
        if basic(option).casefold() == folded:
            return position
    line = basic(text.translate(_MARKS))
    found = _alone(line, choices) or _at_start([line], choices)
    return min(found) if len(found) == 1 else None


def _in_json(text: str, choices: Choices) -> Positions:
    """Return the value of the key 정답 or answer, in the last object that has one."""
    if "{" not in text:
        return _NONE
    for key in _KEYS:
        for found in reversed(find_objects(text, key)):
            values = found[key] if isinstance(found[key], list) else [found[key]]
            named = {option_of(str(value), choices) for value in values if _is_name(value)}
            return frozenset(position for position in named if position is not None)
    return _NONE


def _is_name(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _stated(text: str, choices: Choices) -> Positions:
    """Return X of the last "정답은 X", "답: X", "answer is X", "X가 정답"; "A와 B", "A or B" are two."""
    rules = _rules(choices)
    matches = list(rules.patterns.stated.finditer(text))
    if not matches:
        return _NONE
    last = matches[-1]
    labels = [last[name] for name in ("led", "before", "told") if last[name]]
    more = rules.patterns.more.match(text, last.end("led")) if last["led"] else None
    return rules.places([*labels, *([more["label"]] if more else [])])


def _at_start(lines: Sequence[str], choices: Choices) -> Positions:
    """Return a label with its mark at the start, or alone; different labels make a list, no choice."""
    rules = _rules(choices)
    labels = [match["label"] for line in lines if (match := rules.patterns.start.match(line))]
    first = rules.patterns.start.match(lines[0]) if lines else None
    if first is None:
        return _alone(lines[0], choices) if len(lines) == 1 else _NONE
    if len(rules.places(labels)) > 1 or not all(map(rules.places, zip(labels))):
        return _NONE
    more = rules.patterns.more.match(lines[0], first.end("label"))
    return rules.places([first["label"], *([more["label"]] if more else [])])


def _alone(line: str, choices: Choices) -> Positions:
    """Return X if it stands alone, but for marks, 번 and 입니다."""
    rules = _rules(choices)
    match = rules.patterns.alone.fullmatch(line)
    return rules.places([match["label"]]) if match else _NONE


def _by_text(text: str, options: Sequence[str]) -> Positions:
    """Return the options whose text is in the answer as a word, not as a part of a longer option."""
    rest, found = basic(text).casefold(), set()
    for position in sorted(range(len(options)), key=lambda at: -len(basic(options[at]))):
        option = basic(options[position]).casefold()
        if keyword_finder(rest, boundary="word")(option):
            found.add(position)
            rest = rest.replace(option, " ")
    return frozenset(found)


class _Patterns(NamedTuple):
    stated: re.Pattern[str]
    more: re.Pattern[str]
    start: re.Pattern[str]
    alone: re.Pattern[str]


class _Rules(NamedTuple):
    place_of: Mapping[str, int]
    patterns: _Patterns

    def places(self, labels: Iterable[str]) -> Positions:
        known = map(_key, labels)
        return frozenset(self.place_of[label] for label in known if label in self.place_of)


@lru_cache(maxsize=256)
def _rules(choices: Choices) -> _Rules:
    """Return the rules for the given labels, else for `LABELS`."""
    if choices.labels:
        named = [basic(label).casefold() for label in choices.labels]
        place_of = {_key(label): place for place, label in enumerate(named)}
        return _Rules(place_of, _patterns(_either(named)))
    texts = {basic(option).casefold(): place for place, option in enumerate(choices.options)}
    rows = [row[: len(texts) or None] for row in LABELS]
    latin, digits, circled, hangul = (_places(row, texts) for row in rows)
    numbers = {text: place for text, place in texts.items() if re.fullmatch("[0-9]{1,9}", text)}
    nth = {f"{digit}번": place for place, digit in enumerate(rows[1])} if numbers else {}
    single = "".join([*latin, *digits, *circled]).replace("a", "")
    # "A customer" is no choice, "나중에" and "다 맞습니다" are none either.
    forms = {
        rf"a(?! (?!{_REASON})[a-z])": "a" in latin,
        "[0-9]{1,9} ?번|[0-9]{1,9}": bool(numbers),
        f"[{single}]": bool(single),
        rf"[{''.join(hangul)}](?=[^ 0-9a-z가-힣]| ?번|{_COPULA}|\Z)": bool(hangul),
    }
    place_of = {**latin, **digits, **circled, **hangul, **numbers, **nth}
    return _Rules(
        place_of, _patterns("|".join(form for form, is_there in forms.items() if is_there))
    )


def _places(row: str, texts: Mapping[str, int]) -> dict[str, int]:
    """Return labels and their places.

    If one is the text of another option, all are read as texts.
    """
    places = {label.casefold(): place for place, label in enumerate(row)}
    if all(texts.get(label, place) == place for label, place in places.items()):
        return places
    return {label: texts[label] for label in places if label in texts}


@lru_cache(maxsize=64)
def _patterns(label: str) -> _Patterns:
    """Return the rules for labels of one form; compiling them takes a while."""
    endings = _either(endings_after("a"))
    end = rf"(?: ?번)?(?:{endings})?(?![0-9a-z가-힣])(?![.,:][0-9])(?![-'][a-z])(?! ?아[니닌])"
    stop = rf"(?: ?번)?(?: ?(?:모두|둘 다))?{_COPULA}?[)\]\"'.]*(?=\Z|[\n,])"
    link = r"[)\]\"']?(?: ?번)? ?(?:,|/|·|&|와|과|이나|나|랑|하고|및|또는|혹은|and |or )"
    mark = r"[ \n\"'(\[<「『【]{0,3}"
    led = (
        rf"(?:정답|답|\banswer)(?: ?(?:은|는|이|is|[:=→-])){{0,3}}"
        rf"(?: ?(?:{label})(?: ?번)?(?:이|가)? 아니(?:라|고))?{mark}(?P<led>{label}){end}"
    )
    told = (
        rf"(?:(?<![0-9a-z가-힣])(?P<before>{label}){link} ?)?"
        rf"(?<![0-9a-z가-힣.])(?P<told>{label})[)\]\"']?(?: ?번)?(?:이|가) ?(?:정답|답)(?!변)"
    )
    start = (
        rf"[(\[]?(?P<label>{label})"
        rf"(?:[)\]]|\.(?= |\Z)|(?:(?= ?번)|(?<=번)){end}|(?<=[①-⑤])(?= |\Z))"
    )
    patterns = (
        rf"{led}|{told}",
        rf"{link} ?[\"'(\[]?(?P<label>{label}){stop}",
        start,
        rf"[\W_]*(?P<label>{label})(?: ?번)?{_COPULA}?[\W_]*",
    )
    return _Patterns(*(re.compile(pattern, re.IGNORECASE) for pattern in patterns))


def _key(label: str) -> str:
    return "".join(label.casefold().split())


def _either(forms: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(forms, key=lambda form: (-len(form), form))))
