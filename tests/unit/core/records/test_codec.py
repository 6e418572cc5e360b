"""Records to JSON and back."""

import json

import jsonschema
import pytest

from lm_eval_so.core.records.codec import RECORDS, dumps, json_schema, loads, to_json
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.errors import RecordError, Where


def test_loads__ignores_unknown_fields_and_reads_absent_ones() -> None:
    sample = loads('{"id": "a", "input": "환불은?", "new_field": 1}', TestSample)
    assert sample.input == "환불은?"
    assert sample.expected is None


def test_dumps__leaves_absent_fields_of_a_sample_out() -> None:
    assert dumps(TestSample(id="a", input="q")) == (
        '{"schema":"lm-eval-so/sample/1","id":"a","input":"q","behavior":"answer"}'
    )


def test_dumps__keeps_what_is_not_known_as_null() -> None:
    row = to_json(RunResult(sample_id="a", sample_hash="h", status=RunStatus.TIMEOUT))
    assert row["cost_usd"] is None
    assert row["usage"]["input_tokens"] is None


def test_dumps__no_unicode_line_end_tears_a_line() -> None:
    line = dumps(TestSample(id="a", input="x\u2028y\u2029z\x85w"))
    assert len(line.splitlines()) == 1
    assert json.loads(line)["input"] == "x\u2028y\u2029z\x85w"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('{"id": "a",}', "no JSON"),
        ('{"id": "a", "id": "b"}', 'the key "id" stands twice'),
        ('{"id": NaN}', "NaN is no JSON number"),
        ("[1]", "not a JSON object"),
        ('{"id": "a", "schema": "lm-eval-so/sample/2"}', "lm-eval-so/sample/2 is not readable"),
        ('{"id": "a", "schema": "lm-eval-so/run/1"}', "expected a record lm-eval-so/sample/1"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_loads__refuses(text: str, what: str) -> None:
    with pytest.raises(RecordError, match=what):
        loads(text, TestSample)


def test_loads__lists_all_problems_with_keys() -> None:
    with pytest.raises(RecordError) as caught:
        loads('{"id": 1, "behavior": "fly", "tags": 3}', TestSample, where=Where(file="f", line=9))
    places = [(p.where.line, p.where.key) for p in caught.value.problems if p.where]
    assert places == [(9, "id"), (9, "behavior"), (9, "tags")]


@pytest.mark.parametrize("name", RECORDS)
def test_json_schema__is_valid_and_describes_its_record(name: str) -> None:
    schema = json_schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"].endswith(f"/{name}-1.json")
    assert schema["description"]


def test_json_schema__accepts_what_dumps_writes() -> None:
    row = to_json(RunResult(sample_id="a", sample_hash="h", status=RunStatus.OK))
    jsonschema.validate(row, json_schema("run"))
    jsonschema.validate(to_json(TestSample(id="a", input="q")), json_schema("sample"))
