"""The GitHub side of `ci`: the surroundings, the place of the baseline, and everything told there."""
