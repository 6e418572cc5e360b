"""Broken cases in words, the same in reports, comments and on the terminal."""

import re
from collections.abc import Iterator, Sequence

from lm_eval_so.core.records.comparison import (
    BrokenCase,
    BrokenCases,
    Comparison,
    Reason,
)
from lm_eval_so.core.records.enums import ABOUT_THESE, Language, Verdict
from lm_eval_so.core.stats.broken import wrong_needed
from lm_eval_so.core.words import say
from lm_eval_so.core.words.formats import count, reason_figures
from lm_eval_so.core.words.phrases import stored_baseline

_MOST_SENTENCES, _MOST_IDS = 3, 10
_LONGEST_QUESTION = 60
_REPEATS = range(3, 11)
"""Answers of a baseline that may be recommended."""
_TOLD = ("broken_cases", "must_failed")
"""Codes that the cases themselves tell."""
_FAILING = ("must", "proven", "unproven")
"""States for which a run may fail, in the order in which they are told."""
_MEAN_KEYS = {
    Verdict.PASS: "mean_passes",
    Verdict.IMPROVED: "mean_passes",
    Verdict.INCONCLUSIVE: "mean_unclear",
}
_CONTENT_ID = re.compile(r"s[0-9a-f]{16}")
"""Id made by `generate`, meaningless to people."""


def named_cases(broken: BrokenCases | None) -> list[BrokenCase]:
    """Return the cases that stayed wrong, one a sample: by the metric that says the most."""
    found: dict[str, BrokenCase] = {}
    for case in broken.cases if broken else ():
        if case.state != "slip":
            found.setdefault(case.sample_id, case)
    return list(found.values())


def slipped(broken: BrokenCases | None) -> list[BrokenCase]:
    """Return the cases that went wrong once and were right when asked again, one a sample."""
    stayed = {case.sample_id for case in named_cases(broken)}
    found: dict[str, BrokenCase] = {}
    for case in broken.cases if broken else ():
        if case.sample_id not in stayed:
            found.setdefault(case.sample_id, case)
    return list(found.values())


def cases_headline(comparison: Comparison, language: Language) -> str:
    """Return how many cases broke or failed, if the run fails for them; else an empty text."""
    if comparison.broken is None:
        return ""
    return _headline(comparison.broken, comparison.reasons, language)


def case_name(case: BrokenCase) -> str:
    """Return the user's own id, or else the sample's."""
    return case.ref or case.sample_id


def case_question(case: BrokenCase) -> str:
    """Return the question on one line, cut short; empty if it is not known."""
    asked = " ".join((case.input or "").split())
    return asked if len(asked) <= _LONGEST_QUESTION else f"{asked[:_LONGEST_QUESTION]}…"


def is_wrong_on_main(case: BrokenCase) -> bool:
    """Return whether main's configuration gets a case wrong today, too, as often as it was asked."""
    return case.state != "slip" and case.main is not None and not case.main[0]


def case_sentence(case: BrokenCase, broken: BrokenCases, language: Language) -> str:
    """Return the sentences of a case that stayed wrong, and what main's configuration says of it."""
    return " ".join((_own_sentence(case, broken, language), *_of_main(case, broken, language)))


def _of_main(case: BrokenCase, broken: BrokenCases, language: Language) -> Iterator[str]:
    """Yield what main's configuration says of a case, if it was asked."""
    if case.main is None:
        return
    right, asked = case.main
    key = "main_right" if right >= 2 else "main_some" if right else "main_wrong"
    if not right and broken.main_changed:
        key = "main_wrong_stale"
    elif not right and case.no_answer:
        key = "main_silent"
    yield say(f"broken.{key}", language, {"r": count(right), "asked": count(asked)})


def _own_sentence(case: BrokenCase, broken: BrokenCases, language: Language) -> str:

    def text(key: str, **more: str) -> str:
        return say(f"broken.{key}", language, {**figures, **more})

    figures = {**_figures(case), "label": _label(case, language)}
    is_all = case.now[0] == case.now[1]
    if case.state == "must":
        base = text("must_base") if case.baseline else ""
        key = "must_lost" if case.no_answer else "must_all" if is_all else "must"
        return text(key, base=base)
    lost = "_lost" if case.no_answer else ""
    if broken.since is not None and case.state == "proven":
        return text(f"proven_since{lost}", since=broken.since)
    if case.state == "proven" or (case.main is not None and case.main[0] < 2):
        return text(f"proven{lost}")
    if case.needed is not None and case.needed > case.now[0]:
        return text("unfinished", needed=count(case.needed))
    parts = [text(f"unproven{lost}")]
    right, of = case.baseline or (0, 0)
    repeats = _enough_repeats(broken)
    if right < of:
        parts.append(text("unproven_unsteady"))
    elif repeats is not None and repeats > of:
        parts.append(text("unproven_repeats", k2=count(repeats)))
    return " ".join(parts)


def case_notes(case: BrokenCase, broken: BrokenCases, language: Language) -> Iterator[str]:
    """Yield how sure it is that a case broke, beside its figures, and what main says of it."""
    right, of = case.baseline or (0, 0)
    if case.state == "unproven" and (case.main is None or case.main[0] >= 2):
        if case.needed is not None and case.needed > case.now[0]:
            yield say("broken.note_unfinished", language, {"needed": count(case.needed)})
        elif right < of:
            yield say("broken.unproven_unsteady", language)
        elif of > 1 and (repeats := _enough_repeats(broken)) is not None and repeats > of:
            yield say("broken.note_repeats", language, {"k2": count(repeats)})
    yield from _of_main(case, broken, language)


