"""The folder of a run: rows, their places and totals, one writer, its fingerprint."""
