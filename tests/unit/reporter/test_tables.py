"""JUnit XML and CSV: what other programs read of a report."""

import csv
import io
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from comparing import entry, judge
from factories import make_report
from made_reports import case
from rendering import render

from lm_eval_so.comparator.exemptions.files import Exceptions
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.secrets import make_redactor

ASKED = (
    "환불은 며칠 걸리나요?",
    '=HYPERLINK("https://evil.example")',
    "<b>&\x00]]>\ufffe",
    "Hi 55779913",
)
KEY = "55779913"


def shop(*scores, **changes):
    """A report on four questions: the second has no answer where there is no score."""
    made = make_report(
        {"exact_match": list(scores), "length": [3, None, 9, 4]},
        inputs=ASKED,
        expected=("3일", "4일", None, "hello"),
        answers=("3일", None, "\u202egpj", KEY),
        tags=[("환불", "must"), (), (), ()],
        not_applicable={"length": [1]},
        suite="상점",
        **changes,
    )
    statuses = tuple("error" if score is None else "ok" for score in scores)
    lost = [i for i, score in enumerate(scores) if score is None]
    wrong = [i for i, score in enumerate(scores) if score == 0]
    errors = [
        *(
            case(f"s{i}", status="error", kind="infrastructure", reason="HTTP 500", answer=None)
            for i in lost
        ),
        *(case(f"s{i}", input=ASKED[i]) for i in wrong[:1]),
    ]
    return replace(
        made,
        samples=replace(made.samples, statuses=statuses, refs=("환불-1", None, None, None)),
        errors=tuple(errors),
        failed_ids=tuple(f"s{i}" for i in (*lost, *wrong)),
    )


def compared(now, *entries):
    before = make_report(
        {"exact_match": [1] * 4, "length": [3, 3, 9, 4]}, suite="상점", inputs=ASKED
    )
    return judge(before, now, exceptions=Exceptions(quarantine=entries))


@pytest.mark.parametrize("language", list(Language))
def test_junit__gate_and_cases(language, golden):
    now = shop(0, None, 0, 1)
    told = compared(now, entry("s2", reason="주사위"))
    redactor = make_redactor({"PIN_SECRET": KEY})
    text = render(now, told, format="junit", language=language, redactor=redactor)
    golden(f"report/junit.{language}.xml", text)
    root = ET.fromstring(text)
    for suite in [*root, root]:
        cases = suite.findall(".//testcase")
        found = [suite.attrib[key] for key in ("tests", "failures", "errors", "skipped")]
        kinds = ("failure", "error", "skipped")
        counts = [sum(each.find(kind) is not None for each in cases) for kind in kinds]
        assert found == [str(n) for n in (len(cases), *counts)]
    assert KEY not in text


def test_junit__a_report_alone_has_its_cases():
    root = ET.fromstring(render(shop(1, 1, 1, 1), None, format="junit"))
    assert [suite.attrib["name"] for suite in root] == ["상점"]
    assert root.attrib == {
        "name": "상점",
        "tests": "4",
        "failures": "0",
        "errors": "0",
        "skipped": "0",
    }


def test_csv__a_row_for_each_answer_that_a_spreadsheet_may_open(golden):
    now = shop(0, None, 0, 1)
    redactor = make_redactor({"PIN_SECRET": KEY})
    text = render(now, compared(now), format="csv", redactor=redactor)
    golden("report/scores.csv", text.replace("\r\n", "\n"))
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert text.startswith("\ufeff")
    assert [row["exact_match"] for row in rows] == ["0", "", "0", "1"]
    assert [row["length"] for row in rows] == ["3", "n/a", "9", "4"]
    assert rows[1]["question"].startswith("'=")
    assert KEY not in text


def test_csv__a_metric_may_be_called_as_a_column_is():
    made = make_report({"answer": [1, 0.5]}, answers=("a", "b"))
    rows = list(
        csv.DictReader(io.StringIO(render(made, None, format="csv").removeprefix("\ufeff")))
    )
    assert [(row["answer"], row["answer (score)"]) for row in rows] == [("a", "1"), ("b", "0.5")]
