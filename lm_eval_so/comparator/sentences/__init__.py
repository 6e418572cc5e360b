"""Verdicts in plain sentences."""
