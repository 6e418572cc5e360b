"""`report.samples: file`: the same report, with its rows in a file, and no more texts in memory."""

import gc
import json
import subprocess
import tracemalloc
from dataclasses import replace

import pytest
from evaluation import EPOCH, a_config, a_run, report_of, write_dataset, write_run
from rows_apart import held

from lm_eval_so.comparator.baseline.find import Place, find_baseline
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.columns.column import is_large
from lm_eval_so.core.config.places import ReportSection
from lm_eval_so.core.records.codec import to_json
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.report_file import read_report
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.evaluator.rows.sheet import Sheet
from lm_eval_so.pipeline.baseline.update import update_baseline
from lm_eval_so.pipeline.reports import report_values, write_report

SAMPLES = [
    {
        "id": f"q{i}",
        "input": f"{i}번 주문의 환불은 며칠 걸리나요? 010-1234-567{i}",
        "expected": f"{i}일" if i % 3 else None,
        "references": [f"{i} 일"] if i == 4 else [],
        "language": "ko" if i % 2 else None,
        "tags": ["환불", f"태그{i % 2}"] if i else [],
        "group_id": f"g{i // 3}" if i > 2 else None,
        "metadata": {"team": ["가", "나", None][i % 3], "size": i * 100},
        "ref": f"내-{i}" if i % 2 else None,
        "provenance": {"method": "import", "source": {"file": "faq.csv", "at": {"row": i}}}
        if i > 4
        else None,
    }
    for i in range(9)
]
METRICS = ["exact_match", {"name": "pii_leak"}, {"name": "contains"}]


def answer(sample, repeat):
    """Give right and wrong answers, one that failed, and none."""
    number = int(sample.id[1:])
    if number == 5 and repeat:
        return a_run(None, status=RunStatus.TIMEOUT)
    if number == 7:
        return None
    return a_run(f"{number + (number == 3)}일 kim{number}@example.com" if repeat else f"{number}일")


@pytest.fixture(params=[1, 2])
def run(request, tmp_path):
    """Return a run with one or two answers to each question."""
    return write_run(tmp_path, write_dataset(tmp_path, SAMPLES), answer, repeats=request.param)


@pytest.mark.parametrize("answers", ["full", "hash", "none"])
def test_evaluate__rows_in_a_file_change_nothing(run, tmp_path, answers):
    def made(samples):
        section = {"answers": answers, "samples": samples, "by": ["team", "size"]}
        return report_of(a_config(tmp_path, METRICS, report=section), run)

    inline, apart = made("inline"), made("file")
    assert apart.samples.file is not None
    assert is_large(apart.samples.ids)
    in_config = {"evaluator_config": {}, "fingerprints": {}}
    same = [
        replace(each, experiment=replace(each.experiment, **in_config)) for each in (inline, apart)
    ]
    assert to_json(replace(same[1], samples=held(apart))) == to_json(same[0])
    file = tmp_path / "reports" / "report.json"
    write_report(file, apart, make_redactor({}))
    assert to_json(held(read_report(file))) == to_json(inline.samples)
    assert report_values(apart, file.parent) == json.loads(file.read_text())
    assert report_values(inline, file.parent) == to_json(inline)


def test_evaluate__its_own_columns_are_gone_before_the_rows_are_written(run, tmp_path):
    config = a_config(tmp_path, METRICS, report={"samples": "file"})
    gc.collect()
    gc.disable()
    try:
        report = report_of(config, run)
        sheets = [each for each in gc.get_objects() if isinstance(each, Sheet)]
    finally:
        gc.enable()
    assert report.samples.file is not None
    assert sheets == []


def test_evaluate__rows_in_a_file_take_few_bytes_each(tmp_path):
    peaks = []
    for n in (5, 500, 2_000):  # the first one loads modules
        folder = tmp_path / str(n)
        folder.mkdir()
        asked = [{"id": f"q{i:05}", "input": f"{i}번?", "expected": f"{i}일"} for i in range(n)]
        run = write_run(folder, write_dataset(folder, asked), lambda sample, _: a_run("1일" * 20))
        config = a_config(folder, ["exact_match"], report={"samples": "file"})
        tracemalloc.start()
        report = report_of(config, run)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(report.failed_ids) == n
    assert (peaks[2] - peaks[1]) / 1_500 < 265, peaks


def test_report_section__rows_of_very_many_stand_in_a_file():
    given = [ReportSection(), ReportSection(samples="inline"), ReportSection(samples="file")]
    assert [each.has_rows_apart(100_000) for each in given] == [False, False, True]
    assert [each.has_rows_apart(100_001) for each in given] == [True, False, True]


def test_baseline__its_rows_lie_beside_it_in_the_folder_and_in_the_commit(run, tmp_path):
    path = "baselines/support-qa.json"
    gate = {"metrics": {"exact_match": {}}}
    config = a_config(
        tmp_path, METRICS, report={"samples": "file"}, baseline={"path": path}, gate=gate
    )
    report = report_of(config, run)
    source = tmp_path / "reports" / "report.json"
    write_report(source, report, make_redactor({}))
    resources = Resources(environ=EPOCH)
    update_baseline(config, resources, source, reason="the first", is_forced=True)
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "a"]):
        named = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(["git", *named, *command], cwd=tmp_path, check=True, capture_output=True)
    in_folder, _ = find_baseline(config)
    (tmp_path / "baselines" / "support-qa.samples.jsonl").unlink()
    in_commit, ref = find_baseline(config, Place(ref="HEAD"))
    assert ref.source == "git"
    for found in (in_folder, in_commit):
        assert found.accepted[0].reason == "the first"
        assert to_json(held(found)) == to_json(held(report))
