"""Scores summed up: figures by metric and slice, and the report."""
