"""A comparison for each outcome that people can meet, with its headline in both languages."""

from dataclasses import replace

from full_comparison import exemption
from made_reports import (
    broken,
    broken_case,
    changed,
    compared,
    comparison,
    first_run,
    lost,
)

from lm_eval_so.core.records.comparison import Control, Reason
from lm_eval_so.core.records.enums import Direction, MetricKind, Verdict
from lm_eval_so.core.records.measured_with import MeasuredWith, OwnVerdict, RuleChange

_UNCLEAR = Verdict.INCONCLUSIVE
_ONCE = {"state": "unproven", "baseline": (1, 1), "now": (10, 10), "needed": None}
SHIP = {
    "ref": "ship-003",
    "input": "제주도는 배송비가 얼마인가요?",
    "baseline_answer": "제주와 도서 산간은 기본 배송비 3,000원에 3,000원이 추가되어 모두 6,000원입니다.",
    "answer": "제주와 도서 산간은 기본 배송비 3,000원입니다.",
    "reason": "not found: 6,000원",
}
SLIPS = (
    broken_case("promo-007", "slip", now=(1, 2), input="생일 쿠폰은 언제 오나요?"),
    broken_case("acct-006", "slip", now=(1, 2), input="회원 등급은 어떻게 올라가나요?"),
)


def change(kind, effect="looser", *, key="", **given):
    """Return a rule that a pull request changes."""
    return RuleChange(kind=kind, effect=effect, key=key or kind, **given)


def measured_with(own, *changes, not_asked=()):
    """Return the rules of a comparison, and the verdict by those that the pull request brings."""
    code = int(own is Verdict.REGRESSION)
    told = OwnVerdict(verdict=own, exit_code=code, sentence="As it says.", not_asked=not_asked)
    return MeasuredWith(by="base", commit="4f2a9c1", changes=changes, own=told)


def _unclear(metrics=None, **changes):
    """Return a comparison whose mean cannot be told, of 25 cases."""
    values = {
        "changed": (),
        "differences": (),
        "broken": broken(*SLIPS[:1], samples=25),
        "sentence": "The mean in words.",
        **changes,
    }
    return comparison(_UNCLEAR, metrics=metrics or {"exact_match": _moved()}, **values)


def _moved(worse=2, better=1, **changes):
    values = {
        "baseline": 23 / 25,
        "candidate": (23 + better - worse) / 25,
        "delta": (better - worse) / 25,
        "ci90": (-0.19, 0.09),
        "n": 25,
        "worse": worse,
        "better": better,
        "provable_margin": 0.137,
        **changes,
    }
    return compared(_UNCLEAR, **values)


def _as_before(**changes):
    return _moved(0, 0, ci90=(-0.098, 0.098), **changes)


def _failing(state, *cases, **changes):
    code = "must_failed" if state == "must" else "broken_cases"
    reasons = (Reason(code=code, figures={state: len(cases)}),)
    found = broken(*cases, *SLIPS, samples=60, family=60)
    metrics = {"exact_match": _moved(n=60)}
    return comparison(metrics=metrics, broken=found, reasons=reasons, changed=(), **changes)


def _none_watched(**changes):
    return _unclear({"exact_match": _moved(**changes)}, broken=None, changed=(changed(),))


_BROKE = (
    broken_case("s24f1bb61e3983b7a", ref="refund-014", baseline=(3, 3), now=(11, 11), needed=11),
    broken_case("s9799fed7bf0ec06b", baseline=(3, 3), now=(11, 11), needed=11, **SHIP),
)
_SCORES = {"kind": MetricKind.BOUNDED, "baseline": 0.912, "candidate": 0.891, "delta": -0.021}
_SLOW = compared(
    _UNCLEAR, kind=MetricKind.RATIO, direction=Direction.LOWER, baseline=2100.0, candidate=2478.0,
    delta=1.18, ci90=(0.9, 1.4), margin=None,
)  # fmt: skip

