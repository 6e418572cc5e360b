"""The dataset on disk as earlier runs and people left it."""
