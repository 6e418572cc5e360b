"""Every sentence of a comparison, in both languages, as people read it."""

import re

import pytest
from comparing import flips, judge, only
from factories import make_report

from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.core.records.enums import Direction, Language, MetricKind
from lm_eval_so.core.records.in_language import comparison_in
from lm_eval_so.core.records.judge_health import JudgeCalibration
from lm_eval_so.core.words import texts

UNIT = [0.5 + 0.01 * (i % 30) for i in range(150)]
WIDE = [50.0 + 5 * (i % 11) for i in range(200)]
TIMES = [100.0 + 7 * (i % 13) for i in range(240)]


def moved(values, by, every=1):
    return [v + by if i % every == 0 else v for i, v in enumerate(values)]


def binary(worse, better, n, **changes):
    pair = flips(worse=worse, better=better, n=n, **changes)
    return [{"exact_match": pair[0]}, {"exact_match": pair[1]}]


def same(metric, column):
    return [{metric: column}, {metric: column}]


WEAK = JudgeCalibration(state="ok", n=100, positives=50, negatives=50, se=0.6, sp=0.6, j=0.2)
LOWER = {"directions": {"toxicity": Direction.LOWER}}
GRADE = {"kinds": {"grade": MetricKind.BOUNDED}, "ranges": {"grade": (1.0, 5.0)}}
LEAN, CALM = flips(worse=13, better=5, n=200), flips(worse=10, better=10, n=200)
TWELVE = flips(worse=12, better=12, n=500)
NOISY_TIMES = [100.0 + 60 * (i % 5) for i in range(40)]
WORDING = [
    dict.fromkeys(["token_f1", "bleu"], UNIT),
    {"token_f1": moved(UNIT, -0.06), "bleu": UNIT},
]

THESE = {"claim": "these"}
SOME_WRONG = [[1, 0, 1]] * 10


def asked(before, now, *, gate=THESE, **made):
    """Compare answers to the same samples, several to each."""
    return [{"exact_match": before}, {"exact_match": now}], gate, made


