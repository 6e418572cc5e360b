"""Reports and comparisons as the stages make them, small enough to read."""

from collections import Counter
from dataclasses import replace

from lm_eval_so.core.records.changes import ChangedCase, Lost, LostCase
from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.comparison import (
    BaselineRef,
    BrokenCase,
    BrokenCases,
    Comparison,
    MetricComparison,
    Pairing,
)
from lm_eval_so.core.records.costs import AnswerTimes, CostSummary, LatencySummary, TimeSpan
from lm_eval_so.core.records.enums import Direction, MetricKind, RunStatus, ScoreStatus, Verdict
from lm_eval_so.core.records.report import (
    Case,
    Columns,
    EvaluationReport,
    Experiment,
    JudgeHealth,
    MetricSummary,
    Slice,
    SliceFigures,
)
from lm_eval_so.core.records.run import BackendInfo, DatasetRef
from lm_eval_so.core.records.score import JudgeVote, Score

COMMIT = "4f2a9c1" + "0" * 33
BASE = "8d01e77" + "0" * 33
SENTENCES = {
    Verdict.REGRESSION: "exact_match: 89.5% → 84.9% (−4.6 points). Worse: 14 samples went from right "
    "to wrong and 3 from wrong to right; without a real change a split this bad shows up in 1.5% of "
    "runs (adjusted for 2 metrics). That is within the 5.0 points you allow, but it is proven, and the "
    "true drop could be as much as 8.3 points.",
    Verdict.PASS: "exact_match: 89.5% → 90.0% (+0.4 points). Not worse than allowed: the true drop is "
    "at most 2.1 points (95% sure), you allow 5.0 points.",
    Verdict.INCONCLUSIVE: "exact_match: 89.5% → 87.0% (−2.5 points). Cannot tell: the true change is "
    "between −6.3 and +1.3 points, you allow −5.0 points. About 610 samples would settle it (you "
    "have 239); today only a margin above 6.3 points would pass.",
    Verdict.INCOMPARABLE: "There is no baseline yet, so nothing was compared.",
}
KOREAN = {
    Verdict.REGRESSION: "exact_match: 89.5% → 84.9% (−4.6%p). 나빠졌습니다. 케이스 14개는 맞다가 틀렸고, "
    "3개는 틀리다가 맞았습니다. 실제로 달라진 것이 없는데 우연히 이만큼 치우칠 확률은 1.5%입니다(지표 2개를 함께 "
    "판정해 보정한 값). 나빠진 폭은 허용 폭 5.0%p 안이지만, 우연이 아닌 실제 하락입니다. 실제 하락 폭은 최대 "
    "8.3%p일 수 있습니다.",
    Verdict.PASS: "exact_match: 89.5% → 90.0% (+0.4%p). 허용 범위 안입니다. 실제 하락 폭은 최대 "
    "2.1%p입니다(신뢰수준 95%, 허용 폭 5.0%p).",
    Verdict.INCONCLUSIVE: "exact_match: 89.5% → 87.0% (−2.5%p). 아직 판단할 수 없습니다. 실제 변화는 −6.3 ~ "
    "+1.3%p 사이인데, −5.0%p까지만 허용합니다. 케이스가 약 610개 있으면 판단할 수 있습니다(지금 239개). 지금 "
    "개수로 통과하려면 허용 폭이 6.3%p보다 커야 합니다.",
    Verdict.INCOMPARABLE: "아직 베이스라인이 없어 비교하지 않았습니다.",
}


def summary(kind=MetricKind.BINARY, **changes):
    values = {
        "name": "exact_match",
        "mean": 0.849,
        "std": 0.358,
        "sample_count": 239,
        "rows": 239,
        "ci95": (0.798, 0.889),
        "unscored": 1,
        "unscored_by": {"run_timeout": 1},
        "direction": Direction.HIGHER,
        "kind": kind,
        "range": (0.0, 1.0),
        "fingerprint": "f" * 64,
        "mean_if_missing_worst": 0.846,
        **changes,
    }
    return MetricSummary(**values)


def case(sample_id="refund-014", **changes):
    values = {
        "sample_id": sample_id,
        "repeat": 0,
        "kind": "quality",
        "status": "ok",
        "input": "환불은 며칠 걸리나요?",
        "expected": "영업일 기준 3일",
        "answer": "보통 일주일 정도 걸립니다.",
        "reason": "exact_match 0",
        "scores": (
            Score(metric="exact_match", sample_id=sample_id, status=ScoreStatus.SCORED, value=0.0),
            Score(
                metric="helpful",
                sample_id=sample_id,
                status=ScoreStatus.SCORED,
                value=0.0,
                label="bad",
                reason="the answer gives a week, the policy says three business days.",
                judge=(JudgeVote(label="bad", evidence=("일주일 정도",)),),
            ),
        ),
        **changes,
    }
    return Case(**values)


