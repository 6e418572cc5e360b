"""A report in which every part has something to say, as of a hard day."""

from dataclasses import replace

from made_reports import answered, case, report, summary

from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.costs import CostSummary
from lm_eval_so.core.records.enums import Direction, MetricKind, RunStatus, ScoreStatus
from lm_eval_so.core.records.judge_health import JudgeCalibration, PanelMember
from lm_eval_so.core.records.report import Slice, SliceFigures
from lm_eval_so.core.records.score import JudgeVote, Score


def full_report():
    """Return a report with a panel, vacuous and unscored rows, costs of all parts, Korean texts."""
    plain = report()
    experiment = replace(
        plain.experiment,
        complete=False,
        missing=2,
        config="lm-eval-so.yaml",
        runs=("runs/support-qa",),
        budget={"max_cost_usd": 0.5, "stopped": {"by": "max_cost_usd", "at": 0.5}},
        fingerprints={
            **plain.experiment.fingerprints,
            "run_config": "c0de" + "0" * 60,
            "evaluator_config": "e7a1" + "0" * 60,
        },
        versions={
            "lm-eval-so": "0.1.0",
            "python": "3.11.7",
            "prices": "0.2.3",
            "sacrebleu": "2.6.0",
            "run.lm-eval-so": "0.1.0",
            "run.python": "3.12.1",
        },
    )
    ids = tuple(f"s{n:03d}" for n in range(240))
    return replace(
        plain,
        experiment=experiment,
        answered=answered(),
        metrics=metrics(plain),
        breakdowns=breakdowns(),
        statuses=dict.fromkeys(RunStatus, 0)
        | {RunStatus.OK: 230, RunStatus.EMPTY: 3, RunStatus.TIMEOUT: 5, "missing": 2},
        cost=CostSummary(
            bot_usd=0.12,
            bot_priced=233,
            bot_rows=238,
            bot_saved_usd=0.031,
            usage=Usage(input_tokens=61_240, output_tokens=18_902),
            simulator_usd=0.0042,
            simulator_priced=40,
            simulator_rows=40,
            simulator_usage=Usage(input_tokens=8_000, output_tokens=900),
            judges_usd=0.29,
            judges_priced=230,
            judges_rows=233,
            judges_usage=Usage(input_tokens=300_000, output_tokens=41_000),
        ),
        latency=replace(plain.latency, n=201, cached=32),
        judges={"helpful": a_panel(plain.judges["helpful"]), "better": a_pair(plain)},
        errors=cases(),
        samples=replace(
            plain.samples, ids=ids, statuses=("ok",) * 233 + ("timeout",) * 5 + ("missing",) * 2
        ),
    )


def metrics(plain):
    lost = {"unscored": 7, "unscored_by": {"run_timeout": 5, "run_missing": 2}, "rows": 233}
    partly = {"sample_count": 233, "coverage": 233 / 240, **lost}
    return {
        "exact_match": summary(**partly, scored_by={"empty_answer": 3}, mean_if_missing_best=0.879),
        "helpful": replace(
            plain.metrics["helpful"],
            sample_count=219,
            rows=219,
            unscored=21,
            unscored_by={
                "judge_quorum": 3,
                "judge_tie": 11,
                "run_missing": 2,
                "run_timeout": 5,
            },
            coverage=219 / 240,
            passed_share=0.81,
            mean_if_missing_worst=0.733,
            mean_if_missing_best=0.82,
        ),
        "honorific": summary(
            MetricKind.BOUNDED,
            name="honorific",
            mean=0.981,
            std=0.104,
            ci95=(0.966, 0.996),
            category="heuristic",
            vacuous=9,
            **{**partly, "sample_count": 180, "rows": 180, "coverage": 180 / 187},
            not_applicable=53,
        ),
        "bleu": summary(
            MetricKind.BOUNDED,
            name="bleu",
            mean=0.312,
            std=0.2,
            ci95=(0.287, 0.337),
            units={"13a": 40, "char": 193},
            corpus_score=0.345,
            signature="nrefs:1|case:mixed|eff:no|tok:char|smooth:exp|version:2.6.0",
            **partly,
        ),
        "latency_ms": replace(
            plain.metrics["latency_ms"],
            unit="ms",
            sample_count=201,
            rows=201,
            unscored=39,
            unscored_by={"cached": 32, "run_missing": 2, "run_timeout": 5},
            coverage=201 / 240,
            min=210.0,
            max=4000.0,
            mean_if_missing_worst=None,
            passed_share=0.94,
        ),
        "cost_usd": summary(
            MetricKind.RATIO,
            name="cost_usd",
            unit="USD",
            direction=Direction.LOWER,
            range=None,
            mean=0.000515,
            std=0.0002,
            ci95=(0.00049, 0.00054),
            p50=0.0005,
            p95=0.0009,
            min=0.0001,
            max=0.0012,
            mean_if_missing_worst=None,
            **{**partly, "unscored_by": {"not_reported": 5, "run_missing": 2}},
        ),
    }


