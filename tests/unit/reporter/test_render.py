import json
import re
from dataclasses import replace

import pytest
from full_report import full_report
from made_reports import comparison, report

from lm_eval_so.core.records.codec import loads
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.errors import NothingToDo
from lm_eval_so.reporter.render import render


def test_render__json_is_read_back():
    assert loads(render(report(), None, format="json"), EvaluationReport) == report()
    assert loads(render(None, comparison(), format="json"), Comparison) == comparison()


def test_render__json_of_both_is_the_report():
    assert (
        json.loads(render(report(), comparison(), format="json"))["schema"] == "lm-eval-so/report/1"
    )


def test_render__json_keeps_numbers_that_look_like_a_secret():
    secret = "61240777"
    given = replace(
        report(), failed_ids=(f"id {secret}",), latency=replace(report().latency, n=61240777)
    )
    values = json.loads(
        render(given, None, format="json", redactor=make_redactor({"PIN_SECRET": secret}))
    )
    assert values["latency"]["n"] == 61240777
    assert values["failed_ids"] == ["id [redacted:PIN_SECRET]"]


def test_render__json_shows_no_key_wherever_it_stands():
    key = f"sk-{'a1' * 12}"
    samples = replace(
        report().samples, inputs=(f"내 키:\n{key}",) + ("",) * 239, tags=(("x", key),) + ((),) * 239
    )
    given = replace(report(), samples=samples, statuses={key: 1})
    text = render(given, None, format="json")
    assert key not in text
    assert text.count("[redacted:key]") == 3


def test_render__nothing():
    with pytest.raises(NothingToDo):
        render(None, None, format="md")


@pytest.mark.parametrize("kind", ["md", "html"])
def test_render__languages_differ_in_words_alone(kind):
    def figures(language):
        lines = render(full_report(), None, format=kind, language=language).splitlines()
        return [sorted(re.findall(r"[0-9][0-9.,]*[0-9]|[0-9]", line)) for line in lines]

    english, korean = map(figures, (Language.EN, Language.KO))
    assert sum(map(bool, english)) > 50
    assert english == korean
