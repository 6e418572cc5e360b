"""`python`: a function of one's own as a metric."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from evaluation import a_config, a_run, a_sample, report_of, write_dataset, write_run

from lm_eval_so.core.records.score import Score
from lm_eval_so.errors import ConfigError
from lm_eval_so.evaluator.metrics.env import MetricEnv
from lm_eval_so.evaluator.metrics.python_function import PythonFunction

CHECKS = """\
from lm_eval_so.core.records.score import Score


def short(sample, run):
    return len(run.text) < 10


async def later(sample, run):
    return len(run.text) < 10


def share(sample, run) -> float:
    return len(run.text) / 20


def below(sample, run, limit=5, **more):
    return len(run.text) < limit


def told(sample, run):
    return Score(metric="x", sample_id="x", status="scored", value=0.0, reason="too long")


def missing(sample, run):
    return Score(metric="x", sample_id="x", status="unscored", code="no_luck")


def broken(sample, run):
    return {}["text"]


def nothing(sample, run):
    return None


def few(sample):
    return True


class Judge:
    pass
"""


def metric_of(folder: Path, target: str, **params: Any) -> PythonFunction:
    (folder / "checks.py").write_text(CHECKS, encoding="utf-8")
    given = {"target": target, **params}
    return PythonFunction(params=given, metric_id="mine", env=MetricEnv(folder=folder))


def score_of(metric: PythonFunction, answer: str, **sample: Any) -> Score:
    found = metric.score(a_sample(**sample), a_run(answer))
    result = found if isinstance(found, Score | bool | float) else asyncio.run(_awaited(found))
    return metric.as_score(a_sample(), result)


async def _awaited(found: Any) -> Any:
    return await found


@pytest.mark.parametrize(
    ("function", "params", "kind", "value", "code"),
    [
        ("short", {}, "binary", 1, None),
        ("later", {}, "binary", 1, None),
        ("share", {}, "bounded", 0.1, None),
        ("share", {"kind": "binary"}, "binary", None, "out_of_range"),
        ("below", {"arguments": {"limit": 3}}, "binary", 1, None),
        ("below", {"arguments": {"limit": 2}}, "binary", 0, None),
        ("told", {}, "binary", 0, None),
        ("missing", {}, "binary", None, "no_luck"),
        ("nothing", {}, "binary", None, "metric_error"),
    ],
)
def test_python__value(
    tmp_path: Path, function: str, params: Any, kind: str, value: Any, code: Any
) -> None:
    metric = metric_of(tmp_path, f"checks.py:{function}", **params)
    score = score_of(metric, "3일")
    assert metric.check_params() == []
    assert (metric.kind, score.value, score.code) == (kind, value, code)
    assert (score.metric, score.sample_id) == ("mine", "s1")
    assert score.reason == ("too long" if function == "told" else score.reason)


@pytest.mark.parametrize(
    ("target", "params", "told"),
    [
        ("checks.py:shrt", {}, "no function shrt"),
        ("check.py:short", {}, "cannot be imported"),
        ("checks.py", {}, "names no function"),
        ("checks.py:Judge", {}, "is a class"),
        ("checks.py:few", {}, "cannot be called: too many positional arguments"),
        ("checks.py:short", {"arguments": {"limit": 3}}, "cannot be called: got an unexpected"),
    ],
)
def test_python__what_cannot_be_called_is_a_problem(
    tmp_path: Path, target: str, params: Any, told: str
) -> None:
    (problem,) = metric_of(tmp_path, target, **params).check_params()
    assert told in problem.what


def test_python__a_sample_may_give_arguments_and_no_code(tmp_path: Path) -> None:
    metric = metric_of(tmp_path, "checks.py:below")
    wide = a_sample(metrics={"mine": {"arguments": {"limit": 9}}})
    assert (metric.check_sample(wide), metric.score(wide, a_run("12345")).value) == ([], 1)  # type: ignore[union-attr]
    for own in ({"target": "checks.py:told"}, {"kind": "bounded"}):
        sample = a_sample(metrics={"mine": own})
        (problem,) = metric.check_sample(sample)
        assert (
            problem.what
            == f"sample s1, metrics.mine: {next(iter(own))} cannot be given by a sample"
        )
        assert score_of(metric, "123", metrics={"mine": own}).value == 1  # still the config's code


def test_python__its_file_is_part_of_the_definition(tmp_path: Path) -> None:
    before = metric_of(tmp_path, "checks.py:short")
    assert before.definition() == metric_of(tmp_path, "checks.py:short").definition()
    (tmp_path / "checks.py").write_text(CHECKS.replace("< 10", "< 1"), encoding="utf-8")
    given = {"target": "checks.py:short"}
    after = PythonFunction(params=given, metric_id="mine", env=MetricEnv(folder=tmp_path))
    assert after.definition() != before.definition()
    assert (score_of(before, "3일").value, score_of(after, "3일").value) == (1, 0)


def test_python__in_an_evaluation(tmp_path: Path) -> None:
    (tmp_path / "checks.py").write_text(CHECKS, encoding="utf-8")
    run = write_run(
        tmp_path,
        write_dataset(tmp_path, [{"id": "a", "input": "얼마?"}, {"id": "b", "input": "언제?"}]),
        lambda sample, _: a_run("3일" if sample.id == "a" else "영업일 기준 3일 걸립니다"),
    )
    sections = [
        {"id": "short", "name": "python", "params": {"target": "checks.py:short"}},
        {"id": "broken", "name": "python", "params": {"target": "checks.py:broken"}},
    ]
    report = report_of(a_config(tmp_path, sections), run)
    assert (report.metrics["short"].mean, report.metrics["short"].kind) == (0.5, "binary")
    assert report.metrics["broken"].unscored_by == {"metric_error": 2}
    assert report.experiment.own_code == ("python checks.py:short", "python checks.py:broken")
    wrong = {"id": "x", "name": "python", "params": {"target": "checks.py:shrt"}}
    with pytest.raises(ConfigError, match="no function shrt"):
        report_of(a_config(tmp_path, [wrong]), run)
