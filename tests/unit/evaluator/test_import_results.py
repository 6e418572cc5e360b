"""Results of promptfoo, DeepEval, Inspect and Ragas, as those tools wrote them: tests/data/imports/make.sh."""

import asyncio
import csv
import io
import json
import math
import random
import sys
import warnings
import zipfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from statistics import fmean

import pytest
import zstandard
from comparing import judge
from evaluation import EPOCH
from factories import make_report
from rendering import comment_body, render
from servers.markdown import dangers
from servers.markdown import render as to_html

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.load import make_config
from lm_eval_so.core.records.enums import Direction, Language, MetricKind, ReportFormat, Verdict
from lm_eval_so.core.records.report_pieces import report_pieces
from lm_eval_so.core.report_file import parse_report
from lm_eval_so.errors import CannotMeasure, InputError
from lm_eval_so.evaluator.foreign.which_tool import TOOLS
from lm_eval_so.evaluator.import_results import ForeignFile, import_results
from lm_eval_so.reporter.import_screen import tell_import

DATA = Path(__file__).parents[2] / "data/imports"
PAIRS = {
    "promptfoo": ("promptfoo/before.json", "promptfoo/after.json", "plain"),
    "deepeval": ("deepeval/before.json", "deepeval/after.json", None),
    "inspect": ("inspect/before.eval", "inspect/after.eval", None),
    "ragas": ("ragas/before.csv", "ragas/after.csv", None),
    "ragas experiment": ("ragas/experiment-before.csv", "ragas/experiment-after.csv", None),
}
"""The same cases, answered by two versions of a shop's bot, of which the second is wrong about refunds."""
WITH_ERRORS = {
    "promptfoo": ("promptfoo/down.json", "shouting / polite"),
    "deepeval": ("deepeval/down.json", None),
    "inspect": ("inspect/down.eval", None),
    "ragas": ("ragas/down.csv", None),
}
NO_CONFIG = make_config({"version": 1, "suite": "default", "dataset": {"path": "dataset"}})
RIGHT, WRONG = (f"환불은 결제 후 {days}일 안에 할 수 있습니다." for days in (7, 14))


def imported(file, candidate=None, *, tool=None, config=None, tell=None):
    resources = Resources(environ=EPOCH, **({"listener": tell} if tell else {}))
    given = ForeignFile(
        file=DATA / file, tool=tool, candidate=candidate, names_suite=config is None
    )
    return asyncio.run(import_results(given, config or NO_CONFIG, resources))


def written(folder, values, name="results.json"):
    file = folder / name
    text = values if isinstance(values, str | bytes) else json.dumps(values)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def loaded(name):
    return json.loads((DATA / name).read_text(encoding="utf-8"))


def summary(report):
    """Return what a person sees first, and every row with its scores."""
    told = []
    tell_import(report, Language.EN, told.append, folder=Path("reports"))
    columns = report.samples
    rows = [
        " · ".join(
            [
                columns.ids[row],
                str(columns.repeats[row]),
                columns.statuses[row],
                *(f"{key} {values[row]}" for key, values in columns.scores.items()),
            ]
        )
        for row in range(len(columns.ids))
    ]
    kinds = [f"{key}: {each.kind} {dict(each.definition)}" for key, each in report.metrics.items()]
    return "\n".join([told[0].headline, *told[0].lines, "", *kinds, "", *rows, ""])


@pytest.mark.parametrize("tool", WITH_ERRORS)
def test_import__summary_of_a_file_with_errors(tool, golden) -> None:
    golden(f"imports/{tool}.txt", summary(imported(*WITH_ERRORS[tool])))


