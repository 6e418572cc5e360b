import json
import re
from dataclasses import replace

import pytest
from comparing import judge
from factories import make_report
from full_comparison import full_comparison
from full_report import full_report
from made_reports import comparison, report
from rendering import render

from lm_eval_so.core.records.codec import loads
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.errors import InputError, NothingToDo
from lm_eval_so.reporter.views.comparison import view_comparison
from lm_eval_so.reporter.views.view import words_of


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


@pytest.mark.parametrize("kind", ["json", "md", "html"])
def test_render__refuses_a_comparison_that_is_about_another_report(kind):
    before, now = make_report({"정확도": [1] * 20}), make_report({"정확도": [1] * 19 + [0]})
    told = judge(before, now)
    assert render(now, told, format=kind)
    with pytest.raises(InputError, match="the comparison is about another report"):
        render(before, told, format=kind)


def heads_of(text, kind):
    """Return what stands at the top of the tables' columns."""
    if kind == "html":
        heads = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', text)
    else:
        tops = re.findall(r"^(\|.*\|)\n\| ---", text, re.MULTILINE)
        heads = [cell.strip() for top in tops for cell in top.split("|")[1:-1]]
    return {head for head in heads if head and "<span>" not in head}


@pytest.mark.parametrize("kind", ["md", "html"])
@pytest.mark.parametrize("language", list(Language))
def test_render__heads_of_all_tables_follow_one_rule(kind, language):
    made = full_report()
    text = render(made, full_comparison(), format=kind, language=language)
    names = {
        *made.metrics,
        *(words_of("report", language)(f"status_{key}") for key in made.statuses),
    }
    words = heads_of(text, kind) - names - {"n", "α", "J", words_of("report", language)("kappa")}
    assert len(words) > 15
    is_written = str.isascii if language is Language.EN else re.compile("[가-힣]").search
    for head in words:
        assert is_written(re.sub("[←→]", "", head))
        assert not head[0].islower(), head


@pytest.mark.parametrize("language", list(Language))
def test_render__notes_about_one_metric_name_it(language):
    told = full_comparison()
    first = replace(
        next(iter(told.metrics.values())),
        provable_margin=0.011,
        needed_n=610,
        n=239,
        missing=(0, 1),
    )
    metrics = {"정확도": replace(first, verdict=Verdict.PASS)}
    told = replace(told, verdict=Verdict.PASS, metrics=metrics, slices=())
    notes = view_comparison(told, None, language=language).notes[-3:]
    assert all("정확도" in note for note in notes), notes
    assert any("1.1" in note for note in notes)
    assert any("610" in note for note in notes)


@pytest.mark.parametrize("kind", ["md", "html"])
def test_render__languages_differ_in_words_alone(kind):
    def figures(language):
        lines = render(full_report(), None, format=kind, language=language).splitlines()
        return [sorted(re.findall(r"[0-9][0-9.,]*[0-9]|[0-9]", line)) for line in lines]

    english, korean = map(figures, (Language.EN, Language.KO))
    assert sum(map(bool, english)) > 50
    assert english == korean
