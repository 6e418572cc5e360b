"""Numbers from other tools and from papers (tests/data/stat_cases.json), as parameters of tests."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).parent / "data" / "stat_cases.json"
SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def checks(*functions: str) -> list[Any]:
    """Give the checks of some functions as parameters (function, arguments, expected, tolerance)."""
    cases = json.loads(FILE.read_text("utf-8"))["cases"]
    found = [
        pytest.param(
            check["fn"],
            expanded(check["args"]),
            expanded(check["expect"]),
            check["tol"],
            id=f"{case['id']}-{number}",
        )
        for case in cases
        for number, check in enumerate(case["checks"])
        if check["fn"] in functions
    ]
    assert found
    return found


def expanded(value: Any) -> Any:
    """Write out {"rle": [[value, count], …]} and the numbers that JSON does not have."""
    if isinstance(value, dict):
        if value.keys() == {"rle"}:
            return [expanded(item) for item, times in value["rle"] for _ in range(times)]
        return {key: expanded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [expanded(item) for item in value]
    return SPECIAL.get(value, value) if isinstance(value, str) else value
