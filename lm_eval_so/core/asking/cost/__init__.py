"""Costs of requests: prices, estimates, the budget of a run."""
