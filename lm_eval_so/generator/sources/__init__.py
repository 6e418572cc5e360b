"""Readers of source formats, and the files they read."""
