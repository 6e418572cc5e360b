"""Asking a model: one limiter, one retry table, one face for runner and judges."""
