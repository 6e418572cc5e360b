"""The commands that measure a baseline again."""

import shlex
from dataclasses import replace

import pytest
from comparing import NOW
from factories import make_report
from rendering import comment_body, render

from lm_eval_so.comparator.compare import compare
from lm_eval_so.comparator.terms import Terms
from lm_eval_so.core.config.gate import GateSection
from lm_eval_so.core.records.comparison import BaselineRef
from lm_eval_so.core.records.enums import Language
from lm_eval_so.reporter.markdown import Origin

BASE = "8d01e77" + "0" * 33
OLD, NEW = ({"name": "m", "version": n} for n in (1, 2))


def rerun(before, now, *, ref=None, gate=None):
    return compared(before, now, ref=ref, gate=gate).rerun


def compared(before, now, *, ref=None, gate=None):
    place = ref or BaselineRef(source="file", path="baselines/b.json")
    terms = Terms(gate=GateSection.model_validate(gate or {}), compared_at=NOW)
    return compare(now, before, terms, baseline_ref=place)


def report(definition, *, commit=BASE, path="dataset/toy", config="evaluate.yml", **made):
    built = make_report({"m": [1] * 60}, definitions={"m": definition}, commit=commit, **made)
    head = built.experiment
    dataset = replace(head.dataset, path=path)
    return replace(built, experiment=replace(head, dataset=dataset, config=config))


def test_rerun__checks_out_the_commit_that_the_baseline_measured() -> None:
    assert rerun(report(OLD), report(NEW, commit="4f2a9c1" + "0" * 33)) == (
        "git worktree add --detach .lm-eval-so/baseline/tree 8d01e7700000\n"
        'lm-eval-so run -c ".lm-eval-so/baseline/tree/$(git rev-parse --show-prefix)"evaluate.yml '
        '-o .lm-eval-so/baseline/run --set dataset.path="$PWD"/dataset/toy\n'
        "git worktree remove --force .lm-eval-so/baseline/tree\n"
        "lm-eval-so evaluate -c evaluate.yml --run .lm-eval-so/baseline/run "
        "-o .lm-eval-so/baseline/reports\n"
        "lm-eval-so compare reports/report.json -c evaluate.yml "
        "--baseline .lm-eval-so/baseline/reports/report.json"
    )


def test_rerun__takes_the_commit_that_the_baseline_was_read_from_if_it_tells_none() -> None:
    ref = BaselineRef(source="git", path="baselines/b.json", ref="a" * 40)
    assert " aaaaaaaaaaaa\n" in rerun(report(OLD, commit=None), report(NEW), ref=ref)


def test_rerun__without_a_commit_sets_what_the_baseline_was_set_to() -> None:
    before = report(
        OLD, commit=None, params={"temperature": 0, "stop": ["a b"]}, system="말 '짧게'"
    )
    now = report(NEW, params={"temperature": 1, "top_p": 1}, config=None)
    first, second, _ = rerun(before, now).splitlines()
    words = shlex.split(first)
    assert words[:4] == ["lm-eval-so", "run", "-o", ".lm-eval-so/baseline/run"]
    assert words[5::2] == [
        'backend.params.stop=["a b"]',
        "backend.params.temperature=0",
        "backend.params.top_p=null",
        "system=\"말 '짧게'\"",
    ]
    assert "-c" not in shlex.split(second)


def test_rerun__does_not_set_what_a_variable_fills_in() -> None:
    before = report(OLD, commit=None, params={"temperature": 0}, system="Du bist ${WHO}.")
    told = rerun(before, report(NEW, params={"temperature": 1}, config=None))
    assert "backend.params.temperature=0" in told
    assert "system" not in told


@pytest.mark.parametrize("config", ["a b.yml", "$(rm -rf x).yml", "설정.yml"])
def test_rerun__quotes_what_it_is_told(config) -> None:
    hostile = report(NEW, config=config, path="data; rm -rf /")
    lines = rerun(report(OLD), hostile).splitlines()
    assert shlex.split(lines[1])[3].endswith(config)
    assert "dataset.path=$PWD/data; rm -rf /" in shlex.split(lines[1])
    assert shlex.split(lines[3])[3] == config


@pytest.mark.parametrize("commit", ["HEAD; reboot", "--upload-pack=x", ""])
def test_rerun__a_commit_that_is_none_is_not_used(commit) -> None:
    assert "git" not in rerun(report(OLD, commit=commit), report(NEW))


def test_rerun__is_told_where_too_few_samples_pair_or_a_metric_is_new() -> None:
    few = make_report({"m": [1] * 100}, commit=BASE)
    assert rerun(few, make_report({"m": [1] * 71}))
    new = make_report({"m": [1] * 60, "new": [1] * 60})
    assert rerun(make_report({"m": [1] * 60}), new)
    assert rerun(make_report({"m": [1] * 60}), new, gate={"metrics": {"m": {}}}) is None


def test_rerun__is_told_where_the_baseline_has_too_many_rows_without_a_score() -> None:
    broken, fine = make_report({"m": [1] * 50 + [None] * 10}), make_report({"m": [1] * 60})
    told = compared(broken, fine)
    assert told.verdict == "error"
    assert "Re-run the baseline." in told.sentence
    assert "lm-eval-so run" in told.rerun
    is_not_gating = {"metrics": {"other": {}}}
    both = {"m": [1] * 50 + [None] * 10, "other": [1] * 60}
    assert (
        rerun(make_report(both), make_report({**both, "m": [1] * 60}), gate=is_not_gating) is None
    )


def test_rerun__is_not_told_where_it_does_not_help() -> None:
    fine = make_report({"m": [1] * 60})
    assert rerun(fine, fine) is None
    assert rerun(make_report({"m": [1] * 60}, suite="other"), fine) is None
    assert rerun(None, fine, ref=BaselineRef(source="none")) is None
    assert rerun(fine, make_report({"m": [1] * 50 + [None] * 10})) is None


def test_rerun__stands_in_report_and_comment() -> None:
    told = compared(report(OLD), report(NEW))
    shown = render(None, told, format="md", language=Language.KO, examples=3)
    body = comment_body(told, None, level=4, language=Language.EN, origin=Origin())
    assert f"```sh\n{told.rerun}\n```" in shown
    assert f"```sh\n{told.rerun}\n```" in body


def test_pairs__changed_samples_leave_the_rest_to_be_compared() -> None:
    revs = [f"r{i}" for i in range(100)]
    other = [*revs[:80], *(f"new-{i}" for i in range(20))]
    told = compared(
        make_report({"m": [1] * 100}, revs=revs), make_report({"m": [1] * 100}, revs=other)
    )
    assert (told.verdict.value, told.pairing.paired, len(told.pairing.changed)) == ("pass", 80, 20)
    other[79] = "one too many"
    told = compared(
        make_report({"m": [1] * 100}, revs=revs), make_report({"m": [1] * 100}, revs=other)
    )
    assert told.metrics["m"].reason == "overlap"
