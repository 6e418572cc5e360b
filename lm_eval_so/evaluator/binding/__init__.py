"""Metrics of a config: checked, built, and bound to judges, baselines and embedders."""