@pytest.mark.parametrize("tool", PAIRS)
def test_import__two_runs_compare_and_the_broken_case_is_named(tool) -> None:
    old, new, candidate = PAIRS[tool]
    before, now = imported(old, candidate), imported(new, candidate)
    found = judge(before, now)
    assert found.pairing.paired == len({*now.samples.ids}) == 6
    assert not found.pairing.added + found.pairing.removed + found.pairing.changed
    assert not found.settings  # the same bot, cases and metrics, as far as the files tell
    assert found.verdict is Verdict.INCONCLUSIVE  # six cases prove nothing
    assert {m.verdict for m in found.metrics.values()} <= {
        Verdict.INCONCLUSIVE,
        Verdict.REPORTED,
        Verdict.PASS,
    }
    first = found.changed[0]
    assert (first.change, first.baseline_answer, first.candidate_answer) == (
        "worse",
        RIGHT,
        WRONG,
    )
    for language, said in ((Language.EN, "not proven"), (Language.KO, "우연일 수")):
        told = judge(before, now, language=language)
        body = comment_body(told, now, level=0, language=language)
        assert said in body
        assert RIGHT in body
        assert WRONG in body
        assert not dangers(to_html(body))
    for format_ in ReportFormat:
        assert first.sample_id in render(now, found, format=format_)


@pytest.mark.parametrize("tool", WITH_ERRORS)
def test_import__a_report_can_be_written_and_read_and_is_not_like_our_own(tool) -> None:
    report = imported(*WITH_ERRORS[tool])
    assert parse_report("".join(report_pieces(report)), shown_as="report.json") == report
    assert "run" not in report.experiment.fingerprints  # which no file tells
    assert report.experiment.commit is None
    assert all(each.definition["tool"] == tool for each in report.metrics.values())


@pytest.mark.parametrize("tool", ["promptfoo", "inspect"])
def test_import__a_row_with_an_error_has_no_score_whatever_stands_in_it(tool, tmp_path) -> None:
    report = imported(*WITH_ERRORS[tool])
    if tool == "promptfoo":
        values = loaded("promptfoo/down.json")
        rows = [row for row in values["results"]["results"] if row["failureReason"] == 2]
        good = next(row for row in values["results"]["results"] if row["failureReason"] == 0)
        for row in rows:
            row |= {"score": 1, "success": True, "gradingResult": good["gradingResult"]}
            row["namedScores"] = good["namedScores"]
    else:
        values = loaded("inspect/choices.json")
        values["samples"][0]["error"] = {"message": "boom", "traceback": ""}
        rows = [None]
    spoilt = imported(written(tmp_path, values), WITH_ERRORS[tool][1])
    for made in (report, spoilt):
        lost = [n for n, status in enumerate(made.samples.statuses) if status == "error"]
        assert lost
        assert {values[n] for values in made.samples.scores.values() for n in lost} == {None}
        assert all(made.samples.answers[n] is None for n in lost)
    assert report.samples.scores == spoilt.samples.scores or tool == "inspect"


def test_import__a_metric_with_an_error_has_no_score_whatever_stands_beside_it(tmp_path) -> None:
    values = loaded("deepeval/down.json")
    lost = next(case for case in values["testCases"] if case["name"] == "hours")
    lost["metricsData"][2] |= {"score": 1.0, "success": True}
    made = imported(written(tmp_path, values))
    at = made.samples.ids.index("hours")
    assert made.samples.scores["간결함"][at] is None
    assert made.samples.scores["pass"][at] is None  # DeepEval calls it failed
    lost["metricsData"][0] |= {"score": 0.0, "success": False}
    failed = imported(written(tmp_path, values))
    assert failed.samples.scores["pass"][at] == 0  # for a reason besides


def test_promptfoo__a_grader_that_failed_is_no_score(tmp_path) -> None:
    values = loaded("promptfoo/after.json")
    (row,) = (
        r
        for r in values["results"]["results"]
        if r["promptIdx"] == 0 and r["testCase"]["description"] == "refund"
    )
    part = next(
        c for c in row["gradingResult"]["componentResults"] if c["assertion"]["type"] == "contains"
    )
    part["metadata"] = {"graderError": True}
    made = imported(written(tmp_path, values), "plain")
    assert made.samples.scores["contains"][0] is None
    assert made.samples.scores["pass"][0] is None  # promptfoo calls it failed


