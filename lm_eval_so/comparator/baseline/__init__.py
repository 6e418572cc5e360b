"""The baseline: where it is found, whether a report may become it, and how it is measured anew."""