CASES = {
    "pass": (binary(8, 8, 200), {}, {}),
    "pass, a real drop": (binary(30, 10, 2000), {}, {}),
    "pass, another range": (same("grade", [1.0 + i % 4 for i in range(150)]), {}, GRADE),
    "pass, less is better": (same("toxicity", [0.01 * (i % 9) for i in range(120)]), {}, LOWER),
    "improved": (binary(4, 16, 200), {}, {}),
    "improved, less is better": ([{"toxicity": UNIT}, {"toxicity": moved(UNIT, -0.1)}], {}, LOWER),
    "regression, right or wrong": (binary(20, 3, 239, right=190), {}, {}),
    "regression, scores": ([{"token_f1": UNIT}, {"token_f1": moved(UNIT, -0.06)}], {}, {}),
    "regression, another range": (
        [{"grade": moved(UNIT, 3)}, {"grade": moved(UNIT, 2)}],
        {},
        GRADE,
    ),
    "regression, less is better": ([{"toxicity": UNIT}, {"toxicity": moved(UNIT, 0.1)}], {}, LOWER),
    "regression, unbounded": (
        [{"length": WIDE}, {"length": moved(WIDE, -9)}],
        {"metrics": {"length": {"margin": 5}}},
        {},
    ),
    "regression, adjusted": (
        [{"exact_match": flips(worse=20, better=2, n=200)[i], "contains": CALM[i]} for i in (0, 1)],
        {},
        {},
    ),
    "too noisy": (binary(8, 6, 100), {}, {"bot_usd": 0.41}),
    "too noisy, judges and simulated users paid as well": (
        binary(8, 6, 100),
        {},
        {
            "bot_usd": 0.41,
            "costs": {
                "judges_usd": 0.3,
                "judges_priced": 100,
                "judges_rows": 100,
                "simulator_usd": 0.1,
                "simulator_priced": 50,
                "simulator_rows": 100,
            },
        },
    ),
    "too noisy, no price": (binary(8, 6, 100), {}, {}),
    "too noisy, it did fall": (binary(35, 25, 400), {}, {}),
    "too noisy, it did rise": (
        [{"toxicity": [0.3] * 400}, {"toxicity": [0.555, 0.075] * 200}],
        {},
        LOWER,
    ),
    "too noisy, nothing changed": (binary(0, 0, 50), {}, {"bot_usd": 0.41}),
    "too noisy, no score changed": (same("token_f1", UNIT[:60]), {}, {}),
    "too noisy, answers right or wrong, asked twice": (
        [
            {"exact_match": [[1, 1]] * 46 + [[1, 0]] * 4},
            {"exact_match": [[1, 1]] * 43 + [[1, 0]] * 7},
        ],
        {},
        {},
    ),
    "too noisy, no time changed": (
        same("latency_ms", [100.0 + i % 100 for i in range(200)]),
        {"metrics": {"latency_ms": {"statistic": "p95", "max_increase": 0.001}}},
        {},
    ),
    "too noisy, it leans worse": (binary(3, 0, 5), {}, {}),
    "too noisy, scores lean worse": (
        [{"token_f1": UNIT[:20]}, {"token_f1": [0.0, 0.0, 0.0, *UNIT[3:20]]}],
        {},
        {},
    ),
    "too noisy, by the guard alone": (binary(1, 0, 90), {}, {}),
    "multiplicity": (
        [dict(zip("abc", (LEAN[i], CALM[i], CALM[i]), strict=True)) for i in (0, 1)],
        {},
        {},
    ),
    "within the margin": (binary(12, 4, 200), {}, {"bot_usd": 0.41}),
    "within the margin, on many samples": (binary(20, 5, 400), {}, {}),
    "within the margin, a ratio": (
        [
            {"latency_ms": TIMES},
            {"latency_ms": [1.06 * t + 40 * (i % 3) for i, t in enumerate(TIMES)]},
        ],
        {"metrics": {"latency_ms": {"max_increase": 0.36}}},
        {},
    ),
    "missing": ([{"exact_match": [1] * 200}, {"exact_match": [1] * 190 + [None] * 10}], {}, {}),
    "missing, open range": (
        [{"length": WIDE}, {"length": [*WIDE[:-4], None, None, None, None]}],
        {"metrics": {"length": {"margin": 5}}},
        {},
    ),
    "few groups": (
        same("exact_match", [1] * 60),
        {},
        {"groups": [f"문서 {i % 4}" for i in range(60)]},
    ),
    "one group": (
        [{"exact_match": [1] * 60}, {"exact_match": [0] * 60}],
        {},
        {"groups": ["문서"] * 60},
    ),
    "few groups, proven": (
        [{"exact_match": [1] * 90}, {"exact_match": [0] * 90}],
        {},
        {"groups": [f"문서 {i % 9}" for i in range(90)]},
    ),
    "few groups, of unequal size": (
        same("exact_match", [1] * 50),
        {},
        {"groups": ["문서"] * 20 + [f"문서 {i}" for i in range(30)]},
    ),
    "groups of unequal size": (
        same("exact_match", [1] * 200),
        {"metrics": {"exact_match": {"margin": 0.2}}},
        {"groups": ["문서"] * 50 + [f"문서 {i}" for i in range(150)]},
    ),
    "few samples of a ratio": (
        same("latency_ms", TIMES[:9]),
        {"metrics": {"latency_ms": {}}},
        {},
    ),
    "groups ignored": (
        same("latency_ms", TIMES),
        {"metrics": {"latency_ms": {"statistic": "p95"}}},
        {"groups": [f"문서 {i % 40}" for i in range(240)]},
    ),
    "rows without a score": (
        [{"exact_match": [1] * 200}, {"exact_match": [1] * 196 + [None] * 4}],
        {},
        {},
    ),
    "values out of range": (
        [{"token_f1": [0.5] * 200}, {"token_f1": [0.5] * 199 + [1.5]}],
        {},
        {"kinds": {"token_f1": MetricKind.BOUNDED}},
    ),
    "another definition": (
        [
            make_report({"exact_match": [1] * 60}, definitions={"exact_match": {"version": 1}}),
            make_report({"exact_match": [1] * 60}, definitions={"exact_match": {"version": 2}}),
        ],
        {},
        {},
    ),
    "the same sample twice": (
        [
            make_report({"exact_match": [1] * 60}),
            make_report({"exact_match": [1, 1]}, ids=["환불-1", "환불-1"]),
        ],
        {},
        {},
    ),
    "another suite": (
        [make_report({"exact_match": [1] * 60}, suite="faq"), {"exact_match": [1] * 60}],
        {},
        {},
    ),
    "few samples": (same("token_f1", UNIT[:9]), {}, {}),
    "no samples": ([{"exact_match": []}, {"exact_match": [1]}], {}, {}),
    "overlap": ([{"exact_match": [1] * 100}, {"exact_match": [1] * 71}], {}, {}),
    "new metric": (
        [{"exact_match": [1] * 60}, {"exact_match": [1] * 60, "새_지표": [1] * 60}],
        {},
        {},
    ),
    "metric gone": (
        [{"exact_match": [1] * 60, "regex": [1] * 60}, {"exact_match": [1] * 60}],
        {},
        {},
    ),
    "error rate": ([{"exact_match": [1] * 200}, {"exact_match": [1] * 180 + [None] * 20}], {}, {}),
    "reported": (same("length", WIDE), {"metrics": {"length": {}}}, {}),
    "no baseline": ([None, {"exact_match": [1] * 60}], {}, {}),
    "no baseline, thresholds hold": (
        [None, {"exact_match": [1] * 60}],
        {"metrics": {"exact_match": {"min": 0.8}}},
        {},
    ),
    "ratio, pass": (
        [{"latency_ms": TIMES}, {"latency_ms": moved(TIMES, 6)}],
        {"metrics": {"latency_ms": {}}},
        {},
    ),
    "ratio, improved": (
        [{"cost_usd": [0.0021] * 40}, {"cost_usd": [0.0014, 0.0016] * 20}],
        {"metrics": {"cost_usd": {}}},
        {},
    ),
    "ratio, regression": (
        [{"latency_ms": TIMES}, {"latency_ms": moved(TIMES, 60, 2)}],
        {"metrics": {"latency_ms": {}}},
        {},
    ),
    "ratio, too noisy": (
        [{"latency_ms": NOISY_TIMES}, {"latency_ms": NOISY_TIMES[7:] + NOISY_TIMES[:7]}],
        {"metrics": {"latency_ms": {}}},
        {"bot_usd": 0.2},
    ),
    "ratio, too few for a percentile": (
        same("latency_ms", TIMES[:100]),
        {"metrics": {"latency_ms": {"statistic": "p95"}}},
        {},
    ),
    "ratio, zeros": (same("cost_usd", [0.0] * 20), {"metrics": {"cost_usd": {}}}, {}),
    "threshold met": (binary(8, 8, 200), {"metrics": {"exact_match": {"min": 0.8}}}, {}),
    "threshold met by its bound": (
        binary(8, 8, 200),
        {"metrics": {"exact_match": {"min": 0.8, "rule": "bound"}}},
        {},
    ),
    "threshold missed": (binary(8, 8, 200), {"metrics": {"exact_match": {"min": 0.98}}}, {}),
    "threshold above its maximum": (
        same("latency_ms", TIMES),
        {"metrics": {"latency_ms": {"max": 140}}},
        {},
    ),
    "threshold unproven": (
        same("token_f1", UNIT),
        {"metrics": {"token_f1": {"max": 0.65, "rule": "bound"}}},
        {},
    ),
    "threshold open for want of scores": (
        [{"exact_match": [1] * 200}, {"exact_match": [1] * 196 + [None] * 4}],
        {"metrics": {"exact_match": {"min": 0.99}}},
        {},
    ),
    "several pass": ([{"exact_match": c, "regex": c} for c in ([1] * 60, [1] * 60)], {}, {}),
    "several of one cause": (
        [{k: [1] * 100 for k in "abcd"}, {k: [1] * 71 for k in "abcd"}],
        {},
        {},
    ),
    "several regressions": (
        [dict.fromkeys("abcd", column) for column in flips(worse=30, better=2, n=200)],
        {},
        {},
    ),
    "a judge that hardly judges": (
        binary(8, 8, 200),
        {},
        {"judges": {"exact_match": WEAK}},
    ),
    "regression, worst in a slice": (
        binary(20, 3, 239, right=190),
        {},
        {"tags": [["환불"] if i < 40 else ["배송"] for i in range(239)]},
    ),
    "pass, worse in a slice": (
        binary(12, 12, 500),
        {},
        {"labels": {"product": ["shoes" if i < 14 else "bags" for i in range(500)]}},
    ),
    "several pass, one is worse in a slice": (
        [{"calm": c, "exact_match": e} for c, e in zip(([1] * 500,) * 2, TWELVE, strict=True)],
        {},
        {"languages": ["ko" if i < 14 else "en" for i in range(500)]},
    ),
    "these, pass": asked([[1, 1, 1]] * 50, [[1, 1, 1]] * 50),
    "these, unequal numbers of answers": asked([[1] * 5] * 50, [[1, 1]] * 50),
    "these, improved": asked([[1] * 5] * 24 + [[0] * 5] * 6, [[1] * 5] * 30),
    "these, regression": asked([[1] * 5] * 30, [[1] * 5] * 26 + [[0] * 5] * 4),
    "these, too noisy": asked([[1] * 3] * 30 + SOME_WRONG, [[1] * 3] * 30 + SOME_WRONG),
    "these, too noisy, fell": asked(
        [[1] * 3] * 88 + [[1, 1, 0]] * 12, [[1] * 3] * 80 + [[1, 1, 0]] * 8 + [[1, 0, 1]] * 12
    ),
    "these, leans worse": asked([[1, 1]] * 20, [[1, 1]] * 18 + [[1, 0]] * 2),
    "these, unequal and too noisy": asked(
        [[1] * 5] * 5 + [[1, 0, 1, 1, 1]] * 20, [[1, 1]] * 17 + [[1, 0]] * 8
    ),
    "these, unequal, more answers would do": asked(
        [[1] * 5] * 20 + [[1, 0, 1, 1, 1]] * 20, [[1, 1]] * 32 + [[1, 0]] * 8
    ),
    "these, with a price": asked(
        [[1] * 3] * 30 + SOME_WRONG, [[1] * 3] * 30 + SOME_WRONG, bot_usd=1.2
    ),
    "these, within the margin": asked([[1] * 3] * 30, [[1] * 3] * 26 + [[1, 0, 1]] * 4),
    "these, few answers": asked([[1, 1]] * 4, [[1, 1]] * 4),
    "these, asked once": asked([1] * 60, [1] * 60),
    "these, baseline asked once": asked([1] * 60, [[1, 1]] * 60),
    "these, asked once now": asked([[1, 1]] * 60, [1] * 60),
    "these, a row without a score": asked([[1, 1]] * 50, [[1, 1]] * 49 + [[1, None]]),
    "these, less is better": (
        [{"toxicity": [[0.1, 0.2]] * 20}, {"toxicity": [[0.1, 0.3]] * 20}],
        THESE,
        LOWER,
    ),
    "nothing gates": (same("exact_match", [1] * 60), {"metrics": {}}, {}),
    "wording alone": (WORDING, {}, {"wording": ["token_f1", "bleu"]}),
    "wording alone, one named": (
        WORDING,
        {"metrics": {"token_f1": {}}},
        {"wording": ["token_f1", "bleu"]},
    ),
    "wording beside what is judged": (
        [{**s, "exact_match": [1] * 150} for s in WORDING],
        {},
        {"wording": ["token_f1", "bleu"]},
    ),
    "wording alone, no baseline": ([None, {"token_f1": UNIT}], {}, {"wording": ["token_f1"]}),
}