def test_promptfoo__what_could_not_be_checked_is_no_score_and_names_are_filled_in(golden) -> None:
    made = imported("promptfoo/odd.json")
    golden("imports/promptfoo_odd.txt", summary(made))
    unscored = {key for key, each in made.metrics.items() if each.unscored}
    assert unscored == {"pass", "llm-rubric", "contains", "throws", "similar"}
    assert made.metrics["pass"].unscored_by == {"metric_error": 2, "run_error": 1}
    assert made.metrics["width"].kind is MetricKind.UNBOUNDED
    assert {"hello-ok", "bye-ok", "group"} <= {*made.metrics}
    reasons = [case.reason for case in made.errors]
    assert not [reason for reason in reasons if "/tmp/" in reason]  # no traces of promptfoo's code


# What the tools count themselves


def test_promptfoo__counts_of_every_candidate_are_promptfoos() -> None:
    for file in ("before", "after", "down"):
        results = loaded(f"promptfoo/{file}.json")["results"]
        total = Counter()
        for number, told in enumerate(results["prompts"], start=1):
            made, own = imported(f"promptfoo/{file}.json", str(number)), told["metrics"]
            passed = made.samples.scores["pass"]
            counts = Counter(passed)
            assert counts == Counter(
                {1: own["testPassCount"], 0: own["testFailCount"], None: own["testErrorCount"]}
            )
            total += counts
            polite = [value for value in made.samples.scores["공손함"] if value is not None]
            assert sum(polite) == pytest.approx(own["namedScores"]["공손함"])
            assert math.isclose(made.cost.bot_usd, own["cost"])
        stats = results["stats"]
        assert (total[1], total[0], total[None]) == tuple(
            stats[key] for key in ("successes", "failures", "errors")
        )


def test_deepeval__passes_fails_and_errors_of_every_metric_are_deepevals() -> None:
    for file in ("before", "after", "down"):
        values, made = loaded(f"deepeval/{file}.json"), imported(f"deepeval/{file}.json")
        for told, metric in zip(values["metricsScores"], [*made.metrics][1:], strict=True):
            summed = made.metrics[metric]
            assert (summed.name, summed.unscored) == (told["metric"], told["errors"])
            scores = [value for value in made.samples.scores[metric] if value is not None]
            assert scores == pytest.approx(told["scores"])
            assert round(summed.passed_share * summed.rows) == told["passes"]
        passed = Counter(made.samples.scores["pass"])
        assert passed[1] == values["testPassed"]
        assert passed[0] + passed[None] == values["testFailed"]


def test_inspect__means_are_inspects() -> None:
    for file in ("before.eval", "after.eval", "down.eval", "choices.json"):
        path, made = DATA / "inspect" / file, imported(f"inspect/{file}")
        results = (
            header_of(path)["results"]
            if file.endswith(".eval")
            else loaded(f"inspect/{file}")["results"]
        )
        for told in results["scores"]:
            whole = told["name"] == told["scorer"]
            summed = made.metrics[told["name"] if whole else f"{told['scorer']}.{told['name']}"]
            (mean,) = (v["value"] for k, v in told["metrics"].items() if k in {"mean", "accuracy"})
            assert summed.sample_count == told["scored_samples"]
            assert (
                summed.mean == pytest.approx(mean) if summed.sample_count else summed.mean is None
            )


def test_ragas__means_are_those_without_nan() -> None:
    for file in ("before.csv", "after.csv", "down.csv"):
        made = imported(f"ragas/{file}")
        with (DATA / "ragas" / file).open(encoding="utf-8", newline="") as table:
            rows = [*csv.DictReader(table)]
        for summed in made.metrics.values():
            cells = [float(row[summed.name]) for row in rows if row[summed.name]]
            assert summed.mean == pytest.approx(fmean(cells))
            assert summed.unscored == len(rows) - len(cells)
    lines = imported("ragas/before.jsonl")
    assert lines.samples.ids == imported("ragas/before.csv").samples.ids
    assert lines.metrics["rouge_score_mode_fmeasure"].mean == pytest.approx(4 / 6)