def report(**changes):
    ids = tuple(f"s{n:03d}" for n in range(240))
    statuses = dict.fromkeys(RunStatus, 0) | {RunStatus.OK: 239, RunStatus.TIMEOUT: 1}
    figures = SliceFigures(n=41, mean=0.463, ci95=(0.321, 0.613), unscored=0)
    values = {
        "experiment": Experiment(
            suite="support-qa",
            suite_id="evaluate.yml/evaluate/support-qa",
            commit=COMMIT,
            base_ref="main",
            eligible=False,
            complete=True,
            missing=0,
            dataset=DatasetRef(name="toy", digest="6b1f" + "0" * 60, n=240, unreviewed=12),
            backend=BackendInfo(
                name="openai",
                label="openai_gpt-4.1-mini",
                model="gpt-4.1-mini",
                models_answered=("gpt-4.1-mini-2025-04-14",),
            ),
            run_config={},
            evaluator_config={},
            fingerprints={"run": "7e02" + "0" * 60, "metrics": "44ab" + "0" * 60},
            versions={"lm-eval-so": "0.1.0"},
            started_at="2026-03-02T09:13:40Z",
            finished_at="2026-03-02T09:14:02Z",
            evaluated_at="2026-03-02T09:14:05Z",
        ),
        "metrics": {
            "exact_match": summary(),
            "helpful": summary(
                MetricKind.BOUNDED,
                name="llm_judge",
                mean=0.803,
                std=0.32,
                category="model",
                unscored=0,
            ),
            "latency_ms": summary(
                MetricKind.RATIO,
                name="latency_ms",
                mean=1184.2,
                std=583.1,
                ci95=(1102.0, 1266.4),
                direction=Direction.LOWER,
                range=None,
                p50=1021.0,
                p95=2340.0,
                unscored=0,
            ),
        },
        "breakdowns": (
            Slice(
                by="tag", value="refund", samples=41, small=False, metrics={"exact_match": figures}
            ),
            Slice(
                by="tag",
                value="배송 | 교환",
                samples=7,
                small=True,
                metrics={"exact_match": figures},
            ),
            Slice(
                by="status", value="ok", samples=240, small=False, metrics={"exact_match": figures}
            ),
        ),
        "statuses": statuses,
        "cost": CostSummary(
            bot_usd=0.12,
            bot_priced=240,
            bot_rows=240,
            judges_usd=0.29,
            usage=Usage(input_tokens=61_240, output_tokens=18_902),
        ),
        "latency": LatencySummary(n=239, p50_ms=1021.0, p95_ms=2340.0, max_ms=4000.0, cached=0),
        "judges": {
            "helpful": JudgeHealth(
                model="gpt-4.1",
                fingerprint="j" * 64,
                rows=239,
                calls=243,
                valid_first=235,
                repaired=4,
                unscored={"judge_unknown": 3},
                labels={"good": 200, "bad": 36},
                state="warn",
                why=("calibration_none",),
            )
        },
        "errors": (
            case(
                "deliver-044",
                kind="infrastructure",
                status="timeout",
                answer=None,
                reason="timeout: no answer within 60 s, 5 attempts",
                scores=(),
            ),
            case(),
            case("long-1", input="line one\nline two", answer="가" * 700),
        ),
        "failed_ids": ("deliver-044", "refund-014", "long-1", *(f"x{n}" for n in range(34))),
        "samples": Columns(
            ids=ids,
            sample_hashes=ids,
            revs=ids,
            groups=(None,) * 240,
            repeats=(0,) * 240,
            statuses=("ok",) * 240,
            scores={},
        ),
        **changes,
    }
    return EvaluationReport(**values)


def compared(verdict=Verdict.REGRESSION, **changes):
    values = {
        "verdict": verdict,
        "gating": True,
        "kind": MetricKind.BINARY,
        "direction": Direction.HIGHER,
        "baseline": 214 / 239,
        "candidate": 203 / 239,
        "delta": -11 / 239,
        "ci90": (-0.021, 0.03) if verdict is Verdict.PASS else (-0.083, -0.019),
        "margin": 0.05,
        "n": 239,
        "worse": 14,
        "better": 3,
        "p_worse": 0.015,
        "provable_margin": 0.011,
        "sentence": SENTENCES.get(verdict, ""),
        **changes,
    }
    return MetricComparison(**values)


def changed(sample_id="refund-014", change="worse", **changes):
    values = {
        "sample_id": sample_id,
        "metric": "exact_match",
        "change": change,
        "baseline": 1.0 if change == "worse" else 0.0,
        "candidate": 0.0 if change == "worse" else 1.0,
        "input": "Can I return a sale item after 20 days?",
        "expected": "Yes, within 30 days.",
        "baseline_answer": "Yes, within 30 days, with the receipt.",
        "candidate_answer": "No, sale items are final.",
        "reason": None,
        **changes,
    }
    return ChangedCase(**values)


