"""Twins: a question as another user would type it, without a model."""
