import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.core.stats.multiple import benjamini_hochberg, holm

P_VALUES = st.lists(st.floats(0, 1), max_size=40)


@given(P_VALUES.filter(bool))
def test_benjamini_hochberg__as_scipy(p_values: list[float]):
    from scipy.stats import false_discovery_control

    assert benjamini_hochberg(p_values) == pytest.approx(false_discovery_control(p_values))


@given(P_VALUES)
def test_benjamini_hochberg__between_the_p_value_and_holm(p_values: list[float]):
    for p, adjusted, stricter in zip(
        p_values, benjamini_hochberg(p_values), holm(p_values), strict=True
    ):
        assert p <= adjusted + 1e-12
        assert adjusted <= stricter + 1e-12


@given(P_VALUES)
def test_benjamini_hochberg__keeps_the_order(p_values: list[float]):
    pairs = sorted(zip(p_values, benjamini_hochberg(p_values), strict=True))
    assert [adjusted for _, adjusted in pairs] == sorted(adjusted for _, adjusted in pairs)


def test_benjamini_hochberg__the_worked_example_of_the_paper():
    # Benjamini and Hochberg (1995), table of §4: at q = 0.05 the four smallest of 15 are claimed
    p_values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459]
    p_values += [0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000]
    claimed = [p for p in benjamini_hochberg(p_values) if p <= 0.05]
    assert len(claimed) == 4
