"""The list of cases: states, order, texts, and what the file holds."""

import json
import re
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise

import pytest
from comparing import judge
from factories import make_report
from full_comparison import exemption, full_comparison, labelled
from full_report import full_report, with_rows
from made_reports import broken, broken_case, changed, compared, comparison
from rendering import render
from rows_apart import apart

from lm_eval_so.core.records.changes import FlakyCase, RewordedCase
from lm_eval_so.core.records.comparison import Pairing
from lm_eval_so.core.records.enums import Language, ReportCases, Verdict
from lm_eval_so.reporter.content import Style
from lm_eval_so.reporter.html.listing.list_cases import BUDGET, case_list
from lm_eval_so.reporter.html.listing.states import VIEWS, case_states

ALL = Style(cases=ReportCases.ALL)


def listed(report, compared=None, style=ALL, **options):
    return json.loads(case_list(report, compared, style, **options).data)


def by_id(data):
    return {data["texts"][place]: n for n, place in enumerate(data["id"])}


def several(times=3, samples=20, answers=None):
    """Return a report of samples that were asked several times, the answers in turn."""
    made = with_rows(full_report(), samples * times)
    ids = tuple(f"s{row // times:04d}" for row in range(samples * times))
    given = answers or tuple(f"답 {row % 2}" for row in range(samples * times))
    columns = replace(
        made.samples,
        ids=ids,
        repeats=tuple(row % times for row in range(samples * times)),
        statuses=("ok",) * (samples * times),
        answers=given,
        scores={"exact_match": tuple(float(row % 2) for row in range(samples * times))},
    )
    return replace(made, samples=columns, errors=(), failed_ids=("s0003",))


STATES = [
    ("must-001", "must", {"broke", "worse"}),
    ("refund-014", "proven", {"broke", "worse", "failing"}),
    ("ship-003", "unproven", {"unproven", "worse"}),
    ("promo-007", "slip", {"slip"}),
    ("s0001", "worse", {"worse"}),
    ("s0002", "better", {"better"}),
    ("s0003", "flaky", {"flaky", "same"}),
    ("s0004", "right", {"right", "quarantined"}),
    ("s0005", "reworded", {"same", "reworded"}),
    ("s0006", "both", {"both", "failing"}),
    ("s0007", "failing", {"failing"}),
    ("s0008", "right", {"right"}),
    ("s0009", "unscored", {"unscored"}),
    ("s0010", "better", {"better", "unscored"}),
    ("s0011", "failing", {"failing"}),
]


def of_each_state():
    ids = tuple(name for name, _, _ in STATES)
    made = with_rows(full_report(), len(ids))
    statuses = tuple("timeout" if name in {"s0009", "s0010"} else "ok" for name in ids)
    samples = replace(
        made.samples, ids=ids, statuses=statuses, scores={"exact_match": (1.0,) * len(ids)}
    )
    made = replace(
        made,
        samples=samples,
        errors=(),
        failed_ids=("refund-014", "s0006", "s0007", "s0009", "s0011"),
    )
    same = {"metric": "exact_match", "baseline": 1.0, "candidate": 0.0, "again": (1, 3)}
    found = comparison(
        broken=broken(),
        changed=(
            changed("refund-014"),
            changed("promo-007"),
            changed("s0001"),
            changed("s0002", "better"),
            changed("s0010", "better"),
        ),
        flaky=(FlakyCase(sample_id="s0003", **same),),
        quarantine=(exemption("s0004"), exemption("s0005", state="expired")),
        accept=(exemption("s0011"),),
        pairing=Pairing(paired=12, added=("s0007",), removed=(), changed=("s0008",)),
        reworded=(RewordedCase(sample_id="s0005", baseline_answer="30일 안에 됩니다."),),
    )
    return made, found


def test_states__what_is_told_of_each_case():
    made, found = of_each_state()
    states = case_states(made, found)
    assert [(name, s.name, set(s.views)) for name, s in states.items()] == STATES
    assert {view for s in states.values() for view in s.views} == {*VIEWS}


def test_states__without_a_comparison_right_or_failing():
    made, _ = of_each_state()
    names = {name: state.name for name, state in case_states(made, None).items()}
    assert {names.pop("s0009"), names.pop("s0010")} == {"unscored"}
    assert {name for name, state in names.items() if state == "failing"} == {*made.failed_ids} - {
        "s0009"
    }
    assert {*names.values()} == {"failing", "right"}


@pytest.mark.parametrize("moved", [(1, 1), (3, 2), None])
def test_states__nothing_is_called_unchanged_where_changes_are_left_out(moved):
    made, found = of_each_state()
    states = case_states(made, replace(found, changed_samples=moved)).values()
    names = {view for state in states for view in state.views}
    assert ("same" in names, "both" in names) == ((moved != (3, 2 + 1)),) * 2
    cut = replace(found, changed_samples=(4, 2))
    assert not {"same", "both"} & {s.name for s in case_states(made, cut).values()}


