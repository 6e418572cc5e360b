"""Rows to scores: every metric called at the right time."""
