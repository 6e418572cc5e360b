"""The models of `lm-eval-so.yaml`, and its reading."""

from pathlib import Path

CONFIG_FILE = Path("lm-eval-so.yaml")
"""Default of `--config`, importable without the models."""