@pytest.mark.parametrize("language", Language)
def test_sentences__read_well(language, golden) -> None:
    told = [f"## {name}\n\n{sentence_of(*case, language)}\n" for name, case in CASES.items()]
    golden(f"comparison/sentences.{language.value}.md", "\n".join(told))


def sentence_of(scores, gate, made, language):
    baseline, candidate = (make_report(s, **made) if isinstance(s, dict) else s for s in scores)
    other = next(each for each in Language if each is not language)
    comparison = comparison_in(judge(baseline, candidate, gate=gate, language=other), language)
    told = [f"{comparison.verdict.value}, {comparison.exit_code}: {comparison.sentence}"]
    told += [
        f"- {metric.verdict.value}: {metric.sentence}"
        for metric in comparison.metrics.values()
        if metric.sentence not in comparison.sentence
    ]
    return "\n".join(told)


@pytest.mark.parametrize("language", Language)
def test_sentences__fill_every_slot(language) -> None:
    for case in CASES.values():
        assert not re.search(r"[{}]|None(?! of the)|–", sentence_of(*case, language))


@pytest.mark.parametrize("language", Language)
def test_sentences__every_code_of_a_metric_has_a_text(language) -> None:
    spoken = texts(language)
    told_by_others = {Code.THRESHOLD, Code.THRESHOLD_UNPROVEN}
    of_cases = {Code.BROKEN_CASES, Code.MUST_FAILED, Code.MUST_UNSTEADY, Code.ENDPOINT_DOWN}
    of_cases |= {Code.NOTHING_DIFFERS, Code.PROVIDER_MOVED}
    of_anchor = {Code.ANCHOR, Code.ANCHOR_MISSING, Code.ANCHOR_UNLIKE}
    for code in set(Code) - told_by_others - of_cases - of_anchor:
        assert f"comparison.{code}" in spoken


