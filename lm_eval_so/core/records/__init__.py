"""Frozen records: one module per file format."""
