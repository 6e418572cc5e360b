"""Whole comparisons against results that were computed with other tools."""

import pytest
from factories import make_calibration, make_report
from stat_cases import checks

from lm_eval_so.comparator.compare import compare
from lm_eval_so.comparator.effect.values import given_pairs
from lm_eval_so.comparator.gate.threshold import judge_threshold
from lm_eval_so.comparator.pairing import pair_reports
from lm_eval_so.comparator.terms import Terms
from lm_eval_so.core.config.gate import GateMetricSection, GateSection
from lm_eval_so.core.records.comparison import BaselineRef
from lm_eval_so.core.records.enums import Claim, Direction, MetricKind, Verdict
from lm_eval_so.evaluator.judging.health import calibration_state

STATISTICS = {0.5: "p50", 0.95: "p95"}


@pytest.mark.parametrize(("function", "arguments", "expected", "tolerance"), checks("compare"))
def test_compare__agrees_with_reference(function, arguments, expected, tolerance) -> None:
    metrics = {metric["name"]: metric for metric in arguments["metrics"]}
    gated = {key: section(metric) for key, metric in metrics.items() if metric.get("gate", 1)}
    gate = GateSection(metrics=gated, claim=arguments.get("claim", Claim.LIKE_THESE))
    comparison = compare(
        report(arguments["candidate"], metrics, "candidate"),
        report(arguments["baseline"], metrics, "baseline"),
        Terms(gate=gate, compared_at="2026-11-24T06:30:00Z"),
        baseline_ref=BaselineRef(source="file"),
    )
    run = comparison.verdict
    assert (Verdict.PASS if run is Verdict.IMPROVED else run).value.upper() == expected["run"]
    assert comparison.claim is gate.claim
    for name, figures in expected["metrics"].items():
        method = figures.pop("method", None)
        assert comparison.metrics[name].method in ({method} if method else METHODS)
        if method:
            check_answers(name, arguments, figures, tolerance)
        got = {key: FIGURES[key](comparison.metrics[name]) for key in figures if key in FIGURES}
        assert not figures.keys() - FIGURES.keys() - {"se"}
        for key, value in got.items():
            is_close = isinstance(value, float)
            assert value == (
                pytest.approx(figures[key], abs=tolerance) if is_close else figures[key]
            )


def check_answers(name, arguments, figures, tolerance):
    """Check the answers that count, which a record does not hold, with missing ones at their worst."""
    (metric,) = [m for m in arguments["metrics"] if m["name"] == name]
    sides = [arguments[side]["scores"][name] for side in ("baseline", "candidate")]
    is_higher = metric.get("direction", "higher") == "higher"
    given = given_pairs(*sides, tuple(metric.get("support", (0.0, 1.0))), is_higher=is_higher)
    flips = given.worst.flips
    is_binary = metric["kind"] == "binary"
    got = {"N": flips.trials if is_binary else given.worst.trials}
    got |= {"w": flips.worse, "g": flips.better} if is_binary else {}
    assert got == pytest.approx({key: figures.pop(key) for key in got}, abs=tolerance)


METHODS = {None, "tango_midp", "hall", "cr1", "ratio_means", "ratio_percentiles"}
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
