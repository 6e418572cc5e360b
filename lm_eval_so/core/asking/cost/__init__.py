"""What requests cost: prices, estimates, the budget of a run."""
