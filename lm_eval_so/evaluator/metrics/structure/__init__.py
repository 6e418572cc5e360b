"""Metrics of structured output: JSON, calls of tools, retrieved passages."""
