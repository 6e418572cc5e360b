"""Stale tests in words, the same in reports, comments and on the terminal."""

from collections.abc import Iterator, Sequence

from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.staleness import Staleness, StaleTest
from lm_eval_so.core.words import say
from lm_eval_so.core.words.formats import count

_MOST_PLACES, _MOST_NUMBERS, _MOST_FILES = 3, 4, 3
_LONGEST_NAME = 60
_WHEN = {True: "pull_request", False: "older", None: "unknown"}


def stale_sentences(found: Staleness | None, language: Language) -> Iterator[str]:
    """Yield the sentences on tests whose source changed; nothing if all fit.

    Those that the pull request changes come first, with the numbers that changed; of older ones, and of
    imported rows, only how many there are.

    Args:
        found: The record; None if the tests were not held against their sources.
        language: Language of the sentences.
    """
    if found is None:
        return
    of = count(found.of)
    for is_here in (True, None, False):
        quoted = [test for test in found.quoted if test.in_pull_request is is_here]
        near = [t for t in found.with_states("near") if t.in_pull_request is is_here]
        if not quoted and not near:
            continue
        key = f"{'head' if quoted else 'around'}_{_WHEN[is_here]}"
        yield say(f"stale.{key}", language, {"n": count(len(quoted or near)), "of": of})
        if is_here is not False:
            yield from _details(quoted, near if quoted else [], language)
    if rows := found.rows:
        files = list(dict.fromkeys(_short(test.file) for test in rows))
        more = ", …" if len(files) > _MOST_FILES else ""
        shown = f"{', '.join(files[:_MOST_FILES])}{more}"
        yield say("stale.rows", language, {"n": count(len(rows)), "files": shown})


def _details(
    quoted: Sequence[StaleTest], near: Sequence[StaleTest], language: Language
) -> Iterator[str]:
    numbers = [test for test in quoted if test.numbers]
    gone = [test for test in quoted if test.state == "gone"]
    reworded = len(quoted) - len(numbers) - len(gone)
    if numbers:
        places = list(dict.fromkeys(number_change(test, language) for test in numbers))
        shown = " · ".join([*places[:_MOST_PLACES], *(["…"] if places[_MOST_PLACES:] else [])])
        yield say("stale.numbers", language, {"n": count(len(numbers)), "places": shown})
    counts = {"reworded": reworded, "gone": len(gone), "near": len(near)}
    told = [say(f"stale.{k}", language, {"n": count(n)}) for k, n in counts.items() if n]
    yield " · ".join([*told, say("stale.propose", language)])


def number_change(test: StaleTest, language: Language) -> str:
    """Return where numbers changed: `returns.docx › Period: 7 days → 14 days (expected answer still says 7 days)`."""
    figures = {
        "place": place(test),
        "changes": ", ".join(
            f"{_short(old) or '–'} → {_short(new) or '–'}"
            for old, new in test.numbers[:_MOST_NUMBERS]
        ),
        "old": ", ".join(map(_short, test.still_says[:_MOST_NUMBERS])),
    }
    return say("stale.still_says" if test.still_says else "stale.place", language, figures)


def place(test: StaleTest) -> str:
    """Return file and heading of a test's source, each cut short."""
    return " › ".join(_short(part) for part in (test.file, test.heading) if part)


def stale_notes(found: Staleness | None, language: Language) -> dict[str, str]:
    """Return the note of each test whose source changed, by its id."""
    stale = [test for test in found.tests if test.is_stale] if found else []
    return {t.id: say(f"stale.note_{_WHEN[t.in_pull_request]}", language) for t in stale}


def _short(name: str) -> str:
    text = " ".join(name.split())
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"
