"""Judges as instruments: their votes, and how far these can be trusted."""
