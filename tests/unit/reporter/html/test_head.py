"""The first screen of the page: cards, facts, and what to do after a first run."""

import re
from dataclasses import replace
from datetime import date
from html import unescape

import pytest
from full_report import full_report, with_rows
from made_reports import broken, broken_case, case, changed, comparison, first_run, report
from outcomes import OUTCOMES, SHIP
from page_stories import STORIES, story
from rendering import render
from servers.markdown import code_texts, dangers
from servers.markdown import render as to_html

from lm_eval_so.comparator.exemptions.files import read_exceptions
from lm_eval_so.core.config.load import make_config
from lm_eval_so.core.records.changes import RewordedCase
from lm_eval_so.core.records.enums import Language, ReportFormat
from lm_eval_so.core.records.sample import SourcePlace
from lm_eval_so.core.secrets import make_redactor


def screen(made, given=None, **style):
    text = render(given or report(), made, format=ReportFormat.HTML, **style)
    return text[text.index("<main") : text.index("</section>")]


def cards(text):
    return re.findall(r"<article.*?</article>", text, re.DOTALL)


def copied(card):
    return [unescape(text) for text in re.findall(r'data-copy="([^"]*)"', card)]


def test_cards__say_in_words_what_the_squares_show():
    first, second = cards(screen(OUTCOMES["two broke"][0]))
    was, now = first.split('<p class="side">')[1:]
    assert was.count('class="r"') == 3
    assert "<span>right 3 of 3</span>" in was
    assert now.count('class="w"') == 11
    assert "<span>wrong 11 of 11</span>" in now
    assert '<div class="right"><p class="side"><b>Baseline</b>' in first
    assert '<div class="wrong"><p class="side"><b>Now</b>' in first
    assert "<mark>에 3,000원이 추가되어 모두 6,000원</mark>입니다." in second
    assert '<mark class="gap"><span class="vh">[words missing here]</span></mark>입니다.' in second


def test_cards__the_wrong_answers_of_today_come_first():
    made = comparison(broken=broken(broken_case("m", "must", now=(2, 3))), changed=())
    now = cards(screen(made))[0].split('<p class="side">')[2]
    assert re.findall(r'class="([rw])"', now) == ["w", "w", "r"]


def test_cards__a_score_between_right_and_wrong_has_no_colour_and_no_squares():
    made = replace(comparison(), changed=(changed(metric="helpful", baseline=1, candidate=0.3),))
    (card,) = cards(screen(made))
    assert '<svg class="tally"' not in card
    assert re.findall(r'<div class="pair">\n<div>', card)


def test_cards__tags_and_language_are_those_of_the_row():
    made = with_rows(full_report())
    (card, *_) = cards(screen(comparison(), made))
    row = made.samples.ids.index("refund-014")
    assert all(f"<span>{tag}</span>" in card for tag in made.samples.tags[row])
    assert f'lang="{made.samples.languages[row]}"' in card
    places = (SourcePlace(file="returns.docx", at={"page": 2, "line": 14}, quote="30 days."),) * 240
    told = replace(made.samples, sources=places)
    (card, *_) = cards(screen(comparison(), replace(made, samples=told)))
    assert "<dt>Source</dt><dd>returns.docx, page 2, line 14<blockquote" in card
    assert ">30 days.</blockquote>" in card
    odd = replace(made.samples, languages=('x" onclick="',) * 240)
    (card, *_) = cards(screen(comparison(), replace(made, samples=odd)))
    assert 'lang=""' in card


def test_cards__no_mark_splits_a_secret():
    secret = "tok-30days-7f3a9c"
    made = replace(
        comparison(),
        changed=(
            changed(
                baseline_answer=f"Use {secret} within a week of delivery.",
                candidate_answer=f"Use {secret[:-4]}0000 within a week of delivery.",
            ),
        ),
    )
    text = screen(made, redactor=make_redactor({"BOT_TOKEN": secret}))
    assert "[redacted:BOT_TOKEN]" in re.sub(r"</?mark>", "", text)
    assert "3a9c" not in text


@pytest.mark.parametrize("language", list(Language))
def test_cards__copied_for_an_issue__is_markdown_that_does_nothing(language):
    hostile = "@octocat <b>x</b> ``` | fixes #1\n- [ ] done"
    made = comparison(
        broken=broken(broken_case(input=hostile, answer=hostile, reason=hostile, ref=hostile)),
        changed=(changed(expected=hostile),),
    )
    issue, *_ = copied(cards(screen(made, language=language))[0])
    page = to_html(issue)
    assert not dangers(page)
    assert sum("@octocat" in text for text in code_texts(page)) == 5
    assert "wrong 6 of 6" in issue or "6번 모두 틀림" in issue


