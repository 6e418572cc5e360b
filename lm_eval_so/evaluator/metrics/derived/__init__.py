"""Metrics made of other metrics, repeats or related samples."""