def header_of(path):
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("header.json")
        archive.fp.seek(info.header_offset + 26)
        name, extra = (int.from_bytes(archive.fp.read(2), "little") for _ in range(2))
        archive.fp.seek(name + extra, 1)
        packed = archive.fp.read(info.compress_size)
    return json.loads(zstandard.ZstdDecompressor().stream_reader(packed).read())


# Facts of a file


def test_promptfoo__one_candidate_of_several_is_named_in_full_or_by_what_is_enough() -> None:
    with pytest.raises(InputError, match="4 candidates in one file") as caught:
        imported("promptfoo/down.json")
    (problem,) = caught.value.problems
    assert (
        "1 shop / plain; 2 shop / polite; 3 shouting / plain; 4 shouting / polite" in problem.what
    )
    assert "--candidate" in problem.hint
    with pytest.raises(InputError, match='did you mean "shouting / plain"'):
        imported("promptfoo/down.json", "shoutin / plain")
    with pytest.raises(InputError, match="names no single one"):
        imported("promptfoo/down.json", "shop")
    made = imported("promptfoo/down.json", "3").experiment.backend
    assert made == imported("promptfoo/down.json", "shouting / plain").experiment.backend
    assert (made.label, made.model, made.details) == (
        "shouting / plain",
        "shop:loud",
        {"prompt": "{{question}}"},
    )


def test_promptfoo__another_prompt_is_told_and_cases_stay_the_same() -> None:
    plain, polite = (imported("promptfoo/before.json", name) for name in ("plain", "polite"))
    found = judge(plain, polite)
    assert found.pairing.paired == 6
    assert [(s.about, s.key) for s in found.settings] == [("chatbot", "details.prompt")]
    assert [key for key, m in found.metrics.items() if m.gating] == ["pass"]


def test_promptfoo__a_case_whose_assertion_changed_is_left_out(tmp_path) -> None:
    values = loaded("promptfoo/after.json")
    for row in values["results"]["results"]:
        for check in row["testCase"]["assert"]:
            if check.get("metric") == "공손함":
                check["threshold"] = 0.95
    changed = imported(written(tmp_path, values), "plain")
    found = judge(imported("promptfoo/before.json", "plain"), changed)
    assert (found.pairing.paired, found.pairing.changed) == (5, ("refund",))


def test_promptfoo__the_same_question_under_other_assertions_is_another_case(tmp_path) -> None:
    values = loaded("promptfoo/before.json")
    rows = [row for row in values["results"]["results"] if row["promptIdx"] == 0]
    twin = json.loads(json.dumps(rows[0])) | {"testIdx": 9}
    twin["testCase"]["assert"] = [{"type": "equals", "value": "no"}]
    again = json.loads(json.dumps(rows[0])) | {"testIdx": 7}
    values["results"]["results"] = [*rows, twin, again]
    made = imported(written(tmp_path, values), "plain")
    counts = Counter(made.samples.ids)
    assert sorted(counts.values()) == [1, 1, 1, 1, 1, 1, 2]  # the same once more is a repeat
    assert made.experiment.complete


def test_import__the_suite_and_settings_of_a_config_count() -> None:
    own = {"suite": "shop", "language": "ko", "report": {"answers": "none"}}
    config = make_config({"version": 1, "dataset": {"path": "data"}, **own})
    made = imported("inspect/choices.json", config=config)
    assert (made.experiment.suite, made.samples.answers) == ("shop", None)
    gate = {"metrics": {"contains": {}}}
    gated = make_config({"version": 1, "dataset": {"path": "data"}, "suite": "s", "gate": gate})
    assert imported("promptfoo/after.json", "plain", config=gated).errors[0].failed[0] == "contains"
    assert imported("promptfoo/after.json", "plain").errors[0].failed[0] == "pass"
    assert imported("inspect/choices.json").experiment.suite == "shop_choices"
    assert imported("ragas/before.csv").experiment.suite == "ragas"