def test_sentences__whole_equals_that_of_an_only_metric() -> None:
    comparison = judge(*map(make_report, binary(20, 3, 239)))
    assert comparison.sentence == comparison.metrics["exact_match"].sentence


def test_sentences__of_a_proven_rise_within_the_margin_say_rise() -> None:
    shape = {"kinds": {"toxicity": MetricKind.BOUNDED}, "directions": {"toxicity": Direction.LOWER}}
    scores = [0.2 + i % 5 / 100 for i in range(100)]
    worse = [value + 0.025 + i % 7 / 1000 for i, value in enumerate(scores)]
    metric = only(
        judge(
            make_report({"toxicity": scores}, **shape),
            make_report({"toxicity": worse}, **shape),
            gate={"metrics": {"toxicity": {"margin": 0.0281}}},
        )
    )
    assert metric.reason == "within_margin"
    assert "the true rise could still be as much as" in metric.sentence


@pytest.mark.parametrize(("margin", "least"), [(0.03, "89 samples"), (0.2, "13 samples")])
def test_sentences__of_few_samples_say_how_many_could_pass(margin, least) -> None:
    gate = {"metrics": {"token_f1": {"margin": margin}}}
    few = make_report({"token_f1": UNIT[:9]})
    assert f"it takes {least} to pass" in only(judge(few, few, gate=gate)).sentence


@pytest.mark.parametrize("margin", [0.3, 0.9])
def test_sentences__of_few_samples_never_ask_for_fewer_than_the_ten_that_are_needed(margin) -> None:
    gate = {"metrics": {"token_f1": {"margin": margin}}}
    few = make_report({"token_f1": UNIT[:9]})
    sentence = only(judge(few, few, gate=gate)).sentence
    assert sentence.endswith(
        "(0.000). Only 9 samples: a pass needs 10, and the change is not clear enough for a failure."
    )


def test_sentences__of_errors_on_both_sides_say_whose_to_mend() -> None:
    before, now = ([1] * 80 + [None] * 20, [1] * 70 + [None] * 30)
    gate = {"metrics": {"exact_match": {"min": 0.5}}}
    pair = [make_report({"exact_match": column}) for column in (before, now)]
    sentence = only(judge(*pair, gate=gate)).sentence
    assert sentence.endswith("Re-run the baseline. Fix the errors and run again.")
