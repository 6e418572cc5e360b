"""Escaping of hostile text by its place, and templates that accept nothing else."""