def comparison(verdict=Verdict.REGRESSION, **changes):
    values = {
        "suite": "support-qa",
        "suite_id": "evaluate.yml/evaluate/support-qa",
        "verdict": verdict,
        "passed": verdict is not Verdict.REGRESSION,
        "exit_code": 1 if verdict is Verdict.REGRESSION else 0,
        "sentence": SENTENCES.get(verdict, ""),
        "reasons": (),
        "metrics": {
            "exact_match": compared(verdict),
            "helpful": compared(
                Verdict.PASS,
                kind=MetricKind.BOUNDED,
                baseline=0.871,
                candidate=0.868,
                delta=-0.003,
                ci90=(-0.011, 0.005),
                threshold={"min": 0.8},
            ),
            "latency_ms": compared(
                Verdict.REPORTED,
                kind=MetricKind.RATIO,
                gating=False,
                direction=Direction.LOWER,
                baseline=2100.0,
                candidate=2310.0,
                delta=1.1,
                ci90=(0.9, 1.34),
                margin=None,
                threshold={"max_increase": 0.25, "statistic": "p95"},
            ),
        },
        "changed": (
            changed(),
            changed(metric="helpful", reason="contradicts the policy: 30 days for all items"),
            changed("refund-020", input="환불은 며칠?", candidate_answer="첫째 줄\n둘째 줄"),
            changed("ship-003", "better"),
            changed("ship-019", "better"),
        ),
        "pairing": Pairing(paired=239, added=("new-1",), removed=(), changed=("edited-1",)),
        "baseline": BaselineRef(
            source="git", ref=BASE, commit=BASE, path="baselines/support-qa.json"
        ),
        "differences": ("params.temperature: 0 → 0.7",),
        "alpha": 0.05,
        "compared_at": "2026-03-02T09:14:06Z",
        **changes,
    }
    return Comparison(**values)


def broken_case(sample_id="refund-014", state="proven", **changes):
    values = {
        "sample_id": sample_id,
        "metric": "exact_match",
        "state": state,
        "baseline": (5, 5),
        "now": (6, 6),
        "needed": 6,
        "input": "Can I return a sale item after 20 days?",
        "baseline_answer": "Yes, within 30 days, with the receipt.",
        "answer": "No, sale items are final.",
        "reason": "contradicts the policy: 30 days for all items",
        **changes,
    }
    return BrokenCase(**values)


def broken(*cases, **changes):
    """Return the cases that broke: these, or one of each kind."""
    found = cases or (
        broken_case("must-001", "must", now=(3, 3), needed=None, baseline=None),
        broken_case(),
        broken_case("ship-003", "unproven", baseline=(1, 1), now=(10, 10), needed=None),
        broken_case("promo-007", "slip", now=(1, 2)),
    )
    values = {
        "alpha": 0.05,
        "family": 239,
        "samples": 239,
        "asked": 21,
        "cases": found,
        "mean": "The mean alone cannot tell: exact_match: 89.5% → 84.9%.",
        **changes,
    }
    return BrokenCases(**values)


def lost(*cases):
    """Return what is told of cases that lost their answer: two, or these."""
    found = cases or (
        LostCase(
            sample_id="s24f1bb61e3983b7a",
            input="제주도는  배송비가\n얼마인가요?",
            why="HTTP 500",
        ),
        LostCase(sample_id="refund-014", input="Can I return it?", why="timeout"),
    )
    return Lost(n=len(found), by=dict(Counter(case.why for case in found)), cases=found)


def answered():
    """Return the times of answers of which most are not of now."""
    return AnswerTimes(
        asked=TimeSpan(n=12, oldest="2026-03-02T09:13:40Z", newest="2026-03-02T09:14:02Z"),
        earlier=TimeSpan(n=40, oldest="2026-03-01T23:59:00Z", newest="2026-03-02T00:01:00Z"),
        cached=TimeSpan(n=188, oldest="2026-02-11T09:00:00Z", newest="2026-02-20T17:30:00Z"),
    )


def first_run():
    """Return what is compared where there is no baseline: thresholds only."""
    nothing = {
        "baseline": None,
        "delta": None,
        "ci90": None,
        "worse": 0,
        "better": 0,
        "p_worse": None,
        "provable_margin": None,
        "reason": "no_baseline",
    }
    made = comparison(Verdict.INCOMPARABLE)
    return replace(
        made,
        metrics={
            key: replace(m, verdict=Verdict.INCOMPARABLE, **nothing)
            for key, m in made.metrics.items()
        },
        changed=(),
        pairing=Pairing(paired=0, added=(), removed=(), changed=()),
        baseline=BaselineRef(source="none"),
        differences=(),
    )
