"""The root app and a module for each command; `run` is in `runner/cli.py`, where its import is public."""
