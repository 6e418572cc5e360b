"""Hostile text made safe by the place where it stands, and the templates that accept nothing else."""