def test_states__nothing_is_called_unchanged_by_a_metric_that_was_not_compared():
    made, found = of_each_state()
    metrics = {**found.metrics, "exact_match": compared(verdict=Verdict.INCOMPARABLE)}
    states = case_states(made, replace(found, metrics=metrics)).values()
    assert not {"same", "both", "reworded"} & {view for state in states for view in state.views}


def test_list__a_case_with_its_texts_and_reasons():
    data = listed(with_rows(full_report(), 1000), comparison())
    texts, row = data["texts"], by_id(data)["refund-014"]
    assert data["total"] == len(data["id"]) == 1000
    assert texts[data["input"][row]] == "환불은 며칠 걸리나요?"
    more = data["more"][str(row)]
    assert texts[more["was"]] == "Yes, within 30 days, with the receipt."
    assert texts[more["now"]] == "No, sale items are final."
    told = [texts[metric] for metric, *_ in more["why"]]
    assert told == ["helpful", "exact_match", "helpful"]
    assert [texts[vote[1]] for vote in more["why"][2][3]] == ["bad", "partial", "judge_invalid"]
    assert [texts[place] if place >= 0 else "" for place in more["said"]] == [
        "0",
        "bad",
        "1,184 ms",
    ]
    assert len(texts) == len(set(texts))


def test_list__the_change_of_a_case_and_what_asking_again_found():
    data = listed(labelled(), full_comparison())
    more = data["more"][str(by_id(data)["s0009"])]
    assert [data["texts"][place] for place in more["notes"]] == ["worse again in 2 of 2 re-runs"]
    assert data["texts"][more["now_said"]] == "wrong"


def test_list__a_sample_stands_once_with_all_its_answers():
    data = listed(several(), comparison(Verdict.PASS, changed=()))
    assert [data["texts"][place] for place in data["id"]] == [f"s{n:04d}" for n in range(20)]
    assert [len(rows) for rows in data["rows"]] == [3] * 20
    assert [[row[2] for row in rows] for rows in data["rows"][:2]] == [[0, 1, 0], [1, 0, 1]]


def test_list__tallies_of_cases_that_were_asked_again():
    data = listed(with_rows(full_report()), comparison(broken=broken(broken_case("refund-014"))))
    assert data["more"][str(by_id(data)["refund-014"])]["tally"] == [[5, 5], [0, 6]]


def test_list__a_report_without_texts_still_shows_its_cases():
    made = with_rows(full_report())
    bare = replace(
        made.samples, inputs=None, expected=None, answers=None, tags=None, languages=None
    )
    data = listed(replace(made, samples=bare))
    is_answer = [status not in {"timeout", "missing"} for status in bare.statuses]
    assert [rows[0][0] for rows in data["rows"]] == [-2 if each else -1 for each in is_answer]
    hashed = {"report": {"answers": "hash"}}
    made = replace(made, experiment=replace(made.experiment, evaluator_config=hashed))
    assert {rows[0][0] for rows in listed(made)["rows"]} == {-1, -2}
    assert len(data["id"]) == 240


def test_list__labels_reach_the_script():
    data = listed(labelled())
    texts = data["texts"]
    length, product = data["label_sets"]
    assert texts[length["by"]] == texts[length["name"]] == "length"
    assert [texts[place] for place in product["values"]] == ["충전기", "케이블 & 젠더", "(none)"]
    assert data["labels"][:4] == [[0, 0], [1, 1], [0, 2], [1, 0]]


def test_list__order__worse_then_slipped_then_failed():
    compared = replace(
        full_comparison(), broken=broken(broken_case("s0020"), broken_case("s0021", "slip"))
    )
    data = listed(labelled(), compared)
    ids = [data["texts"][data["id"][n]] for n in data["first"]]
    worse = ["s0020", "s0009", "refund-014", "refund-020", "s0003", "s0021"]
    assert ids[:6] == worse
    failed = [each for each in labelled().failed_ids if each not in worse]
    assert ids[6 : 6 + len(failed)] == failed
    assert "s0019" in ids  # it got better


