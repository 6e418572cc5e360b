"""Metrics of the wording: keywords, overlap with a reference, numbers, choices, embeddings."""
