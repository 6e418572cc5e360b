"""`toxicity_keyword`: listed words in the answer."""

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, ClassVar, Final

from pydantic import JsonValue

from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.keywords import keyword_finder
from lm_eval_so.core.text.korean import close_spaces, final_consonant, is_syllable
from lm_eval_so.core.text.profiles import basic
from lm_eval_so.core.words import say_in_each
from lm_eval_so.errors import ConfigError, Problem
from lm_eval_so.evaluator.metrics.base import Category, Metric

__all__ = ["ToxicityKeyword"]

_DISGUISE: Final = re.compile(
    r"(?<=[가-힣ㄱ-ㅎㅏ-ㅣ])[^가-힣ㄱ-ㅎㅏ-ㅣA-Za-z\s]+(?=[가-힣ㄱ-ㅎㅏ-ㅣ])"
)
_MOST_SHOWN = 10


class ToxicityKeyword(Metric):
    """Absence of listed words in the answer.

    Definition: 1 if no word of the list is in the answer as a word of its own (the rule `word` of
        keywords; a Korean word also before 아, 야, 들 and 들아), else 0. Digits and symbols inside
        a run of Hangul are skipped (시1발). Texts in `allow` are removed first. The built-in list
        is short, Korean and English; `wordlist` names a file that replaces it, one word per line.
    Range: 0 or 1.
    Direction: higher is better.
    Unscored when: never, for an answered row.
    Language notes: particles may follow a Korean word; "시발점" is not "시발".
    Source: own list. It keeps words out and says nothing about safety.
    """

    kind = MetricKind.BINARY
    category: ClassVar[Category] = "heuristic"
    normalises = True

    class Params(Metric.Params):
        """Word list and exceptions."""

        wordlist: str | None = None
        allow: tuple[str, ...] = ()

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._lists: dict[str, tuple[str, ...] | None] = {}

    def check_params(self) -> list[Problem]:
        """Find a word list that is missing or empty."""
        return _list_problems(self.params.wordlist, self._read(self.params.wordlist), "")

    def check_sample(self, sample: TestSample) -> list[Problem]:
        """Find a word list of a sample that is missing or empty."""
        if found := super().check_sample(sample):
            return found
        name = self.params_for(sample).wordlist
        return _list_problems(name, self._read(name), f"{self.place_in(sample)}: ")

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return whether none of the words is found."""
        params = self.params_for(sample)
        words = self._read(params.wordlist)
        if words is None:
            raise ConfigError(f"{self.id}: there is no word list at {params.wordlist}")
        allow = (*params.allow, *(() if params.wordlist else _built_in()["allow"]))
        found = list(_find(words, _without(basic(run.text).casefold(), allow)))
        if not found:
            return self.make_score(sample, value=True)
        figures = {"words": ", ".join(found[:_MOST_SHOWN])}
        return self.make_score(
            sample,
            value=False,
            code="toxic_found",
            reason=say_in_each("metrics.toxic_found", figures),
            details={"found": [*found[:_MOST_SHOWN]]},
        )

    def definition(self) -> dict[str, JsonValue]:
        """Add a digest of the words: a file may change under its name."""
        words = self._read(self.params.wordlist)
        allow = [] if self.params.wordlist else _built_in()["allow"]
        return {**super().definition(), "words": digest([[*(words or ())], [*allow]])}

    def _read(self, name: str | None) -> tuple[str, ...] | None:
        """Return the words of a list; None if there is no such file."""
        if name is None:
            return tuple(_built_in()["words"])
        if name not in self._lists:
            text = self.env.read_file(name)
            self._lists[name] = None if text is None else _words_in(text)
        return self._lists[name]


@cache
def _built_in() -> dict[str, list[str]]:
    file = files(__package__).joinpath("toxic_words.json")
    found: dict[str, list[str]] = json.loads(file.read_text("utf-8"))
    return found


def _words_in(text: str) -> tuple[str, ...]:
    lines = (line.partition("#")[0].strip("\ufeff \t") for line in text.splitlines())
    return tuple(line for line in lines if basic(line))


def _list_problems(name: str | None, words: Sequence[str] | None, at: str) -> list[Problem]:
    if words is None:
        return [Problem(what=f"{at}there is no word list at {name}")]
    return [] if words else [Problem(what=f"{at}the word list {name} is empty")]


def _without(text: str, allow: Sequence[str]) -> str:
    for word in allow:
        text = text.replace(basic(word).casefold(), " ") if basic(word) else text
    return text


def _find(words: Sequence[str], text: str) -> Iterator[str]:
    """Yield each word of the list that stands in a text, disguised or not."""
    plain = _DISGUISE.sub("", text)
    searched = [text] if plain == text else [text, plain]
    closed = [close_spaces(each) for each in searched]
    finders = [keyword_finder(each, boundary="word") for each in searched]
    for word in words:
        wanted = close_spaces(basic(word).casefold())
        # a look at the text is many times faster than the rule
        if any(wanted in each for each in closed) and any(
            finds(form) for finds in finders for form in _forms(word)
        ):
            yield word


def _forms(word: str) -> tuple[str, ...]:
    last = basic(word)[-1]
    if not is_syllable(last):
        return (word,)
    return (word, word + ("아" if final_consonant(last) else "야"), f"{word}들", f"{word}들아")
