"""Known flaky samples are reported and do not gate."""

import unicodedata

import pytest
from comparing import entry, flips, judge, only
from factories import make_report

from lm_eval_so.comparator.exemptions.files import Exceptions
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.words.phrases import exemption_warning

NAMES = [f"환불-{i}" for i in range(66)]
WORSE = [0] * 6 + [1] * 60


def reports(before=None, now=None, **given):
    before = [1] * 66 if before is None else before
    pair = ({"exact_match": before}, {"exact_match": WORSE if now is None else now})
    return [make_report(scores, ids=NAMES, **given) for scores in pair]


def quarantine(*entries):
    return Exceptions(quarantine=tuple(entries))


def test_quarantine__samples_leave_both_sides_and_are_listed() -> None:
    plain = judge(*reports())
    found = judge(*reports(), exceptions=quarantine(*(entry(name) for name in NAMES[:6])))
    assert plain.verdict is Verdict.REGRESSION
    assert (found.verdict, only(found).n, only(found).left_out) == (Verdict.PASS, 60, 6)
    assert not found.changed
    assert [e.sample_id for e in found.quarantine] == NAMES[:6]
    first = found.quarantine[0]
    assert (first.state, first.reason, first.until) == ("applied", "dice", "2026-12-31")
    assert first.scores == {"exact_match": (1.0, 0.0)}


def test_quarantine__of_one_metric_leaves_the_others() -> None:
    pair = [make_report({"exact_match": c, "contains": c}, ids=NAMES) for c in ([1] * 66, WORSE)]
    entries = [entry(name, "contains") for name in NAMES[:6]]
    found = judge(*pair, exceptions=quarantine(*entries))
    assert found.metrics["contains"].verdict is Verdict.PASS
    assert found.metrics["exact_match"].verdict is Verdict.REGRESSION
    assert (found.metrics["contains"].n, found.metrics["exact_match"].n) == (60, 66)
    assert set(found.quarantine[0].scores) == {"contains"}


def test_quarantine__a_composed_name_is_that_of_a_decomposed_one() -> None:
    entries = [entry(unicodedata.normalize("NFD", name)) for name in NAMES[:6]]
    found = judge(*reports(), exceptions=quarantine(*entries))
    assert found.verdict is Verdict.PASS
    assert found.quarantine[0].sample_id == NAMES[0]


@pytest.mark.parametrize(
    ("until", "state", "verdict"),
    [
        ("2026-11-24", "applied", "pass"),
        ("2026-11-23", "expired", "regression"),
    ],
)
def test_quarantine__holds_until_the_end_of_its_day(until, state, verdict) -> None:
    entries = [entry(name, until=until) for name in NAMES[:6]]
    found = judge(*reports(), exceptions=quarantine(*entries))
    assert {e.state for e in found.quarantine} == {state}
    assert found.verdict == verdict
    assert (
        judge(*reports(), exceptions=quarantine(*entries), now="2026-11-24T23:59:59Z").verdict
        == verdict
    )


def test_quarantine__unknown_names_do_nothing_and_are_told() -> None:
    entries = [entry("환불-999"), entry("환불-0", "exactmatch")]
    found = judge(*reports(), exceptions=quarantine(*entries))
    assert [e.state for e in found.quarantine] == ["unknown_sample", "unknown_metric"]
    assert only(found).n == 66


@pytest.mark.parametrize(
    ("unknown", "meant"),
    [
        (entry("환블-58"), "환불-58"),
        (entry(unicodedata.normalize("NFD", "환블-58")), "환불-58"),
        (entry("환불-가"), None),  # ten are as near
        (entry("배송"), None),
        (entry("환불-0", "exactmatch"), "exact_match"),
        (entry("환불-0", "bleu"), None),
    ],
)
def test_quarantine__an_unknown_name_tells_what_may_be_meant(unknown, meant) -> None:
    (found,) = judge(*reports(), exceptions=quarantine(unknown)).quarantine
    assert found.meant == meant
    for language in Language:
        told = exemption_warning(found, language)
        assert meant is None or told.count(meant) == 1
        assert ("did you mean" in told or "비슷한 이름: " in told) == (meant is not None)


def test_quarantine__of_a_file_for_another_dataset_not_every_name_is_sought() -> None:
    entries = [entry(f"{name}x") for name in NAMES]
    found = judge(*reports(), exceptions=quarantine(*entries)).quarantine
    assert [e.meant for e in found] == [*NAMES[:20], *[None] * 46]


def test_quarantine__comes_before_row_3_and_row_5() -> None:
    twice = make_report({"exact_match": [1] * 67}, ids=[*NAMES, NAMES[0]])
    assert only(judge(reports()[0], twice)).reason == "duplicate_id"
    found = judge(reports()[0], twice, exceptions=quarantine(entry(NAMES[0])))
    assert (only(found).verdict, only(found).n) == (Verdict.PASS, 65)

    short = make_report({"exact_match": [1] * 47}, ids=NAMES[:47])
    assert only(judge(reports()[0], short)).reason == "overlap"
    gone = quarantine(*(entry(name) for name in NAMES[47:]))
    assert only(judge(reports()[0], short, exceptions=gone)).reason != "overlap"


def test_quarantine__another_duplicate_is_still_found() -> None:
    twice = make_report({"exact_match": [1] * 68}, ids=[*NAMES, NAMES[0], NAMES[1]])
    found = judge(reports()[0], twice, exceptions=quarantine(entry(NAMES[0])))
    assert only(found).reason == "duplicate_id"
    assert NAMES[1] in only(found).sentence


def test_quarantine__of_everything_leaves_nothing_to_judge() -> None:
    found = judge(*reports(), exceptions=quarantine(*map(entry, NAMES)))
    assert (only(found).verdict, only(found).reason) == (Verdict.ERROR, "no_samples")


def test_quarantine__holds_for_fixed_bounds_too() -> None:
    gate = {"metrics": {"exact_match": {"min": 0.95}}}
    assert only(judge(*reports(), gate=gate)).threshold["held"] is False
    found = judge(*reports(), gate=gate, exceptions=quarantine(*map(entry, NAMES[:6])))
    assert only(found).threshold["held"] is True
    alone = judge(None, reports()[1], gate=gate, exceptions=quarantine(*map(entry, NAMES[:6])))
    assert only(alone).threshold["held"] is True


def test_quarantine__without_entries_changes_nothing() -> None:
    pair = [make_report({"exact_match": c}) for c in flips(worse=8, better=6, n=100)]
    assert judge(*pair) == judge(*pair, exceptions=quarantine())