def test_import__against_a_report_of_our_own_says_what_differs() -> None:
    ragas = imported("ragas/before.csv")
    ours = make_report({"exact_match": [1] * 6}, ids=ragas.samples.ids, suite="ragas")
    found = judge(ours, ragas).metrics["exact_match"]
    assert found.verdict is Verdict.INCOMPARABLE
    assert "tool" in found.sentence


def test_inspect__kinds_are_those_of_the_scorers() -> None:
    made = imported("inspect/before.eval").metrics
    assert {key: each.kind for key, each in made.items()} == {
        "exact": MetricKind.BINARY,
        "includes": MetricKind.BINARY,
        "brevity": MetricKind.BOUNDED,
        "form.ends": MetricKind.BINARY,
        "form.digits": MetricKind.UNBOUNDED,
    }
    assert made["brevity"].unscored_by == {"invalid_value": 2}  # NaN is no score


def test_promptfoo__of_several_assertions_of_a_type_all_must_hold() -> None:
    made = imported("promptfoo/before.json", "plain").samples
    at = made.ids.index("shipping")  # contains 3,000원, and does not contain 무료
    assert (made.scores["contains"][at], made.scores["short"][at]) == (0, 1)


def test_ragas__wording_gates_only_if_named() -> None:
    found = judge(imported("ragas/before.csv"), imported("ragas/after.csv"))
    assert [key for key, each in found.metrics.items() if each.gating] == ["exact_match"]


def test_inspect__facts_of_a_log(tmp_path) -> None:
    values = loaded("inspect/choices.json")
    values["eval"]["revision"] = {"type": "git", "origin": "", "commit": "abc1234"}
    scorer = {"name": "model_graded_qa", "options": {"partial_credit": True}}
    values["eval"]["scorers"].append(scorer)
    refund = next(sample for sample in values["samples"] if sample["id"] == "refund")
    refund["epoch"] = 2
    refund["scores"]["model_graded_qa"] = {"value": "P", "explanation": "half"}
    made = imported(written(tmp_path, values))
    assert made.experiment.commit == "abc1234"
    assert made.samples.inputs[0] == "환불 기한은?\nA) 7일\nB) 14일"
    assert made.samples.repeats == (1, 0)
    assert made.samples.scores["model_graded_qa"][0] == 0.5
    scorer["options"] = {}
    binary = imported(written(tmp_path, values))
    assert binary.metrics["model_graded_qa"].unscored_by == {"metric_error": 1, "out_of_range": 1}


def test_inspect__a_log_that_did_not_end_is_no_baseline(tmp_path) -> None:
    whole = imported("inspect/choices.json").experiment
    assert (whole.complete, whole.eligible) == (True, True)
    values = loaded("inspect/choices.json") | {"status": "cancelled"}
    half = imported(written(tmp_path, values)).experiment
    assert (half.complete, half.eligible) == (False, False)


def test_deepeval__where_less_is_better_thresholds_and_success_tell(tmp_path) -> None:
    metric = {"name": "Bias", "threshold": 0.5, "score": 0.1, "success": True}
    case = {"input": "q", "actualOutput": "a", "success": True, "metricsData": [metric]}
    values = {"testCases": [case], "metricsScores": []}
    assert imported(written(tmp_path, values)).metrics["bias"].direction is Direction.LOWER
    metric["score"] = 0.9
    assert imported(written(tmp_path, values)).metrics["bias"].direction is Direction.HIGHER


