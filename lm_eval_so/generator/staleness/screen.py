"""Stale tests at a terminal: what changed, test by test, and what to do."""

from collections.abc import Iterator

from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.staleness import Staleness, StaleTest
from lm_eval_so.core.templates.safe import one_line
from lm_eval_so.core.text import width
from lm_eval_so.core.words import say
from lm_eval_so.core.words.formats import count
from lm_eval_so.core.words.stale_tests import number_change, place

_MOST_TESTS = 20
_MOST_CHARACTERS = 300
_BAR = "▌"
_STATES = ("changed", "gone", "near", "new")


def screen(found: Staleness, language: Language, *, has_model: bool = True) -> str:
    """Return the tests that no longer fit their sources, for people, with a line end at its end.

    Args:
        found: The record.
        language: Language of what is told.
        has_model: Whether a model is named that can propose new answers.
    """
    stale = sorted((test for test in found.tests if test.is_stale), key=_rank)
    blocks = ["\n".join(_test(test, language)) for test in stale[:_MOST_TESTS]]
    if more := stale[_MOST_TESTS:]:
        blocks.append(say("stale.more", language, {"n": count(len(more))}))
    return "\n".join([*blocks, *_summary(found, language, has_model)]) + "\n"


def _rank(test: StaleTest) -> tuple[bool, bool, int]:
    """Return the place of a test: changed numbers first, imported rows last."""
    return test.origin == "row", not test.numbers, _STATES.index(test.state)


def _test(test: StaleTest, language: Language) -> Iterator[str]:
    names = [say(f"stale.state_{state}", language) for state in _STATES]
    broad = max(map(width, names))
    state = say(f"stale.state_{test.state}", language)
    told = number_change(test, language) if test.numbers else place(test)
    yield f"{_padded(state, broad)}  {one_line(told, _MOST_CHARACTERS)}"
    labels = [say(f"stale.label_{name}", language) for name in ("question", "old", "new")]
    room = max(map(width, labels))
    bar = _BAR if test.origin == "document" else ""
    for label, text in zip(labels, (test.question, test.old, test.new), strict=True):
        if text:
            mark = "" if label == labels[0] else bar
            yield f"{' ' * broad}  {_padded(label, room)}  {mark}{one_line(text, _MOST_CHARACTERS)}"


def _summary(found: Staleness, language: Language, has_model: bool) -> Iterator[str]:
    if not found.is_made:
        yield say("stale.not_made", language)
        return
    documents = [test for test in found.tests if test.origin == "document"]
    counts = {
        state: sum(test.state == state for test in documents)
        for state in ("changed", "gone", "near")
    }
    counts["rows"] = len(found.rows)
    standing = sum(test.is_stale and test.state != "new" for test in found.tests)
    told = [say(f"stale.count_{k}", language, {"n": count(n)}) for k, n in counts.items() if n]
    figures = {"of": count(found.of), "same": count(found.of - standing), "counts": ", ".join(told)}
    yield say("stale.counts" if told else "stale.fits", language, figures)
    if found.new_passages and found.unanswerable:
        new = {"n": count(found.new_passages), "m": count(found.unanswerable)}
        yield say("stale.new_passages", language, new)
    if counts["changed"] or counts["gone"] or counts["near"]:
        yield say("stale.propose" if has_model else "stale.name_a_model", language)
    if found.rows:
        yield say("stale.next_generate", language)


def _padded(text: str, columns: int) -> str:
    return f"{text}{' ' * (columns - width(text))}"
