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
from lm_eval_so.core.text.profiles import basic
from lm_eval_so.core.words import say_in_each
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.text.choice_rules import (
    COPULA,
    DENIED,
    REASON,
    Patterns,
    either,
    patterns,
)

__all__ = ["Choice"]

LABELS: Final = ("ABCDE", "12345", "①②③④⑤", "가나다라마")
"""Default labels; those of one place mean the same."""

Positions = frozenset[int]
"""Places of options, from 0: several if an answer is ambiguous, none if it makes no choice."""

_NONE: Final[Positions] = frozenset()
_KEYS: Final = ("정답", "answer")
_SENTENCE_END: Final = re.compile(r"[.!?;\n]")
_CLAUSE: Final = 80
"""Characters around a label that are looked at."""
_MARKS: Final = str.maketrans(dict.fromkeys("*`"))


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
        last X in a `boxed` of LaTeX; the last "정답은 X", "최종 답변: X", "the correct option is X" or "X가 정답", and
        what corrects it ("아니, B입니다", "no, wait, B"); "X." "X)" "(X)" "X번", "X - ", ① or "Option X:" at the start, or
        X as the first line, if no other line starts with another one; X as the last line; "X가 가장 적절하다",
        "X를 선택합니다", "X라고 생각합니다", "A가 아니라 X입니다", "I think X is correct", "I choose X", unless it asks,
        denies or supposes; the text of one option, as a word. Nothing found is 0 (`no_choice`), two options are 0 (`ambiguous`).
    Range: 0 or 1.
    Direction: higher is better.
    Unscored when: never, for an answered row; not applicable without a reference. A sample whose
        references name no option is an error before anything is scored.
    Language notes: particles, 번, 입니다 and Markdown around a label do not matter; "A customer" and
        "나중에" are no choices, and "2번이 아니라" is none of 2; 보기, 선택지 and option before a label do not matter.
    Source: own rules.
    """

    version = 3
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
        "boxed": lambda: _boxed(text, choices),
        "statement": lambda: _stated("\n".join(lines), choices),
        "start": lambda: _at_start(lines, choices),
        "last_line": lambda: _alone(lines[-1], choices) if lines else _NONE,
        "said": lambda: _said("\n".join(lines), choices),
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


def _boxed(text: str, choices: Choices) -> Positions:
    r"""Return X of the last \boxed{X}."""
    rules = _rules(choices)
    labels = [match["label"] for match in rules.patterns.boxed.finditer(text)]
    return rules.places(labels[-1:])


def _stated(text: str, choices: Choices) -> Positions:
    """Return X of the last "정답은 X", "답: X", "answer is X", "X가 정답"; "A와 B", "A or B" are two."""
    rules = _rules(choices)
    matches = list(rules.patterns.stated.finditer(text))
    return _again(text, matches[-1], rules) if matches else _NONE


def _said(text: str, choices: Choices) -> Positions:
    """Return X of "X가 맞습니다", "I choose X", "X is correct"; different ones are all returned."""
    rules = _rules(choices)
    matches = [each for each in rules.patterns.said.finditer(text) if _is_meant(text, each)]
    if not matches:
        return _NONE
    return frozenset().union(*(_named(text, each, rules) for each in matches[:-1])) | _again(
        text, matches[-1], rules
    )


def _is_meant(text: str, match: re.Match[str]) -> bool:
    """Return whether a sentence says what it seems to: it asks, denies and supposes nothing."""
    label = match.start("led" if match["led"] else "told")
    before = match.start("instead") if match["instead"] else label  # "not A, but B" is meant
    clause = _SENTENCE_END.split(text[max(0, before - _CLAUSE) : before])[-1]
    end = _SENTENCE_END.search(text, match.end(), match.end() + _CLAUSE)
    return not DENIED.search(clause.casefold()) and not (end and end[0] == "?")


def _named(text: str, match: re.Match[str], rules: "_Rules") -> Positions:
    labels = [match[name] for name in ("led", "before", "told") if match[name]]
    more = rules.patterns.more.match(text, match.end("led")) if match["led"] else None
    return rules.places([*labels, *([more["label"]] if more else [])])


def _again(text: str, match: re.Match[str], rules: "_Rules") -> Positions:
    """Return what a sentence names, or what corrects it: "정답은 A입니다. 아니, B입니다"."""
    last = None
    at = match.end("led" if match["led"] else 0)
    while again := rules.patterns.again.match(text, at):
        last, at = again, again.end("label")
    return rules.places([last["label"]]) if last else _named(text, match, rules)


def _at_start(lines: Sequence[str], choices: Choices) -> Positions:
    """Return a label with its mark at the start, or alone; different labels make a list, no choice."""
    rules = _rules(choices)
    found = [_beginning(line, rules) for line in lines]
    if not found or found[0] is None or lines[0].casefold().startswith("a:"):
        return _NONE  # "A: …" is the answer to "Q: …"
    labels = [each for each in found if each]
    if len(rules.places(label for label, _ in labels)) > 1 or not all(
        rules.places([label]) for label, _ in labels
    ):
        return _NONE
    label, end = found[0]
    more = rules.patterns.more.match(lines[0], end)
    return rules.places([label, *([more["label"]] if more else [])])


def _beginning(line: str, rules: "_Rules") -> tuple[str, int] | None:
    """Return the label that a line begins with or consists of, and its end."""
    start = rules.patterns.start.match(line)
    match = start or rules.patterns.alone.fullmatch(line)
    if match is None:
        return None
    name = "label" if match["label"] else "option"
    return match[name], match.end(name)


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


class _Rules(NamedTuple):
    place_of: Mapping[str, int]
    patterns: Patterns

    def places(self, labels: Iterable[str]) -> Positions:
        known = map(_key, labels)
        return frozenset(self.place_of[label] for label in known if label in self.place_of)


@lru_cache(maxsize=256)
def _rules(choices: Choices) -> _Rules:
    """Return the rules for the given labels, else for `LABELS`."""
    if choices.labels:
        named = [basic(label).casefold() for label in choices.labels]
        place_of = {_key(label): place for place, label in enumerate(named)}
        return _Rules(place_of, patterns(either(named)))
    texts = {basic(option).casefold(): place for place, option in enumerate(choices.options)}
    rows = [row[: len(texts) or None] for row in LABELS]
    latin, digits, circled, hangul = (_places(row, texts) for row in rows)
    numbers = {text: place for text, place in texts.items() if re.fullmatch("[0-9]{1,9}", text)}
    nth = {f"{digit}번": place for place, digit in enumerate(rows[1])} if numbers else {}
    single = "".join([*latin, *digits, *circled]).replace("a", "")
    # "A customer" is no choice, "나중에" and "다 맞습니다" are none either.
    forms = {
        rf"a(?! (?!{REASON})[a-z])": "a" in latin,
        "[0-9]{1,9} ?번|[0-9]{1,9}": bool(numbers),
        f"[{single}]": bool(single),
        rf"[{''.join(hangul)}](?=[^ 0-9a-z가-힣]| ?번|{COPULA}|\Z)": bool(hangul),
    }
    place_of = {**latin, **digits, **circled, **hangul, **numbers, **nth}
    return _Rules(
        place_of, patterns("|".join(form for form, is_there in forms.items() if is_there))
    )


def _places(row: str, texts: Mapping[str, int]) -> dict[str, int]:
    """Return labels and their places.

    If one is the text of another option, all are read as texts.
    """
    places = {label.casefold(): place for place, label in enumerate(row)}
    if all(texts.get(label, place) == place for label, place in places.items()):
        return places
    return {label: texts[label] for label in places if label in texts}


def _key(label: str) -> str:
    return "".join(label.casefold().split())