def test_deepeval__the_same_input_with_another_expectation_is_another_case(tmp_path) -> None:
    metric = {"name": "m", "score": 1, "success": True}
    case = {"input": "q", "actualOutput": "a", "success": True, "metricsData": [metric]}
    cases = [case, case | {"expectedOutput": "b"}, case | {"metricsData": []}]
    made = imported(written(tmp_path, {"testCases": cases, "metricsScores": []})).samples
    assert (made.repeats, made.scores["m"]) == ((0, 1, 0), (1, None, 1))
    assert made.expected == (None, None, "b")
    assert len({*made.ids}) == 2


# What cannot be read

PROMPTFOO = {"results": {"version": 3, "stats": {}, "prompts": [{"provider": "p", "label": "l"}]}}
INSPECT = {"version": 2, "status": "success", "eval": {"task": "t", "model": "m"}}


def packed(*members, method=zipfile.ZIP_DEFLATED):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name that stands twice is meant
        for name, text in members:
            archive.writestr(name, text)
    return made.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", ["the file is empty"]),
        ("{", ["no JSON"]),
        ("#!/bin/sh\nls a, b, c\n", ["no results of promptfoo, deepeval, inspect or ragas"]),
        ('{"a": 1}', ["found an object with a", "looked for promptfoo: results.results"]),
        ("[3]", ["[0]", "expected an object, found a number"]),
        ('{"a": 1}\n{"a"\n3\n', [":2", "no JSON"]),
        ("[" * 100_000, ["nested too deeply"]),
        ('{"a":' * 100_000, ["nested too deeply"]),
        ("a,b\n1\n1,2\n1,2,3\n", [":2", "1 cells under 2 columns", ":4"]),
        ("user_input,response,a,a\n", ["columns stand twice: a"]),
        ('user_input,response,s\n"a,b,1\n', ["no CSV"]),
        ("user_input,response,s\nq,a,1\n,a,1\n", [":3", "the row has no user_input"]),
        (b"\xff\xfe", ["no UTF-8"]),
        ('{"schema": "lm-eval-so/report/1"}', ["a report already"]),
        ({"version": 2, "results": [], "stats": {}}, ["an old release of promptfoo"]),
        ({"results": {**PROMPTFOO["results"], "version": 2, "results": []}}, ["version 2", "3 is"]),
        (
            {"results": {**PROMPTFOO["results"], "version": 4, "results": []}},
            ["version 4", "update lm-eval-so"],
        ),
        ({"results": {**PROMPTFOO["results"], "results": []}}, ["the file has no results"]),
        (
            {"results": {**PROMPTFOO["results"], "results": [{"promptIdx": 0, "vars": 3}, 7]}},
            ["results.results[0].vars", "results.results[1]"],  # all at once
        ),
        ({"testCases": [{"input": 3, "metricsData": 1}, {}], "metricsScores": []}, ["[1].input"]),
        (
            {"testRunData": {"testCases": [{}], "conversationalTestCases": []}},
            ["testRunData.testCases[0].input"],
        ),
        (
            {"testCases": [{"input": "q", "metricsMetadata": []}], "metricsScores": []},
            ["old release of DeepEval"],
        ),
        (
            {"testCases": [], "conversationalTestCases": [{"name": "c"}]},
            ["conversations are not read"],
        ),
        ({**INSPECT, "version": 1}, ["version 1", "inspect log convert"]),
        (INSPECT, ["the log has no samples"]),
        (
            {**INSPECT, "samples": [{"id": 1, "epoch": 1, "input": "q", "scores": {}}] * 2},
            ["already stands at samples[0]"],
        ),
        (packed(("header.json", "{}"), ("header.json", "{}")), ["stands in it twice"]),
        (packed(("a.json", "{}")), ["a zip file without header.json"]),
        (packed(("header.json", "[")), ["header.json", "no JSON"]),
        (packed(("header.json", "{}"), method=zipfile.ZIP_BZIP2), ["unusual method"]),
        (packed(("header.json", "{}")) + b"?", ["no plain zip file"]),
    ],
)
def test_import__what_cannot_be_read_is_told_with_its_place(content, said, tmp_path) -> None:
    with pytest.raises(InputError) as caught:
        imported(written(tmp_path, content, "out"))
    told = "\n".join(f"{p.where} {p.what} {p.hint}" for p in caught.value.problems)
    assert all(part in told for part in said), told
    assert all(problem.where for problem in caught.value.problems)


