"""`ci` on a pull request that edits documents: it tells which tests quote them, whatever the verdict."""

import json
from pathlib import Path

from servers.checkout import KEY, open_checkout
from servers.commands import git, lm_eval_so

CONFIG = """\
version: 1
suite: shop
language: en
dataset: {path: data}
generator:
  seed: 1
  sources: [{id: docs, as: documents, path: "docs/*.md"}]
  synthesise: {questions: 9, mix: {fact: 1}, twins: 1}
backend: {name: openai, label: bot, params: {model: m}, options: {base_url: "${BOT_URL}"}}
metrics: [exact_match]
baseline: {path: baselines/shop.json}
"""
RETURNS = "# Returns\n\n## Period of returns\n\nYou may return a product for 7 days.\n\n## Condition\n\nIt must be unused.\n"
FEES = "# Fees\n\n## Delivery fees\n\nDelivery costs 3 dollars.\n"


def test_ci__tells_which_tests_quote_what_the_pull_request_changes(tmp_path: Path) -> None:
    with open_checkout(tmp_path) as place:
        docs = place.folder / "docs"
        git("checkout", "-qf", "main", cwd=place.folder)
        docs.mkdir()
        (docs / "returns.md").write_text(RETURNS)
        (docs / "fees.md").write_text(FEES)
        (place.folder / "data/test.jsonl").unlink()
        (place.folder / "lm-eval-so.yaml").write_text(CONFIG)
        environ = {"OPENAI_API_KEY": KEY, "BOT_URL": place.bot.url}
        made = lm_eval_so("generate", cwd=place.folder, environ=environ)
        assert made.returncode == 0, made.stderr
        rows = [json.loads(x) for x in (place.folder / "data/test.jsonl").read_text().splitlines()]
        known = {row["messages"][0]["content"]: row["expected"] for row in rows}
        place.answer = lambda seen: known[seen.text]  # type: ignore[method-assign]
        (place.folder / "baselines/shop.json").unlink()
        first = lm_eval_so("ci", cwd=place.folder, environ=environ)
        assert first.returncode == 0, first.stderr
        assert "📄" not in first.stderr
        (place.folder / "reports/report.json").rename(place.folder / "baselines/shop.json")
        (docs / "fees.md").write_text(FEES.replace("3 dollars", "5 dollars"))
        git("add", "-A", cwd=place.folder)
        git("commit", "-qm", "tests from documents, and a fee", cwd=place.folder)
        git("branch", "-qf", "topic", "main", cwd=place.folder)
        git("checkout", "-q", "topic", cwd=place.folder)
        hostile = "for 14 days. <img src=x> @octocat"
        (docs / "returns.md").write_text(RETURNS.replace("for 7 days.", hostile))
        place.commit("another period")

        done = place.ci()
        assert done.returncode == 0, done.stderr
        of = len(rows)
        assert of == 4  # with a twin of the fee
        assert f"📄 1 of {of} tests quote text that this pull request changes" in done.stderr
        (body,) = place.hub.bodies(7).values()
        lines = body.splitlines()
        head = lines.index(f"📄 1 of {of} tests quote text that this pull request changes")
        place_shown = "docs/returns.md › Period of returns: 7 days → 14 days"
        still = "(expected answer still says 7 days)"
        assert lines[head + 2] == f"1 number changed: {place_shown} {still}"
        assert f"📄 2 of {of} tests quote text that changed before this pull request" in lines
        assert "<img" not in body.replace("`<img", "")
        report = (place.folder / "lm-eval-so-report/report.html").read_text()
        assert "that this pull request changes" in report
        assert "Nothing changed: 4 of 4 as before" in body
