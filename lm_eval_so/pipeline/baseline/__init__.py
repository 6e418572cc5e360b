"""Replacing the baseline on purpose: `update.py` writes the file, `output.py` words the result."""
