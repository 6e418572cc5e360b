"""Past reports over time: what people see, from reports and from git."""

from dataclasses import replace
from pathlib import Path

import pytest
from factories import make_report
from servers.commands import git, lm_eval_so
from servers.markdown import dangers

from lm_eval_so.comparator.past_reports import Past, make_history
from lm_eval_so.core.records.codec import dumps, to_json
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.errors import UsageError
from lm_eval_so.reporter.over_time import history_markdown, history_page, history_text

KEY = "sk-test-55779913"
REDACT = make_redactor({"SHOP_KEY": KEY}).redact


def past(month, right, *, model="gpt-4.1-mini", fingerprint="a", **changes):
    scores = {"exact_match": [1] * right + [0] * (60 - right), "latency_ms": [900 + right] * 60}
    made = make_report(
        scores,
        suite=changes.pop("suite", "shop"),
        commit=f"{month}" * 20,
        model=model,
        fingerprints={"exact_match": fingerprint},
        **changes,
    )
    share = right / 60
    summary = replace(made.metrics["exact_match"], ci95=(share - 0.08, min(1.0, share + 0.08)))
    return replace(
        made,
        experiment=replace(made.experiment, evaluated_at=f"2026-{month}-12T06:30:00Z"),
        metrics=made.metrics | {"exact_match": summary},
    )


def shop():
    """Four reports: another model in the third, another dataset and another measure in the fourth."""
    return [
        past("06", 48),
        past("07", 51),
        past("08", 54, model=f"gpt-5 | {KEY} <b>"),
        past("09", 50, model=f"gpt-5 | {KEY} <b>", fingerprint="b", dataset_version="1.1.0"),
    ]


def history(reports):
    return make_history(
        (Past(source=f"r{i}", report=r) for i, r in enumerate(reports)), redact=REDACT
    )


@pytest.mark.parametrize("language", list(Language))
def test_history__as_people_see_it(language, golden):
    made = history(shop())
    text = history_text(made, language, REDACT)
    markdown = history_markdown(made, language, REDACT)
    golden(f"history/shop.{language}.txt", text)
    golden(f"history/shop.{language}.md", markdown)
    page = history_page(made, language, REDACT)
    for shown in (text, markdown, page):
        assert KEY not in shown
        assert "redacted" in shown
    assert not dangers(markdown)
    assert "<b>" not in page
    assert page.count("<svg") == 8


def test_history__marks_what_changed_and_what_is_measured_in_another_way():
    third, fourth = history(shop()).entries[2:]
    assert [each.key for each in third.changes] == ["model"]
    assert {(each.about, each.key) for each in fourth.changes} >= {
        ("dataset", "dataset.version"),
        ("metric", "fingerprint"),
    }
    assert [entry.metrics["exact_match"].measured_anew for entry in (third, fourth)] == [
        False,
        True,
    ]
    # a metric that a report lacks is held against the last one that has it
    gap = [shop()[0], make_report({"other": [1]}, suite="shop"), shop()[3]]
    assert history(gap).entries[2].metrics["exact_match"].measured_anew
    assert list(history(gap).metrics) == ["exact_match", "latency_ms", "other"]


def test_history__several_suites_are_refused():
    with pytest.raises(UsageError, match=r"reports of several suites: shop \(r0\), other \(r1\)"):
        history([past("06", 48), past("07", 48, suite="other")])


def test_history__of_what_git_holds_and_of_files(tmp_path: Path):
    config = "version: 1\nsuite: shop\nlanguage: ko\ndataset: {path: d}\nbaseline: {path: 기준/shop.json}\n"
    (tmp_path / "lm-eval-so.yaml").write_text(config, "utf-8")
    assert lm_eval_so("history", cwd=tmp_path).returncode == 3  # no repository
    git("init", "-q", cwd=tmp_path)
    stored = tmp_path / "기준/shop.json"
    stored.parent.mkdir()
    for text in (*map(dumps, shop()[:2]), '{"schema": 1}', dumps(shop()[2])):
        stored.write_text(text, "utf-8")
        git("add", "-A", cwd=tmp_path)
        git("commit", "-qm", "baseline", cwd=tmp_path)
    done = lm_eval_so("history", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("shop: 보고서 3개, 2026-06-12 ~ 2026-08-12\n")
    assert done.stderr.count("is left out") == 1
    assert lm_eval_so("history", "--last", "1", cwd=tmp_path).stdout.startswith("shop: 보고서 1개")
    # files count by the time of their evaluation, and need no config
    files = [tmp_path / f"{name}.json" for name in "ab"]
    for file, report in zip(files, (shop()[1], shop()[0]), strict=True):
        file.write_text(dumps(report), "utf-8")
    (tmp_path / "lm-eval-so.yaml").unlink()
    told = lm_eval_so("history", *map(str, files), "--format", "md", cwd=tmp_path).stdout
    assert told.startswith("## shop: 2 reports, 2026-06-12 to 2026-07-12")
    assert to_json(history(shop()))["schema"] == "lm-eval-so/history/1"
