"""The stage `generate`: sources to a dataset."""
