"""Permits of the workflow for a config: code that runs, and hosts that get keys."""
