"""From findings to verdicts: thresholds, confirmation, the verdict of the run and its exit code."""
