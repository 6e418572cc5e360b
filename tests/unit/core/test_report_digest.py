"""Which report it is, and that a verdict stands beside its own figures only."""

from dataclasses import replace
from pathlib import Path

import pytest
from comparing import judge
from factories import make_report

from lm_eval_so.comparator.baseline.promote import accept
from lm_eval_so.core.records.acceptance import Acceptance
from lm_eval_so.core.records.codec import dumps, loads
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.report_digest import digest_report, refuse_other_report
from lm_eval_so.errors import InputError

OLD = make_report({"정확도": [1, 1, 0, 0]}, commit="a" * 40)
NEW = make_report({"정확도": [1, 1, 1, 0]}, commit="b" * 40)
WHY = Acceptance(reason="환불 답변을 짧게", at="2026-11-24T06:30:00.000Z", by="김 검토")


def test_digest_report__is_the_same_for_the_same_figures_only() -> None:
    digest = digest_report(OLD)
    head = OLD.experiment
    same = accept(replace(OLD, experiment=replace(head, eligible=False)), NEW, WHY)
    assert digest_report(loads(dumps(same), EvaluationReport)) == digest
    others = [
        NEW,
        replace(OLD, experiment=replace(head, evaluated_at="2026-11-25T06:30:00Z")),
        replace(OLD, experiment=replace(head, suite="x")),
        replace(OLD, experiment=replace(head, fingerprints={"run": "x"})),
        make_report({"정확도": [1, 1, 0, 0]}, fingerprints={"정확도": "x"}),
    ]
    assert digest not in {digest_report(each) for each in others}
    assert judge(NEW, OLD).candidate_digest == digest


def test_refuse_other_report__takes_what_belongs_together() -> None:
    told = judge(OLD, NEW)
    as_baseline = accept(replace(NEW, experiment=replace(NEW.experiment, eligible=False)), OLD, WHY)
    for comparison, report in [
        (told, NEW),
        (told, as_baseline),
        (told, None),
        (None, OLD),
        (replace(told, candidate_digest=None), OLD),
    ]:
        refuse_other_report(comparison, report)


def test_refuse_other_report__names_both_files() -> None:
    with pytest.raises(InputError) as caught:
        refuse_other_report(judge(OLD, NEW), OLD, files=(Path("c.json"), Path("보고서.json")))
    (problem,) = caught.value.problems
    assert problem.what == "c.json is about another report than 보고서.json"
    assert (str(problem.where), problem.hint is not None) == ("c.json", True)
