"""Metrics of the form: length, language, politeness, instructions."""
