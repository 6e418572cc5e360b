"""Cases that a first run names, as no baseline tells which got worse."""

from dataclasses import replace

from made_reports import case, comparison, first_run, report

from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.report import Columns
from lm_eval_so.core.words.first_cases import low_cases


def test_low_cases__a_first_run_names_cases_of_the_user_before_their_twins() -> None:
    base = report()
    ids = ("s1", "s2", "s3")
    samples = Columns(
        ids=ids,
        sample_hashes=ids,
        revs=ids,
        groups=(None,) * 3,
        repeats=(0,) * 3,
        statuses=("ok",) * 3,
        scores={},
        not_applicable={},
        refs=("7 (typo)", None, "7"),
    )
    made = replace(base, samples=samples, failed_ids=ids, errors=tuple(map(case, ids)))
    found = low_cases(first_run(), made, Language.EN)
    assert [each.name for each in found] == ["7", "7 (typo)", "s2"]
    assert {(each.was, each.answer, each.state) for each in found} == {
        ("", "보통 일주일 정도 걸립니다.", "low")
    }
    assert low_cases(comparison(), made, Language.EN) == ()
    without = replace(made, errors=tuple(each.without_texts() for each in made.errors))
    assert low_cases(first_run(), without, Language.EN) == ()


def test_low_cases__tell_each_reason_once() -> None:
    lost = case("s1")
    score = replace(lost.scores[0], value=None, reason="no template sends it")
    scores = (score, replace(score, metric="b"), replace(score, metric="c", reason="other"))
    lost = replace(lost, scores=scores, failed=tuple(each.metric for each in scores))
    made = replace(report(), failed_ids=("s1",), errors=(lost,))
    (quality,) = low_cases(first_run(), made, Language.EN)
    assert quality.reasons == ((f"{score.metric}, b", "no template sends it"), ("c", "other"))
    told = replace(lost, kind="infrastructure", reason='error: "no template sends it"')
    (row,) = low_cases(first_run(), replace(made, errors=(told,)), Language.EN)
    assert (row.now, row.reasons) == (told.reason, (("c", "other"),))
