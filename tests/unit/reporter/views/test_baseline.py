"""What a comparison says of a baseline that was accepted on purpose."""

from dataclasses import replace

import pytest
from made_reports import comparison, report
from rendering import comment_body, render
from servers.markdown import code_texts, dangers
from servers.markdown import render as to_html

from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.report import Acceptance
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.core.templates.safe import normalise
from lm_eval_so.core.text import in_columns
from lm_eval_so.reporter.markdown import Origin

HOSTILE = [
    "@octocat fixes #1 | `x`",
    "</details><h1>APPROVED</h1>",
    "![x](https://evil.example/p.png)",
    "<!-- lm-eval-so/comment/1 suite=x -->",
    "::set-output name=verdict::pass",
    "\u202egpj.exe",
    "{{ 7*7 }} ${{ secrets.X }}",
    "가" * 500,
]


def accepted(reason, **changes):
    made = comparison()
    why = Acceptance(reason=reason, at="2026-11-24T06:30:00.000Z", **changes)
    return replace(made, baseline=replace(made.baseline, accepted=why))


def test_markdown__says_when_by_whom_and_why() -> None:
    made = accepted("환불 답변을 짧게", by="김 검토")
    english = render(None, made, format="md")
    assert (
        "The baseline was accepted on purpose (2026-11-24 06:30 UTC, 김 검토): `환불 답변을 짧게`"
    ) in english
    korean = render(report(), made, format="md", language=Language.KO)
    assert (
        "의도적으로 갱신한 베이스라인입니다(2026-11-24 06:30 UTC, 김 검토): `환불 답변을 짧게`"
        in korean
    )
    assert "on purpose" not in render(None, comparison(), format="md")


def test_markdown__says_what_was_overridden() -> None:
    made = accepted("x", forced=("threshold", "not_passed"))
    assert "overriding threshold, not_passed: `x`" in render(None, made, format="md")


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("payload", HOSTILE)
def test_markdown__a_hostile_reason_does_nothing(payload, language) -> None:
    made = accepted(payload, by=payload[:50], forced=(payload[:50],))
    texts = [render(report(), made, format="md", language=language)]
    texts += [
        comment_body(made, report(), level=level, language=language, origin=Origin())
        for level in range(5)
    ]
    for text in texts:
        assert dangers(text) == []
        html = to_html(text)
        assert html.count("<details>") == html.count("</details>")
    shown = normalise(payload)[:40]
    assert any(shown in code for code in code_texts(texts[0]))


@pytest.mark.parametrize("payload", HOSTILE)
def test_html__a_hostile_reason_does_nothing(payload) -> None:
    page = render(report(), accepted(payload), format="html")
    assert "accepted on purpose" in page
    assert "<h1>APPROVED" not in page
    assert "<img" not in page
    assert "\u202e" not in page


def test_render__secrets_are_taken_out_of_the_reason() -> None:
    key = "sk-test-1234567890abcdef"
    redactor = make_redactor({"API_KEY": key})
    made = accepted(f"키 {key}")
    texts = [render(None, made, format=f, redactor=redactor) for f in ("md", "json")]
    assert not [text for text in texts if key in text]


def test_in_columns__wide_letters_take_two() -> None:
    rows = [["a", "1"], ["지연", "22"], ["", ""]]
    assert list(in_columns(rows, indent=1)) == [" a     1", " 지연  22", ""]
    assert list(in_columns([])) == []
