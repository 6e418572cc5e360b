"""Records that hold ids and figures alone."""

import json
from dataclasses import replace

import pytest
from comparing import judge
from factories import make_report
from made_reports import report

from lm_eval_so.comparator.compare import compare
from lm_eval_so.comparator.terms import Terms
from lm_eval_so.core.records.codec import to_json
from lm_eval_so.core.records.comparison import BaselineRef
from lm_eval_so.core.records.enums import ReportFormat
from lm_eval_so.core.records.staleness import StaleTest
from lm_eval_so.reporter.render import render

TEXTS = {"inputs": "planted question", "expected": "planted truth", "answers": "planted answer"}


def test_report__without_texts_has_its_ids_and_figures():
    whole = report()
    bare = whole.without_texts()
    assert [case.sample_id for case in bare.errors] == [case.sample_id for case in whole.errors]
    assert (bare.metrics, bare.failed_ids) == (whole.metrics, whole.failed_ids)
    texts = {text for case in whole.errors for text in (case.input, case.answer, case.expected)}
    texts |= {score.reason for case in whole.errors for score in case.scores}
    texts |= {v.reason for c in whole.errors for score in c.scores for v in score.judge}
    pages = [render(bare, None, format=each) for each in ReportFormat]
    for text in filter(None, texts):
        assert not [page for page in pages if json.dumps(text)[1:-1] in page or text in page]


@pytest.mark.parametrize("keeps_texts", [True, False])
def test_compare__without_texts(keeps_texts):
    n = 40
    columns = {name: [f"{text} {i}" for i in range(n)] for name, text in TEXTS.items()}
    before = make_report({"exact_match": [1] * n}, **columns)
    now = make_report({"exact_match": [0] * 20 + [1] * 20}, **columns)
    terms = Terms(compared_at="2026-11-24T06:30:00Z", keeps_texts=keeps_texts)
    found = compare(now, before, terms, baseline_ref=BaselineRef(source="file"))
    assert found.verdict == judge(before, now).verdict == "regression"
    assert len(found.changed) == 20
    text = json.dumps(to_json(found)) + render(None, found, format=ReportFormat.MD)
    assert ("planted" in text) is keeps_texts


def test_stale_test__without_texts_still_says_that_numbers_changed():
    test = StaleTest(
        id="q1",
        origin="document",
        state="changed",
        question="planted",
        file="a.md",
        heading="planted",
        old="planted 7",
        new="planted 14",
        numbers=(("7", "14"),),
        still_says=("7",),
    )
    bare = test.without_texts()
    assert "planted" not in json.dumps(to_json(bare))
    assert bare.numbers == (("", ""),)
    assert replace(test, numbers=()).without_texts().numbers == ()
