"""JSON without what RFC 8259 does not know: NaN, infinities, and numbers that become one."""

import math


def finite_number(text: str) -> float:
    """Read a number with a fraction or an exponent.

    Raises:
        ValueError: If it is too large for a float.
    """
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def refuse_constant(name: str) -> float:
    """Refuse NaN and Infinity, which Python's reader takes.

    Raises:
        ValueError: Always.
    """
    raise ValueError(f"{name} is no JSON number")