def test_cards__the_entry_to_accept_it_is_one_that_the_file_takes(tmp_path):
    (card, *_) = cards(screen(OUTCOMES["stayed wrong"][0]))
    assert len(copied(card)) == 1  # the run does not fail for it
    made = comparison(broken=broken(broken_case("s1", ref="refund-014"), broken_case("s2", **SHIP)))
    entries = [copied(card)[1] for card in cards(screen(made))[:2]]
    file = tmp_path / "accept.yaml"
    file.write_text("\n".join(entries).replace("reason:", "reason: new policy"), "utf-8")
    config = make_config(
        {
            "version": 1,
            "suite": "s",
            "dataset": {"path": "d"},
            "gate": {"accept": "accept.yaml"},
        },
        folder=tmp_path,
    )
    found = read_exceptions(config, day=date(2026, 3, 2)).accept
    assert [(each.sample_id, each.max_drop) for each in found] == [("s1", 1.0), ("s2", 1.0)]


def test_advice__what_would_settle_it_stands_apart():
    text = screen(OUTCOMES["stayed wrong"][0])
    box = text.partition('<div class="next"><h2>What would settle it</h2>')[2].partition("</div>")[
        0
    ]
    assert "baseline.repeats: 3" in box
    assert text.count("The baseline was asked only once:") == 1
    assert "What would settle it" not in screen(OUTCOMES["two broke"][0])


def test_card__a_case_without_an_answer_says_what_was_expected():
    given = with_rows(full_report())
    columns = replace(given.samples, expected=("Within 30 days.",) * len(given.samples.ids))
    silent = broken_case("s0001", answer=None, reason=None, input="How long?")
    made = replace(OUTCOMES["two broke"][0], broken=broken(silent), changed=())
    (card, *_) = cards(screen(made, replace(given, samples=columns)))
    assert card.count("Within 30 days.") == 2  # on the card, and in what it copies


def test_reworded__is_told_where_nothing_got_worse():
    reworded = (RewordedCase(sample_id="s1", baseline_answer="Within 3 days."),)
    told = "1 answer is worded differently, with the same score.</button>"
    assert told in screen(replace(OUTCOMES["pass"][0], reworded=reworded))
    assert told not in screen(replace(OUTCOMES["two broke"][0], reworded=reworded))


def first(given, baseline="base.json", *, is_eligible=True, **changes):
    made = first_run()
    made = replace(made, baseline=replace(made.baseline, path=baseline), **changes)
    settings = {"report": {"out": "reports"}}
    told = {"evaluator_config": settings, "config": "lm-eval-so.yaml", "eligible": is_eligible}
    experiment = replace(given.experiment, **told)
    return screen(made, replace(given, experiment=experiment))


def test_first_run__what_is_wrong_once_and_what_to_do():
    twice = (case(repeat=0), case(repeat=1), case("long-1"))
    text = first(replace(report(), errors=twice, failed_ids=("refund-014", "long-1")))
    assert "No baseline yet" in text
    assert "Look at the 2 wrong answers below." in text
    listed = text.partition("Wrong now</p>")[2]
    assert re.findall(r"<li><code>([^<]*)", listed) == ["refund-014", "long-1"]
    assert copied(text) == ["lm-eval-so baseline update reports --reason 'the first one'"]
    assert "score low" not in text


def test_first_run__no_command_where_it_would_not_run():
    given = replace(report(), errors=(), failed_ids=())
    assert "Next</h2>" not in first(given, None)
    cut_short = replace(given, experiment=replace(given.experiment, complete=False, missing=3))
    assert "baseline update reports" not in first(cut_short)
    assert "baseline update reports" not in first(given, is_eligible=False)


def test_facts__tell_what_was_compared():
    text = screen(OUTCOMES["two broke"][0], with_rows(full_report()))
    facts = dict(re.findall(r"<dt>([^<]*)</dt><dd>(.*?)</dd>", text.partition('class="facts"')[2]))
    assert facts["Baseline"] == "8d01e77<small>5 answers each</small>"
    assert "180 Korean, 60 English" in facts["Cases"]
    assert "21 asked again" in facts["Cost"]


def test_printed__the_cases_that_got_worse_beyond_the_first_stand_on_paper_in_full():
    made = comparison(changed=tuple(changed(f"s{n}") for n in range(30)))
    text = render(report(), made, format=ReportFormat.HTML, examples=12)
    assert len(cards(screen(made))) == 5
    assert '<a href="#cases">25 more got worse</a>' in text
    printed = text.partition('<section class="printed">')[2].partition("</section>")[0]
    assert re.findall(r'<span class="id">(s\d+)', printed) == [f"s{n}" for n in range(5, 12)]
    assert "… and 18 more." in printed


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("name", STORIES)
def test_first_screen__golden(name, language, golden):
    given, made = story(name, language)
    golden(f"report/screen-{name}.{language}.html", f"{screen(made, given, language=language)}\n")
