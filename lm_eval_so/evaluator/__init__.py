"""Answers to scores: the command `evaluate`."""