OUTCOMES = {
    "two broke": (
        _failing("proven", *_BROKE),
        "bad",
        "❌ 2 of 60 cases broke",
        "❌ 케이스 60개 중 2개가 깨졌습니다",
    ),
    "required failed": (
        _failing("must", broken_case("must-001", "must", now=(3, 3), needed=None)),
        "bad",
        "❌ 1 required case failed",
        "❌ 필수 케이스 1개가 실패했습니다",
    ),
    "regression": (
        comparison(),
        "bad",
        "❌ Worse on average: exact_match 89.5% → 84.9%",
        "❌ 평균이 나빠졌습니다: exact_match 89.5% → 84.9%",
    ),
    "bound missed": (
        comparison(
            metrics={
                "exact_match": compared(
                    reason="threshold", threshold={"min": 0.9, "value": 203 / 239}
                )
            }
        ),
        "bad",
        "❌ exact_match 84.9%, below the minimum 90.0%",
        "❌ exact_match 84.9%, 하한 90.0% 미달",
    ),
    "pass": (
        comparison(Verdict.PASS, metrics={"exact_match": compared(Verdict.PASS)}, changed=()),
        "pass",
        "✅ Pass",
        "✅ 통과",
    ),
    "improved": (
        comparison(
            Verdict.IMPROVED,
            metrics={"exact_match": compared(Verdict.IMPROVED, candidate=0.926, delta=0.031)},
            changed=(changed("ship-003", "better"),),
        ),
        "pass",
        "✅ Better: exact_match +3.1 points",
        "✅ 개선: exact_match +3.1%p",
    ),
    "accepted": (
        comparison(
            Verdict.PASS,
            metrics={"exact_match": compared(Verdict.PASS)},
            changed=(),
            accept=(
                exemption("s1", max_drop=1.0, drop=1.0),
                exemption("s2", max_drop=1.0, drop=1.0),
                exemption("s3", state="unused", max_drop=1.0, drop=0.0),
            ),
        ),
        "pass",
        "✅ Pass · 2 drops accepted",
        "✅ 통과 · 하락 2건 승인",
    ),
    "accepted here": (
        comparison(
            Verdict.PASS,
            metrics={"exact_match": compared(Verdict.PASS)},
            changed=(),
            accept=(
                exemption("tone-002", max_drop=1.0, drop=1.0, on_base=False, reason="새 말투 안내"),
                exemption(
                    None,
                    metric="helpful",
                    max_drop=0.1,
                    drop=0.04,
                    on_base=False,
                    reason="shorter answers",
                ),
                exemption("s3", state="unused", max_drop=1.0, drop=0.0, on_base=False),
                exemption("s4", state="exceeded", max_drop=0.5, drop=1.0, on_base=False),
            ),
        ),
        "pass",
        "✅ Pass · 2 drops accepted by this pull request",
        "✅ 통과 · 이 PR에서 하락 2건 승인",
    ),
    "rules loosened": (
        comparison(
            metrics={"exact_match": compared()},
            rules=measured_with(
                Verdict.PASS,
                change("setting", key="margin", metric="exact_match", base="0.05", head="0.2"),
                change("quarantined", n=3),
                change("deleted", n=12),
                change("metric_dropped", key="helpful"),
                change("not_required", n=1),
                change("setting", key="gate.control", base="cases", head="off", effect="other"),
                change("file", key="rubrics/tone.md", metric="tone", effect="other"),
                not_asked=("tone",),
            ),
        ),
        "bad",
        "❌ Worse on average: exact_match 89.5% → 84.9%",
        "❌ 평균이 나빠졌습니다: exact_match 89.5% → 84.9%",
    ),
    "rules tightened": (
        comparison(
            Verdict.PASS,
            metrics={"exact_match": compared(Verdict.PASS)},
            changed=(),
            rules=measured_with(
                Verdict.PASS,
                change(
                    "setting",
                    "tighter",
                    key="margin",
                    metric="exact_match",
                    base="0.05",
                    head="0.02",
                ),
                change("metric_added", "tighter", key="helpful"),
                change("added", "tighter", n=20),
            ),
        ),
        "pass",
        "✅ Pass",
        "✅ 통과",
    ),
    "own rules": (
        comparison(
            Verdict.PASS,
            metrics={"exact_match": compared(Verdict.PASS)},
            changed=(),
            rules=MeasuredWith(by="head", why="base_unknown", figures={"depth": "2"}),
        ),
        "pass",
        "✅ Pass · by this pull request's own rules",
        "✅ 통과 · 이 PR의 규칙으로 판정",
    ),
    "nothing changed": (
        _unclear({"exact_match": _as_before()}, broken=broken(samples=25, cases=())),
        "pass",
        "🟢 Nothing changed: 25 of 25 as before",
        "🟢 달라진 것 없음: 케이스 25개 모두 전과 같음",
    ),
    "slipped once": (
        _unclear(),
        "pass",
        "🟢 Nothing broke: 1 case slipped once",
        "🟢 깨진 케이스 없음: 1개는 한 번 틀렸다가 다시 맞음",
    ),
    "got better": (
        _unclear(
            {"exact_match": _moved(0, 1)},
            broken=broken(samples=25, cases=()),
            changed=(changed("ship-003", "better"),),
        ),
        "pass",
        "🟢 Nothing broke: 1 case got better",
        "🟢 깨진 케이스 없음: 1개가 좋아짐",
    ),
    "wavered before": (
        _unclear({"exact_match": _moved(1, 0)}, broken=broken(samples=25, cases=())),
        "pass",
        "🟢 Nothing broke: no case that was right stayed wrong",
        "🟢 깨진 케이스 없음: 맞던 케이스 중 계속 틀린 것이 없음",
    ),
    "no drop": (
        _none_watched(worse=1, better=1),
        "pass",
        "🟢 No drop seen: exact_match 92.0% → 92.0%",
        "🟢 하락 없음: exact_match 92.0% → 92.0%",
    ),
    "stayed wrong": (
        _unclear(
            broken=broken(
                broken_case("s24f1bb61e3983b7a", ref="refund-014", **_ONCE),
                broken_case("s9799fed7bf0ec06b", **{**SHIP, **_ONCE}),
                *SLIPS,
                samples=25,
            )
        ),
        "open",
        "🟡 2 cases stayed wrong, the baseline was asked only once",
        "🟡 케이스 2개가 계속 틀림: 베이스라인은 한 번만 물어봄",
    ),
    "stayed wrong, steady baseline": (
        _unclear(broken=broken(broken_case(state="unproven", baseline=(2, 3), needed=None))),
        "open",
        "🟡 1 case stayed wrong, not proven",
        "🟡 케이스 1개가 계속 틀림, 우연일 수 있음",
    ),
    "stayed wrong, mean passes": (
        comparison(
            Verdict.PASS,
            metrics={"exact_match": compared(Verdict.PASS)},
            changed=(),
            broken=broken(broken_case("refund-014", **_ONCE)),
        ),
        "open",
        "🟡 1 case stayed wrong, the baseline was asked only once",
        "🟡 케이스 1개가 계속 틀림: 베이스라인은 한 번만 물어봄",
    ),
    "broke, asked only to warn": (
        _unclear(broken=broken(*_BROKE, samples=25)),
        "open",
        "🟡 2 of 25 cases broke",
        "🟡 케이스 25개 중 2개가 깨졌습니다",
    ),
    "not asked again": (
        _unclear(
            broken=broken(
                samples=25,
                cases=(),
                warnings=(Reason(code="not_asked_again", figures={"n": 2}),),
            )
        ),
        "open",
        "🟡 2 cases went from right to wrong, not asked again",
        "🟡 맞던 케이스 2개가 틀림: 다시 물어보지 못함",
    ),
    "endpoint down": (
        _unclear(broken=broken(samples=25, cases=(), warnings=(Reason(code="endpoint_down"),))),
        "open",
        "🟡 The endpoint stopped answering, so broken cases were not checked",
        "🟡 엔드포인트가 응답하지 않아 깨진 케이스를 확인하지 못함",
    ),
    "fell": (
        _none_watched(worse=2, better=1, delta=-0.021),
        "open",
        "🟡 Fell by 2.1 points, not proven",
        "🟡 2.1%p 하락, 우연일 수 있음",
    ),
    "scores fell": (
        _unclear({"helpful": _moved(**_SCORES)}),
        "open",
        "🟡 Fell by 0.021, not proven",
        "🟡 0.021 하락, 우연일 수 있음",
    ),
    "rose where less is better": (
        _unclear({"toxicity": _moved(**{**_SCORES, "direction": Direction.LOWER})}, broken=None),
        "open",
        "🟡 Rose by 0.021, not proven",
        "🟡 0.021 상승, 우연일 수 있음",
    ),
    "fell within the margin": (
        _unclear({"exact_match": _moved(2, 1, reason="within_margin")}),
        "open",
        "🟡 Fell by 4.0 points, perhaps by more than you allow",
        "🟡 4.0%p 하락, 허용 폭을 넘을 수 있음",
    ),
    "slower": (
        _unclear({"exact_match": compared(Verdict.PASS), "latency_ms": _SLOW}),
        "open",
        "🟡 latency_ms ×1.18, not proven",
        "🟡 latency_ms ×1.18, 우연일 수 있음",
    ),
    "bound not proven": (
        _unclear({"exact_match": _moved(reason="threshold_unproven")}),
        "open",
        "🟡 exact_match 88.0% meets its bound, not proven",
        "🟡 exact_match 88.0%: 하한·상한은 지켰지만 우연일 수 있음",
    ),
    "answers missing": (
        _unclear({"exact_match": _moved(reason="missing", missing=(0, 3))}),
        "open",
        "🟡 3 answers without a score could hide a drop",
        "🟡 점수가 없는 답변 3건에 하락이 숨어 있을 수 있음",
    ),
    "answers lost": (
        comparison(
            Verdict.PASS,
            metrics={"exact_match": compared(Verdict.PASS)},
            changed=(),
            lost=lost(),
        ),
        "open",
        "🟡 2 cases that had an answer have none now",
        "🟡 답변이 있던 케이스 2개에 이번에는 답변이 없습니다",
    ),
    "provider": (
        _unclear(broken=broken(broken_case(main=(0, 3), **_ONCE), samples=25)),
        "open",
        "🟡 The provider changed, not this pull request",
        "🟡 이 PR이 아니라 모델 제공사 쪽이 바뀌었습니다",
    ),
    "provider, by schedule": (
        _unclear(
            reasons=(Reason(code="provider_moved"),),
            control=Control(state="unchanged"),
            broken=broken(broken_case(ref="refund-014"), samples=25, since="2026-11-28"),
        ),
        "open",
        "🟡 The provider changed: nobody here changed the chatbot",
        "🟡 모델 제공사 쪽이 바뀌었습니다(이쪽에서 바꾼 것은 없음)",
    ),
    "main changed after its baseline": (
        _unclear(
            reasons=(Reason(code="provider_moved"),),
            broken=broken(broken_case(main=(0, 3), **_ONCE), samples=25, main_changed=True),
        ),
        "open",
        "🟡 1 case wrong on main, too",
        "🟡 케이스 1개는 main 설정에서도 틀림",
    ),
    "provider, beside a mean that fell": (
        comparison(
            metrics={"exact_match": compared()},
            reasons=(Reason(code="provider_moved", figures={"cases": 1}),),
            broken=broken(broken_case(main=(0, 3), **_ONCE), samples=25),
        ),
        "bad",
        "❌ Worse on average: exact_match 89.5% → 84.9%",
        "❌ 평균이 나빠졌습니다: exact_match 89.5% → 84.9%",
    ),
    "provider, beside a bound that is missed": (
        comparison(
            metrics={
                "exact_match": compared(
                    reason="threshold",
                    threshold={"min": 0.9, "value": 0.849, "rule": "point", "held": False},
                )
            },
            reasons=(Reason(code="provider_moved"), Reason(code="threshold")),
            control=Control(state="unchanged"),
        ),
        "bad",
        "❌ exact_match 84.9%, below the minimum 90.0%",
        "❌ exact_match 84.9%, 하한 90.0% 미달",
    ),
    "provider, asked to fail": (
        comparison(
            metrics={"exact_match": compared(reason="provider_moved")},
            reasons=(Reason(code="provider_moved"),),
            control=Control(state="unchanged"),
        ),
        "bad",
        "❌ The provider changed: nobody here changed the chatbot",
        "❌ 모델 제공사 쪽이 바뀌었습니다(이쪽에서 바꾼 것은 없음)",
    ),
    "nothing differs": (
        _unclear(reasons=(Reason(code="nothing_differs"),)),
        "open",
        "🟡 The provider changed, or it is chance: this pull request changes nothing that is sent",
        "🟡 모델 제공사 쪽이 바뀌었거나 우연: 이 PR은 모델에 보내는 내용을 바꾸지 않음",
    ),
    "nothing differs, main changed": (
        _unclear(
            reasons=(Reason(code="nothing_differs"),),
            control=Control(state="nothing_differs", stale=True),
        ),
        "open",
        "🟡 Not this pull request: it changes nothing that is sent",
        "🟡 이 PR 때문이 아님: 모델에 보내는 내용이 그대로입니다",
    ),
    "nothing gates": (
        comparison(
            _UNCLEAR,
            metrics={"exact_match": compared(Verdict.REPORTED, gating=False)},
            reasons=(Reason(code="nothing_gates"),),
        ),
        "none",
        "⚪ Nothing was judged: no metric gates",
        "⚪ 판정하지 않음: 게이트로 지정한 지표가 없음",
    ),
    "first run": (
        first_run(),
        "none",
        "⚪ First run: take it as the baseline",
        "⚪ 첫 실행: 이 결과를 베이스라인으로 저장하세요",
    ),
    "incomparable": (
        comparison(
            Verdict.INCOMPARABLE,
            metrics={
                "exact_match": compared(
                    Verdict.INCOMPARABLE, reason="fingerprint", n=0, delta=None, ci90=None
                )
            },
            reasons=(Reason(code="fingerprint", figures={"metric": "exact_match"}),),
            changed=(),
        ),
        "none",
        "⚪ Measured in another way",
        "⚪ 측정 방법이 달라 비교하지 못함",
    ),
    "other cases": (
        comparison(Verdict.INCOMPARABLE, reasons=(Reason(code="overlap"),), changed=()),
        "none",
        "⚪ Other test cases than the baseline's",
        "⚪ 케이스가 달라 비교하지 못함",
    ),
    "unmeasured": (
        comparison(
            Verdict.ERROR,
            reasons=(
                Reason(
                    code="unmeasured",
                    figures={"what": "no answer within 60 s"},
                ),
            ),
            changed=(),
        ),
        "none",
        "⚠️ Could not be measured: no answer within 60 s",
        "⚠️ 측정하지 못함: 60초 안에 답하지 않았습니다",
    ),
    "without scores": (
        comparison(
            Verdict.ERROR,
            metrics={"exact_match": compared(Verdict.ERROR, reason="error_rate", missing=(0, 40))},
            changed=(),
        ),
        "none",
        "⚠️ Could not be measured: 40 answers have no score",
        "⚠️ 측정하지 못함: 답변 40건에 점수가 없음",
    ),
    "baseline without scores": (
        comparison(
            Verdict.ERROR,
            metrics={"exact_match": compared(Verdict.ERROR, reason="error_rate", missing=(9, 1))},
            changed=(),
        ),
        "none",
        "⚠️ Could not be measured: 9 answers of the baseline without a score",
        "⚠️ 측정하지 못함: 베이스라인 답변 9건에 점수가 없음",
    ),
}

_CASES = "; what can be said of single cases is said."
REMARKS = {
    "nothing changed": f"So few cases only rule out a drop above 13.7 points on average{_CASES}",
    "slipped once": f"So few cases only rule out a drop above 19.0 points on average{_CASES}",
    "got better": f"So few cases only rule out a drop above 19.0 points on average{_CASES}",
    "wavered before": f"So few cases only rule out a drop above 19.0 points on average{_CASES}",
    "no drop": "So few cases only rule out a drop above 19.0 points on average.",
}


def outcome(name, **changes):
    """Return the comparison of an outcome."""
    return replace(OUTCOMES[name][0], **changes)
