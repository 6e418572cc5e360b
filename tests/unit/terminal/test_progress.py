"""What people see while it works: plain lines, GitHub's log, a terminal, warnings only."""

import io
from collections.abc import Sequence
from dataclasses import replace

import pytest

from lm_eval_so.core.events import Began, Concluded, Ended, Event, Moved, Noticed, Warned
from lm_eval_so.core.records.enums import Language
from lm_eval_so.errors import Problem, Where
from lm_eval_so.terminal.bar import Bar
from lm_eval_so.terminal.entry import problem_text
from lm_eval_so.terminal.lines import PlainLines, RecentRate, progress_line
from lm_eval_so.terminal.progress import in_language, open_progress

EVENTS: list[Event] = [
    Began(stage="run", total=412, text="asking 봇"),
    Moved(stage="run", done=200, already=100, counts={"ok": 190, "error": 10}, limit=16),
    Warned(stage="run", text="limited\n::error::x", hint="wait"),
    Noticed(stage="run", text="::set-output name=verdict::pass"),
    Ended(stage="run", text="412 rows"),
]


VERDICT = Concluded(
    stage="compare",
    headline="🟡 ::error::x",
    lines=("  ::add-mask::x", "", "  더 있음"),
    is_warning=True,
)


def shown(environ: dict[str, str], *, quiet: bool = False, events: Sequence[Event] = EVENTS) -> str:
    stream = io.StringIO()
    progress = open_progress(stream, environ, quiet=quiet, color="auto")
    for event in events:
        progress.listen(event)
    progress.close()
    return stream.getvalue()


def test_plain_lines__foreign_text_starts_no_command() -> None:
    assert shown({}).splitlines() == [
        "run: asking 봇",
        "warning: limited\\n::error::x",
        "  hint: wait",
        "run: ::set-output name=verdict::pass",
        "run: 412 rows",
    ]


def test_plain_lines__a_line_every_ten_seconds() -> None:
    stream, now = io.StringIO(), [0.0]
    lines = PlainLines(stream, clock=lambda: now[0])
    lines.listen(Began(stage="run", total=100))
    for second in range(25):
        now[0] = float(second)
        lines.listen(Moved(stage="run", done=second))
    assert stream.getvalue().splitlines() == [
        "run: 10/100 · 1/s · 1 min 30 s left",
        "run: 20/100 · 1/s · 1 min 20 s left",
    ]


def test_progress_line__rate_of_what_is_fresh() -> None:
    line = progress_line(EVENTS[1], 412, 10.0)
    assert line == "200/412 · ok 190 · error 10 · 10/s · limit 16 · 21 s left"


def test_progress_line__kinds_of_errors_and_money() -> None:
    moved = Moved(
        stage="run",
        done=412,
        counts={"ok": 405, "refused": 3, "error": 4},
        kinds={"server": 3, "bad_response": 1},
        limit=16,
        cost_usd=0.2071,
        max_cost_usd=5,
    )
    assert progress_line(moved, 1000, 31.0) == (
        "412/1,000 · ok 405 · refused 3 · error 4 (server 3, bad_response 1) · 31/s · limit 16"
        " · USD 0.21/5.00 · 19 s left"
    )
    assert progress_line(moved, 1000, None).endswith("limit 16 · USD 0.21/5.00")


def test_recent_rate__forgets_a_slow_start() -> None:
    rate = RecentRate(0.0)
    assert rate.update(0.0, 0) is None
    assert rate.update(20.0, 20) == 1.0
    for second in range(21, 80):
        found = rate.update(float(second), 20 + (second - 20) * 100)
    assert found == pytest.approx(100, rel=0.05)
    for second in range(80, 111):
        found = rate.update(float(second), 5920)
    assert found is None, "nothing has moved for half a minute"


def test_quiet__warnings_only() -> None:
    assert shown({}, quiet=True) == "warning: limited\\n::error::x\n  hint: wait\n"


def test_github__groups_and_annotations() -> None:
    assert shown({"GITHUB_ACTIONS": "true"}).splitlines() == [
        "::group::run asking 봇",
        "run: asking 봇",
        "::warning title=run::limited%0A::error::x; wait",
        "run: ::set-output name=verdict::pass",
        "run: 412 rows",
        "::endgroup::",
    ]


def test_bar__lines_stand_and_no_markup_is_read() -> None:
    stream = io.StringIO()
    bar = Bar(stream, color=False)
    for event in [*EVENTS, Noticed(stage="run", text="[bold]x[/bold]")]:
        bar.listen(event)
    bar.close()
    text = stream.getvalue()
    assert "run: 412 rows" in text
    assert "[bold]x[/bold]" in text


SCREEN = ["", "🟡 ::error::x", "", "  ::add-mask::x", "", "  더 있음", ""]


def test_verdict__stands_apart_and_unchanged() -> None:
    assert shown({}, events=[VERDICT]).splitlines() == SCREEN
    stream = io.StringIO()
    bar = Bar(stream, color=False)
    for event in (Began(stage="run", total=3), VERDICT):
        bar.listen(event)
    bar.close()
    assert stream.getvalue().splitlines()[-len(SCREEN) :] == SCREEN


def test_verdict__quiet__only_if_it_warns() -> None:
    assert shown({}, quiet=True, events=[VERDICT]) == "warning: 🟡 ::error::x\n"
    assert shown({}, quiet=True, events=[replace(VERDICT, is_warning=False)]) == ""


def test_verdict__on_github_is_outside_of_the_groups() -> None:
    github = {"GITHUB_ACTIONS": "true"}
    lines = shown(github, events=[Began(stage="run"), VERDICT]).splitlines()
    assert lines == [
        "::group::run",
        "::endgroup::",
        "::warning title=compare::🟡 ::error::x",
        *SCREEN,
    ]
    calm = shown(github, events=[replace(VERDICT, is_warning=False)])
    assert "::warning" not in calm


def test_problem_text__caret_stands_under_wide_characters_too() -> None:
    where = Where(file="f.yaml", line=3, column=5, key="a.b", text="이름: [x")
    text = problem_text(Problem(what="bad\nline", where=where, hint="mend it"))
    assert text.splitlines() == [
        "error: bad\\nline",
        "  --> f.yaml:3  a.b",
        "    이름: [x",
        "          ^",
        "  fix: mend it",
    ]


def test_in_language__lines_and_advice_but_no_verdict() -> None:
    told = Warned(stage="run", text="bot answers again", hint="run again to go on")
    verdict = Concluded(stage="compare", headline="30 rows: ok 30")
    assert in_language(told, Language.KO) == Warned(
        stage="run", text="bot: 다시 응답합니다", hint="다시 실행하면 이어서 진행합니다"
    )
    assert (
        in_language(Ended(stage="run", text="30 rows: ok 30"), Language.KO).text
        == "답변 30건: ok 30"
    )
    assert in_language(verdict, Language.KO) == verdict
    assert in_language(told, Language.EN) == told
