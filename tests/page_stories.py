"""Four stories of a shop's support bot, as reports and comparisons: what people see of each is looked at."""

import json
from dataclasses import replace
from pathlib import Path

from asking_again import RIGHT, WRONG, play, terms
from factories import make_report

from lm_eval_so.core.records.enums import Language, MetricKind, ScoreStatus
from lm_eval_so.core.records.report import Case
from lm_eval_so.core.records.score import Score

SHOP = json.loads((Path(__file__).parent / "data" / "shop_cases.json").read_text("utf-8"))
STORIES = ("regression", "pass", "inconclusive", "first")
_METRIC = "exact_match"
_IDS = [f"s{n:016x}" for n in range(len(SHOP))]


def story(name, language=Language.EN):
    """Return the report of a story, and its comparison.

    Two of 60 cases broke and two slipped; nothing changed; a case stays wrong whose baseline was asked
    only once; there is no baseline.
    """
    rights = [each.get("right", 3) for each in SHOP]
    wrong = {n for n, each in enumerate(SHOP) if "state" in each}
    if name == "pass":
        wrong = {n for n in wrong if SHOP[n]["state"] == "stillwrong"}
    if name == "inconclusive":
        wrong -= {1}
    times = 1 if name == "inconclusive" else 3
    before = [[1] * right + [0] * (3 - right) for right in rights]
    baseline = _report([each[:times] for each in before], "was")
    now = _report(
        [[int(n not in wrong)] for n in range(len(SHOP))], "was" if name == "pass" else "now"
    )
    broke = {_IDS[n] for n in wrong if SHOP[n]["state"] == "broke"}
    made = play(
        (None if name == "first" else baseline, now),
        lambda sample_id, _: WRONG if sample_id in broke else RIGHT,
        terms(language, metrics={_METRIC: {"margin": 0.05}}),
    )
    if made.broken is None:
        return now, made
    answers = dict(zip(_IDS, SHOP, strict=True))
    cases = tuple(
        replace(
            case,
            answer=answers[case.sample_id]["now"],
            reason=f"not found: {answers[case.sample_id]['must']}",
        )
        for case in made.broken.cases
    )
    return now, replace(made, broken=replace(made.broken, cases=cases))


def _report(scores, which):
    answers = [each.get(which, each["was"]) for each in SHOP]
    columns = {"ids": _IDS, "tags": [(each["tag"],) for each in SHOP]}
    repeated = [n for n, each in enumerate(scores) for _ in each]
    failed = [n for n, each in enumerate(scores) if 0 in each]
    made = make_report(
        {_METRIC: scores},
        kinds={_METRIC: MetricKind.BINARY},
        languages=[each["language"] for each in SHOP],
        inputs=[SHOP[n]["question"] for n in repeated],
        expected=[SHOP[n]["expected"] for n in repeated],
        answers=[answers[n] for n in repeated],
        errors=[_failed(n, answers[n]) for n in failed],
        **columns,
    )
    refs = tuple(SHOP[n]["ref"] for n in repeated)
    return replace(
        made,
        samples=replace(made.samples, refs=refs),
        failed_ids=tuple(_IDS[n] for n in failed),
    )


def _failed(n, answer):
    reason = f"not found: {SHOP[n]['must']}"
    score = Score(
        metric=_METRIC, sample_id=_IDS[n], status=ScoreStatus.SCORED, value=0.0, reason=reason
    )
    return Case(
        sample_id=_IDS[n],
        repeat=0,
        kind="quality",
        status="ok",
        input=SHOP[n]["question"],
        expected=SHOP[n]["expected"],
        answer=answer,
        reason=reason,
        scores=(score,),
        failed=(_METRIC,),
    )
