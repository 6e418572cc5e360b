"""What is said of known flaky samples, accepted changes and samples asked again."""

import re

import pytest
from comparing import entry, flips, judge
from factories import make_report

from lm_eval_so.comparator.exemptions.files import Exceptions
from lm_eval_so.core.records.enums import Direction, Language
from lm_eval_so.core.words.phrases import exemption_warning

PAIR = [make_report({"exact_match": c}) for c in flips(worse=12, better=4, n=160)]
NAMES = [f"s{i}" for i in range(12)]
LOWER = [
    make_report({"toxicity": [v] * 100}, directions={"toxicity": Direction.LOWER})
    for v in (0.1, 0.3)
]
SCORES = [make_report({"token_f1": [v] * 200}) for v in (0.9, 0.8)]
GATE = {"confirm": 2}
BOUND = {"metrics": {"exact_match": {"min": 0.5}}}


def answers(confirmed):
    lost = {name: [int(i >= confirmed)] * 2 for i, name in enumerate(NAMES)}
    return {"exact_match": lost | {f"s{i}": [1, 1] for i in range(12, 16)}}


def accept(*entries):
    return {"exceptions": Exceptions(accept=entries)}


def quarantine(n):
    return {"exceptions": Exceptions(quarantine=tuple(entry(f"s{i}") for i in range(n)))}


COMPARED = {
    "confirmed": (PAIR, {"gate": GATE, "again": answers(12)}),
    "confirmed, one was flaky": (PAIR, {"gate": GATE, "again": answers(11)}),
    "not confirmed": (PAIR, {"gate": GATE, "again": answers(3)}),
    "not asked again": (PAIR, {"gate": GATE}),
    "accepted": (PAIR, accept(entry(None, "exact_match", max_drop=0.1))),
    "all in quarantine": (PAIR, quarantine(200)),
    "all in quarantine, with a bound": (PAIR, {**quarantine(200), "gate": BOUND}),
    "most in quarantine": (SCORES, quarantine(197)),
    "accepted, less is better": (LOWER, accept(entry(None, "toxicity", max_drop=0.25))),
}
ENTRIES = Exceptions(
    quarantine=(
        entry("s1"),
        entry("s2", until="2026-11-01"),
        entry("환불-9"),
        entry("s3", "정확도"),
        entry("s 12"),
        entry("s3", "exactmatch"),
    ),
    accept=(
        entry("s1", max_drop=1, until="2026-11-01"),
        entry("s4", max_drop=0.5),
        entry(None, "exact_match", max_drop=0.02),
        entry(None, "exact_match", max_drop=0.1, until="2026-11-01"),
        entry(None, "정확도", max_drop=1),
    ),
)


@pytest.mark.parametrize("language", Language)
def test_exception_sentences__read_well(language, golden) -> None:
    told = [
        f"## {name}\n\n{found.verdict.value}, {found.exit_code}: {found.sentence}\n"
        for name, (pair, given) in COMPARED.items()
        for found in [judge(*pair, language=language, **given)]
    ]
    found = judge(*PAIR, exceptions=ENTRIES)
    warnings = [exemption_warning(e, language) for e in (*found.quarantine, *found.accept)]
    told.append("## warnings\n\n" + "\n".join(f"- {text}" for text in warnings if text) + "\n")
    text = "\n".join(told)
    assert not re.search(r"[{}]", text)
    golden(f"comparison/exceptions.{language.value}.md", text)


def test_exception_warnings__only_what_does_not_hold_is_told() -> None:
    found = judge(*PAIR, exceptions=ENTRIES)
    told = [exemption_warning(e, Language.EN) for e in (*found.quarantine, *found.accept)]
    assert [bool(text) for text in told] == [False, *[True] * 10]
