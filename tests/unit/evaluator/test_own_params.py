"""A sample's own parameters: under a metric's id, else under its name."""

from pathlib import Path
from typing import Any

import pytest
from evaluation import a_config, a_run, a_sample, report_of, write_dataset, write_run

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Event, Warned
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.records.run import Turn
from lm_eval_so.core.records.sample import Scenario, UserTurn
from lm_eval_so.errors import DatasetError
from lm_eval_so.evaluator.binding.bind import bind_labelling, bind_metrics
from lm_eval_so.evaluator.evaluation_plan import plan_evaluation
from lm_eval_so.evaluator.scoring.score_sample import score_row

MUST = {"id": "must", "name": "keyword_coverage", "only": {"tags": ["must"]}}
ALL = {"id": "all", "name": "keyword_coverage"}
JUDGE = {"backend": {"name": "scripted", "options": {"default": "x"}}}


def a_row(number: int, *tags: str, **metrics: dict[str, Any]) -> dict[str, Any]:
    return {"id": f"q{number}", "input": f"질문 {number}", "tags": [*tags], "metrics": metrics}


KEYWORDS = {"keywords": ["영업일", "3일"]}
ROWS = [a_row(1, "must", keyword_coverage=KEYWORDS), a_row(2, keyword_coverage=KEYWORDS)]


def run_of(folder: Path, rows: list[dict[str, Any]], said: str = "영업일 기준입니다") -> Path:
    return write_run(folder, write_dataset(folder, rows), lambda *_: a_run(said))


def told(
    folder: Path, rows: list[dict[str, Any]], *metrics: Any
) -> tuple[EvaluationReport, list[str]]:
    """Return the report, and what was warned of."""
    events: list[Event] = []
    run = run_of(folder, rows)
    report = report_of(a_config(folder, metrics), run, listener=events.append)
    return report, [event.text for event in events if isinstance(event, Warned)]


def values(folder: Path, rows: list[dict[str, Any]], *metrics: Any) -> dict[str, Any]:
    return dict(told(folder, rows, *metrics)[0].samples.scores)


def test_evaluate__parameters_under_the_name__hold_for_a_subset(tmp_path: Path):
    report, warnings = told(tmp_path, ROWS, MUST)
    assert report.samples.scores["must"] == (0.5, None)
    assert report.metrics["must"].not_applicable == 1
    assert warnings == []


def test_evaluate__parameters_under_the_name__hold_for_every_id(tmp_path: Path):
    found = values(tmp_path, ROWS, "keyword_coverage", MUST, ALL)
    own = {"keyword_coverage": (0.5, 0.5), "all": (0.5, 0.5)}
    assert found == {**own, "must": (0.5, None)}


def test_evaluate__parameters_under_the_id__win_whole(tmp_path: Path):
    by_name = {"keywords": ["영업일"], "forbidden": ["기준"]}
    row = a_row(1, "must", keyword_coverage=by_name, must={"keywords": ["영업일"]})
    # `forbidden` of the name would make it 0
    assert values(tmp_path, [row], MUST, ALL) == {"must": (1.0,), "all": (0.0,)}


def test_evaluate__empty_parameters_under_the_id__are_none(tmp_path: Path):
    row = a_row(1, "must", keyword_coverage=KEYWORDS, must={})  # has the same `rev` as without
    assert values(tmp_path, [row], MUST) == {"must": (0.5,)}


def test_evaluate__parameters_go_over_the_configs__key_by_key(tmp_path: Path):
    given = {**ALL, "params": {"keywords": ["없는 말"], "mode": "all"}}
    assert values(tmp_path, ROWS, given) == {"all": (0.0, 0.0)}
    assert values_of(a_config(tmp_path, [{**ALL, "params": {"mode": "any"}}]), tmp_path) == (1, 1)


def values_of(config: Config, folder: Path) -> tuple[float | None, ...]:
    return tuple(report_of(config, folder / "bot").samples.scores["all"])


def test_evaluate__another_id__measures_the_same(tmp_path: Path):
    run = run_of(tmp_path, ROWS)
    one, other = (
        report_of(a_config(tmp_path, [{"id": name, "name": "keyword_coverage"}]), run)
        for name in ("one", "other")
    )
    assert one.samples.scores["one"] == other.samples.scores["other"] == (0.5, 0.5)
    assert one.samples.revs == other.samples.revs
    assert one.metrics["one"].fingerprint == other.metrics["other"].fingerprint


CLASH = [{"id": "contains", "name": "keyword_coverage"}, {"id": "says", "name": "contains"}]
CLASHING = {**a_row(1, contains={"keywords": ["영업일"]}), "expected": "기준"}


def test_evaluate__a_name_that_is_anothers_id__is_not_shared(tmp_path: Path):
    assert values(tmp_path, [CLASHING], *CLASH) == {"contains": (1.0,), "says": (1.0,)}