def breakdowns():
    def a_slice(by, value, n, mean, **changes):
        figures = SliceFigures(n=n, mean=mean, ci95=(mean - 0.1, mean + 0.1), unscored=n // 20)
        worse = replace(figures, mean=mean / 2)
        made = {"exact_match": figures, "helpful": worse, "honorific": figures}
        return Slice(by=by, value=value, samples=n, small=n < 10, metrics=made, **changes)

    return (
        a_slice("tag", "환불", 41, 0.463),
        a_slice("tag", "배송 | 교환", 7, 0.5),
        a_slice("tag", "delivery", 88, 0.648),
        a_slice("language", "en", 52, 0.577),
        a_slice("language", "ko", 181, 0.628),
        a_slice("status", "empty", 3, 0.1),
        a_slice("status", "ok", 230, 0.9),
        *(a_slice("product", f"제품 {n:02d}", 20, 0.3 + n / 100) for n in range(13)),
    )


def a_panel(plain):
    return replace(
        plain,
        model="claude-x, gpt-4.1, gemini-y",
        rows=233,
        calls=712,
        valid_first=220,
        repaired=13,
        unscored={"judge_quorum": 3, "judge_tie": 11},
        labels={"good": 180, "partial": 20, "bad": 19},
        unknown_rate=0.03,
        alpha=0.71,
        per_judge=(
            PanelMember(model="gpt-4.1", votes=233, differs=0.031),
            PanelMember(model="claude-x", votes=230, differs=0.0521),
            PanelMember(model="gemini-y", votes=0, differs=None),
        ),
        retested=20,
        retest_agreement=0.95,
        length_rho=-0.12,
        notes=("same_family",),
        calibration=JudgeCalibration(
            state="ok", n=100, positives=50, negatives=50, kappa=0.7, se=0.8, sp=0.9, j=0.7
        ),
        state="bad",
        why=("unscored", "repaired"),
    )


def a_pair(plain):
    return replace(
        plain.judges["helpful"],
        unscored={},
        order_flip_rate=0.25,
        first_position_share=0.62,
        longer_won_share=0.55,
    )


def cases():
    votes = (
        JudgeVote(
            label="bad",
            model="gpt-4.1",
            reason="정책은 영업일 기준 3일인데 답변은 일주일이라고 합니다.",
            evidence=("일주일 정도",),
            calls=1,
        ),
        JudgeVote(label="partial", model="claude-x", reason="기간이 다릅니다.", calls=1),
        JudgeVote(label=None, code="judge_invalid", model="gemini-y", reason="no JSON", calls=2),
    )
    panel = Score(
        metric="helpful",
        sample_id="refund-014",
        status=ScoreStatus.SCORED,
        value=0.0,
        label="bad",
        reason="bad 1, partial 1",
        judge=votes,
    )
    tie = replace(
        panel, status=ScoreStatus.UNSCORED, value=None, label=None, code="judge_tie", reason="비김"
    )
    right = Score(metric="exact_match", sample_id="", status=ScoreStatus.SCORED, value=1.0)
    slow = replace(right, metric="latency_ms", value=1184.2, passed=False)
    wrong = replace(right, value=0.0, passed=False, reason="기대한 답과 다릅니다", code="no_choice")
    return (
        case(
            "deliver-044",
            kind="infrastructure",
            status="timeout",
            answer=None,
            reason="timeout: no answer within 60 s, 5 attempts",
            scores=(),
        ),
        case(
            "refund-020",
            kind="infrastructure",
            scores=(right, tie),
            failed=("helpful",),
            reason="helpful judge_tie",
        ),
        case(scores=(wrong, panel, slow), failed=("exact_match", "helpful", "latency_ms")),
        case("hostile", answer="|x|<script>@team ``` ", scores=(wrong,), failed=("exact_match",)),
    )


def with_rows(made, n=240):
    """Return a report with the texts and scores of all its rows."""
    cases = {each.sample_id: each for each in made.errors}
    ids = (*cases, *(f"s{number:04d}" for number in range(n - len(cases))))
    wrong = [i % 7 == 0 for i in range(n)]
    samples = replace(
        made.samples,
        ids=ids,
        sample_hashes=ids,
        revs=ids,
        groups=(None,) * n,
        repeats=(0,) * n,
        statuses=tuple(
            cases[key].status if key in cases else "missing" if i > n - 3 else "ok"
            for i, key in enumerate(ids)
        ),
        scores={
            "exact_match": tuple(
                None if key == "deliver-044" or i > n - 3 else float(not wrong[i])
                for i, key in enumerate(ids)
            ),
            "helpful": tuple(
                None if key in {"deliver-044", "refund-020"} or i > n - 3 else 1 - i % 4 / 3
                for i, key in enumerate(ids)
            ),
            "latency_ms": tuple(float(200 + 37 * i % 3000) for i in range(n)),
        },
        inputs=tuple(
            cases[key].input if key in cases else f"{i}번 주문은 언제 배송되나요?"
            for i, key in enumerate(ids)
        ),
        expected=tuple(None if i % 5 == 0 else "영업일 기준 3일" for i in range(n)),
        answers=tuple(
            cases[key].answer if key in cases else f"보통 {i % 9}일 정도 걸립니다."
            for i, key in enumerate(ids)
        ),
        tags=tuple(("환불",) if i % 3 == 0 else ("delivery", "배송 | 교환") for i in range(n)),
        languages=tuple("en" if i % 4 == 0 else "ko" for i in range(n)),
    )
    failed = tuple(key for i, key in enumerate(ids) if wrong[i] or key in cases)
    return replace(made, samples=samples, failed_ids=failed)
