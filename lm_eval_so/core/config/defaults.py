"""Defaults that the command line needs before any config is read."""

from pathlib import Path

CONFIG_FILE = Path("lm-eval-so.yaml")
