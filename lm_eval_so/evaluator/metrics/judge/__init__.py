"""Metrics whose values come from judges, and the panel that asks these."""
