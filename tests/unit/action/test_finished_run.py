"""Records from the artifact of a stranger: held to what keeps the reader safe, then rendered or refused."""

import json
from dataclasses import is_dataclass

import pytest
from comparing import judge
from factories import make_report
from hypothesis import given, settings
from hypothesis import strategies as st
from servers.markdown import dangers

from lm_eval_so.action.finished_run import FILES, read_records
from lm_eval_so.core.records.codec import dumps
from lm_eval_so.core.records.enums import Language
from lm_eval_so.errors import PublishError
from lm_eval_so.reporter.content import Style
from lm_eval_so.reporter.markdown import Origin, comment_body

BEFORE, NOW = (make_report({"exact_match": [right] * 20}, inputs=["q"] * 20) for right in (1, 0))
VERDICT = judge(BEFORE, NOW)
FOREIGN = Origin(is_foreign=True)


def files(comparison=VERDICT, report=NOW):
    made = [dumps(each) if is_dataclass(each) else each for each in (comparison, report)]
    data = (each.encode() if isinstance(each, str) else each for each in made)
    return dict(zip(FILES, data, strict=True))


def changed(record, *path, value):
    """Return the JSON of a record with another value at a place."""
    values = at = json.loads(dumps(record))
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return json.dumps(values)


def nested(depth):
    return json.loads("[" * depth + "]" * depth)


def test_read_records__of_an_honest_run() -> None:
    read = read_records(files())
    assert (read.comparison, read.report) == (VERDICT, NOW)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (files("{"), "comparison.json:1:2: no JSON"),
        (files("null"), "not a JSON object"),
        (files(report=b"\xff\xff{"), "no UTF-8"),
        (files('{"a": 1, "a": 2}'), "stands twice"),
        (files('{"a": NaN}'), "no JSON number"),
        (files('{"a": 1e999}'), "too large"),
        (files('{"a": %s}' % ("9" * 5000)), "no JSON: Exceeds"),
        (files(changed(VERDICT, "schema", value="lm-eval-so/comparison/2")), "not readable here"),
        (files(changed(VERDICT, "x", value="a" * 1_000_001)), "more than 1,000,000 characters"),
        (files(changed(VERDICT, "a" * 1_000_001, value=1)), "comparison.json: a text has more"),
        (files(changed(VERDICT, "x", value=nested(40))), "nested more than 40 deep"),
        (files(changed(VERDICT, "x", value=-(10**16))), "a number is too large"),
        (files(changed(VERDICT, "verdict", value="fine")), "comparison.json  verdict"),
        (files(changed(VERDICT, "suite", value="approved by us")), "no name of a suite"),
        (files(changed(VERDICT, "suite", value="other")), "another suite"),
        (
            files(
                changed(
                    VERDICT,
                    "metrics",
                    value={"all is well": json.loads(dumps(VERDICT))["metrics"]["exact_match"]},
                )
            ),
            "no id of a metric",
        ),
        (files(changed(VERDICT, "changed", 0, "metric", value="all is well")), "changed: no id"),
        (files(changed(VERDICT, "candidate_digest", value="0" * 64)), "about another report"),
        (files(changed(VERDICT, "metrics", value={"x" * 99_999: {}})), "metrics.xxx"),
        (files(report=changed(NOW, "samples", "revs", value=[])), "report.json  samples.revs"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_read_records__refuses_what_a_reader_may_choke_on(given, why) -> None:
    with pytest.raises(PublishError) as caught:
        read_records(given)
    assert why in str(caught.value)
    assert len(str(caught.value)) < 1100


def places(values, path=()):
    """Yield the path of every value of a JSON text."""
    pairs = values.items() if isinstance(values, dict) else enumerate(values)
    for key, value in pairs:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


PLACES = list(places(json.loads(dumps(VERDICT))))
VALUES = st.one_of(
    st.sampled_from(
        [None, True, -1, 10**15, 1e308, -0.0, "", "<b>@x #1</b>", [], {}, [None], {"": {}}]
    ),
    st.text(max_size=20),
    st.floats(allow_nan=False, allow_infinity=False),
)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from(PLACES), VALUES), min_size=1, max_size=3), st.integers(0, 5)
)
def test_comment__of_any_record_that_is_read_acts_on_nothing(changes, level) -> None:
    text = dumps(VERDICT)
    for path, value in changes:
        values = at = json.loads(text)
        try:
            for key in path[:-1]:
                at = at[key]
            at[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue
        text = json.dumps(values)
    try:
        read = read_records(files(text))
    except PublishError:
        return
    style = Style(language=Language.KO)
    try:
        body = comment_body(read.comparison, read.report, level=level, origin=FOREIGN, style=style)
    except Exception:  # noqa: BLE001 - the edge tells of it as of an artifact that cannot be used
        return
    assert dangers(body) == []
    assert "검증되지 않았습니다" in body.splitlines()[2]
