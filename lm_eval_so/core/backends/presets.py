"""Addresses of well-known OpenAI-compatible endpoints: data, in presets.json."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from lm_eval_so.core.records.record import record


@record
class Preset:
    """A well-known endpoint."""

    base_url: str
    """Address up to /v1, or what stands in its place."""
    api_key_env: str
    """Variable that usually holds the key; "" for an endpoint without one."""
    docs: str
    """Page that tells the address."""


@cache
def presets() -> Mapping[str, Preset]:
    """Return all presets by name."""
    path = files("lm_eval_so.core.backends") / "presets.json"
    return {name: Preset(**row) for name, row in json.loads(path.read_text("utf-8")).items()}
