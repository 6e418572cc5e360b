"""Tools that look after a dataset: validate, show, diff, convert."""
