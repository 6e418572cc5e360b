"""Inputs that few people have and that must not break a comparison."""

from comparing import judge, only
from factories import make_report

from lm_eval_so.core.records.enums import Verdict


def test_compare__further_answers_say_nothing_about_a_time() -> None:
    before = make_report({"latency_ms": [100.0 + i % 7 for i in range(99)] + [None]})
    now = make_report({"latency_ms": [200.0 + i % 5 for i in range(100)]})
    gate = {"metrics": {"latency_ms": {}}, "confirm": 3}
    answers = {"latency_ms": {f"s{i}": [100.0] * 3 for i in range(100)}}
    metric = only(judge(before, now, gate=gate, again=answers))
    assert (metric.verdict, metric.reason) == (Verdict.REGRESSION, None)
    assert metric.p_worse == only(judge(before, now, gate=gate)).p_worse
