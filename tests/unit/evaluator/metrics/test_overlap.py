"""Token F1."""

import pytest
from evaluation import a_run, a_sample

from lm_eval_so.evaluator.metrics.overlap import TokenF1, bag_f1


@pytest.mark.parametrize(
    ("answer", "reference", "value"),
    [
        (["a", "b"], ["a", "b"], 1),
        (["a", "a"], ["a"], 2 / 3),
        (["a"], ["b"], 0),
        ([], [], 1),
        ([], ["a"], 0),
        (["a"], [], 0),
        (["a", "b", "c"], ["b", "d"], 0.4),
    ],
)
def test_bag_f1__counts_what_is_shared(
    answer: list[str], reference: list[str], value: float
) -> None:
    assert bag_f1(answer, reference) == pytest.approx(value)


def test_token_f1__profile_decides_what_is_a_word() -> None:
    sample = a_sample(expected="3일.")
    assert TokenF1().score(sample, a_run("3일")).value == 1
    assert TokenF1(params={"profile": "raw"}).score(sample, a_run("3일")).value == 0
