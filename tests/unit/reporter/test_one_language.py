"""What is rendered in a language holds no sentence of the other, whatever language its records were made in."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser

import pytest
from full_comparison import full_comparison
from full_report import full_report
from made_reports import answered, first_run, report
from outcomes import OUTCOMES
from rendering import comment_body, render

from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.reporter.first_screen import first_screen

OURS = {"en": "It was said in English.", "ko": "한국어로 말했습니다."}
"""A sentence of ours, as records hold it in every language."""
THEIRS = frozenset(
    [
        "input",
        "inputs",
        "expected",
        "answer",
        "answers",
        "baseline_answer",
        "candidate_answer",
        "evidence",
        "system",
        "value",
        "sample_id",
        "tags",
        "base",
        "head",
        "signature",
    ]
)
"""Fields that hold words of the dataset, the chatbot, a judge or the config."""
HANGUL = re.compile("[가-힣]")
ENGLISH = re.compile(
    r"(?<![\w.`/=:-])(?:the|of|is|are|was|were|and|to|in|no|not|that|with|for|has|have|from|you|it|than|this|be"
    r"|said|worse|pass|passed|regression|inconclusive|baseline|answers?|cases?|samples?)(?![\w.`/=-])",
    re.IGNORECASE,
)
"""Words that no Korean sentence has, unless as a part of a name."""
_PAGES = ("two broke", "rules loosened")
"""Stories that are shown as pages, too: what is broken, and the verdict by other rules."""
CODE = re.compile(r"```.*?```|`[^`]*`|<!--.*?-->|https?://\S+", re.DOTALL)


def foreign(made, stored: Language):
    """Return a record that was made in a language, with foreign words replaced by signs of no language."""
    if isinstance(made, tuple):
        return tuple(foreign(each, stored) for each in made)
    if isinstance(made, Mapping):
        return {key: foreign(each, stored) for key, each in made.items()}
    if not is_dataclass(made):
        return made
    named = {each.name for each in fields(made)}
    values = {name: foreign(getattr(made, name), stored) for name in named}
    for name in named & THEIRS:
        values[name] = signs(values[name])
    for name in named & {"sentence", "mean", "reason"}:
        is_told = isinstance(values[name], str) and not values[name].startswith("HTTP")
        if is_told and f"{name}_in" in named:
            values |= {name: OURS[stored], f"{name}_in": OURS}
        elif is_told and name == "reason":
            values[name] = "§ 7"
    return replace(made, **values)


def signs(told):
    if isinstance(told, str):
        return "§ 7"
    return tuple(map(signs, told)) if isinstance(told, tuple) else told


def surfaces(stored: Language, language: Language) -> Iterator[tuple[str, str]]:
    """Yield each story as each surface shows it in a language, with its name."""
    whole = foreign(full_report(), stored)
    system = "system: “…be brief” (63 chars, be817bab) → –"
    for name in ("md", "html", "junit", "csv"):
        for made in (None, replace(foreign(full_comparison(), stored), differences=(system,))):
            text = render(whole, made, format=name, language=language)
            yield name, text.partition("\n")[2] if name == "csv" else text  # its heads are keys
    scored = foreign(report(answered=answered()), stored)
    for story, made in [
        *((name, told[0]) for name, told in OUTCOMES.items()),
        ("first", first_run()),
    ]:
        compared = foreign(made, stored)
        screen = first_screen(compared, scored, language, Redactor())
        yield f"{story}: screen", "\n".join((screen.headline, *screen.lines, *screen.warnings))
        for level in (0, 5):
            text = comment_body(compared, scored, level=level, language=language)
            yield f"{story}: comment {level}", text
    for story in _PAGES:
        compared = foreign(OUTCOMES[story][0], stored)
        for name in ("md", "html", "junit"):
            yield f"{story}: {name}", render(scored, compared, format=name, language=language)


class Seen(HTMLParser):
    """Texts of a page that people see or hear, without code, and those that its script shows."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._hidden: list[str] = []

    def handle_starttag(self, tag, attrs):
        is_data = ("type", "application/json") in attrs
        if tag in {"code", "pre", "script", "style", "textarea"} and not is_data:
            self._hidden.append(tag)
        self.texts += [v or "" for k, v in attrs if k in {"title", "aria-label", "placeholder"}]

    def handle_endtag(self, tag):
        if self._hidden and self._hidden[-1] == tag:
            self._hidden.pop()

    def handle_data(self, data):
        if self._hidden:
            return
        self.texts += texts_in(json.loads(data)) if data.startswith("{") else [data]


def texts_in(data) -> Iterator[str]:
    """Yield the texts of JSON values."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, list | dict):
        for each in data.values() if isinstance(data, dict) else data:
            yield from texts_in(each)


def strangers(text: str, language: Language) -> list[str]:
    """Return the lines that hold words of the other language."""
    if text.startswith("<!"):
        page = Seen()
        page.feed(text)
        text = "\n".join(page.texts)
    wrong = HANGUL if language is Language.EN else ENGLISH
    return [line.strip() for line in CODE.sub("", text).splitlines() if wrong.search(line)]


@pytest.mark.parametrize("language", Language)
def test_surfaces__have_no_sentence_of_the_other_language(language: Language) -> None:
    other = Language.KO if language is Language.EN else Language.EN
    shown = list(surfaces(other, language))
    found = {line: where for where, text in shown for line in strangers(text, language)}
    assert not found
    size = "63 chars" if language is Language.EN else "63자"
    assert size in dict(shown)["md"]
