"""Metrics of JSON in the answer."""

import json
import time
import unicodedata

import pytest
from evaluation import a_config, a_run, a_sample, report_of, write_dataset, write_run
from pydantic import ValidationError

from lm_eval_so.core.records.enums import Language, ScoreStatus
from lm_eval_so.errors import DatasetError
from lm_eval_so.evaluator.binding.metric_problems import find_problems
from lm_eval_so.evaluator.metrics.base import MetricEnv
from lm_eval_so.evaluator.metrics.structure.json_match import JsonMatch
from lm_eval_so.evaluator.metrics.structure.json_schema import JsonSchema
from lm_eval_so.evaluator.metrics.text.bleu import Bleu

PRICE = {"type": "object", "required": ["price"], "properties": {"price": {"type": "integer"}}}


def schema_score(answer, **params):
    return JsonSchema(params=params).score(a_sample(), a_run(answer))


def match_score(expected, answer, **params):
    texts = [e if isinstance(e, str) else json.dumps(e) for e in (expected, answer)]
    return JsonMatch(params=params).score(a_sample(expected=texts[0]), a_run(texts[1]))


@pytest.mark.parametrize(
    ("answer", "params", "value", "code"),
    [
        ('{"price": 3}', {"schema": PRICE}, 1, None),
        ('가격입니다: {"price": 3}', {"schema": PRICE}, 1, None),
        ('가격입니다: {"price": 3}', {"schema": PRICE, "extract": "strict"}, 0, "not_json"),
        ('{"price": "3"}', {"schema": PRICE}, 0, "schema_broken"),
        ("{}", {"schema": PRICE}, 0, "schema_broken"),
        ("3원", {"schema": PRICE}, 0, "not_json"),
        ("", {}, 0, "not_json"),
        ('```json\n{"a": 1}\n```', {}, 1, None),
        ('{"a": 1', {}, 0, "not_json"),
        ('{"a": 1}', {"schema": True}, 1, None),
        ('{"a": 1}', {"schema": False}, 0, "schema_broken"),
        ("[" * 100_000, {"schema": PRICE}, 0, "not_json"),
    ],
)
def test_json_schema__value(answer, params, value, code):
    score = schema_score(answer, **params)
    assert (score.value, score.code) == (value, code)


def test_json_schema__says_where_and_what():
    score = schema_score('{"price": "3"}', schema=PRICE)
    assert score.reason == "price: '3' is not of type 'integer'"
    assert score.details == {"path": "price", "rule": "type"}
    korean = JsonSchema(env=MetricEnv(language=Language.KO)).score(a_sample(), a_run("3원"))
    assert korean.reason == "답변에 JSON이 없습니다"


def test_json_schema__form_does_not_matter():
    schema = {"enum": [unicodedata.normalize("NFD", "서울")]}
    for form in ("NFC", "NFD"):
        assert schema_score(unicodedata.normalize(form, '"서울"'), schema=schema).value == 1


def test_json_schema__a_pattern_that_backtracks_costs_the_score():
    began = time.perf_counter()
    score = schema_score(json.dumps("a" * 60 + "b"), schema={"pattern": "^(a|a)*$"})
    assert (score.status, score.code) == (ScoreStatus.UNSCORED, "regex_timeout")
    assert time.perf_counter() - began < 30  # the pattern alone would take ages


def test_json_schema__unusable_schema_is_found_before_anything_is_scored(tmp_path):
    section = {"name": "json_schema", "params": {"schema": {"type": "objekt"}}}
    (problem,) = find_problems(a_config(tmp_path, [section]))
    assert problem.what.startswith("the schema cannot be used: type: 'objekt'")
    sample = a_sample(metrics={"json_schema": {"schema": {"$ref": "http://e.com/x"}}})
    (problem,) = JsonSchema().check_sample(sample)
    assert problem.what.startswith("sample s1, metrics.json_schema: the schema cannot be used")
    assert JsonSchema().definition()["params"] == {"schema": None, "extract": "auto"}
    with pytest.raises(ValidationError):
        JsonSchema(params={"rules": {}})


