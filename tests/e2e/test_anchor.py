"""`ci` and `compare` with an anchor: a release that no run may fall behind."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers.checkout import KEY, Checkout, N, open_checkout
from servers.commands import Done, git, lm_eval_so

ANCHOR = "baselines/v1.json"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Checkout]:
    """Make a pull request over a base that is as bad as it, and a good release before both."""
    with open_checkout(tmp_path) as found:
        git("checkout", "-q", "main", cwd=found.folder)
        kept = found.folder / "baselines/shop.json"
        kept.rename(found.folder / ANCHOR)
        config = found.folder / "lm-eval-so.yaml"
        text = config.read_text(encoding="utf-8").replace("language: ko", "language: en")
        text = text.replace("shop.json}", f"shop.json, anchor: {ANCHOR}}}")
        config.write_text(text.replace("margin: 0.05", "margin: 0.2"), encoding="utf-8")
        found.is_worse = True
        made = command(found, "ci", "--set", "baseline.anchor=")
        assert made.returncode == 0, made.stderr
        (found.folder / "reports/report.json").rename(kept)
        git("add", "-A", cwd=found.folder)
        git("commit", "-qm", "worse", cwd=found.folder)
        git("checkout", "-q", "topic", cwd=found.folder)
        git("reset", "-q", "--hard", "main", cwd=found.folder)
        found.commit("a change")
        yield found


def command(place: Checkout, *arguments: str) -> Done:
    environ = {"OPENAI_API_KEY": KEY, "BOT_URL": place.bot.url}
    return lm_eval_so(*arguments, cwd=place.folder, environ=environ)


def comparison(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "comparison.json").read_text(encoding="utf-8"))


def test_ci__a_fall_since_the_release_fails_and_is_told_everywhere(place: Checkout) -> None:
    done = place.ci()
    assert done.returncode == 1, done.stderr
    reports = place.folder / "lm-eval-so-report"
    found = comparison(reports)
    assert (found["verdict"], found["reasons"][0]["code"]) == ("regression", "anchor")
    anchor = found["anchor"]
    assert (anchor["verdict"], anchor["ref"]["source"]) == ("regression", "git")
    assert anchor["ref"]["path"] == ANCHOR
    assert anchor["ref"]["ref"] == git("rev-parse", "HEAD^", cwd=place.folder)
    assert anchor["metrics"]["exact_match"]["delta"] == -0.5
    assert len(anchor["metrics"]["exact_match"]["worse_samples"]) == N // 2
    assert found["metrics"]["exact_match"]["delta"] == 0
    headline = "❌ Worse than the anchor: exact_match 100.0% → 50.0%"
    assert headline in done.stderr
    ((_, comment),) = place.hub.bodies(7).items()
    texts = [comment, *((reports / f"report.{end}").read_text("utf-8") for end in ("md", "html"))]
    for text in texts:
        plain = text.replace("`", "").replace("</span>", "")
        assert headline.removeprefix("❌ ") in plain
        assert f"Against the anchor ({ANCHOR}, " in plain
        assert "Against the baseline: exact_match: 50.0% → 50.0%" in plain
        assert "regression (against the anchor)" in plain
    assert place.outputs()["verdict"] == "regression"
    # no request more than the run itself
    assert len(place.bot.requests) % N == 0


def test_ci__a_pull_request_cannot_bring_its_own_anchor(place: Checkout) -> None:
    git("checkout", "-q", "topic", cwd=place.folder)
    easy = (place.folder / "baselines/shop.json").read_bytes()
    (place.folder / ANCHOR).write_bytes(easy)
    place.commit("an easier anchor")
    assert place.ci().returncode == 1
    git("checkout", "-q", "topic", cwd=place.folder)
    (place.folder / ANCHOR).unlink()
    place.commit("no anchor at all")
    assert place.ci().returncode == 1


def test_ci__an_anchor_that_is_not_there_is_a_warning_and_on_a_pull_request_mains_counts(
    place: Checkout,
) -> None:
    done = command(place, "ci", "--set", "baseline.anchor=baselines/v2.json")
    assert done.returncode == 0, done.stderr
    assert "There is no report at baseline.anchor (baselines/v2.json)" in done.stderr
    config = place.folder / "lm-eval-so.yaml"
    git("checkout", "-q", "topic", cwd=place.folder)
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace(ANCHOR, "baselines/v2.json"), encoding="utf-8")
    (place.folder / "baselines/v2.json").write_bytes((place.folder / ANCHOR).read_bytes())
    place.commit("another anchor, which main does not have")
    done = place.ci()
    assert done.returncode == 1, done.stderr
    found = comparison(place.folder / "lm-eval-so-report")
    assert (found["anchor"]["ref"]["path"], found["rules"]["own"]["exit_code"]) == (ANCHOR, 0)
    ((_, comment),) = place.hub.bodies(7).items()
    assert f"(baseline.anchor {ANCHOR} → baselines/v2.json)" in comment


def test_ci__a_broken_anchor_is_told_before_anything_is_asked(place: Checkout) -> None:
    (place.folder / "baselines/v2.json").write_text("{", encoding="utf-8")
    before = len(place.bot.requests)
    done = command(place, "ci", "--set", "baseline.anchor=baselines/v2.json")
    assert done.returncode == 2, done.stderr
    assert "baselines/v2.json" in done.stderr
    assert len(place.bot.requests) == before


def test_compare__reads_the_anchor_of_the_config(place: Checkout) -> None:
    report = str(place.folder / "baselines/shop.json")
    for more, code in (((), 1), (("--set", "baseline.anchor="), 0)):
        done = command(place, "compare", report, "-o", "alone", *more)
        assert done.returncode == code, done.stderr
    assert comparison(place.folder / "alone")["anchor"] is None
    named = command(place, "compare", report, "-o", "alone", "--baseline", report)
    assert named.returncode == 1, named.stderr
    assert comparison(place.folder / "alone")["anchor"]["ref"]["source"] == "file"