@pytest.mark.parametrize(
    ("answer", "failed"),
    [("답" * 200, 40), ("가" * 4100, 10), ("👨‍👩‍👧‍👦" * 900, 1000), ("<" * 5000, 10)],
)
def test_list__stays_within_its_budget(answer, failed):
    made = with_rows(full_report(), 1000)
    columns = replace(
        made.samples,
        statuses=("ok",) * 1000,
        answers=tuple(f"{n} {answer}" for n in range(1000)),
        scores={"exact_match": (1.0,) * 1000},
    )
    made = replace(made, samples=columns, errors=(), failed_ids=columns.ids[:failed])
    budget = BUDGET // 16
    found = case_list(made, None, Style(), budget=budget)
    data = json.loads(found.data)
    assert budget * 0.9 < len(found.data.encode()) <= budget
    assert 0 < len(data["id"]) < 1000
    held = [data["texts"][place] for place in data["id"]]
    assert held == [each for each in columns.ids if each in {*held}]
    told = [each for each in columns.ids[:failed] if each in {*held}]
    assert told == list(columns.ids[: len(told)])  # the first of them
    drawn, rest = len(held) - len(told), 1000 - failed
    if len(told) == failed:
        assert f"all {failed} cases that changed, failed" in found.left_out
        assert f"and {drawn} of the {rest} others, drawn by chance" in found.left_out
    else:
        assert failed == 1000
        assert f"{len(told)} of the 1,000 cases that" in found.left_out
    assert case_list(made, None, Style(), budget=budget) == found


def test_list__the_rest_is_the_same_sample_whatever_changed():
    made = with_rows(full_report(), 600)
    made = replace(made, errors=(), failed_ids=())
    one = by_id(listed(made, style=Style(), budget=60_000)).keys()
    renamed = replace(made, failed_ids=("s0100",))
    other = by_id(listed(renamed, style=Style(), budget=60_000)).keys()
    assert 100 < len(one) < 600
    assert len(one ^ other) <= len(one) / 20  # what just fits may differ
    places = [int(name[1:]) for name in sorted(one) if name.startswith("s")]
    assert max(b - a for a, b in pairwise(places)) < 60  # from all parts of the dataset


@pytest.mark.parametrize(("budget", "every"), [(3_000, 2), (9_000, 12), (BUDGET, 12)])
@pytest.mark.parametrize("repeats", [1, 2])
def test_list__rows_in_a_file_change_nothing(tmp_path, repeats, budget, every):
    """Of a report whose samples are too many for the page, only those are looked at that it may show."""
    n = 150
    right = [[float(i % every > 0 and i % 11 > at) for at in range(repeats)] for i in range(n)]
    texts = [f"{i % 50}일" for i in range(n * repeats)]
    before, now = (
        make_report({"right": each}, answers=texts) for each in (right[1:] + right[:1], right)
    )
    lost = range(7 * repeats, n * repeats, 17 * repeats)
    columns = replace(
        now.samples,
        statuses=["timeout" if row in lost else "ok" for row in range(n * repeats)],
        scores={
            "right": [
                None if row in lost else v for row, v in enumerate(now.samples.scores["right"])
            ]
        },
    )
    now = replace(now, samples=columns, failed_ids=[f"s{i}" for i in range(0, n, every)][::-1])
    compared = judge(before, now)
    assert {each.change for each in compared.changed} == {"worse", "better"}
    found = case_list(now, compared, Style(), budget=budget)
    assert case_list(apart(now, tmp_path), compared, Style(), budget=budget) == found
    assert (found.left_out is None) == (budget == BUDGET)


def test_list__says_nothing_where_nothing_is_left_out():
    assert case_list(with_rows(full_report()), None, Style()).left_out is None
    korean = replace(ALL, language=Language.KO)
    assert json.loads(case_list(with_rows(full_report()), None, korean).texts)["view_all"] == "전체"


def test_page__stays_under_5_mb_however_long_the_answers():
    made = with_rows(full_report(), 400)
    long = {
        name: tuple(f"{name} {n} {'a long answer ' * 350}" for n in range(400))
        for name in ("inputs", "expected", "answers")
    }
    made = replace(made, samples=replace(made.samples, **long))
    page = render(made, full_comparison(), format="html", language=Language.KO)
    assert 3_000_000 < len(page.encode()) < 5_000_000
    assert "report.cases: all로" in page


def test_script__stays_small():
    script = files("lm_eval_so.reporter").joinpath("templates", "report.js").read_text("utf-8")
    assert len(script.splitlines()) <= 600
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(", script
    )


def test_list__a_case_that_is_too_large_leaves_room_for_others():
    made = several(1, 40, answers=tuple("가" * (8000 if n == 3 else 20) for n in range(40)))
    made = replace(made, failed_ids=tuple(f"s{n:04d}" for n in range(40)))
    held = by_id(listed(made, style=Style(), budget=11_000)).keys()
    assert held == {f"s{n:04d}" for n in range(40)} - {"s0003"}


def test_list__a_single_answer_is_wrong_with_its_case_whichever_metric_says_so():
    made, found = of_each_state()
    data = listed(made, found)
    right = {name: data["rows"][n][0][2] for name, n in by_id(data).items()}
    assert {name for name, told in right.items() if told == 0} == {
        *("refund-014", "s0006", "s0007", "s0011")
    }