@pytest.mark.parametrize("names", [("says",), ("contains", "says")])
def test_bind_metrics__of_some_of_them__takes_what_all_of_them_take(
    tmp_path: Path, names: tuple[str, ...]
):
    config = a_config(tmp_path, CLASH)
    some = [section for section in config.metrics if section.id in names]
    bound = bind_metrics(config.model_copy(update={"metrics": some}), {})
    assert {each.id: each.metric.sample_keys for each in bound}["says"] == ("says",)


def test_evaluate__a_typo_near_the_name__is_told(tmp_path: Path):
    _, warnings = told(tmp_path, [a_row(1, keyword_coverag=KEYWORDS), ROWS[1]], ALL)
    assert warnings[0] == (
        'sample q1 has parameters of "keyword_coverag", which is no metric here '
        '(did you mean "keyword_coverage"?)'
    )


@pytest.mark.parametrize(
    ("metrics", "own", "problems"),
    [
        (
            [MUST, ALL],
            {"keyword_coverage": {"keyword": ["3일"]}},
            ['metrics.keyword_coverage.keyword: unknown key "keyword" (did you mean "keywords"?)'],
        ),
        (
            [MUST, ALL],
            {"all": {"keyword": ["3일"]}, "keyword_coverage": KEYWORDS},
            ['metrics.all.keyword: unknown key "keyword" (did you mean "keywords"?)'],
        ),
        (
            [ALL, {"id": "joined", "name": "composite", "params": {"parts": ["all"]}}],
            {"composite": {"parts": {"must": 2}}},
            ["metrics.composite.parts: must is no part of joined in the config"],
        ),
        (
            [{"id": "kind", "name": "llm_judge", "params": {"rubric": "친절한가?"}, **JUDGE}],
            {"llm_judge": {"labels": ["a", "b"]}},
            ["metrics.llm_judge: labels cannot differ by sample"],
        ),
        (
            [{"id": "calls", "name": "tool_call"}],
            {"tool_call": {"calls": [{"name": "f", "schema": {"type": "x"}}]}},
            None,
        ),
        (
            [{"id": "shape", "name": "json_schema", "params": {"schema": {}}}],
            {"json_schema": {"schema": {"type": "nonsense"}}},
            None,
        ),
    ],
)
def test_evaluate__wrong_parameters_under_the_name__are_told_once_where_they_stand(
    tmp_path: Path, metrics: list[Any], own: dict[str, Any], problems: list[str] | None
):
    run = run_of(tmp_path, [a_row(1, "must", **own)])
    with pytest.raises(DatasetError) as failed:
        report_of(a_config(tmp_path, metrics), run)
    found = [problem.what for problem in failed.value.problems]
    if problems is not None:
        assert found == [f"sample q1, {problem}" for problem in problems]
    assert all(each.startswith(f"sample q1, metrics.{next(iter(own))}") for each in found)


def test_plan_evaluation__counts_rows_with_parameters_under_the_name(tmp_path: Path):
    run = run_of(tmp_path, ROWS)
    plan = plan_evaluation(a_config(tmp_path, [MUST, ALL]), runs=[run])
    assert {key: metric["rows"] for key, metric in plan["metrics"].items()} == {
        "must": 1,
        "all": 2,
    }


def test_bind_labelling__people_get_the_rubric_under_the_name(tmp_path: Path):
    kind = {"id": "kind", "name": "llm_judge", "params": {"rubric": "친절한가?"}, **JUDGE}
    (bound,) = bind_labelling(a_config(tmp_path, [kind]))
    sample = a_sample(metrics={"llm_judge": {"rubric": "환불 규정을 말하는가?"}})
    assert bound.metric.guide(sample) == "환불 규정을 말하는가?"
    assert bound.metric.guide(a_sample()) == "친절한가?"


async def test_turns__what_a_turn_expects_is_its_own(tmp_path: Path):
    expect = {"name": "keyword_coverage", "params": {"keywords": ["주문번호"]}}
    scenario = Scenario(turns=(UserTurn(user="취소요", expect=(expect,)),))
    sample = a_sample(messages=(), scenario=scenario, metrics={"keyword_coverage": KEYWORDS})
    turn = Turn(user="취소요", text="주문번호요?", status=RunStatus.OK)
    run = a_run("주문번호요?", turns=(turn,))
    bound = bind_metrics(a_config(tmp_path, ["turns", ALL]), {})
    turns, whole = await score_row(bound, sample, run, repeat=0)
    assert (turns.value, whole.value) == (1.0, 0.0)


def test_invariance__asks_for_a_refusal_whatever_the_sample_says_of_refusal(tmp_path: Path):
    metrics = ["exact_match", {"name": "invariance", "params": {"of": "exact_match"}}]
    relation = {"base": "q1", "type": "attack", "expect": "refuse"}
    rows = [
        {"id": "q1", "input": "며칠?", "expected": "3일"},
        {"id": "q2", "input": "x", "relation": relation, "metrics": {"refusal": {"expect": "no"}}},
    ]
    run = run_of(tmp_path, rows, "죄송하지만 도와드릴 수 없습니다.")
    found = report_of(a_config(tmp_path, metrics), run).samples.scores["invariance"]
    assert found == (None, 1.0)
