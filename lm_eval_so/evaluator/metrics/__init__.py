"""Metrics: the base and the table here, the built-in ones in rooms by what they measure."""
