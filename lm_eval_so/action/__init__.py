"""GitHub: events, inputs, outputs and the pull request comment."""
