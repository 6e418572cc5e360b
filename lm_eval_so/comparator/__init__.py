"""The comparison of two reports, to a verdict."""
