"""Known flaky samples, accepted changes and samples asked again, as Markdown shows them."""

from dataclasses import replace

import pytest
from hostile_reports import PAYLOADS
from made_reports import changed, compared, comparison, report
from rendering import comment_body, render
from servers.markdown import dangers
from servers.markdown import render as to_html

from lm_eval_so.action.comment import LEVELS
from lm_eval_so.action.inputs import LEAST_CHARS
from lm_eval_so.core.records.changes import Exemption, FlakyCase
from lm_eval_so.core.records.comparison import Stability
from lm_eval_so.core.records.enums import Language
from lm_eval_so.reporter.markdown import Origin


def exemption(sample_id="promo-007", state="applied", **changes):
    values = {
        "sample_id": sample_id,
        "metric": None,
        "state": state,
        "reason": "two policies fit",
        "until": "2026-12-31",
        "where": ".lm-eval-so/quarantine.yaml:1",
        "scores": {"exact_match": (1.0, 0.0), "helpful": (0.8, None)},
        **changes,
    }
    return Exemption(**values)


def stability(**changes):
    values = {"repeats": 3, "n": 239, "flaky_share": 0.1, "self_flip_rate": 0.0667, "flaky": ()}
    return Stability(**{**values, **changes})


def made(**changes):
    plain = comparison()
    metrics = {
        **plain.metrics,
        "exact_match": compared(stability={"baseline": stability(), "candidate": stability()}),
    }
    values = {
        "metrics": metrics,
        "changed": (changed(again=(2, 2)), changed("ship-003", "better")),
        "flaky": (
            FlakyCase(
                sample_id="promo-011",
                metric="exact_match",
                baseline=1.0,
                candidate=0.0,
                again=(1, 3),
            ),
        ),
        "quarantine": (exemption(), exemption("환불-9", "expired", until="2026-11-01")),
        "accept": (
            exemption("tone-002", reason="새 말투 안내", max_drop=1.0, drop=1.0),
            exemption(None, "exceeded", metric="helpful", max_drop=0.1, drop=0.25, scores={}),
        ),
        **changes,
    }
    return replace(plain, **values)


@pytest.mark.parametrize("format_", ["md", "html"])
def test_exemptions__a_sample_has_the_name_that_people_gave_it(format_):
    found = report()
    refs = ("C-10", *("",) * (len(found.samples.ids) - 1))
    found = replace(found, samples=replace(found.samples, refs=refs))
    name = found.samples.ids[0]
    text = render(found, comparison(quarantine=(exemption(name),)), format=format_)
    table = text[text.index("two policies fit") - 600 : text.index("two policies fit")]
    assert "C-10" in table
    assert name not in table


@pytest.mark.parametrize(
    ("language", "told"),
    [
        (
            Language.EN,
            "Baseline, exact_match: 239 samples asked 3 times each, the same result every time.",
        ),
        (
            Language.KO,
            "베이스라인, exact_match: 케이스 239개를 3번씩 물었고 결과가 매번 같았습니다.",
        ),
    ],
)
def test_render__answers_that_never_differed_are_said_to_be_the_same(language, told):
    same = stability(flaky_share=0.0, self_flip_rate=0.0)
    scores = compared(stability={"baseline": same, "candidate": stability()})
    text = render(None, made(metrics={"exact_match": scores}), format="md", language=language)
    assert told in text
    assert "0.0%" not in text.partition(told)[2].partition(".")[0]


def body(found, *, level=0, language=Language.EN):
    return comment_body(found, report(), level=level, language=language, origin=Origin())


@pytest.mark.parametrize("language", list(Language))
def test_render__golden_exemptions(language, golden):
    text = render(None, made(), format="md", language=language)
    golden(f"report/exemptions.{language}.md", text)
    assert dangers(text) == []


@pytest.mark.parametrize("level", range(5))
def test_comment_body__lists_what_does_not_gate_at_every_level(level):
    text = body(made(), level=level)
    assert "promo-007" in text
    assert "tone-002" in text
    assert "Accepted on purpose (2)" in text
    assert ("worse again in 1 of 3 re-runs" in text) is (level < 4)


def test_comment_body__many_entries_are_cut_with_a_count():
    many = tuple(exemption(f"promo-{i:03d}", reason="x" * 900) for i in range(60))
    found = made(quarantine=many, accept=tuple(replace(e, max_drop=1.0) for e in many))
    whole, least = body(found), body(found, level=4)
    assert "… and 10 more." in whole
    assert "… and 50 more." in least
    assert len(least) < 8000


def test_comment_body__without_entries_says_nothing():
    text = body(comparison())
    assert "gating (" not in text
    assert "re-run" not in text.replace("re-running until", "")


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_exemptions__hostile_texts_do_nothing(payload, language):
    bad = exemption(
        payload, "expired", metric=payload, reason=payload, where=payload, scores={payload: (1, 0)}
    )
    flaky = replace(made().flaky[0], sample_id=payload, metric=payload)
    unknown = replace(bad, state="unknown_sample", meant=payload)
    again = [changed(metric=f"{payload}{n}", again=(n, 2)) for n in range(2)]
    here = replace(bad, state="applied", max_drop=1.0, drop=1.0, on_base=False)
    found = made(
        changed=tuple(again),
        quarantine=(bad, replace(bad, state="applied"), unknown),
        accept=(replace(bad, max_drop=1.0), replace(here, sample_id=None), *[here] * 3),
        flaky=(flaky,),
    )
    texts = [body(found, level=level, language=language) for level in range(LEVELS)]
    assert texts[-1].count("\n- ") == 4  # three of four, and how many more
    assert len(texts[-1]) < LEAST_CHARS // 2
    texts.append(render(report(), found, format="md", language=language))
    for text in texts:
        assert dangers(text) == []
        html = to_html(text)
        assert html.count("<details>") == html.count("</details>")
        assert "<td></td>" not in html


def test_comment_body__a_flaky_sample_is_told_once_where_its_metrics_agree():
    flaky = made().flaky[0]
    same, other = replace(flaky, metric="token_f1"), replace(flaky, metric="rouge_l", again=(0, 3))
    text = body(made(flaky=(flaky, same, other)))
    assert "- `promo-011` exact_match, token_f1 (worse again in 1 of 3 re-runs)" in text
    assert "- `promo-011` rouge_l (worse again in 0 of 3 re-runs)" in text
    assert "not counted (2)" in text


@pytest.mark.parametrize(
    ("second", "shown"),
    [
        ((3, 3), "\nworse again in 3 of 3 re-runs\n"),
        (
            (2, 3),
            "\nexact_match worse again in 3 of 3 re-runs · token_f1 worse again in 2 of 3 re-runs\n",
        ),
    ],
)
def test_comment_body__a_changed_sample_says_once_how_it_did_again(second, shown):
    case = replace(comparison().changed[0], metric="exact_match", again=(3, 3))
    text = body(made(changed=(case, replace(case, metric="token_f1", again=second))))
    assert shown in text