def test_import__what_is_named_but_is_not_it(tmp_path) -> None:
    with pytest.raises(InputError, match="no results of ragas"):
        imported("deepeval/before.json", tool="ragas")
    with pytest.raises(InputError, match='unknown tool "rag" '):
        imported("deepeval/before.json", tool="rag")
    with pytest.raises(InputError, match="no such file"):
        imported(tmp_path / "none.json")
    with pytest.raises(InputError, match="is a folder"):
        imported(tmp_path)
    assert imported("deepeval/before.json", tool="deepeval")
    assert [each.name for each in TOOLS] == ["promptfoo", "deepeval", "inspect", "ragas"]


def test_inspect__what_zstandard_packs_is_checked_and_needs_its_library(
    tmp_path, monkeypatch
) -> None:
    data = (DATA / "inspect/before.eval").read_bytes()
    at = data.index(b"header.json") + len(b"header.json") + 40
    spoilt = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    with pytest.raises(InputError, match="cannot be read: it is damaged"):
        imported(written(tmp_path, spoilt))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(InputError, match="packed by Zstandard") as caught:
        imported("inspect/before.eval")
    assert "inspect log convert --to json" in caught.value.problems[0].hint


def test_import__foreign_values_that_no_record_can_hold(tmp_path) -> None:
    case = {
        "name": "\ud800 <script>",
        "input": "q\ud800",
        "actualOutput": "a",
        "metricsData": [
            {"name": "m\u202e m", "score": math.nan, "success": None},
            {"name": "M m", "score": 1e999, "success": True},
            {"name": "big", "score": 10**400, "success": True},
            {"name": "ok", "score": 1, "success": True},
        ],
        "success": True,
    }
    values = {
        "testCases": [case],
        "metricsScores": [],
        "hyperparameters": {"deep": json.loads("[" * 90 + "]" * 90), "nan": math.nan},
    }
    made = imported(written(tmp_path, values))
    assert parse_report("".join(report_pieces(made)), shown_as="r") == made
    assert [*made.metrics] == ["pass", "m_m", "m_m_2", "big", "ok"]
    assert [made.metrics[key].rows for key in made.metrics] == [0, 0, 0, 0, 1]
    nothing = {"testCases": [case | {"metricsData": []}], "metricsScores": []}
    del nothing["testCases"][0]["success"]
    with pytest.raises(CannotMeasure, match="nothing could be scored"):
        imported(written(tmp_path, nothing))


ANYTHING = (None, 3, math.inf, math.nan, 10**400, "x\ud800", [], {}, [[]], [{}], "a\u202e\x00b")


def places(values):
    """Yield (object or list, key or position) of every value inside of another."""
    for key in [*values] if isinstance(values, dict) else range(len(values)):
        yield values, key
        if isinstance(values[key], dict | list):
            yield from places(values[key])


@pytest.mark.parametrize(
    "name", ["promptfoo/odd.json", "deepeval/down.json", "inspect/choices.json"]
)
def test_import__anything_anywhere_gives_a_report_or_an_error_that_is_told(name, tmp_path) -> None:
    dice = random.Random(name)
    for _ in range(12):
        values = loaded(name)
        for sample in values.get("samples", []):
            del sample["events"]
        node, key = dice.choice([*places(values)])
        node[key] = dice.choice(ANYTHING)
        with suppress(InputError, CannotMeasure):
            made = imported(written(tmp_path, values))
            assert parse_report("".join(report_pieces(made)), shown_as="r") == made
