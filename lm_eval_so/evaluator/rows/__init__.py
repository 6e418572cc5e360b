"""Rows of a run: samples joined with their answers, and the sheet of their scores."""
