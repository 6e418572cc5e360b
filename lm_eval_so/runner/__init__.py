"""Dataset to answers: the command `run`."""
