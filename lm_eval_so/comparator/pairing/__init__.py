"""Which samples of two reports are the same."""
