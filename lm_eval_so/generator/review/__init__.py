"""Decisions of people about tests: read, kept beside the dataset, applied whenever it is made."""
