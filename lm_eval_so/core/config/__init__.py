"""The models of `lm-eval-so.yaml`, and its reading."""

from pathlib import Path

CONFIG_FILE = Path("lm-eval-so.yaml")
"""The default of `--config`; here, since the command line needs it before any model is imported."""
