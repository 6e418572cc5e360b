"""What a panel decides does not depend on the order of its judges, nor a health on that of rows."""

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.core.records.score import JudgeVote
from lm_eval_so.core.stats.agreement import cohen_kappa, krippendorff_alpha
from lm_eval_so.evaluator.metrics.judge.panel.labels import Labels

VALUES = {"좋음": 1.0, "보통": 0.5, "나쁨": 0.0}
LABELS = Labels(values=VALUES)
PAIR = Labels(values={"yes": 1.0, "no": 0.0})


def a_vote(label: str | None, values: dict[str, float]) -> JudgeVote:
    if label is None:
        return JudgeVote(label=None, code="judge_invalid", calls=2)
    return JudgeVote(label=label, value=values[label], calls=1)


@given(
    said=st.lists(st.sampled_from([None, *VALUES]), min_size=1, max_size=7),
    quorum=st.one_of(st.none(), st.integers(1, 7)),
    seed=st.integers(0, 10),
)
def test_decide__order_of_judges_does_not_matter(
    said: list[str | None], quorum: int | None, seed: int
) -> None:
    shuffled = random.Random(seed).sample(said, len(said))
    outcomes: list[Any] = []
    for labels in (said, shuffled):
        votes = [a_vote(label, VALUES) for label in labels]
        needed = quorum and min(quorum, len(said))
        decision = LABELS.decide(votes, needed)
        at = decision.at if decision.code is None else None
        outcomes.append((None if at is None else votes[at].label, decision.code))
    assert outcomes[0] == outcomes[1]


@given(yes=st.integers(0, 6), no=st.integers(0, 6), lost=st.integers(0, 6))
def test_decide__two_labels__majority_of_the_usable_or_nothing(
    yes: int, no: int, lost: int
) -> None:
    labels = ["yes"] * yes + ["no"] * no + [None] * lost
    if not labels:
        return
    votes = [a_vote(label, dict(PAIR.values)) for label in labels]
    decision = PAIR.decide(votes, None)
    if yes + no < len(labels) // 2 + 1:
        assert decision.code == ("judge_quorum" if len(labels) > 1 else "judge_invalid")
    elif yes == no:
        assert decision.code == "judge_tie"
    else:
        assert decision.code is None
        assert decision.at is not None
        assert votes[decision.at].label == ("yes" if yes > no else "no")


@given(
    units=st.lists(
        st.lists(st.one_of(st.none(), st.integers(1, 5)), min_size=2, max_size=4), max_size=12
    )
)
def test_krippendorff_alpha__is_at_most_one_and_one_only_if_all_agree(
    units: list[list[int | None]],
) -> None:
    usable = [{value for value in unit if value is not None} for unit in units]
    for level in ("nominal", "ordinal", "interval"):
        alpha = krippendorff_alpha(units, level=level)
        if alpha is None:
            continue
        assert alpha <= 1
        paired = [
            values
            for values, unit in zip(usable, units, strict=True)
            if sum(value is not None for value in unit) > 1
        ]
        assert (alpha == 1) == all(len(values) == 1 for values in paired)


@given(pairs=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30))
def test_cohen_kappa__is_the_same_whoever_is_first(pairs: list[tuple[int, int]]) -> None:
    turned = [(b, a) for a, b in pairs]
    for order in (None, [0, 1, 2, 3]):
        assert cohen_kappa(pairs, order=order) == cohen_kappa(turned, order=order)
