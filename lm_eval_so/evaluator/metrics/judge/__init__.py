"""Metrics that ask a model for a verdict."""
