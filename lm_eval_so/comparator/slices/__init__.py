"""Slices: samples with something in common, compared by themselves."""
