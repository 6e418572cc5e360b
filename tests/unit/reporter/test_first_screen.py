"""The first screen in a terminal: 80 columns, cases first, inert whatever stands in it."""

from dataclasses import replace

import pytest
from full_comparison import full_comparison
from hostile_reports import PAYLOADS, hostile
from made_reports import broken, broken_case, changed, comparison, first_run, lost, report
from outcomes import OUTCOMES

from lm_eval_so.core.records.changes import LostCase
from lm_eval_so.core.records.comparison import Reason
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.secrets import Redactor, make_redactor
from lm_eval_so.core.text import width
from lm_eval_so.reporter.first_screen import first_screen

PLAIN = Redactor()


def shown(made, *, language=Language.EN, redactor=PLAIN):
    found = first_screen(made, report(), language, redactor)
    return "\n".join([found.headline, "", *found.lines])


@pytest.mark.parametrize("language", list(Language))
def test_first_screen__golden(language, golden) -> None:
    """Every outcome, as a person sees it at a terminal."""
    screens = (
        f"── {name}\n\n{shown(made, language=language)}\n" for name, (made, *_) in OUTCOMES.items()
    )
    golden(f"terminal/first_screen.{language}.txt", "\n".join(screens))


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("name", list(OUTCOMES))
def test_first_screen__fits_into_80_columns(name, language) -> None:
    made = OUTCOMES[name][0]
    long = replace(made, changed=(changed("가" * 90, input="환불 " * 90, reason="x" * 200),))
    for each in (
        made,
        long,
        replace(made, lost=lost(LostCase(sample_id="q", ref="다" * 200, why="timeout"))),
    ):
        lines = first_screen(each, report(), language, PLAIN).lines
        assert max(map(width, lines), default=0) <= 80


def test_first_screen__cases_before_figures() -> None:
    text = shown(OUTCOMES["two broke"][0])
    order = [
        "refund-014",
        "right 3 of 3 → wrong 11 of 11",
        "ship-003",
        "promo-007",
        "Metric",
        "The mean alone",
    ]
    places = [text.index(each) for each in order]
    assert places == sorted(places)


def test_first_screen__ours_is_not_told_where_there_is_an_own_id() -> None:
    text = shown(OUTCOMES["two broke"][0])
    assert "s24f1bb61e3983b7a" not in text
    assert "s9799fed7bf0ec06b" not in text


def test_first_screen__wide_letters_keep_the_columns() -> None:
    cases = [broken_case("환불-014"), broken_case("r-1")]
    made = comparison(
        broken=broken(*cases), reasons=(Reason(code="broken_cases", figures={"proven": 2}),)
    )
    lines = [
        line for line in first_screen(made, report(), Language.EN, PLAIN).lines if "Can I" in line
    ]
    assert len({width(line.partition("Can I")[0]) for line in lines}) == 1


def test_first_screen__five_cases_and_the_names_of_others() -> None:
    many = comparison(changed=tuple(changed(f"q{n}", ref=f"own-{n}") for n in range(30)))
    text = shown(many)
    assert text.count("Can I return") == 5
    assert "And 25 more cases got worse: own-5, own-6" in text
    assert "own-14, …" in text
    assert "own-15" not in text
    passed = shown(replace(many, verdict=Verdict.PASS))
    assert "Can I return" not in passed
    assert "30 got worse: own-0, " in passed


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_first_screen__hostile_texts_are_one_line_each(payload) -> None:
    made, given = hostile(payload)
    made = replace(made, changed=tuple(replace(case, ref=payload) for case in made.changed))
    found = first_screen(made, given, Language.EN, PLAIN)
    for line in (found.headline, *found.lines):
        assert line.isprintable()
        assert width(line) <= 80 or line == found.headline


def test_first_screen__secrets_are_taken_out_before_anything_is_cut() -> None:
    secret = "hunter2-long-password"
    redactor = make_redactor({"BOT_TOKEN": secret})
    for place in range(60, 80):
        asked = f"{'x' * place} {secret} and more"
        made = comparison(changed=(changed(input=asked, ref=f"{'y' * (place - 55)}{secret}"),))
        assert "hunter2" not in shown(made, redactor=redactor)


def test_first_screen__bounds_give_way_to_names() -> None:
    text = shown(full_comparison())
    assert "exact_match  89.5% → 84.9%" in text
    assert "Allowed" not in text


def test_first_screen__a_first_run_shows_what_scores_low() -> None:
    text = shown(first_run())
    assert "refund-014   환불은 며칠 걸리나요?" in text
    assert "보통 일주일 정도 걸립니다." in text