NESTED = {"a": 1, "b": {"c": "서울"}}


@pytest.mark.parametrize(
    ("expected", "answer", "params", "value"),
    [
        (NESTED, {"a": 1.0, "b": {"c": "서울"}, "d": 2}, {}, 1),
        (NESTED, {"a": 1.0, "b": {"c": "서울"}, "d": 2}, {"extra": "penalize"}, 2 / 3),
        (NESTED, {"a": 1, "b": {"c": "부산"}}, {}, 0.5),
        (NESTED, {"a": 1}, {}, 0.5),
        (NESTED, {"a": 1, "b": "서울"}, {}, 0.5),
        (NESTED, {"a": 1, "b": "서울"}, {"extra": "penalize"}, 1 / 3),
        (NESTED, [], {}, 0),
        ({"a": True}, {"a": 1}, {}, 0),
        ({"a": 1}, {"a": True}, {}, 0),
        ({"a": 0}, {"a": False}, {}, 0),
        ({"a": None}, {"a": None}, {}, 1),
        ({"a": None}, {"a": 0}, {}, 0),
        ({"a": "3"}, {"a": 3}, {}, 0),
        ({"a": 100}, {"a": 99.5}, {"rel_tol": 0.01}, 1),
        ({"a": 100}, {"a": 98}, {"rel_tol": 0.01}, 0),
        ({"a": 1}, {"a": 10**400}, {}, 0),
        ({"a": "서울"}, {"a": "서울."}, {}, 0),
        ({"a": "서울"}, {"a": "서울."}, {"profile": "loose"}, 1),
        ({"a": "?"}, {"a": "!"}, {"profile": "loose"}, 0),
        ({"a": "ＡＢ"}, {"a": "AB"}, {}, 1),
        ({"a": []}, {"a": []}, {}, 1),
        ({"a": []}, {"a": [1]}, {}, 0),
        ({"a": []}, {"a": [1]}, {"extra": "penalize"}, 0),
        ({}, {}, {}, 1),
        (3, 3.0, {}, 1),
        ([1, 2, 3], [1, 3, 2], {}, 1 / 3),
        ([1, 2, 3], [3, 1, 2], {"unordered": True}, 1),
        ([1, 2], [2], {"unordered": True}, 0.5),
        ([1, 1], [1, 2], {"unordered": True}, 0.5),
        ([1, 2], [2, 1, 3], {"unordered": True, "extra": "penalize"}, 2 / 3),
        ([1], [2], {"unordered": True, "extra": "penalize"}, 0),
        (
            [{"n": "a", "v": 1}, {"n": "b", "v": 2}],
            [{"n": "b", "v": 2}, {"n": "a", "v": 9}],
            {"unordered": True},
            0.75,
        ),
        ([[1, 2], [3]], [[3], [2, 1]], {"unordered": True}, 1),
    ],
)
def test_json_match__value(expected, answer, params, value):
    assert match_score(expected, answer, **params).value == pytest.approx(value)


def test_json_match__decomposed_texts_and_keys():
    answer = unicodedata.normalize("NFD", '{"도시": "서울"}')
    assert match_score('{"도시": "서울"}', answer).value == 1


def test_json_match__no_json_is_a_zero_and_the_best_reference_counts():
    score = match_score(NESTED, "없습니다")
    assert (score.value, score.code, score.status) == (0, "not_json", ScoreStatus.SCORED)
    sample = a_sample(expected='{"a": 1}', references=('{"a": 2}',))
    assert JsonMatch().score(sample, a_run('{"a": 2}')).value == 1


def test_json_match__says_which_leaves_differ():
    score = match_score({"a": 1, "b": [{"c": "x"}]}, {"a": 1, "b": [{"c": "y"}]})
    assert score.reason == "not as expected: b[0].c"
    assert score.details == {"wrong": ["b[0].c"], "leaves": 2, "extra": 0}


