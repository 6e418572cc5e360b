"""Whole comparisons against results that were computed with other tools."""

import pytest
from factories import make_calibration, make_report
from stat_cases import checks

from lm_eval_so.comparator.compare import compare
from lm_eval_so.comparator.gate.threshold import judge_threshold
from lm_eval_so.comparator.pairing import pair_reports
from lm_eval_so.comparator.terms import Terms
from lm_eval_so.core.config.gate import GateMetricSection, GateSection
from lm_eval_so.core.records.comparison import BaselineRef
from lm_eval_so.core.records.enums import Direction, MetricKind, Verdict
from lm_eval_so.evaluator.judging.health import calibration_state

STATISTICS = {0.5: "p50", 0.95: "p95"}


@pytest.mark.parametrize(("function", "arguments", "expected", "tolerance"), checks("compare"))
def test_compare__agrees_with_reference(function, arguments, expected, tolerance) -> None:
    metrics = {metric["name"]: metric for metric in arguments["metrics"]}
    gated = {key: section(metric) for key, metric in metrics.items() if metric.get("gate", 1)}
    comparison = compare(
        report(arguments["candidate"], metrics, "candidate"),
        report(arguments["baseline"], metrics, "baseline"),
        Terms(gate=GateSection(metrics=gated), compared_at="2026-11-24T06:30:00Z"),
        baseline_ref=BaselineRef(source="file"),
    )
    run = comparison.verdict
    assert (Verdict.PASS if run is Verdict.IMPROVED else run).value.upper() == expected["run"]
    for name, figures in expected["metrics"].items():
        got = {key: FIGURES[key](comparison.metrics[name]) for key in figures if key in FIGURES}
        assert not figures.keys() - FIGURES.keys() - {"se"}
        for key, value in got.items():
            is_close = isinstance(value, float)
            assert value == (
                pytest.approx(figures[key], abs=tolerance) if is_close else figures[key]
            )


FIGURES = {
    "verdict": lambda m: m.verdict.value.upper(),
    "reason": lambda m: m.reason,
    "kind": lambda m: m.kind.value,
    "n": lambda m: m.n,
    "w": lambda m: m.worse,
    "g": lambda m: m.better,
    "missing": lambda m: list(m.missing),
    "warn": lambda m: any(w.code == "missing_rows" for w in m.warnings),
    "margin": lambda m: m.margin,
    "J": lambda m: m.judge_j,
    "mean": lambda m: m.delta,
    "ratio": lambda m: m.delta,
    "L": lambda m: m.ci90[0],
    "U": lambda m: m.ci90[1],
    "lo": lambda m: m.ci90[0],
    "hi": lambda m: m.ci90[1],
    "p": lambda m: m.p_raw,
    "p_holm": lambda m: m.p_worse,
}


def section(metric):
    given = {key: metric[key] for key in ("margin", "max_increase") if key in metric}
    if "quantile" in metric:
        given["statistic"] = STATISTICS[metric["quantile"]]
    return GateMetricSection(**given)


def report(run, metrics, side):
    declared = {k: m for k, m in metrics.items() if k in run["scores"]}
    return make_report(
        run["scores"],
        ids=run.get("ids"),
        revs=run.get("hashes"),
        groups=run.get("groups"),
        kinds={k: MetricKind(m["kind"]) for k, m in declared.items() if "kind" in m},
        directions={k: direction(m) for k, m in declared.items()},
        ranges={k: tuple(m["support"]) for k, m in declared.items() if "support" in m},
        fingerprints={k: m.get(f"fingerprint_{side}", "same") for k, m in declared.items()},
        judges={k: judged(m["judge"]) for k, m in declared.items() if "judge" in m},
    )


def judged(counts):
    """Return the state of a calibration with such counts, as the evaluation finds it."""
    return calibration_state(make_calibration(**counts), "f" * 64)


def direction(metric):
    fallback = "lower" if metric.get("kind") == "ratio" else "higher"
    return Direction(metric.get("direction", fallback))


@pytest.mark.parametrize(("function", "arguments", "expected", "tolerance"), checks("threshold"))
def test_threshold__agrees_with_reference(function, arguments, expected, tolerance) -> None:
    scores, kind = arguments.pop("scores"), MetricKind(arguments.pop("kind"))
    candidate = make_report({"m": scores}, kinds={"m": kind})
    reports = pair_reports(candidate, None, alpha=0.05)
    threshold = judge_threshold("m", reports, GateMetricSection(**arguments))
    assert threshold.verdict.value.upper() == expected["verdict"]
    assert threshold.code == expected.get("reason", threshold.code)
    if "bound" in expected:
        assert threshold.bound == pytest.approx(expected["bound"], abs=tolerance)
