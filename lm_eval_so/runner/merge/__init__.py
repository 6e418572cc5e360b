"""Merging the parts of a run that several machines asked."""
