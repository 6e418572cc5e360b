"""Columns of very many rows, and what stands where in them."""
