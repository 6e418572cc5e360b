"""Sources to dataset: the command `generate`."""
