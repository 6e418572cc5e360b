"""`baseline` in a real git repository: taken, refused, forced, committed, compared with."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.checkout import KEY, Checkout, N, open_checkout
from servers.commands import Done, git, lm_eval_so

REASON = "환불 답변을 짧게 | `x` <b>@octocat</b>"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Checkout]:
    with open_checkout(tmp_path) as found:
        git("checkout", "-q", "topic", cwd=found.folder)
        git("config", "user.name", "김 검토", cwd=found.folder)
        yield found


def command(place: Checkout, *arguments: str) -> Done:
    environ = {"OPENAI_API_KEY": KEY, "BOT_URL": place.bot.url}
    return lm_eval_so(*arguments, cwd=place.folder, environ=environ)


def measure(place: Checkout, *, worse: bool) -> Done:
    place.is_worse = worse
    margin = "gate.metrics.exact_match.margin=0.1"  # 40 samples can prove no smaller one
    return command(place, "ci", "--fresh", "--set", "run.cache=false", "--set", margin)


def test_baseline__a_change_for_the_worse_is_taken_on_purpose_only(place: Checkout) -> None:
    assert measure(place, worse=True).returncode == 1
    file = place.folder / "baselines/shop.json"
    before = file.read_bytes()

    refused = command(place, "baseline", "update", "reports", "--reason", REASON)
    assert refused.returncode == 5
    assert "the comparison of this report says regression (exact_match)" in refused.stderr
    assert "experiment.eligible is false" in refused.stderr
    assert "2 problems; nothing was done" in refused.stderr
    assert refused.stdout == ""
    assert file.read_bytes() == before

    taken = command(place, "baseline", "update", "reports", "--reason", REASON, "--force")
    assert taken.returncode == 0, taken.stderr
    assert taken.stdout == "baselines/shop.json\n"
    assert "exact_match  100.0% → 50.0%  −50.0%p  나빠짐" in taken.stderr
    assert git("status", "--porcelain", cwd=place.folder) == "M baselines/shop.json"
    (last,) = json.loads(file.read_text(encoding="utf-8"))["accepted"]
    assert last["reason"] == REASON
    assert last["by"] == "김 검토"
    assert last["forced"] == ["ineligible", "not_passed"]
    assert last["previous"]["means"]["exact_match"] == 1.0

    for line in taken.stderr.partition("커밋하려면:\n")[2].splitlines():
        run_in_shell(line.strip(), place.folder)
    assert git("log", "-1", "--format=%s", cwd=place.folder) == f"baseline: {REASON}"
    assert git("status", "--porcelain", cwd=place.folder) == ""

    # the same chatbot against its new baseline: from the file, and as a commit has it
    measured = measure(place, worse=True)
    compared = command(
        place,
        *("compare", "reports/report.json", "--baseline-ref", "HEAD"),
        *("--set", "gate.metrics.exact_match.margin=0.2"),
    )
    assert compared.returncode == 0, measured.stderr + compared.stderr
    told = (place.folder / "reports/comparison.md").read_text(encoding="utf-8")
    assert f"김 검토): ``{REASON}``" in told
    assert "경고(ineligible, not_passed)를 무시하고 의도적으로 갱신한 베이스라인" in told
    found = json.loads((place.folder / "reports/comparison.json").read_text(encoding="utf-8"))
    assert (found["verdict"], found["baseline"]["source"]) == ("pass", "git")
    assert found["baseline"]["accepted"]["reason"] == REASON


def test_baseline__what_passes_is_taken_and_the_history_grows(place: Checkout) -> None:
    assert measure(place, worse=False).returncode == 0
    first = command(place, "baseline", "update", "reports/report.json", "--reason", "첫째")
    assert first.returncode == 0, first.stderr
    assert "warning" not in first.stderr
    again = command(place, "baseline", "update", "reports", "--reason", "둘째", "--json", "--quiet")
    assert (again.returncode, again.stderr) == (0, "")
    told = json.loads(again.stdout)
    assert told["overridden"] == []
    assert told["changes"][0]["state"] == "same"

    shown = command(place, "baseline", "show", "--language", "en")
    assert shown.returncode == 0, shown.stderr
    assert [line.split(" · ")[1] for line in shown.stdout.splitlines()[-2:]] == ["첫째", "둘째"]
    assert f"n={N}" in shown.stdout
    as_json = json.loads(command(place, "baseline", "show", "--json").stdout)
    assert [each["reason"] for each in as_json["accepted"]] == ["첫째", "둘째"]
    assert as_json["place"]["source"] == "file"

    committed = command(place, "baseline", "show", "--baseline-ref", "HEAD")
    head = git("rev-parse", "HEAD", cwd=place.folder)
    assert f"{head[:7]}의 baselines/shop.json" in committed.stdout
    assert "baseline update로 갱신한 적이 없습니다" in committed.stdout


def test_baseline__a_run_that_lacks_rows_is_refused(place: Checkout) -> None:
    assert measure(place, worse=False).returncode == 0
    rows = place.folder / "runs/bot/run_results.jsonl"
    lines = rows.read_text(encoding="utf-8").splitlines(keepends=True)
    rows.write_text("".join(lines[:-3]), encoding="utf-8")
    assert command(place, "evaluate").returncode == 0
    refused = command(place, "baseline", "update", "reports", "--reason", "x")
    assert refused.returncode == 5
    assert "the run is not complete: 3 rows are missing" in refused.stderr
    assert "is about another report" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["reports"], "--reason"),
        (["reports", "--reason", ""], "a baseline is taken for a reason"),
        (["reports", "--reason", "한 줄\n두 줄"], "the reason is not one line of text"),
        (["missing", "--reason", "x"], "cannot read missing"),
        (["data", "--reason", "x"], "cannot read data/report.json"),
        (["data/test.jsonl", "--reason", "x"], "no JSON"),
        (["reports", "--reason", "x", "--set", "baseline.path=null"], "names no baseline"),
        (["reports", "--reason", "x", "--set", "gate.metrics.typo.min=1"], 'metric "typo"'),
    ],
)
def test_baseline__wrong_usage(place: Checkout, arguments: list[str], told: str) -> None:
    before = (place.folder / "baselines/shop.json").read_bytes()
    done = command(place, "baseline", "update", *arguments, "--force")
    assert done.returncode == 2
    assert told in done.stderr
    assert (place.folder / "baselines/shop.json").read_bytes() == before


def test_baseline__no_key_in_anything_that_is_written(place: Checkout) -> None:
    assert measure(place, worse=False).returncode == 0
    done = command(place, "baseline", "update", "reports", "--reason", f"키 {KEY}")
    assert done.returncode == 0, done.stderr
    shown = command(place, "baseline", "show")
    file = (place.folder / "baselines/shop.json").read_text(encoding="utf-8")
    assert not [text for text in (done.stdout, done.stderr, shown.stdout, file) if KEY in text]
    assert "[redacted:OPENAI_API_KEY]" in shown.stdout


def run_in_shell(line: str, folder: Path) -> None:
    """Run one of the commands that were told, as a shell splits it."""
    program, *arguments = shlex.split(line)
    assert program == "git"
    git(*arguments, cwd=folder)
