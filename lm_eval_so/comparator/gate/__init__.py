"""The gate: thresholds, confirmation, verdicts of metrics and run, exit code."""