def test_json_match__fields_by_another_metric():
    fields = {
        "note": {"metric": "token_f1"},
        "items[*].name": {"metric": "contains"},
    }
    expected = {"note": "빠른 배송", "items": [{"name": "사과"}, {"name": "배"}], "n": 1}
    answer = {"note": "빠른 환불", "items": [{"name": "햇사과"}, {"name": "감"}], "n": 1}
    score = match_score(expected, answer, fields=fields)
    assert score.value == pytest.approx((0.5 + 1 + 0 + 1) / 4)
    assert match_score({"note": "빠른 배송"}, {}, fields=fields).value == 0


def test_json_match__a_field_without_a_value_has_no_score():
    fields = {"a": {"metric": "regex", "params": {"pattern": "^(a|a)*$", "timeout_s": 0.05}}}
    score = match_score({"a": "x"}, {"a": "a" * 60 + "b"}, fields=fields)
    assert (score.status, score.code) == (ScoreStatus.UNSCORED, "part_unscored")
    assert score.reason == "no score of a (regex)"


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"metric": "exact_mach"}, 'fields.a: unknown metric "exact_mach"'),
        ({"metric": "llm_judge"}, "fields.a"),
        ({"metric": "latency_ms"}, "is no rule about a text alone"),
        ({"metric": "json_match"}, "is no rule about a text alone"),
        ({"metric": "regex", "params": {"pattern": "("}}, "fields.a.params"),
    ],
)
def test_json_match__field_that_cannot_be(rule, problem):
    (found,) = JsonMatch(params={"fields": {"a": rule}}).check_params()
    assert problem in found.what


def test_json_match__reference_that_is_no_json_names_the_sample(tmp_path):
    rows = [
        {"id": "ok", "input": "q", "expected": '{"a": 1}', "tags": ["json"]},
        {"id": "bad", "input": "q", "expected": "3일", "tags": ["json"]},
        {"id": "other", "input": "q", "expected": "3일"},
    ]
    run = write_run(tmp_path, write_dataset(tmp_path, rows), lambda *_: a_run('{"a": 1}'))
    config = a_config(tmp_path, [{"name": "json_match", "only": {"tags": ["json"]}}])
    with pytest.raises(DatasetError, match='sample bad expects "3일", which is no JSON') as caught:
        report_of(config, run)
    assert len(caught.value.problems) == 1


def test_json_match__field_that_is_no_leaf():
    sample = a_sample(expected='{"a": {"b": 1}}')
    metric = JsonMatch(params={"fields": {"a": {"metric": "contains"}}})
    (problem,) = metric.check_sample(sample)
    assert problem.what.endswith("fields.a is no leaf of what is expected")
    assert JsonMatch().check_sample(sample) == []


def test_json_match__field_whose_metric_has_nothing_to_look_for():
    sample = a_sample(expected='{"items": [{"price": "3만원"}, {"price": "무료"}]}')
    fields = {"items[*].price": {"metric": "numeric_match"}}
    (problem,) = JsonMatch(params={"fields": fields}).check_sample(sample)
    assert problem.what == (
        "sample s1, metrics.json_match: fields.items[1].price: "
        'numeric_match: sample s1 has no number in expected "무료"'
    )


def test_json_match__definition_has_those_of_its_fields():
    rule = {"metric": "bleu"}
    found = JsonMatch(params={"fields": {"a": rule}}).definition()["fields"]["a"]
    assert found == Bleu().definition()
    assert "fields" not in JsonMatch().definition()


@pytest.mark.parametrize("unit", ["{},", "[],", "1,", '{"a":1},'])
def test_json_match__hostile_list_takes_no_time(unit):
    answer = f"[{unit * (100_000 // len(unit))}0]"
    began = time.perf_counter()
    score = match_score([{"a": n, "b": [n]} for n in range(5)], answer, unordered=True)
    assert score.details["extra"] > 10_000
    assert time.perf_counter() - began < 30  # the pattern alone would take ages
