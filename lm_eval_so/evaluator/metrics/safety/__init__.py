"""Metrics of behaviour and safety: refusals, personal data, toxic words."""
