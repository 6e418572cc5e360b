"""What differs between two reports: key by key, both values, no secret and nothing that acts."""

from dataclasses import replace

import pytest
from comparing import NOW, judge
from factories import make_report
from rendering import comment_body, render

from lm_eval_so.comparator.compare import compare
from lm_eval_so.comparator.terms import Terms
from lm_eval_so.core.records.changes import Difference
from lm_eval_so.core.records.comparison import BaselineRef
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.reporter.markdown import Origin

COLUMN = {"m": [1] * 60}
LONG = "너는 친절한 상담원이다. " * 20
SECRET = "hunter2-hunter2"


def report(*, run_config=None, details=None, fingerprints=None, **made):
    """Make a report, and set what its head says of the run."""
    built = make_report(made.pop("scores", COLUMN), **made)
    head = built.experiment
    return replace(
        built,
        experiment=replace(
            head,
            run_config=run_config or {},
            fingerprints=fingerprints or {},
            backend=replace(head.backend, details=details or {}),
        ),
    )


def tool(name, text):
    return {"type": "function", "function": {"name": name, "description": text}}


def settings(before, now):
    return {each.key: (each.baseline, each.candidate) for each in judge(before, now).settings}


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ({"model": "a"}, {"model": "b"}, {"model": ("a", "b")}),
        (
            {"params": {"model": "a", "stop": {"words": ["끝"]}}},
            {"params": {"model": "a", "stop": {"words": ["end"]}}},
            {"params.stop.words": ('["끝"]', '["end"]')},
        ),
        ({"params": {}}, {"params": {"top_p": 0.5}}, {"params.top_p": (None, "0.5")}),
        ({"system": "짧게"}, {}, {"system": ("짧게", None)}),
        (
            {"run_config": {"tools": [tool("find", "old")], "tool_choice": "auto"}},
            {"run_config": {"tools": [tool("find", "old"), {"name": "가다"}]}},
            {
                "tools.가다": (None, '{"name": "가다"}'),
                "tool_choice": ("auto", None),
            },
        ),
        (
            {"run_config": {"run": {"seed": 1, "simulator": {"params": {"t": 0}}}}},
            {"run_config": {"run": {"seed": 2, "simulator": {"params": {"t": 1}}}}},
            {"seed": ("1", "2"), "simulator.params.t": ("0", "1")},
        ),
        (  # an older report has the options of the simulated user's backend, keys and all
            {
                "run_config": {
                    "run": {"simulator": {"backend": {"options": {"headers": {"X": "k"}}}}}
                }
            },
            {"run_config": {"run": {"simulator": {"backend": {}}}}},
            {},
        ),
        (  # the same prompt, told as it was written
            {"system": "say hi", "fingerprints": {"run": "a" * 64}},
            {"system": "say ${WHAT}", "fingerprints": {"run": "a" * 64}},
            {},
        ),
        (
            {"system": "say ${WHAT}", "fingerprints": {"run": "a" * 64}},
            {"system": "say ${WHAT}", "fingerprints": {"run": "b" * 64}},
            {"fingerprint.run": ("a" * 8, "b" * 8)},
        ),
        ({"details": {"build": "1"}}, {"details": {"build": "2"}}, {"details.build": ("1", "2")}),
        (
            {"fingerprints": {"run": "a" * 64, "reach": "b" * 64}},
            {"fingerprints": {"run": "a" * 64, "reach": "c" * 64}},
            {"fingerprint.reach": ("b" * 8, "c" * 8)},
        ),
        (
            {"dataset_version": "1.0"},
            {"dataset_version": "1.1"},
            {"dataset.version": ("1.0", "1.1")},
        ),
        ({}, {}, {}),
    ],
)
def test_settings__name_each_key_with_both_values(before, now, told) -> None:
    assert settings(report(**before), report(**now)) == told


def test_settings__what_is_under_test_may_differ() -> None:
    told = judge(report(model="a", system="x"), report(model="b", system="y"))
    assert told.verdict is Verdict.PASS
    assert {each.about for each in told.settings} == {"chatbot"}
    assert told.differences == ("model: a → b", "system: x → y")


def test_settings__how_it_was_measured_may_not() -> None:
    judged = {"judge": {"backend": "openai", "params": {"model": "gpt-4.1"}, "template": "a1"}}
    other = {"judge": {"backend": "openai", "params": {"model": "gpt-4.1-mini"}, "template": "b2"}}
    told = judge(report(definitions={"m": judged}), report(definitions={"m": other}))
    assert (told.verdict, told.exit_code) == (Verdict.INCOMPARABLE, 3)
    assert told.settings == (
        Difference(
            about="metric",
            metric="m",
            key="judge.params.model",
            baseline="gpt-4.1",
            candidate="gpt-4.1-mini",
        ),
        Difference(about="metric", metric="m", key="judge.template", baseline="a1", candidate="b2"),
    )
    assert told.differences == ()
    assert told.sentence == (
        "m: measured in a different way than the baseline (changed: judge.params.model: gpt-4.1 → "
        "gpt-4.1-mini, judge.template: a1 → b2). Re-run the baseline."
    )


def test_settings__a_sentence_names_three_keys_and_counts_the_rest() -> None:
    old, new = ({f"k{i}": side for i in range(6)} for side in (0, 1))
    told = judge(report(definitions={"m": old}), report(definitions={"m": new}))
    assert "(changed: k0: 0 → 1, k1: 0 → 1, k2: 0 → 1, … (+3))" in told.sentence
    assert len(told.settings) == 6


def test_settings__of_a_long_value_show_the_part_that_differs() -> None:
    changed = LONG[:150] + "반말로 " + LONG[150:]
    ((before, now),) = settings(report(system=LONG), report(system=changed)).values()
    assert "반말로" in now
    assert "반말로" not in before
    assert before.endswith(f"({len(LONG)} chars, {before[-9:-1]})")
    assert max(len(before), len(now)) < 100


def test_settings__hide_secrets_before_anything_is_cut() -> None:
    redactor = Redactor(((SECRET, "BOT_KEY"),))
    near_the_cut = "a" * 55 + SECRET + LONG
    told = compare(
        report(system=near_the_cut, params={"key": SECRET}, definitions={"m": {"rubric": "x"}}),
        report(system="b", definitions={"m": {"rubric": SECRET}}),
        Terms(compared_at=NOW, redact=redactor.redact),
        baseline_ref=BaselineRef(source="file"),
    )
    assert "[redacted:BOT_KEY]" in told.sentence
    for shown in (told.differences, told.settings, told.sentence, told.rerun):
        assert "hunter2" not in str(shown)


def test_settings__what_looks_like_a_key_is_hidden_always() -> None:
    told = judge(report(system="x"), report(system="sk-" + "a1" * 20))
    assert told.differences == ("system: x → [redacted:key]",)


@pytest.mark.parametrize(
    "text", ["</details><h1>@team", "```\n::set-output x", "\u202egpj.exe\x1b[31m", "a | b"]
)
def test_settings__hostile_values_show_and_do_nothing(text) -> None:
    told = judge(report(system="x"), report(system=text, params={text: 1}))
    shown = render(None, told, format="md", language=Language.KO, examples=3)
    body = comment_body(told, None, level=0, language=Language.EN, origin=Origin())
    assert all(line.isprintable() for line in told.differences)
    for page in (shown, body):
        assert "\n::" not in page
        assert "\x1b" not in page
        assert "`system: x → " in page
