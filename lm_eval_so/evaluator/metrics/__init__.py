"""The metrics, one family a module."""
