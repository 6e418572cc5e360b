"""RequestSettings by a batch service."""