def advice(broken: BrokenCases | None, language: Language) -> str:
    """Return what to do about cases that cannot be proven, since the baseline was asked only once."""
    found = named_cases(broken)
    stayed = [case for case in found if case.state == "unproven" and case.main is None]
    if broken is None or not any(case.baseline == (1, 1) for case in stayed):
        return ""
    repeats = _enough_repeats(broken)
    if repeats is None:
        return say("broken.advice", language)
    return say("broken.advice_repeats", language, {"k2": count(repeats)})


def slips_sentence(broken: BrokenCases, language: Language) -> str:
    """Return how many cases slipped once, with their ids; empty if none did."""
    slips = slipped(broken)
    if not slips:
        return ""
    others = "" if named_cases(broken) else "_alone"
    key = f"slips{others}_{'one' if len(slips) == 1 else 'many'}"
    text = say(f"broken.{key}", language, {"x": count(len(slips))})
    return say("broken.slips_named", language, {"text": text, "ids": _ids(slips)})


def lead_sentence(
    broken: BrokenCases,
    reasons: Sequence[Reason],
    *,
    verdict: Verdict,
    mean: str,
    language: Language,
) -> tuple[str, str]:
    """Return the sentences of the run, broken cases first, and those of the mean alone.

    Args:
        broken: Cases that broke.
        reasons: Reasons why the run fails for them; none if it does not.
        verdict: Verdict of the mean alone.
        mean: Sentences of the mean.
        language: Language of the sentences.
    """
    named = named_cases(broken)
    if not named:
        is_settled = verdict is not Verdict.INCONCLUSIVE or not slipped(broken)
        alone = mean if is_settled else f"{mean} {say('broken.none_stayed', language)}"
        return alone, alone
    parts = [case_sentence(case, broken, language) for case in named[:_MOST_SENTENCES]]
    if rest := named[_MOST_SENTENCES:]:
        parts.append(say("broken.more", language, {"x": count(len(rest)), "ids": _ids(rest)}))
    cases, head = " ".join(parts), _headline(broken, reasons, language)
    if head:
        cases = say("broken.told", language, {"head": head, "cases": cases})
    if head and verdict in _MEAN_KEYS:
        mean = say(f"broken.{_MEAN_KEYS[verdict]}", language, {"sentence": mean})
    ordered = (mean, cases) if verdict is Verdict.ERROR else (cases, mean)
    return " ".join(filter(None, ordered)), mean


def warning_sentences(broken: BrokenCases | None, language: Language) -> list[str]:
    """Return the warnings that the cases themselves do not tell."""
    return [
        say(f"broken.{each.code}", language, reason_figures(each.figures, language))
        for each in (broken.warnings if broken else ())
        if each.code not in _TOLD
    ]


def limit_sentences(comparison: Comparison, language: Language) -> Iterator[str]:
    """Yield what a verdict rests on: a stored baseline, these questions, how often a case is called broken by mistake."""
    yield from stored_baseline(comparison.baseline, language)
    sizes = [m.n for m in comparison.metrics.values() if m.gating and m.method in ABOUT_THESE]
    if sizes:
        yield say("comment.footer_claim", language, {"n": count(max(sizes))})
    broken = comparison.broken
    if broken is not None and broken.family and named_cases(broken):
        told = {"alpha": f"{100 * broken.alpha:.3g}%", "n": count(broken.samples)}
        yield say("broken.footer", language, told)


def _headline(broken: BrokenCases, reasons: Sequence[Reason], language: Language) -> str:
    numbers: dict[str, int] = {}
    for reason in reasons:
        if reason.code in _TOLD:
            numbers |= {key: n for key, n in reason.figures.items() if isinstance(n, int)}
    heads = [
        say(f"broken.head_{state}", language, {"x": count(n), "n": count(broken.samples)})
        for state in _FAILING
        if (n := numbers.get(state, 0))
    ]
    if len(heads) < 2:
        return "".join(heads)
    return say("broken.heads", language, {"first": heads[0], "rest": ", ".join(heads[1:])})


def _figures(case: BrokenCase) -> dict[str, str]:
    right, of = case.baseline or (0, 0)
    return {
        "s": count(right),
        "k": count(of),
        "m": count(case.now[0]),
        "of": count(case.now[1]),
        "why": case.reason or "",
    }


def _label(case: BrokenCase, language: Language) -> str:
    name, question = case_name(case), case_question(case)
    if not question:
        return name
    if case.ref is None and _CONTENT_ID.fullmatch(case.sample_id):
        return f'"{question}"'
    return say("broken.label", language, {"id": name, "question": question})


def _ids(cases: Sequence[BrokenCase]) -> str:
    names = ", ".join(map(case_name, cases[:_MOST_IDS]))
    return f"{names}, …" if len(cases) > _MOST_IDS else names


def _enough_repeats(broken: BrokenCases) -> int | None:
    """Return the least answers of a baseline, all right, with which a broken case is proven."""
    return next(
        (
            k
            for k in _REPEATS
            if wrong_needed(k, k, family=max(1, broken.family), alpha=broken.alpha)
        ),
        None,
    )
