"""Two reports to a verdict: the command `compare`."""
