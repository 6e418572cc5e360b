"""What a judge's output is read as."""

import pytest

from lm_eval_so.core.asking.answer.json_answer import Unusable
from lm_eval_so.evaluator.metrics.judge.panel.labels import Verdict, label_key, read_verdict

LABELS = {"good": "good", "bad": "bad", "좋음": "good", "unknown": "UNKNOWN"}


@pytest.mark.parametrize(
    ("output", "label"),
    [
        ('{"reason":"r","label":"Good."}', "good"),
        ('{"reason":"r","label":"“GOOD”"}', "good"),
        ('{"reason":"r","label":"좋음"}', "good"),
        ('```json\n{"reason":"r","evidence":["e"],"label":"bad"}\n```', "bad"),
        ('I think {so}. {"a":1} {"reason":"r","label":"bad"} end', "bad"),
        ('{"label":"UNKNOWN","reason":"r"}', "UNKNOWN"),
        ('{"reason":"r","label":"bad"} {"reason":"r","label":"Bad."}', "bad"),
        ('{"note":{"x":"}"},"reason":"r","label":"good"}', "good"),
    ],
)
def test_read_verdict__usable(output: str, label: str) -> None:
    verdict = read_verdict(output, LABELS)
    assert isinstance(verdict, Verdict)
    assert (verdict.label, verdict.reason) == (label, "r")


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ("", "no_json"),
        ("good", "no_json"),
        ('{"reason":"r"}', "no_json"),
        ('{"reason":"r","label":"good"', "no_json"),
        ("{" * 5000, "no_json"),
        ("[" * 100_000, "no_json"),
        ('{"reason":"r","label":"Good!!"}', "unknown_label"),
        ('{"reason":"r","label":["good"]}', "unknown_label"),
        ('{"reason":"r","label":null}', "unknown_label"),
        ('{"reason":" ","label":"good"}', "no_reason"),
        ('{"label":"good"}', "no_reason"),
        ('{"reason":3,"label":"good"}', "no_reason"),
        ('It says {"reason":"r","label":"good"}. {"reason":"r","label":"bad"}', "several"),
    ],
)
def test_read_verdict__unusable(output: str, code: str) -> None:
    verdict = read_verdict(output, LABELS)
    assert isinstance(verdict, Unusable)
    assert verdict.code == code


def test_read_verdict__numbers_can_be_labels() -> None:
    verdict = read_verdict('{"reason":"r","label":5}', {"5": "5"})
    assert isinstance(verdict, Verdict)


def test_read_verdict__reason_is_one_line_and_evidence_is_texts() -> None:
    output = '{"reason":"one\\n two","evidence":["a", 3, " "],"label":"good"}'
    verdict = read_verdict(output, LABELS)
    assert isinstance(verdict, Verdict)
    assert (verdict.reason, verdict.evidence) == ("one two", ("a",))


def test_read_verdict__unknown_label_names_what_is_known() -> None:
    verdict = read_verdict('{"reason":"r","label":"Good!!"}', LABELS)
    assert isinstance(verdict, Unusable)
    assert verdict.figures == {"label": '"Good!!"', "labels": "good, bad, UNKNOWN"}


@pytest.mark.parametrize("label", ["Good.", " good ", '"good"', "‘Good’", "GOOD", "`good`"])
def test_label_key__case_quotes_and_full_stops_do_not_matter(label: str) -> None:
    assert label_key(label) == "good"


def test_read_verdict__half_a_surrogate_pair_can_be_written() -> None:
    verdict = read_verdict(r'{"reason":"a\ud800b","evidence":["\udc00"],"label":"good"}', LABELS)
    assert isinstance(verdict, Verdict)
    assert (verdict.reason, verdict.evidence) == ("a?b", ("?",))
    unusable = read_verdict(r'{"reason":"r","label":"\ud800"}', LABELS)
    assert isinstance(unusable, Unusable)
    unusable.figures["label"].encode()
